/* SPDX-License-Identifier: Apache-2.0
 * The node itself as a receiver. Uses the maps endpoints and node_config. */
#ifndef PATCHBAY_HOST_H
#define PATCHBAY_HOST_H

#include "endpoints.h"
#include "node_config.h"
#include "packet.h"

static __always_inline struct pb_node_config *pb_node(void)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&node_config, &zero);
}

/* Whether an address is one of this node's own. `ep`: what endpoints has of it. */
static __always_inline bool pb_is_own_address(const struct pb_node_config *n, const struct pb_endpoint *ep, const struct pb_addr *a)
{
    if (ep)
        return ep->flags & PB_EP_HOST;
    if (pb_addr_is_v4(a))
        return pb_addr_eq(a, &n->node_ip4) || pb_addr_eq(a, &n->router_ip4);
    return pb_addr_eq(a, &n->node_ip6) || pb_addr_eq(a, &n->router_ip6);
}

/* Out of pb_net, so that the packet comes in on pb_host, where the pod CIDR's route points and rp_filter agrees. The verdict. */
static __always_inline int pb_to_host(struct __sk_buff *skb, const struct pb_node_config *n, int *act)
{
    if (!n->pb_net_ifindex)
        return PB_DROP_NO_CONFIG;
    int code = pb_set_macs(skb, n->pb_host_mac, n->pb_net_mac);
    if (code)
        return code;
    *act = bpf_redirect(n->pb_net_ifindex, 0);
    return PB_TO_HOST;
}
#endif
