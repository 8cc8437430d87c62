/* SPDX-License-Identifier: Apache-2.0
 * "Nobody is there", said at once: a TCP reset (RFC 9293 3.5.2) or ICMP port unreachable (RFC 792, RFC 4443 3.1) instead
 * of silence until the client's patience ends. The packet becomes its own answer. */
#ifndef PATCHBAY_SERVICE_ANSWER_H
#define PATCHBAY_SERVICE_ANSWER_H

#include <linux/tcp.h>
#include <patchbay/packet.h>

#define LB_QUOTED4 28 /* IPv4 header and the first 8 bytes behind it */
#define LB_QUOTED6 48

struct lb_reset4 {
    struct iphdr ip;
    struct tcphdr tcp;
};
struct lb_reset6 {
    struct ipv6hdr ip;
    struct tcphdr tcp;
};
struct lb_unreach4 {
    struct iphdr ip;
    __u8 icmp[8];
    __u8 quoted[LB_QUOTED4];
};
struct lb_unreach6 {
    struct ipv6hdr ip;
    __u8 icmp[8];
    __u8 quoted[LB_QUOTED6];
};
struct lb_pseudo4 {
    __be32 from, to;
    __be16 proto, len;
};
struct lb_pseudo6 {
    struct pb_addr from, to;
    __be32 len, proto;
};

static __always_inline __u16 lb_fold(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

/* Replaces all behind the Ethernet header by `answer` and sends the frame back to who sent it. The TC action. */
static __always_inline int lb_send_back(struct __sk_buff *skb, const void *answer, __u32 len)
{
    __u8 macs[12], back[12];
    if (bpf_skb_load_bytes(skb, 0, macs, sizeof(macs)) < 0 || bpf_skb_change_tail(skb, ETH_HLEN + len, 0) < 0)
        return TC_ACT_SHOT;
    pb_memcpy(back, macs + 6, 6);
    pb_memcpy(back + 6, macs, 6);
    if (bpf_skb_store_bytes(skb, 0, back, sizeof(back), 0) < 0 || bpf_skb_store_bytes(skb, ETH_HLEN, answer, len, 0) < 0)
        return TC_ACT_SHOT;
    pb_set_mark(skb, PB_MARK_DELIVER);
    return bpf_redirect(skb->ifindex, 0);
}

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

static __always_inline int lb_reset4(struct __sk_buff *skb)
{
    struct lb_reset4 a;
    struct lb_pseudo4 p;
    struct iphdr ip;
    struct tcphdr tcp;
    if (bpf_skb_load_bytes(skb, pb_l3_off(skb), &ip, sizeof(ip)) < 0 || bpf_skb_load_bytes(skb, pb_l4_off(skb), &tcp, sizeof(tcp)) < 0
        || tcp.rst)
        return TC_ACT_SHOT;
    pb_memset(&a, 0, sizeof(a));
    a.ip.version = 4;
    a.ip.ihl = 5;
    a.ip.ttl = 64;
    a.ip.protocol = IPPROTO_TCP;
    a.ip.tot_len = bpf_htons(sizeof(a));
    a.ip.saddr = ip.daddr;
    a.ip.daddr = ip.saddr;
    a.ip.check = lb_fold(bpf_csum_diff(0, 0, (void *)&a.ip, sizeof(a.ip), 0));
    lb_reset(&a.tcp, &tcp, bpf_ntohs(ip.tot_len) - ip.ihl * 4 - tcp.doff * 4);
    p.from = a.ip.saddr;
    p.to = a.ip.daddr;
    p.proto = bpf_htons(IPPROTO_TCP);
    p.len = bpf_htons(sizeof(a.tcp));
    __s64 part = bpf_csum_diff(0, 0, (void *)&p, sizeof(p), 0);
    a.tcp.check = lb_fold(bpf_csum_diff(0, 0, (void *)&a.tcp, sizeof(a.tcp), part));
    return lb_send_back(skb, &a, sizeof(a));
}

static __always_inline int lb_reset6(struct __sk_buff *skb)
{
    struct lb_reset6 a;
    struct lb_pseudo6 p;
    struct ipv6hdr ip;
    struct tcphdr tcp;
    if (bpf_skb_load_bytes(skb, pb_l3_off(skb), &ip, sizeof(ip)) < 0 || bpf_skb_load_bytes(skb, pb_l4_off(skb), &tcp, sizeof(tcp)) < 0
        || tcp.rst)
        return TC_ACT_SHOT;
    pb_memset(&a, 0, sizeof(a));
    a.ip.version = 6;
    a.ip.hop_limit = 64;
    a.ip.nexthdr = IPPROTO_TCP;
    a.ip.payload_len = bpf_htons(sizeof(a.tcp));
    a.ip.saddr = ip.daddr;
    a.ip.daddr = ip.saddr;
    lb_reset(&a.tcp, &tcp, bpf_ntohs(ip.payload_len) - (pb_l4_off(skb) - pb_l3_off(skb) - sizeof(ip)) - tcp.doff * 4);
    pb_memcpy(&p.from, &a.ip.saddr, 16);
    pb_memcpy(&p.to, &a.ip.daddr, 16);
    p.len = bpf_htonl(sizeof(a.tcp));
    p.proto = bpf_htonl(IPPROTO_TCP);
    __s64 part = bpf_csum_diff(0, 0, (void *)&p, sizeof(p), 0);
    a.tcp.check = lb_fold(bpf_csum_diff(0, 0, (void *)&a.tcp, sizeof(a.tcp), part));
    return lb_send_back(skb, &a, sizeof(a));
}

static __always_inline int lb_unreach4(struct __sk_buff *skb)
{
    struct lb_unreach4 a;
    struct iphdr ip;
    pb_memset(&a, 0, sizeof(a));
    if (bpf_skb_load_bytes(skb, pb_l3_off(skb), a.quoted, LB_QUOTED4) < 0)
        return TC_ACT_SHOT;
    pb_memcpy(&ip, a.quoted, sizeof(ip));
    if (ip.ihl != 5)
        return TC_ACT_SHOT;
    a.ip.version = 4;
    a.ip.ihl = 5;
    a.ip.ttl = 64;
    a.ip.protocol = IPPROTO_ICMP;
    a.ip.tot_len = bpf_htons(sizeof(a));
    a.ip.saddr = ip.daddr;
    a.ip.daddr = ip.saddr;
    a.ip.check = lb_fold(bpf_csum_diff(0, 0, (void *)&a.ip, sizeof(a.ip), 0));
    a.icmp[0] = ICMP_DEST_UNREACH;
    a.icmp[1] = ICMP_PORT_UNREACH;
    __u16 sum = lb_fold(bpf_csum_diff(0, 0, (void *)a.icmp, 8 + LB_QUOTED4, 0));
    pb_memcpy(a.icmp + 2, &sum, 2);
    return lb_send_back(skb, &a, sizeof(a));
}

static __always_inline int lb_unreach6(struct __sk_buff *skb)
{
    struct lb_unreach6 a;
    struct lb_pseudo6 p;
    pb_memset(&a, 0, sizeof(a));
    if (bpf_skb_load_bytes(skb, pb_l3_off(skb), a.quoted, LB_QUOTED6) < 0)
        return TC_ACT_SHOT;
    pb_memcpy(&p.from, a.quoted + offsetof(struct ipv6hdr, daddr), 16);
    pb_memcpy(&p.to, a.quoted + offsetof(struct ipv6hdr, saddr), 16);
    p.len = bpf_htonl(8 + LB_QUOTED6);
    p.proto = bpf_htonl(IPPROTO_ICMPV6);
    a.ip.version = 6;
    a.ip.hop_limit = 64;
    a.ip.nexthdr = IPPROTO_ICMPV6;
    a.ip.payload_len = bpf_htons(8 + LB_QUOTED6);
    pb_memcpy(&a.ip.saddr, &p.from, 16);
    pb_memcpy(&a.ip.daddr, &p.to, 16);
    a.icmp[0] = ICMPV6_DEST_UNREACH;
    a.icmp[1] = 4; /* port unreachable */
    __s64 part = bpf_csum_diff(0, 0, (void *)&p, sizeof(p), 0);
    __u16 sum = lb_fold(bpf_csum_diff(0, 0, (void *)a.icmp, 8 + LB_QUOTED6, part));
    pb_memcpy(a.icmp + 2, &sum, 2);
    return lb_send_back(skb, &a, sizeof(a));
}

/* A later fragment has no ports to quote, and one answer for the first is enough. */
static __always_inline int lb_answer(struct __sk_buff *skb, const struct pb_scratch *s)
{
    if (pb_flags(skb) & PB_F_FRAG)
        return TC_ACT_SHOT;
    if (pb_family(skb) == 4)
        return s->proto == IPPROTO_TCP ? lb_reset4(skb) : lb_unreach4(skb);
    return s->proto == IPPROTO_TCP ? lb_reset6(skb) : lb_unreach6(skb);
}
#endif
