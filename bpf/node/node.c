/* SPDX-License-Identifier: Apache-2.0
 * node: what this node's own stack sends to pods, at the egress of pb_host. With forwarding on, the kernel could also send
 * here what came from elsewhere: only the node's own addresses pass, so that nothing borrows the host's identity.
 */
#include <patchbay/stage.h>
#include <patchbay/endpoints.h>
#include <patchbay/node_config.h>

#define PB_ID_HOST 1

static __always_inline bool pb_is_node_address(const struct pb_addr *a)
{
    __u32 zero = 0;
    struct pb_node_config *node = bpf_map_lookup_elem(&node_config, &zero);
    if (node && (pb_addr_eq(a, &node->router_ip4) || pb_addr_eq(a, &node->node_ip4)))
        return true;
    /* the node's further addresses */
    struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, a);
    return ep && (ep->flags & PB_EP_HOST);
}

PB_STAGE(host_source)
{
    if (!pb_is_node_address(&s->saddr))
        return pb_drop(skb, cfg, s, PB_DROP_INVALID_SIP);
    skb->cb[PB_CB_SRC] = PB_ID_HOST;
    pb_set_flag(skb, PB_F_HOST);
    return pb_next(skb, cfg);
}

PB_LICENSE;
