/* SPDX-License-Identifier: Apache-2.0
 * The last stage of every hook: what no feature decided. A pod's packet that nobody routed is dropped; what passes a
 * node device and is nobody's business here goes on to the kernel.
 */
#include <patchbay/stage.h>
#include <patchbay/endpoints.h>

static __always_inline int pb_end_pod(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s)
{
    return pb_drop(skb, cfg, s, PB_DROP_UNROUTABLE);
}

/* Fail closed: a local pod's packet that got here was not delivered by a feature and must not be routed around them. */
static __always_inline int pb_end_netdev(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg,
                                         struct pb_scratch *s, const struct pb_addr *pod)
{
    struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, pod);
    if (ep && !(ep->flags & PB_EP_HOST))
        return pb_drop(skb, cfg, s, PB_DROP_UNROUTABLE);
    return pb_verdict(skb, cfg, s, PB_TO_STACK, TC_ACT_UNSPEC);
}

PB_STAGE(end_pod_egress) { return pb_end_pod(skb, cfg, s); }
PB_STAGE(end_pod_ingress) { return pb_end_pod(skb, cfg, s); }
PB_STAGE(end_overlay_ingress) { return pb_end_pod(skb, cfg, s); }
PB_STAGE(end_host_egress) { return pb_end_pod(skb, cfg, s); }
PB_STAGE(end_netdev_ingress) { return pb_end_netdev(skb, cfg, s, &s->daddr); }
PB_STAGE(end_netdev_egress) { return pb_end_netdev(skb, cfg, s, &s->saddr); }

PB_LICENSE;
