/* SPDX-License-Identifier: Apache-2.0
 * The preambles: attached once per device, never replaced by a switch. Each reads the epoch, stamps it into the
 * packet's context, counts the packet and enters the generation in charge. The guards behind them stop what no
 * generation took charge of (with forwarding on, the kernel would route such a packet around policy).
 */
#include <patchbay/stage.h>
#include <patchbay/endpoints.h>
#include <patchbay/node_config.h>

/* First stage of each hook for each slot: index hook * PB_SLOTS + slot. */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, PB_HOOKS * PB_SLOTS);
    __type(key, __u32);
    __type(value, __u32);
} pb_entries SEC(".maps");

/* Returns only when no generation took the packet: TC_ACT_UNSPEC without one, `hole` when its first stage is missing. */
static __always_inline int pb_enter(struct __sk_buff *skb, __u32 hook, __u32 flags, int hole)
{
    __u32 zero = 0;
    __u32 *e = bpf_map_lookup_elem(&pb_epoch, &zero);
    __u32 epoch = e ? PB_READ_ONCE(*e) : 0;
    if (!epoch)
        return TC_ACT_UNSPEC;
    __u32 index = hook * PB_SLOTS + PB_SLOT(epoch);
    skb->cb[PB_CB_META] = (epoch & 0xff) | (hook << 8) | flags;
    skb->cb[PB_CB_SRC] = 0;
    skb->cb[PB_CB_DST] = 0;
    skb->cb[PB_CB_OFF] = 0;
    skb->cb[PB_CB_EP] = 0;
    __u32 segments = pb_segments(skb);
    pb_count(&pb_in, index, segments);
    bpf_tail_call(skb, &pb_entries, index);
    pb_count(&pb_out, index * 256 + PB_DROP_HOLE, segments);
    return hole;
}

static __always_inline int pb_dropped_without_generation(struct __sk_buff *skb, __u32 hook)
{
    pb_count(&pb_unprocessed, hook, pb_segments(skb));
    return TC_ACT_SHOT;
}

/* Without a generation node devices carry the node's own traffic (kubelet, ssh, API server), never that of pods. */
static __always_inline int pb_netdev_without_generation(struct __sk_buff *skb, __u32 hook)
{
    struct pb_addr a = {};
    __be32 v4[2];
    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr), v4, sizeof(v4)) == 0) {
            pb_addr_v4(&a, v4[0]);
            if (bpf_map_lookup_elem(&endpoints, &a))
                return pb_dropped_without_generation(skb, hook);
            pb_addr_v4(&a, v4[1]);
            if (bpf_map_lookup_elem(&endpoints, &a))
                return pb_dropped_without_generation(skb, hook);
        }
    } else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
        if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, saddr), &a, sizeof(a)) == 0
            && bpf_map_lookup_elem(&endpoints, &a))
            return pb_dropped_without_generation(skb, hook);
        if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, daddr), &a, sizeof(a)) == 0
            && bpf_map_lookup_elem(&endpoints, &a))
            return pb_dropped_without_generation(skb, hook);
    }
    return TC_ACT_UNSPEC;
}

/* Pod devices: no verdict of ours means the guard behind us drops. */
SEC("tc") int pb_pod_egress(struct __sk_buff *skb)
{
    return pb_enter(skb, PB_HOOK_POD_EGRESS, PB_F_INGRESS, TC_ACT_SHOT);
}

SEC("tc") int pb_pod_egress_guard(struct __sk_buff *skb)
{
    return pb_dropped_without_generation(skb, PB_HOOK_POD_EGRESS);
}

/* What pod-ingress has passed carries the mark; everything else came through the kernel and goes through it now. */
SEC("tc") int pb_pod_ingress(struct __sk_buff *skb)
{
    if ((skb->mark & PB_MARK_MASK) == PB_MARK_DELIVER)
        return TC_ACT_OK;
    return pb_enter(skb, PB_HOOK_POD_INGRESS, 0, TC_ACT_SHOT);
}

SEC("tc") int pb_pod_ingress_guard(struct __sk_buff *skb)
{
    if ((skb->mark & PB_MARK_MASK) == PB_MARK_DELIVER)
        return TC_ACT_OK;
    return pb_dropped_without_generation(skb, PB_HOOK_POD_INGRESS);
}

SEC("tc") int pb_overlay_ingress(struct __sk_buff *skb)
{
    return pb_enter(skb, PB_HOOK_OVERLAY_INGRESS, PB_F_INGRESS, TC_ACT_SHOT);
}

SEC("tc") int pb_overlay_ingress_guard(struct __sk_buff *skb)
{
    return pb_dropped_without_generation(skb, PB_HOOK_OVERLAY_INGRESS);
}

SEC("tc") int pb_host_egress(struct __sk_buff *skb)
{
    return pb_enter(skb, PB_HOOK_HOST_EGRESS, PB_F_HOST, TC_ACT_SHOT);
}

SEC("tc") int pb_host_egress_guard(struct __sk_buff *skb)
{
    return pb_dropped_without_generation(skb, PB_HOOK_HOST_EGRESS);
}

SEC("tc") int pb_netdev_ingress(struct __sk_buff *skb)
{
    int act = pb_enter(skb, PB_HOOK_NETDEV_INGRESS, PB_F_INGRESS, TC_ACT_UNSPEC);
    return act == TC_ACT_UNSPEC ? pb_netdev_without_generation(skb, PB_HOOK_NETDEV_INGRESS) : act;
}

/* Packets that the pipeline itself sent out of the device are not looked at again. */
SEC("tc") int pb_netdev_egress(struct __sk_buff *skb)
{
    __u32 mark = skb->mark & PB_MARK_MASK;
    if (mark == PB_MARK_SNAT_DONE || mark == PB_MARK_NETWORK)
        return TC_ACT_UNSPEC;
    int act = pb_enter(skb, PB_HOOK_NETDEV_EGRESS, 0, TC_ACT_UNSPEC);
    return act == TC_ACT_UNSPEC ? pb_netdev_without_generation(skb, PB_HOOK_NETDEV_EGRESS) : act;
}

PB_LICENSE;
