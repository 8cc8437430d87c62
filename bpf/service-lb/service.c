/* SPDX-License-Identifier: Apache-2.0
 * Service addresses per packet. `service` turns a packet for a service into one for a backend and leaves in the scratch
 * what the client asked for, which conntrack keeps; `reverse` gives answers the service's address again. lb_flows holds
 * which backend a connection went to, for as long as it lives.
 */
#include "flow.h"
#include "answer.h"

/* What a pod says of an answer that it got: the backend is to hear it. `epoch`: the stage's. */
PB_FUNCTION int lb_translate_error(struct __sk_buff *skb, struct pb_scratch *s, __u32 epoch)
{
    const volatile struct pb_stage_cfg cfg = {.epoch = epoch};
    struct pb_inner in;
    if (!s || !pb_parse_inner(skb, &in))
        return LB_NOT_MINE;
    struct lb_flow *f = lb_flow_of_answer(&cfg, &in);
    if (!f)
        return LB_NOT_MINE;
    struct pb_addr addr = f->addr;
    __be16 port = f->port;
    int code = lb_error_to_backend(skb, s, &in, &addr, port);
    return code ? code : LB_DONE;
}

static __always_inline int lb_translate(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s)
{
    /* An address of a pod here is no service's: nobody takes a pod's traffic by an external IP that is its address. */
    if (s->dst_ifindex)
        return LB_NOT_MINE;
    struct lb_service_key k = {.addr = s->daddr, .port = s->dport, .proto = s->proto};
    struct lb_choice c = {};
    struct pb_addr hairpin;
    lb_hairpin_addr(&hairpin, pb_family(skb) == 4);
    if (pb_addr_eq(&s->daddr, &hairpin)) {
        /* A pod answers itself. */
        int code = pb_rewrite(skb, s->proto, false, &s->daddr, &s->saddr, s->dport, s->dport);
        s->daddr = s->saddr;
        pb_set_flag(skb, PB_F_NAT);
        return code ? code : LB_DONE;
    }
    struct lb_service *svc = lb_find_inside(cfg, &k);
    if (!svc)
        return LB_NOT_MINE;
    int code = lb_flow_backend(cfg, svc, s, &c);
    if (code != LB_DONE)
        return code;
    /* Nothing in the kernel mends SCTP's checksum, which covers the ports. */
    if (s->proto == IPPROTO_SCTP && c.port != s->dport)
        return PB_DROP_UNSUPP_SERVICE_PROTO;
    lb_served(s, svc, &c);
    code = lb_to_backend(skb, s, &c);
    if (code)
        return code;
    /* Conntrack and policy know the pod by its own address: the scratch keeps it, and the answer is for it again before
     * they see it. */
    if (pb_addr_eq(&c.addr, &s->saddr)) {
        code = pb_rewrite(skb, s->proto, true, &s->saddr, &hairpin, s->sport, s->sport);
        if (code)
            return code;
    }
    return LB_DONE;
}

PB_STAGE(service_pod_egress)
{
    int code = LB_NOT_MINE, act = TC_ACT_SHOT;
    if (pb_flags(skb) & PB_F_ICMPERR)
        code = lb_translate_error(skb, s, cfg->epoch);
    else if (s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP || s->proto == IPPROTO_SCTP || s->daddr.w[3] == LB_HAIRPIN4)
        code = lb_translate(skb, cfg, s);
    if (!PB_IS_DROP(code))
        return pb_next(skb, cfg);
    if (code == PB_DROP_NO_SERVICE)
        act = lb_answer(skb, s);
    return pb_verdict(skb, cfg, s, code, act);
}

/* What an ICMP error quotes went to the backend; the client knows the service. `0` or the drop code. */
static __always_inline int lb_reverse_error(struct __sk_buff *skb, struct pb_scratch *s)
{
    struct pb_inner in;
    if (!pb_parse_inner(skb, &in))
        return 0;
    int code = pb_rewrite_quoted(skb, &in, false, &s->ct_svc_addr, s->ct_svc_port);
    if (code)
        return code;
    /* Said by the backend itself, not by a router on the way. */
    if (!pb_addr_eq(&s->saddr, &in.daddr))
        return 0;
    code = pb_rewrite(skb, s->proto, true, &s->saddr, &s->ct_svc_addr, 0, 0);
    s->saddr = s->ct_svc_addr;
    return code;
}

static __always_inline int lb_reverse(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s)
{
    __u32 state = pb_ct_state(skb);
    int code = 0;
    /* Another node sent us this connection with its own address as the source, through the tunnel: answers, and what the pod says
     * of it, go back there. */
    if ((state == PB_CT_REPLY || state == PB_CT_RELATED) && (s->ct_nat_flags & LB_NAT_TUNNEL) && pb_addr_is_zero(&s->tunnel_ip))
        s->tunnel_ip = s->daddr;
    if (!s->ct_svc_port || (state != PB_CT_REPLY && state != PB_CT_RELATED))
        return pb_next(skb, cfg);
    /* An error about an answer was made one for the backend before: there is nothing to undo. */
    if (state == PB_CT_RELATED && s->svc_port)
        return pb_next(skb, cfg);
    if (state == PB_CT_REPLY) {
        code = pb_rewrite(skb, s->proto, true, &s->saddr, &s->ct_svc_addr, s->sport, s->ct_svc_port);
        s->saddr = s->ct_svc_addr;
        s->sport = s->ct_svc_port;
    } else {
        code = lb_reverse_error(skb, s);
    }
    pb_set_flag(skb, PB_F_NAT);
    return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
}

/* Answers to a pod of this node. */
PB_STAGE(reverse_pod_ingress) { return lb_reverse(skb, cfg, s); }
/* Answers of a pod of this node to a client whose packets were translated on the way in. */
PB_STAGE(reverse_pod_egress) { return lb_reverse(skb, cfg, s); }

PB_LICENSE;
