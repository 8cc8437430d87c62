/* SPDX-License-Identifier: Apache-2.0
 * For tests of single stages: where the stage under test went on to, and packets as a tunnel device would give them. */
#include <patchbay/stage.h>

SEC("tc") int caught_next(struct __sk_buff *skb) { return 100; }
SEC("tc") int caught_pod_ingress(struct __sk_buff *skb) { return 101; }

struct kit_tunnel {
    __u32 vni;
    __u32 sender; /* IPv4, host byte order */
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct kit_tunnel);
} kit_tunnel SEC(".maps");

/* Gives the packet the metadata of one that came out of a tunnel, then goes to the stage in slot 3. */
SEC("tc") int from_tunnel(struct __sk_buff *skb)
{
    __u32 zero = 0;
    struct bpf_tunnel_key key = {};
    struct kit_tunnel *t = bpf_map_lookup_elem(&kit_tunnel, &zero);
    if (!t)
        return TC_ACT_SHOT;
    key.tunnel_id = t->vni;
    /* Where a received packet's sender is, one to be sent has its own address. */
    key.local_ipv4 = t->sender;
    key.remote_ipv4 = t->sender;
    if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 0) < 0)
        return TC_ACT_SHOT;
    bpf_tail_call(skb, &pb_chain, 3);
    return TC_ACT_SHOT;
}

PB_LICENSE;
