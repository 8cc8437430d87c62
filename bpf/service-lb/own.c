/* SPDX-License-Identifier: Apache-2.0
 * Services for the node's own processes, packet by packet: those that no hook translated at the socket, since they are outside of the cgroup.
 *
 * The kernel routes a packet for a service as any other, in the end out of a node device. There it is taken to pb_host, where what the node
 * sends to pods goes through identity, policy, routing and encapsulation: the service becomes a backend as the first of that.
 *
 * A backend that is a pod of this node sees the node, and its own side, or with a host firewall the node's, gives answers the service's address.
 * A backend elsewhere sees an address of this node with a port of our range (nat.h), so that nothing else of the node's has the tuple. A process of
 * this node sees the service itself with such a port: to an address of the node it would answer on the loopback device, past every hook.
 */
#include "nat.h"
#include "answer.h"
#include <patchbay/host.h>
#include <patchbay/ipcache.h>

static __always_inline bool has_ports(const struct pb_scratch *s)
{
    return s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP || s->proto == IPPROTO_SCTP;
}

/* What a process of this node answers to another one that asked a service: back to that. LB_NOT_MINE or a verdict; `epoch`: the stage's. */
PB_FUNCTION int own_answer(struct __sk_buff *skb, struct pb_scratch *s, __u32 epoch, int *act)
{
    const volatile struct pb_stage_cfg cfg = {.epoch = epoch};
    struct lb_nat_key k;
    struct pb_node_config *n = pb_node();
    if (!s || !act || !n)
        return LB_NOT_MINE;
    nat_key_of(&k, &s->saddr, &s->daddr, s->sport, s->dport, s->proto);
    struct lb_nat *m = lb_nat_find(&cfg, &k);
    if (!m || m->expires <= bpf_ktime_get_ns() || !(m->svc & NAT_OWN_PROCESS) || !pb_addr_eq(&m->addr, &k.backend))
        return LB_NOT_MINE;
    struct pb_addr client = m->client;
    __be16 port = m->port, cport = m->cport;
    int code = pb_rewrite(skb, s->proto, true, &s->saddr, &k.backend, s->sport, port);
    if (!code)
        code = pb_rewrite(skb, s->proto, false, &s->daddr, &client, s->dport, cport);
    pb_set_flag(skb, PB_F_NAT);
    return code ? code : pb_to_host(skb, n, act);
}

/* Out of a node device: what is for a service goes on at pb_host. The node's other packets pay for one look-up. */
PB_STAGE(own_netdev_egress)
{
    int act = TC_ACT_SHOT, code = LB_NOT_MINE;
    if ((skb->mark & PB_MARK_MASK) == PB_MARK_OVERLAY || (pb_flags(skb) & PB_F_ICMPERR) || !has_ports(s))
        return pb_next(skb, cfg);
    struct lb_service_key k = {.addr = s->daddr, .port = s->dport, .proto = s->proto};
    if (lb_services_find(cfg, &k)) {
        struct pb_node_config *n = pb_node();
        struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, &s->saddr);
        /* What the kernel forwards for others is not the node's. */
        if (n && n->pb_host_ifindex && pb_is_own_address(n, ep, &s->saddr)) {
            act = bpf_redirect(n->pb_host_ifindex, 0);
            code = PB_TO_HOST;
        }
    } else if (may_be_answer(s)) {
        code = own_answer(skb, s, cfg->epoch, &act);
    }
    return code == LB_NOT_MINE ? pb_next(skb, cfg) : pb_verdict(skb, cfg, s, code, act);
}

/* To a backend elsewhere, which answers to this node: behind a tunnel to the router address, whose way every node knows. LB_DONE or the drop
 * code; `epoch`: the stage's. */
PB_FUNCTION int own_to_remote(struct __sk_buff *skb, struct pb_scratch *s, const struct lb_choice *c, __u32 epoch)
{
    const volatile struct pb_stage_cfg cfg = {.epoch = epoch};
    struct lb_nat_key nat;
    struct pb_node_config *n = pb_node();
    if (!s || !c || !n)
        return PB_DROP_NO_CONFIG;
    struct pb_addr to = c->addr;
    struct pb_ipcache_value *v = pb_ipcache_lookup(&to);
    bool v4 = pb_family(skb) == 4;
    struct pb_addr node = v4 ? n->router_ip4 : n->router_ip6;
    if (!n->tunnel_ifindex || !v || pb_addr_is_zero(&v->tunnel) || !node.w[3])
        node = v4 ? n->node_ip4 : n->node_ip6;
    nat_key_of(&nat, &node, &to, 0, c->port, s->proto);
    int code = nat_port(&cfg, &nat, s, c->nat_port);
    if (!code)
        code = lb_to_backend(skb, s, c);
    if (!code)
        code = pb_rewrite(skb, s->proto, true, &s->saddr, &node, s->sport, nat.nport);
    s->saddr = node;
    s->sport = nat.nport;
    return code ? code : LB_DONE;
}

/* A packet of the node for a service: to its backend. LB_NOT_MINE, LB_DONE or a verdict. */
static __always_inline int own_to_backend(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s, int *act)
{
    struct lb_service_key k = {.addr = s->daddr, .port = s->dport, .proto = s->proto};
    struct lb_choice c = {};
    struct lb_service *svc = lb_find_inside(cfg, &k);
    if (!svc)
        return LB_NOT_MINE;
    int code = lb_flow_backend(cfg, svc, s, &c);
    if (code != LB_DONE)
        return code;
    struct pb_endpoint *local = bpf_map_lookup_elem(&endpoints, &c.addr);
    bool pod = local && !(local->flags & PB_EP_HOST);
    /* Nothing in the kernel mends SCTP's checksum, which covers the ports. */
    if (s->proto == IPPROTO_SCTP && (!pod || c.port != s->dport))
        return PB_DROP_UNSUPP_SERVICE_PROTO;
    lb_served(s, svc, &c);
    if (!local)
        return own_to_remote(skb, s, &c, cfg->epoch);
    code = lb_to_backend(skb, s, &c);
    if (code)
        return code;
    if (pod)
        return LB_DONE;
    struct pb_node_config *n = pb_node();
    code = n ? own_process(skb, s, &s->svc_addr, c.nat_port) : PB_DROP_NO_CONFIG;
    return code == LB_DONE ? pb_to_host(skb, n, act) : code;
}

PB_STAGE(own_host_egress)
{
    int act = TC_ACT_SHOT, code = LB_NOT_MINE;
    if (!(pb_flags(skb) & PB_F_ICMPERR) && has_ports(s))
        code = own_to_backend(skb, cfg, s, &act);
    if (code == LB_NOT_MINE || code == LB_DONE)
        return pb_next(skb, cfg);
    /* Nobody is there: the answer is for this node itself. */
    struct pb_node_config *n = pb_node();
    if (code == PB_DROP_NO_SERVICE && n && lb_answer(skb, s) != TC_ACT_SHOT) {
        pb_set_mark(skb, 0);
        pb_to_host(skb, n, &act);
    }
    return pb_verdict(skb, cfg, s, code, act);
}

PB_LICENSE;
