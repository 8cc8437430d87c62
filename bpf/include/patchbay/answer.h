/* SPDX-License-Identifier: Apache-2.0
 *
 * Packets that become their own answer: what is behind the Ethernet header is replaced, and the frame goes back to who sent it.
 *
 *     struct pb_icmp4 a;
 *     struct iphdr ip;
 *     int act;
 *     if (pb_icmp4_quote(skb, &a, &ip)) {
 *         pb_icmp4_fill(&a, from, ip.saddr, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
 *         code = pb_send_back(skb, &a, sizeof(a), &act);
 *     }
 */
#ifndef PATCHBAY_ANSWER_H
#define PATCHBAY_ANSWER_H

#include "packet.h"

#define PB_QUOTED4 28 /* IPv4 header and the first 8 bytes behind it (RFC 792) */
#define PB_QUOTED6 48

struct pb_icmp4 {
    struct iphdr ip;
    __u8 icmp[8];
    __u8 quoted[PB_QUOTED4];
};
struct pb_icmp6 {
    struct ipv6hdr ip;
    __u8 icmp[8];
    __u8 quoted[PB_QUOTED6];
};
struct pb_pseudo4 {
    __be32 from, to;
    __be16 proto, len;
};
struct pb_pseudo6 {
    struct pb_addr from, to;
    __be32 len, proto;
};

/* The checksum field of what bpf_csum_diff has added up. */
static __always_inline __u16 pb_fold(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

static __always_inline void pb_answer_ip4(struct iphdr *ip, __be32 from, __be32 to, __u8 proto, __u32 len)
{
    ip->version = 4;
    ip->ihl = 5;
    ip->ttl = 64;
    ip->protocol = proto;
    ip->tot_len = bpf_htons(len);
    ip->saddr = from;
    ip->daddr = to;
    ip->check = pb_fold(bpf_csum_diff(0, 0, (void *)ip, sizeof(*ip), 0));
}

/* @param len bytes behind the header */
static __always_inline void pb_answer_ip6(struct ipv6hdr *ip, const void *from, const void *to, __u8 proto, __u32 len)
{
    ip->version = 6;
    ip->hop_limit = 64;
    ip->nexthdr = proto;
    ip->payload_len = bpf_htons(len);
    pb_memcpy(&ip->saddr, from, 16);
    pb_memcpy(&ip->daddr, to, 16);
}

/* Begins an error about the packet: false if it is too short, or has IP options, behind which the quotation would hold no ports. */
static __always_inline bool pb_icmp4_quote(struct __sk_buff *skb, struct pb_icmp4 *a, struct iphdr *ip)
{
    pb_memset(a, 0, sizeof(*a));
    if (bpf_skb_load_bytes(skb, pb_l3_off(skb), a->quoted, PB_QUOTED4) < 0)
        return false;
    pb_memcpy(ip, a->quoted, sizeof(*ip));
    return ip->ihl == 5;
}

/* Makes what is quoted by now an error. @param rest of its header, in host order (the MTU) */
static __always_inline void pb_icmp4_fill(struct pb_icmp4 *a, __be32 from, __be32 to, __u8 type, __u8 code, __u16 rest)
{
    pb_answer_ip4(&a->ip, from, to, IPPROTO_ICMP, sizeof(*a));
    a->icmp[0] = type;
    a->icmp[1] = code;
    a->icmp[6] = rest >> 8;
    a->icmp[7] = rest;
    __u16 sum = pb_fold(bpf_csum_diff(0, 0, (void *)a->icmp, 8 + PB_QUOTED4, 0));
    pb_memcpy(a->icmp + 2, &sum, 2);
}

/* As pb_icmp4_quote. */
static __always_inline bool pb_icmp6_quote(struct __sk_buff *skb, struct pb_icmp6 *a)
{
    pb_memset(a, 0, sizeof(*a));
    return bpf_skb_load_bytes(skb, pb_l3_off(skb), a->quoted, PB_QUOTED6) == 0;
}

static __always_inline void pb_icmp6_fill(struct pb_icmp6 *a, const struct pb_addr *from, const struct pb_addr *to, __u8 type, __u8 code, __u16 rest)
{
    struct pb_pseudo6 p = {.from = *from, .to = *to, .len = bpf_htonl(8 + PB_QUOTED6), .proto = bpf_htonl(IPPROTO_ICMPV6)};
    pb_answer_ip6(&a->ip, from, to, IPPROTO_ICMPV6, 8 + PB_QUOTED6);
    a->icmp[0] = type;
    a->icmp[1] = code;
    a->icmp[6] = rest >> 8;
    a->icmp[7] = rest;
    __s64 part = bpf_csum_diff(0, 0, (void *)&p, sizeof(p), 0);
    __u16 sum = pb_fold(bpf_csum_diff(0, 0, (void *)a->icmp, 8 + PB_QUOTED6, part));
    pb_memcpy(a->icmp + 2, &sum, 2);
}

/* Replaces all behind the Ethernet header by `answer` and sends the frame back. @return the verdict's code, with the TC action in `act` */
static __always_inline int pb_send_back(struct __sk_buff *skb, const void *answer, __u32 len, int *act)
{
    __u8 macs[12], back[12];
    *act = TC_ACT_SHOT;
    if (bpf_skb_load_bytes(skb, 0, macs, sizeof(macs)) < 0 || bpf_skb_change_tail(skb, ETH_HLEN + len, 0) < 0)
        return PB_DROP_FRAG_NEEDED;
    pb_memcpy(back, macs + 6, 6);
    pb_memcpy(back + 6, macs, 6);
    if (bpf_skb_store_bytes(skb, 0, back, sizeof(back), 0) < 0 || bpf_skb_store_bytes(skb, ETH_HLEN, answer, len, 0) < 0)
        return PB_DROP_WRITE_ERROR;
    pb_set_mark(skb, PB_MARK_DELIVER);
    *act = bpf_redirect(skb->ifindex, 0);
    return PB_ANSWERED;
}
#endif
