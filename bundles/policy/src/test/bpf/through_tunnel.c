/* SPDX-License-Identifier: Apache-2.0
 * A packet as the tunnel device gives it, with the metadata of its sender, into the preamble of the overlay's hook. */
#include <patchbay/stage.h>

struct tunnel_sender {
    __u32 vni;
    __u32 node; /* IPv4, host byte order */
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct tunnel_sender);
} tunnel_sender SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} preamble SEC(".maps");

SEC("tc") int through_tunnel(struct __sk_buff *skb)
{
    __u32 zero = 0;
    struct bpf_tunnel_key key = {};
    struct tunnel_sender *t = bpf_map_lookup_elem(&tunnel_sender, &zero);
    if (!t)
        return TC_ACT_SHOT;
    key.tunnel_id = t->vni;
    /* Where a received packet has its sender, one to be sent has its own address. */
    key.local_ipv4 = t->node;
    key.remote_ipv4 = t->node;
    if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 0) < 0)
        return TC_ACT_SHOT;
    bpf_tail_call(skb, &preamble, 0);
    return TC_ACT_SHOT;
}

PB_LICENSE;
