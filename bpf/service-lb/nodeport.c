/* SPDX-License-Identifier: Apache-2.0
 * Services from outside: NodePort, external and load balancer's addresses, host ports, at the node's devices.
 *
 * A backend on this node gets the packet with the client's address; its answers are given the service's address by the backend's own
 * side (reverse_pod_egress). A backend elsewhere must answer through this node: it sees this node's address and a port of our range (nat.h).
 */
#include "nat.h"
#include "answer.h"
#include <patchbay/host.h>
#include <patchbay/ipcache.h>

#define NAT_RANGE_KEY 32 /* bits of the frontend's number in front of an address */

/* Who may reach a frontend with LB_F_SOURCE_RANGES: its number, then the client's prefix. */
struct lb_range_key {
    __u32 prefixlen;
    __u32 frontend;
    struct pb_addr addr;
};
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct lb_range_key);
    __type(value, __u32);
} lb_ranges SEC(".maps");

/* To a backend elsewhere: through the tunnel where its address is behind one. The verdict. */
PB_FUNCTION int forward(struct __sk_buff *skb, struct pb_scratch *s, const struct pb_node_config *n, int *act)
{
    if (!s || !n || !act)
        return PB_DROP_NO_CONFIG;
    struct pb_addr to = s->daddr;
    struct pb_ipcache_value *v = pb_ipcache_lookup(&to);
    int code = pb_hop(skb);
    if (code)
        return code;
    if (v && v->identity)
        skb->cb[PB_CB_DST] = v->identity;
    if (n->tunnel_ifindex && v && !pb_addr_is_zero(&v->tunnel)) {
        struct bpf_tunnel_key key;
        __u64 flags = BPF_F_ZERO_CSUM_TX;
        pb_memset(&key, 0, sizeof(key));
        /* The backend's policy sees somebody from outside, not a node. */
        key.tunnel_id = PB_WORLD;
        key.tunnel_ttl = 64;
        if (pb_addr_is_v4(&v->tunnel)) {
            key.remote_ipv4 = bpf_ntohl(v->tunnel.w[3]);
        } else {
            pb_memcpy(key.remote_ipv6, &v->tunnel, 16);
            flags |= BPF_F_TUNINFO_IPV6;
        }
        if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags) < 0)
            return PB_DROP_WRITE_ERROR;
        pb_set_mark(skb, PB_MARK_OVERLAY);
        *act = bpf_redirect(n->tunnel_ifindex, 0);
        return PB_TO_OVERLAY;
    }
    pb_set_mark(skb, PB_MARK_SNAT_DONE);
    *act = bpf_redirect_neigh(n->netdev_ifindex, 0, 0, 0);
    return PB_TO_NETWORK;
}

static __always_inline bool is_own(const struct pb_node_config *n, const struct pb_addr *a)
{
    return pb_is_own_address(n, bpf_map_lookup_elem(&endpoints, a), a);
}

/* What a backend elsewhere, or a router on the way, says to a client: out of the device, or to a process of this node. The verdict. */
static __always_inline int to_client(struct __sk_buff *skb, const struct pb_node_config *n, const struct pb_addr *client, bool own, int *act)
{
    if (own && pb_hook_entered(skb) == PB_HOOK_NETDEV_INGRESS) {
        *act = TC_ACT_UNSPEC;
        return PB_TO_STACK;
    }
    if (own)
        return pb_to_host(skb, n, act);
    int code = pb_hop(skb);
    if (code)
        return code;
    pb_set_mark(skb, PB_MARK_SNAT_DONE);
    *act = bpf_redirect_neigh(n->netdev_ifindex, 0, 0, 0);
    return PB_TO_NETWORK;
}

/* An answer of a backend elsewhere: back to the client. LB_NOT_MINE, or a verdict. */
PB_FUNCTION int answer(struct __sk_buff *skb, struct pb_scratch *s, __u32 epoch, int *act)
{
    const volatile struct pb_stage_cfg cfg = {.epoch = epoch};
    struct lb_nat_key k;
    if (!s || !act)
        return LB_NOT_MINE;
    nat_key_of(&k, &s->daddr, &s->saddr, s->dport, s->sport, s->proto);
    __u64 now = bpf_ktime_get_ns();
    struct lb_nat *m = lb_nat_find(&cfg, &k);
    struct pb_node_config *n = pb_node();
    if (!m || m->expires <= now || !n || !n->netdev_ifindex)
        return LB_NOT_MINE;
    /* Undone at the device's other side. */
    if (nat_of_own_process(m, &k))
        return LB_NOT_MINE;
    struct pb_addr client = m->client;
    __be16 cport = m->cport;
    bool own = is_own(n, &client);
    /* It goes past the node's policy, as an answer: what opens a connection is none. */
    if (own && lb_syn(s))
        return LB_NOT_MINE;
    if (s->proto == IPPROTO_UDP)
        nat_until(m, now + LB_UDP);
    else if (s->tcp_flags & PB_TCP_RST)
        nat_until(m, now + LB_TCP_RST);
    s->ct_svc_addr = m->addr;
    s->ct_svc_port = m->port;
    int code = pb_rewrite(skb, s->proto, true, &s->saddr, &s->ct_svc_addr, s->sport, s->ct_svc_port);
    if (!code)
        code = pb_rewrite(skb, s->proto, false, &s->daddr, &client, s->dport, cport);
    if (code)
        return code;
    s->saddr = s->ct_svc_addr;
    s->sport = s->ct_svc_port;
    s->daddr = client;
    s->dport = cport;
    pb_set_flag(skb, PB_F_NAT);
    return to_client(skb, n, &client, own, act);
}

/* What a backend elsewhere answers to. The tunnel is IPv4's: of IPv6 it is the router address, whose way through the tunnel
 * every node knows. */
static __always_inline struct pb_addr own_address(const struct __sk_buff *skb, const struct pb_node_config *n)
{
    if (pb_family(skb) == 4)
        return n->node_ip4;
    return n->tunnel_ifindex && !pb_addr_is_zero(&n->router_ip6) ? n->router_ip6 : n->node_ip6;
}

/* ---- ICMP errors about what went through here: whoever gets one is to find in it what it sent itself ---- */

/* The quoted packet went from the client to the service, and is made to look so: from `m`'s client, for its service. */
static __always_inline int quote_as_asked(struct __sk_buff *skb, const struct pb_inner *in, const struct lb_nat *m)
{
    __be16 cport = m->cport, port = m->port;
    int code = pb_rewrite_quoted(skb, in, true, &m->client, cport);
    return code ? code : pb_rewrite_quoted(skb, in, false, &m->addr, port);
}

/* About what was forwarded to a backend elsewhere, said by the backend or on the way: to the client. */
static __always_inline int error_to_client(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s, const struct pb_inner *in, int *act)
{
    struct lb_nat_key k;
    __u32 port = bpf_ntohs(in->sport);
    if (port < NAT_PORT_MIN || port > NAT_PORT_MAX || !pb_addr_eq(&s->daddr, &in->saddr))
        return LB_NOT_MINE;
    nat_key_of(&k, &in->saddr, &in->daddr, in->sport, in->dport, in->proto);
    struct lb_nat *m = lb_nat_find(cfg, &k);
    struct pb_node_config *n = pb_node();
    if (!m || m->expires <= bpf_ktime_get_ns() || nat_of_own_process(m, &k) || !n || !n->netdev_ifindex)
        return LB_NOT_MINE;
    struct pb_addr client = m->client, addr = m->addr;
    int code = quote_as_asked(skb, in, m);
    if (!code && pb_addr_eq(&s->saddr, &in->daddr)) {
        code = pb_rewrite(skb, s->proto, true, &s->saddr, &addr, 0, 0);
        s->saddr = addr;
    }
    if (!code)
        code = pb_rewrite(skb, s->proto, false, &s->daddr, &client, 0, 0);
    s->daddr = client;
    if (code)
        return code;
    pb_set_flag(skb, PB_F_NAT);
    return to_client(skb, n, &client, is_own(n, &client), act);
}

/* About an answer, said by the client or on the way to it: to the backend. */
static __always_inline int error_to_backend(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s, const struct pb_inner *in, int *act)
{
    struct lb_flow *f = pb_addr_eq(&s->daddr, &in->saddr) ? lb_flow_of_answer(cfg, in) : 0;
    struct pb_node_config *n = pb_node();
    if (!f || !n || !n->netdev_ifindex)
        return LB_NOT_MINE;
    struct pb_addr addr = f->addr;
    __be16 port = f->port, nport = f->nat_port;
    struct pb_endpoint *local = bpf_map_lookup_elem(&endpoints, &addr);
    if (!local && !nport)
        return LB_NOT_MINE;
    int code = lb_error_to_backend(skb, s, in, &addr, port);
    if (code)
        return code;
    if (local) {
        /* A process of the node may know the client by another port; conntrack sees to that for a pod. */
        if ((local->flags & PB_EP_HOST) && nport)
            code = pb_rewrite_quoted(skb, in, false, &in->daddr, nport);
        return code ? code : LB_DONE;
    }
    struct pb_addr node = own_address(skb, n);
    code = pb_rewrite_quoted(skb, in, false, &node, nport);
    if (!code)
        code = pb_rewrite(skb, s->proto, true, &s->saddr, &node, 0, 0);
    s->saddr = node;
    if (code)
        return code;
    skb->cb[PB_CB_SRC] = pb_world_of(&node);
    return forward(skb, s, n, act);
}

/* Either, as a stage asks for it with its epoch. LB_NOT_MINE, LB_DONE or a verdict. */
PB_FUNCTION int about_request(struct __sk_buff *skb, struct pb_scratch *s, __u32 epoch, int *act)
{
    const volatile struct pb_stage_cfg cfg = {.epoch = epoch};
    struct pb_inner in;
    return s && act && pb_parse_inner(skb, &in) ? error_to_client(skb, &cfg, s, &in, act) : LB_NOT_MINE;
}

PB_FUNCTION int about_answer(struct __sk_buff *skb, struct pb_scratch *s, __u32 epoch, int *act)
{
    const volatile struct pb_stage_cfg cfg = {.epoch = epoch};
    struct pb_inner in;
    return s && act && pb_parse_inner(skb, &in) ? error_to_backend(skb, &cfg, s, &in, act) : LB_NOT_MINE;
}

/* Whether a client is in the source ranges of a frontend that has any. */
PB_FUNCTION int in_ranges(const struct pb_scratch *s, __u32 frontend)
{
    if (!s)
        return false;
    struct lb_range_key k = {.prefixlen = NAT_RANGE_KEY + 128, .frontend = frontend, .addr = s->saddr};
    return !!bpf_map_lookup_elem(&lb_ranges, &k);
}

/* A packet for a backend elsewhere: there, as from this node. The verdict; `epoch`: the stage's. */
PB_FUNCTION int to_remote(struct __sk_buff *skb, struct pb_scratch *s, const struct lb_choice *c, __u32 epoch, int *act)
{
    const volatile struct pb_stage_cfg cfg = {.epoch = epoch};
    struct lb_nat_key nat;
    struct pb_node_config *n = pb_node();
    if (!s || !c || !act || !n)
        return PB_DROP_NO_CONFIG;
    bool syn = lb_syn(s);
    struct pb_addr node = own_address(skb, n);
    if (pb_addr_is_zero(&node))
        return PB_DROP_NO_CONFIG;
    nat_key_of(&nat, &node, &c->addr, 0, c->port, s->proto);
    int code = nat_port(&cfg, &nat, s, c->nat_port);
    if (!code)
        code = lb_to_backend(skb, s, c);
    if (code)
        return code;
    code = pb_rewrite(skb, s->proto, true, &s->saddr, &nat.node, s->sport, nat.nport);
    if (code)
        return code;
    if (syn)
        pb_set_flag(skb, PB_F_TRACE);
    skb->cb[PB_CB_SRC] = pb_world_of(&s->svc_addr);
    return forward(skb, s, n, act);
}

/* A packet for a service: to its backend. LB_NOT_MINE: none of ours; LB_DONE: on with it; PB_ANSWERED: nobody is there, which is to be
 * said; or a verdict. */
static __always_inline int from_outside(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s, int *act)
{
    struct lb_service_key k = {.addr = s->daddr, .port = s->dport, .proto = s->proto};
    struct lb_choice c = {};
    struct lb_service *svc = lb_services_find(cfg, &k);
    if (!svc)
        return LB_NOT_MINE;
    if (svc->kind == LB_CLUSTER_IP)
        return PB_DROP_IS_CLUSTER_IP;
    if ((svc->flags & LB_F_SOURCE_RANGES) && !in_ranges(s, svc->id))
        return PB_DROP_NOT_IN_SRC_RANGE;
    int code = lb_flow_backend(cfg, svc, s, &c);
    if (code != LB_DONE)
        return code == PB_DROP_NO_SERVICE && !(svc->flags & LB_F_EXTERNAL_LOCAL) ? PB_ANSWERED : code;
    struct pb_endpoint *local = bpf_map_lookup_elem(&endpoints, &c.addr);
    struct pb_node_config *n = pb_node();
    if (!n || !n->netdev_ifindex)
        return PB_DROP_NO_CONFIG;
    /* Nothing in the kernel mends SCTP's checksum, which covers the ports. */
    if (s->proto == IPPROTO_SCTP && (!local || c.port != s->dport))
        return PB_DROP_UNSUPP_SERVICE_PROTO;
    lb_served(s, svc, &c);
    if (!local)
        return to_remote(skb, s, &c, cfg->epoch, act);
    code = lb_to_backend(skb, s, &c);
    if (code)
        return code;
    return local->flags & PB_EP_HOST ? own_process(skb, s, &s->saddr, c.nat_port) : LB_DONE;
}

PB_STAGE(service_netdev_ingress)
{
    int act = TC_ACT_SHOT, code = LB_NOT_MINE;
    if (pb_flags(skb) & PB_F_ICMPERR)
        return pb_next(skb, cfg);
    if (s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP || s->proto == IPPROTO_SCTP) {
        if (may_be_answer(s))
            code = answer(skb, s, cfg->epoch, &act);
        if (code == LB_NOT_MINE)
            code = from_outside(skb, cfg, s, &act);
    }
    if (code == PB_ANSWERED)
        return pb_next(skb, cfg);
    if (code == LB_NOT_MINE || code == LB_DONE)
        return pb_skip(skb, cfg);
    return pb_verdict(skb, cfg, s, code, act);
}

/* What is seldom: ICMP errors, and packets for a service that nobody serves. */
PB_STAGE(service_netdev_ingress_aside)
{
    int act = TC_ACT_SHOT, code = PB_DROP_NO_SERVICE;
    if (pb_flags(skb) & PB_F_ICMPERR) {
        code = about_request(skb, s, cfg->epoch, &act);
        if (code == LB_NOT_MINE)
            code = about_answer(skb, s, cfg->epoch, &act);
    } else {
        act = lb_answer(skb, s);
        pb_set_mark(skb, PB_MARK_NETWORK);
    }
    if (code == LB_NOT_MINE || code == LB_DONE)
        return pb_next(skb, cfg);
    return pb_verdict(skb, cfg, s, code, act);
}

/* Out of the tunnel: answers for clients outside, and what another node forwards to a pod of this one. */
PB_STAGE(service_overlay_ingress)
{
    int act = TC_ACT_SHOT, code = LB_NOT_MINE;
    if (pb_flags(skb) & PB_F_ICMPERR)
        code = about_request(skb, s, cfg->epoch, &act);
    else if (may_be_answer(s))
        code = answer(skb, s, cfg->epoch, &act);
    if (code == LB_NOT_MINE) {
        if (pb_is_world(skb->cb[PB_CB_SRC]))
            s->set_nat_flags |= LB_NAT_TUNNEL;
        return pb_next(skb, cfg);
    }
    return pb_verdict(skb, cfg, s, code, act);
}

/* What the node says of a packet for one of its processes: the client knows the service. 0 or the drop code. */
static __always_inline int error_of_own_process(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s)
{
    struct lb_nat_key k;
    struct pb_inner in;
    if (!pb_parse_inner(skb, &in))
        return 0;
    nat_key_of(&k, &in.daddr, &in.saddr, in.dport, in.sport, in.proto);
    struct lb_nat *m = lb_nat_find(cfg, &k);
    if (!m || m->expires <= bpf_ktime_get_ns() || !nat_of_own_process(m, &k))
        return 0;
    struct pb_addr addr = m->addr;
    int code = quote_as_asked(skb, &in, m);
    if (!code)
        code = pb_rewrite(skb, s->proto, true, &s->saddr, &addr, 0, 0);
    s->saddr = addr;
    pb_set_flag(skb, PB_F_NAT);
    return code;
}

/* What the node's own processes answer to clients of a service. */
PB_STAGE(service_netdev_egress)
{
    struct lb_nat_key k;
    int code = 0;
    if (pb_flags(skb) & PB_F_ICMPERR) {
        code = error_of_own_process(skb, cfg, s);
        return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
    }
    if (s->proto != IPPROTO_TCP && s->proto != IPPROTO_UDP)
        return pb_next(skb, cfg);
    pb_memset(&k, 0, sizeof(k));
    k.node = s->saddr;
    k.backend = s->daddr;
    k.nport = s->sport;
    k.bport = s->dport;
    k.proto = s->proto;
    struct lb_nat *m = lb_nat_find(cfg, &k);
    if (m && m->expires > bpf_ktime_get_ns() && nat_of_own_process(m, &k)) {
        struct pb_addr addr = m->addr;
        __be16 port = m->port, cport = m->cport;
        code = pb_rewrite(skb, s->proto, true, &s->saddr, &addr, s->sport, port);
        if (!code)
            code = pb_rewrite_port(skb, s->proto, false, s->dport, cport);
        s->saddr = addr;
        s->sport = port;
        s->dport = cport;
        pb_set_flag(skb, PB_F_NAT);
    }
    return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
}

PB_LICENSE;
