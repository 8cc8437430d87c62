/* SPDX-License-Identifier: Apache-2.0
 * Forwards between pods by a table, without endpoints, policy or anything: what a test of the pipeline itself needs.
 * FORWARD_MARKER makes variants that differ in code; FORWARD_WIDE one whose tables have more members,
 * FORWARD_WIDER one with a wider member.
 */
#include <patchbay/stage.h>

#ifndef FORWARD_MARKER
#define FORWARD_MARKER 0
#endif

struct forward_target {
    __u32 ifindex;
#ifdef FORWARD_WIDE
    __u32 vlan;
#endif
#ifdef FORWARD_WIDER
    __u64 packets;
#else
    __u32 packets;
#endif
    __u8 mac[6];
    __u8 host_mac[6];
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct pb_addr);
    __type(value, struct forward_target);
} forward_table SEC(".maps");

/* Connections by nobody: keys that the datapath itself writes while a test exchanges the map's layout. */
struct forward_seen {
    __u32 packets;
#ifdef FORWARD_WIDE
    __u32 since;
#endif
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __type(key, __u32);
    __type(value, struct forward_seen);
} forward_seen SEC(".maps");

PB_STAGE(forward_pod_egress)
{
    struct forward_target *t = bpf_map_lookup_elem(&forward_table, &s->daddr);
    if (!t)
        return pb_drop(skb, cfg, s, PB_DROP_UNROUTABLE);
    s->dst_ifindex = t->ifindex;
    pb_memcpy(s->dst_mac, t->mac, 6);
    s->set_nat_port = FORWARD_MARKER;
    return pb_to_pod_ingress(skb, cfg);
}

PB_STAGE(forward_pod_ingress)
{
    struct forward_target *t = bpf_map_lookup_elem(&forward_table, &s->daddr);
    if (!t)
        return pb_drop(skb, cfg, s, PB_DROP_LOCAL_DELIVERY);
    __sync_fetch_and_add(&t->packets, 1);
    __u32 port = s->sport;
    struct forward_seen *seen = bpf_map_lookup_elem(&forward_seen, &port);
    if (seen) {
        __sync_fetch_and_add(&seen->packets, 1);
    } else {
        struct forward_seen one = {.packets = 1};
        bpf_map_update_elem(&forward_seen, &port, &one, BPF_NOEXIST);
    }
    __u32 ifindex = t->ifindex;
    __u8 macs[12];
    pb_memcpy(macs, t->mac, 6);
    pb_memcpy(macs + 6, t->host_mac, 6);
    if (bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0) < 0)
        return pb_drop(skb, cfg, s, PB_DROP_WRITE_ERROR);
    if (pb_flags(skb) & PB_F_INGRESS)
        return pb_verdict(skb, cfg, s, PB_TO_ENDPOINT, bpf_redirect_peer(ifindex, 0));
    skb->mark = (skb->mark & ~PB_MARK_MASK) | PB_MARK_DELIVER;
    return pb_verdict(skb, cfg, s, PB_TO_ENDPOINT, bpf_redirect(ifindex, 0));
}

PB_LICENSE;
