/* SPDX-License-Identifier: Apache-2.0
 * Routing: where a packet goes. `route` decides and, for a pod of this node, enters its pod-ingress; `deliver` hands the
 * packet to the pod; `leave` hands it to the node or to the network. What leaves for the overlay is vxlan's between them.
 * A pod's packet never goes through the kernel's forwarding, which would carry it around policy.
 */
#include <patchbay/answer.h>
#include <patchbay/host.h>

#define VXLAN_OVERHEAD 50 /* Ethernet 14, IPv4 20, UDP 8, VXLAN 8 */
#define PACKET_HOST 0

static __always_inline bool is_of_own_pods(const struct pb_node_config *n, const struct pb_addr *a)
{
    if (pb_addr_is_v4(a))
        return n->pod_cidr4_len && pb_addr_in(a, &n->pod_cidr4, n->pod_cidr4_len);
    return n->pod_cidr6_len && pb_addr_in(a, &n->pod_cidr6, n->pod_cidr6_len);
}

static __always_inline bool is_multicast(const struct pb_addr *a)
{
    if (pb_addr_is_v4(a))
        return (bpf_ntohl(a->w[3]) >> 28) == 0xe || a->w[3] == 0xffffffff;
    return (bpf_ntohl(a->w[0]) >> 24) == 0xff || (bpf_ntohl(a->w[0]) >> 22) == 0x3fa; /* and link-local, fe80::/10 */
}

enum { GO_NEXT = 0, GO_POD = 1 }; /* other results: a verdict */

/* Packets that pods and the node itself send. */
static __always_inline int decide(struct __sk_buff *skb, struct pb_scratch *s, bool from_pod)
{
    struct pb_node_config *n = pb_node();
    if (!n)
        return PB_DROP_NO_CONFIG;
    struct pb_endpoint *ep = NULL;
    /* The source check has found it, unless it was a service's address then. */
    if (!s->dst_ifindex) {
        ep = bpf_map_lookup_elem(&endpoints, &s->daddr);
        if (ep && !(ep->flags & PB_EP_HOST))
            pb_set_receiver(s, ep);
    }
    if (s->dst_ifindex) {
        pb_set_route(skb, PB_ROUTE_LOCAL);
        int code = from_pod ? pb_hop(skb) : 0;
        return code ? code : GO_POD;
    }
    if (pb_is_own_address(n, ep, &s->daddr)) {
        /* The node's own packets to itself do not come this way. The last hop: no TTL is taken. */
        if (!from_pod)
            return PB_DROP_UNROUTABLE;
        pb_set_route(skb, PB_ROUTE_HOST);
        /* The node is a subject of policy: leave sends the packet to it as to a pod, and receiver looks it up. */
        if (ep && ep->policy_id)
            s->dst_ep = ep->id;
        return GO_NEXT;
    }
    if (is_multicast(&s->daddr))
        return PB_DROP_UNROUTABLE;
    bool overlay = !pb_addr_is_zero(&s->tunnel_ip);
    /* An address of our own pods that no pod has: out there it could only come back. */
    if (!overlay && is_of_own_pods(n, &s->daddr))
        return PB_DROP_UNROUTABLE;
    pb_set_route(skb, overlay ? PB_ROUTE_OVERLAY : PB_ROUTE_NETWORK);
    return from_pod ? pb_hop(skb) : 0;
}

PB_STAGE(route_pod_egress)
{
    int code = decide(skb, s, true);
    if (code == GO_POD)
        return pb_to_pod_ingress(skb, cfg);
    if (code == PB_DROP_TTL_EXCEEDED) {
        /* It goes nowhere but to the stage that answers. */
        pb_set_route(skb, PB_ROUTE_NONE);
        code = GO_NEXT;
    }
    if (code == GO_NEXT)
        return pb_next(skb, cfg);
    return pb_drop(skb, cfg, s, code);
}

PB_STAGE(route_host_egress)
{
    int code = decide(skb, s, false);
    if (code == GO_POD)
        return pb_to_pod_ingress(skb, cfg);
    if (code == GO_NEXT)
        return pb_next(skb, cfg);
    return pb_drop(skb, cfg, s, code);
}

/* Out of the tunnel come packets for pods of this node and for the node's own addresses; nothing is forwarded. */
PB_STAGE(route_overlay_ingress)
{
    struct pb_node_config *n = pb_node();
    struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, &s->daddr);
    int code = PB_DROP_UNROUTABLE, act = TC_ACT_SHOT;
    if (ep && !(ep->flags & PB_EP_HOST)) {
        pb_set_receiver(s, ep);
        pb_set_route(skb, PB_ROUTE_LOCAL);
        code = pb_hop(skb);
        if (!code)
            return pb_to_pod_ingress(skb, cfg);
    } else if (n && pb_is_own_address(n, ep, &s->daddr)) {
        pb_set_route(skb, PB_ROUTE_HOST);
        if (ep && ep->policy_id)
            return pb_to_pod_ingress(skb, cfg);
        code = pb_to_host(skb, n, &act);
    }
    return pb_verdict(skb, cfg, s, code, act);
}

PB_STAGE(route_netdev_ingress)
{
    struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, &s->daddr);
    if (!ep)
        return pb_next(skb, cfg);
    if (ep->flags & PB_EP_HOST) {
        if (!ep->policy_id)
            return pb_next(skb, cfg);
        pb_set_route(skb, PB_ROUTE_HOST);
        return pb_to_pod_ingress(skb, cfg);
    }
    pb_set_receiver(s, ep);
    pb_set_route(skb, PB_ROUTE_LOCAL);
    int code = pb_hop(skb);
    if (!code)
        return pb_to_pod_ingress(skb, cfg);
    return pb_drop(skb, cfg, s, code);
}

/* The end of pod-ingress for the node itself: policy has let the packet pass. */
static __always_inline int deliver_host(struct __sk_buff *skb, int *act)
{
    if (pb_hook_entered(skb) == PB_HOOK_NETDEV_INGRESS) {
        *act = TC_ACT_UNSPEC;
        return PB_TO_STACK;
    }
    struct pb_node_config *n = pb_node();
    return n ? pb_to_host(skb, n, act) : PB_DROP_NO_CONFIG;
}

/* The end of pod-ingress: into the pod that `receiver` found. */
PB_STAGE(deliver)
{
    int code, act = TC_ACT_SHOT;
    if (s->ep_flags & PB_EP_HOST) {
        code = deliver_host(skb, &act);
        goto out;
    }
    if (!s->dst_ifindex) {
        code = PB_DROP_LOCAL_DELIVERY;
        goto out;
    }
    code = pb_set_macs(skb, s->dst_mac, s->dst_host_mac);
    if (code)
        goto out;
    code = PB_TO_ENDPOINT;
    if (!(pb_flags(skb) & PB_F_LOCAL)) {
        /* Already on the pod's own device. */
        act = TC_ACT_OK;
    } else if ((pb_flags(skb) & PB_F_INGRESS) && !(s->ep_flags & PB_EP_NO_PEER)) {
        /* Straight into the pod: the device decided on the frame's address as it came whom it is for; not so any more. */
        if (skb->pkt_type != PACKET_HOST)
            bpf_skb_change_type(skb, PACKET_HOST);
        act = bpf_redirect_peer(s->dst_ifindex, 0);
    } else {
        pb_set_mark(skb, PB_MARK_DELIVER);
        act = bpf_redirect(s->dst_ifindex, 0);
    }
out:
    return pb_verdict(skb, cfg, s, code, act);
}

/* Behind encapsulation and masquerade: to the node itself, or out of its device. */
static __always_inline int leave(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s)
{
    struct pb_node_config *n = pb_node();
    int code = PB_DROP_NO_CONFIG, act = TC_ACT_SHOT;
    __u32 route = pb_route(skb);
    if (route != PB_ROUTE_HOST && route != PB_ROUTE_NETWORK)
        return pb_next(skb, cfg); /* an overlay that nobody serves: the end drops it */
    if (route == PB_ROUTE_HOST && s->dst_ep)
        return pb_to_pod_ingress(skb, cfg);
    if (n && route == PB_ROUTE_HOST) {
        code = pb_to_host(skb, n, &act);
    } else if (n && n->netdev_ifindex) {
        pb_set_mark(skb, pb_flags(skb) & PB_F_MASQ ? PB_MARK_SNAT_DONE : PB_MARK_NETWORK);
        act = bpf_redirect_neigh(n->netdev_ifindex, 0, 0, 0);
        code = PB_TO_NETWORK;
    }
    return pb_verdict(skb, cfg, s, code, code >= 128 ? TC_ACT_SHOT : act);
}

PB_STAGE(leave_pod_egress) { return leave(skb, cfg, s); }
PB_STAGE(leave_host_egress) { return leave(skb, cfg, s); }

/* ---- too big for the way, or too many hops: tell the sender (RFC 1191, RFC 792, RFC 4443 3.2 and 3.3) ----
 * Each answer is small and goes to the pod that sent the packet, so a flood costs nobody else: no limit of a rate. */

/* MTU of the way when a packet, or a segment of it, is larger; 0: it fits. */
static __always_inline __u32 too_big_for(struct __sk_buff *skb, const struct pb_scratch *s, __u32 ifindex, __u32 overhead)
{
    __u32 mtu = 0, len = skb->len - ETH_HLEN;
    if (bpf_check_mtu(skb, ifindex, &mtu, 0, 0) < 0 || mtu <= overhead)
        return 0; /* no such device: the redirect finds out */
    if (skb->gso_size) {
        __u32 header = 8;
        if (s->proto == IPPROTO_TCP) {
            __u8 doff;
            if (bpf_skb_load_bytes(skb, pb_l4_off(skb) + 12, &doff, 1) < 0)
                return 0;
            header = (doff >> 4) * 4;
        }
        len = skb->gso_size + pb_l4_off(skb) - ETH_HLEN + header;
    }
    if (len + overhead <= mtu)
        return 0;
    return mtu - overhead > 65535 ? 65535 : mtu - overhead;
}

/* mtu 0: the TTL has run out. Too big without DF would have to be fragmented, which nobody does on this way; with IP options
 * it is rare enough to be dropped. */
static __always_inline int answer4(struct __sk_buff *skb, const struct pb_scratch *s, const struct pb_node_config *n, __u32 mtu, int *act)
{
    struct pb_icmp4 a;
    struct iphdr ip;
    if (!pb_icmp4_quote(skb, &a, &ip) || (mtu && !(ip.frag_off & bpf_htons(0x4000))))
        return PB_DROP_FRAG_NEEDED;
    /* The pod knows the connection by the service's address. */
    if (s->svc_id) {
        pb_memcpy(a.quoted + offsetof(struct iphdr, daddr), &s->svc_addr.w[3], 4);
        pb_memcpy(a.quoted + sizeof(struct iphdr) + 2, &s->svc_port, 2);
    }
    pb_icmp4_fill(&a, n->router_ip4.w[3] ? n->router_ip4.w[3] : n->node_ip4.w[3], ip.saddr, mtu ? ICMP_DEST_UNREACH : ICMP_TIME_EXCEEDED,
                  mtu ? ICMP_FRAG_NEEDED : 0, mtu);
    return pb_send_back(skb, &a, sizeof(a), act);
}

static __always_inline int answer6(struct __sk_buff *skb, const struct pb_scratch *s, const struct pb_node_config *n, __u32 mtu, int *act)
{
    struct pb_icmp6 a;
    struct pb_addr from, to;
    if (!pb_icmp6_quote(skb, &a))
        return PB_DROP_FRAG_NEEDED;
    from = pb_addr_is_zero(&n->router_ip6) ? n->node_ip6 : n->router_ip6;
    pb_memcpy(&to, a.quoted + offsetof(struct ipv6hdr, saddr), 16);
    if (s->svc_id) {
        pb_memcpy(a.quoted + offsetof(struct ipv6hdr, daddr), &s->svc_addr, 16);
        if (s->proto != IPPROTO_ICMPV6)
            pb_memcpy(a.quoted + sizeof(struct ipv6hdr) + 2, &s->svc_port, 2);
    }
    pb_icmp6_fill(&a, &from, &to, mtu ? ICMPV6_PKT_TOOBIG : ICMPV6_TIME_EXCEED, 0, mtu);
    return pb_send_back(skb, &a, sizeof(a), act);
}

/* A stage of its own, behind the decision: packets between pods of one node never meet it. */
PB_STAGE(too_big_pod_egress)
{
    struct pb_node_config *n = pb_node();
    __u32 route = pb_route(skb), mtu = 0;
    if (n && (route == PB_ROUTE_OVERLAY || route == PB_ROUTE_NETWORK))
        mtu = too_big_for(skb, s, n->netdev_ifindex, route == PB_ROUTE_OVERLAY ? VXLAN_OVERHEAD : 0);
    if (!mtu && (!n || route != PB_ROUTE_NONE))
        return pb_next(skb, cfg);
    int act = TC_ACT_SHOT;
    /* An answer to a later fragment would quote no ports; none is given to an error (RFC 1122 3.2.2). */
    int code = pb_flags(skb) & (PB_F_FRAG | PB_F_ICMPERR) ? PB_DROP_FRAG_NEEDED
             : pb_family(skb) == 4 ? answer4(skb, s, n, mtu, &act) : answer6(skb, s, n, mtu, &act);
    if (!mtu && code == PB_DROP_FRAG_NEEDED)
        code = PB_DROP_TTL_EXCEEDED;
    return pb_verdict(skb, cfg, s, code, code >= 128 ? TC_ACT_SHOT : act);
}

PB_LICENSE;
