/* SPDX-License-Identifier: Apache-2.0
 * node: what this node's own stack sends to pods, at the egress of pb_host. With forwarding on, the kernel could also send
 * here what came from elsewhere: only the node's own addresses pass, so that nothing borrows the host's identity. And what it
 * sends out of its devices, where it is a subject of policy.
 */
#include <patchbay/stage.h>
#include <patchbay/endpoints.h>
#include <patchbay/node_config.h>

#define PB_ID_HOST 1

/* The node sends. Where it is a subject of policy, conntrack and policy look at the packet. */
static __always_inline void pb_from_host(struct __sk_buff *skb, struct pb_scratch *s, const struct pb_endpoint *ep)
{
    skb->cb[PB_CB_SRC] = PB_ID_HOST;
    pb_set_flag(skb, PB_F_HOST);
    if (!ep || !ep->policy_id)
        return;
    pb_set_flag(skb, PB_F_HOST_POLICY);
    pb_set_ep_id(skb, ep->id);
    s->ep_policy_id = ep->policy_id;
    s->ep_flags = ep->flags;
    s->ep_ifindex = ep->ifindex;
}

PB_STAGE(host_source)
{
    struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, &s->saddr);
    if (!ep || !(ep->flags & PB_EP_HOST)) {
        __u32 zero = 0;
        struct pb_node_config *node = bpf_map_lookup_elem(&node_config, &zero);
        if (ep || !node || (!pb_addr_eq(&s->saddr, &node->router_ip4) && !pb_addr_eq(&s->saddr, &node->node_ip4)
                            && !pb_addr_eq(&s->saddr, &node->router_ip6) && !pb_addr_eq(&s->saddr, &node->node_ip6)))
            return pb_drop(skb, cfg, s, PB_DROP_INVALID_SIP);
    }
    pb_from_host(skb, s, ep);
    return pb_next(skb, cfg);
}

/* Out of a node device. What the tunnel's device sends holds packets of pods, which have been judged. */
PB_STAGE(host_sender)
{
    if ((skb->mark & PB_MARK_MASK) != PB_MARK_OVERLAY) {
        struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, &s->saddr);
        if (ep && (ep->flags & PB_EP_HOST) && ep->policy_id)
            pb_from_host(skb, s, ep);
    }
    return pb_next(skb, cfg);
}

PB_LICENSE;
