/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PATCHBAY_ENDPOINTS_H
#define PATCHBAY_ENDPOINTS_H
#include "stage.h"
/* Owner: endpoint. Address of a pod of this node (and the node's own addresses, PB_EP_HOST) -> where it is. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, struct pb_addr);
    __type(value, struct pb_endpoint);
} endpoints SEC(".maps");

/* Notes who gets the packet, for all later stages of the pass. */
static __always_inline void pb_set_receiver(struct pb_scratch *s, const struct pb_endpoint *ep)
{
    s->dst_ifindex = ep->ifindex;
    s->dst_ep = ep->id;
    pb_memcpy(s->dst_mac, ep->mac, sizeof(s->dst_mac));
    pb_memcpy(s->dst_host_mac, ep->host_mac, sizeof(s->dst_host_mac));
    s->dst_identity = ep->identity;
    s->dst_policy_id = ep->policy_id;
    s->dst_flags = ep->flags;
}
#endif
