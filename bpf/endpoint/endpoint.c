/* SPDX-License-Identifier: Apache-2.0
 * endpoint: who sends and who receives. source_check admits only what carries the address and the MAC of the pod
 * behind the device; receiver finds the pod that a packet is for, whatever the hook it came through. With a host firewall
 * the node itself is a receiver too.
 */
#include <patchbay/stage.h>
#include <patchbay/endpoints.h>

/* What later stages know of the pod that this pass is about. */
static __always_inline void pb_set_endpoint(struct __sk_buff *skb, struct pb_scratch *s, const struct pb_endpoint *ep)
{
    pb_set_ep_id(skb, ep->id);
    s->ep_policy_id = ep->policy_id;
    s->ep_flags = ep->flags;
    s->ep_ifindex = ep->ifindex;
}

static __always_inline bool pb_mac_is(const __u8 *a, const __u8 *b)
{
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4] && a[5] == b[5];
}

/* pod-egress: an address of another pod, of the node or of nobody never leaves a pod's device. */
static __always_inline int pb_check_sender(struct __sk_buff *skb, struct pb_scratch *s)
{
    struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, &s->saddr);
    if (!ep || (ep->flags & PB_EP_HOST) || ep->ifindex != skb->ifindex)
        return PB_DROP_INVALID_SIP;
    if (!pb_pull(skb, ETH_HLEN))
        return PB_DROP_INVALID;
    void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
    struct ethhdr *eth = data;
    if (data + sizeof(*eth) > end)
        return PB_DROP_INVALID;
    if (!pb_mac_is(eth->h_source, ep->mac))
        return PB_DROP_INVALID_SMAC;
    if (ep->flags & PB_EP_NOT_READY)
        return PB_DROP_ENDPOINT_NOT_READY;
    pb_set_endpoint(skb, s, ep);
    skb->cb[PB_CB_SRC] = ep->identity;
    return 0;
}

PB_STAGE(source_check)
{
    int code = pb_check_sender(skb, s);
    return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
}

/* pod-ingress: by tail call from any hook (PB_F_LOCAL), or at the egress of the pod's own device. There the kernel's
 * routing chose the device, and only the pod behind it may be meant. */
static __always_inline int pb_find_receiver(struct __sk_buff *skb, struct pb_scratch *s)
{
    struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, &s->daddr);
    if (!ep)
        return PB_DROP_LOCAL_DELIVERY;
    /* The node itself: routing sends its packets here only when policy is to be asked. */
    if (!(pb_flags(skb) & PB_F_LOCAL) && ((ep->flags & PB_EP_HOST) || ep->ifindex != skb->ifindex))
        return PB_DROP_LOCAL_DELIVERY;
    if (ep->flags & PB_EP_NOT_READY)
        return PB_DROP_ENDPOINT_NOT_READY;
    pb_set_endpoint(skb, s, ep);
    s->dst_ifindex = ep->ifindex;
    s->dst_ep = ep->id;
    pb_memcpy(s->dst_mac, ep->mac, sizeof(s->dst_mac));
    skb->cb[PB_CB_DST] = ep->identity;
    return 0;
}

PB_STAGE(receiver)
{
    int code = pb_find_receiver(skb, s);
    return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
}

PB_LICENSE;
