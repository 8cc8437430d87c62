/* SPDX-License-Identifier: Apache-2.0
 * "Nobody is there", said at once: a TCP reset (RFC 9293 3.5.2) or ICMP port unreachable (RFC 792, RFC 4443 3.1) instead
 * of silence until the client's patience ends. The packet becomes its own answer. */
#ifndef PATCHBAY_SERVICE_ANSWER_H
#define PATCHBAY_SERVICE_ANSWER_H

#include <linux/tcp.h>
#include <patchbay/answer.h>

struct lb_reset4 {
    struct iphdr ip;
    struct tcphdr tcp;
};
struct lb_reset6 {
    struct ipv6hdr ip;
    struct tcphdr tcp;
};

union lb_answer {
    struct lb_reset4 reset4;
    struct lb_reset6 reset6;
    struct pb_icmp4 icmp4;
    struct pb_icmp6 icmp6;
};

/* The reset that answers a segment of `payload` bytes. */
static __always_inline void lb_reset(struct tcphdr *to, const struct tcphdr *of, __u32 payload)
{
    to->source = of->dest;
    to->dest = of->source;
    to->doff = sizeof(*to) / 4;
    to->rst = 1;
    if (of->ack) {
        to->seq = of->ack_seq;
    } else {
        to->ack = 1;
        to->ack_seq = bpf_htonl(bpf_ntohl(of->seq) + payload + of->syn + of->fin);
    }
}

/* The answers: their length, or 0 for none. */
static __always_inline __u32 lb_reset4(struct __sk_buff *skb, struct lb_reset4 *a)
{
    struct pb_pseudo4 p;
    struct iphdr ip;
    struct tcphdr tcp;
    if (bpf_skb_load_bytes(skb, pb_l3_off(skb), &ip, sizeof(ip)) < 0 || bpf_skb_load_bytes(skb, pb_l4_off(skb), &tcp, sizeof(tcp)) < 0
        || tcp.rst)
        return 0;
    pb_memset(a, 0, sizeof(*a));
    pb_answer_ip4(&a->ip, ip.daddr, ip.saddr, IPPROTO_TCP, sizeof(*a));
    lb_reset(&a->tcp, &tcp, bpf_ntohs(ip.tot_len) - ip.ihl * 4 - tcp.doff * 4);
    p.from = a->ip.saddr;
    p.to = a->ip.daddr;
    p.proto = bpf_htons(IPPROTO_TCP);
    p.len = bpf_htons(sizeof(a->tcp));
    __s64 part = bpf_csum_diff(0, 0, (void *)&p, sizeof(p), 0);
    a->tcp.check = pb_fold(bpf_csum_diff(0, 0, (void *)&a->tcp, sizeof(a->tcp), part));
    return sizeof(*a);
}

static __always_inline __u32 lb_reset6(struct __sk_buff *skb, struct lb_reset6 *a)
{
    struct pb_pseudo6 p;
    struct ipv6hdr ip;
    struct tcphdr tcp;
    if (bpf_skb_load_bytes(skb, pb_l3_off(skb), &ip, sizeof(ip)) < 0 || bpf_skb_load_bytes(skb, pb_l4_off(skb), &tcp, sizeof(tcp)) < 0
        || tcp.rst)
        return 0;
    pb_memset(a, 0, sizeof(*a));
    pb_answer_ip6(&a->ip, &ip.daddr, &ip.saddr, IPPROTO_TCP, sizeof(a->tcp));
    lb_reset(&a->tcp, &tcp, bpf_ntohs(ip.payload_len) - (pb_l4_off(skb) - pb_l3_off(skb) - sizeof(ip)) - tcp.doff * 4);
    pb_memcpy(&p.from, &a->ip.saddr, 16);
    pb_memcpy(&p.to, &a->ip.daddr, 16);
    p.len = bpf_htonl(sizeof(a->tcp));
    p.proto = bpf_htonl(IPPROTO_TCP);
    __s64 part = bpf_csum_diff(0, 0, (void *)&p, sizeof(p), 0);
    a->tcp.check = pb_fold(bpf_csum_diff(0, 0, (void *)&a->tcp, sizeof(a->tcp), part));
    return sizeof(*a);
}

static __always_inline __u32 lb_unreach4(struct __sk_buff *skb, struct pb_icmp4 *a)
{
    struct iphdr ip;
    if (!pb_icmp4_quote(skb, a, &ip))
        return 0;
    pb_icmp4_fill(a, ip.daddr, ip.saddr, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
    return sizeof(*a);
}

static __always_inline __u32 lb_unreach6(struct __sk_buff *skb, struct pb_icmp6 *a)
{
    struct pb_addr from, to;
    if (!pb_icmp6_quote(skb, a))
        return 0;
    pb_memcpy(&from, a->quoted + offsetof(struct ipv6hdr, daddr), 16);
    pb_memcpy(&to, a->quoted + offsetof(struct ipv6hdr, saddr), 16);
    pb_icmp6_fill(a, &from, &to, ICMPV6_DEST_UNREACH, 4 /* port unreachable */, 0);
    return sizeof(*a);
}

/* The TC action. A later fragment has no ports to quote, and one answer for the first is enough. */
PB_FUNCTION int lb_answer(struct __sk_buff *skb, const struct pb_scratch *s)
{
    union lb_answer a;
    __u32 len;
    int act = TC_ACT_SHOT;
    if (!s || (pb_flags(skb) & PB_F_FRAG))
        return act;
    if (pb_family(skb) == 4)
        len = s->proto == IPPROTO_TCP ? lb_reset4(skb, &a.reset4) : lb_unreach4(skb, &a.icmp4);
    else
        len = s->proto == IPPROTO_TCP ? lb_reset6(skb, &a.reset6) : lb_unreach6(skb, &a.icmp6);
    if (len)
        pb_send_back(skb, &a, len, &act);
    return act;
}
#endif
