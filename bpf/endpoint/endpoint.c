/* SPDX-License-Identifier: Apache-2.0
 * endpoint: who sends and who receives. source_check admits only what carries the address and the MAC of the pod
 * behind the device; receiver finds the pod that a packet is for, whatever the hook it came through. With a host firewall
 * the node itself is a receiver too.
 */
#include <patchbay/packet.h>
#include <patchbay/endpoints.h>

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
    pb_set_ep_id(skb, ep->id);
    s->ep_policy_id = ep->policy_id;
    s->ep_flags = ep->flags;
    s->ep_ifindex = ep->ifindex;
    skb->cb[PB_CB_SRC] = ep->identity;
    /* The receiver, if it is a pod here: one look-up for all stages that want to know, instead of one for each. */
    ep = bpf_map_lookup_elem(&endpoints, &s->daddr);
    if (ep && !(ep->flags & PB_EP_HOST))
        pb_set_receiver(s, ep);
    return 0;
}

/* ---- what IPv6 says on its own link, of which the pod's device is all (RFC 4861, RFC 3810): it ends here, before policy ---- */

static __always_inline bool pb_is_link_talk(const struct pb_scratch *s)
{
    return s->proto == IPPROTO_ICMPV6
        && ((s->icmp_type >= ICMPV6_MLD_QUERY && s->icmp_type <= ICMPV6_REDIRECT) || s->icmp_type == ICMPV6_MLD2_REPORT);
}

struct pb_advertisement {
    struct ipv6hdr ip;
    __u8 icmp[8];
    struct pb_addr target;
    __u8 option[8]; /* target link-layer address */
};

/* The host's end is the way to everything that the pod may ask for but itself. A pod has the router as a permanent neighbour and
 * asks only when somebody has removed that. `0`: to be consumed without an answer. */
static __always_inline int pb_advertise(struct __sk_buff *skb, const struct pb_scratch *s, const struct pb_endpoint *ep, int *act)
{
    struct pb_advertisement a;
    struct {
        struct pb_addr from, to;
        __be32 len, next;
    } pseudo;
    __u8 hops;
    __u32 l3 = pb_l3_off(skb);
    pb_memset(&a, 0, sizeof(a));
    if (bpf_skb_load_bytes(skb, pb_l4_off(skb) + 8, &a.target, sizeof(a.target)) < 0
        || bpf_skb_load_bytes(skb, l3 + offsetof(struct ipv6hdr, hop_limit), &hops, 1) < 0)
        return 0;
    if (hops != 255 || pb_addr_eq(&a.target, &s->saddr))
        return 0;
    pseudo.from = a.target;
    pseudo.to = s->saddr;
    pseudo.len = bpf_htonl(sizeof(a) - sizeof(a.ip));
    pseudo.next = bpf_htonl(IPPROTO_ICMPV6);
    a.ip.version = 6;
    a.ip.hop_limit = 255;
    a.ip.nexthdr = IPPROTO_ICMPV6;
    a.ip.payload_len = bpf_htons(sizeof(a) - sizeof(a.ip));
    pb_memcpy(&a.ip.saddr, &pseudo.from, 16);
    pb_memcpy(&a.ip.daddr, &pseudo.to, 16);
    a.icmp[0] = ICMPV6_NEIGHBOUR_ADVERTISEMENT;
    a.icmp[4] = 0xe0; /* router, solicited, override */
    a.option[0] = 2;
    a.option[1] = 1;
    pb_memcpy(a.option + 2, ep->host_mac, 6);
    __s64 part = bpf_csum_diff(0, 0, (void *)&pseudo, sizeof(pseudo), 0);
    __u64 sum = bpf_csum_diff(0, 0, (void *)a.icmp, sizeof(a) - sizeof(a.ip), part);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    __u16 check = ~(sum + (sum >> 16));
    pb_memcpy(a.icmp + 2, &check, 2);
    if (bpf_skb_change_tail(skb, ETH_HLEN + sizeof(a), 0) < 0)
        return 0;
    if (pb_set_macs(skb, ep->mac, ep->host_mac) || bpf_skb_store_bytes(skb, ETH_HLEN, &a, sizeof(a), 0) < 0)
        return PB_DROP_WRITE_ERROR;
    pb_set_mark(skb, PB_MARK_DELIVER);
    *act = bpf_redirect(skb->ifindex, 0);
    return PB_ANSWERED;
}

static __always_inline int pb_link_talk(struct __sk_buff *skb, const struct pb_scratch *s, int *act)
{
    struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, &s->saddr);
    int code = 0;
    if (s->icmp_type == ICMPV6_NEIGHBOUR_SOLICITATION && ep && !(ep->flags & PB_EP_HOST) && ep->ifindex == skb->ifindex)
        code = pb_advertise(skb, s, ep, act);
    return code ? code : PB_ANSWERED;
}

PB_STAGE(source_check)
{
    if (pb_is_link_talk(s)) {
        int act = TC_ACT_SHOT, answer = pb_link_talk(skb, s, &act);
        return pb_verdict(skb, cfg, s, answer, act);
    }
    int code = pb_check_sender(skb, s);
    return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
}

/* pod-ingress: by tail call from any hook (PB_F_LOCAL), where routing found the pod, or at the egress of the pod's own device.
 * There the kernel's routing chose the device, and only the pod behind it may be meant. */
static __always_inline int pb_find_receiver(struct __sk_buff *skb, struct pb_scratch *s)
{
    bool local = pb_flags(skb) & PB_F_LOCAL;
    if (!local || !s->dst_ifindex) {
        struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, &s->daddr);
        if (!ep)
            return PB_DROP_LOCAL_DELIVERY;
        /* The node itself: routing sends its packets here only when policy is to be asked. */
        if (!local && ((ep->flags & PB_EP_HOST) || ep->ifindex != skb->ifindex))
            return PB_DROP_LOCAL_DELIVERY;
        pb_set_receiver(s, ep);
    }
    if (s->dst_flags & PB_EP_NOT_READY)
        return PB_DROP_ENDPOINT_NOT_READY;
    pb_set_ep_id(skb, s->dst_ep);
    s->ep_policy_id = s->dst_policy_id;
    s->ep_flags = s->dst_flags;
    s->ep_ifindex = s->dst_ifindex;
    skb->cb[PB_CB_DST] = s->dst_identity;
    return 0;
}

PB_STAGE(receiver)
{
    int code = pb_find_receiver(skb, s);
    return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
}

PB_LICENSE;
