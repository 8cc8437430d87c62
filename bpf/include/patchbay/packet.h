/* SPDX-License-Identifier: Apache-2.0
 * Reading and changing packets in a stage, beyond what parse left in the scratch. After every function that writes, all
 * pointers into the packet are void. */
#ifndef PATCHBAY_PACKET_H
#define PATCHBAY_PACKET_H

#include "icmp.h"
#include "stage.h"

#define PB_TCP_FIN 0x01
#define PB_TCP_SYN 0x02
#define PB_TCP_RST 0x04
#define PB_TCP_ACK 0x10
#define PB_SECOND 1000000000ull

/* The packet that an ICMP error is about: what the error quotes of it. */
struct pb_inner {
    struct pb_addr saddr;
    struct pb_addr daddr;
    __be16 sport;     /* ICMP echo: identifier, as in the scratch */
    __be16 dport;
    __u8 proto;
    __u8 icmp_type;
    __u16 pad;
    __u32 l3;         /* offsets of its headers in this packet */
    __u32 l4;
};

PB_FUNCTION int pb_read_inner(struct __sk_buff *skb, struct pb_inner *in)
{
    __u8 l4[8];
    if (!in)
        return false;
    in->l3 = pb_l4_off(skb) + 8;
    if (pb_family(skb) == 4) {
        struct iphdr ip;
        if (bpf_skb_load_bytes(skb, in->l3, &ip, sizeof(ip)) < 0 || ip.version != 4 || ip.ihl < 5)
            return false;
        /* Only a first fragment has ports. */
        if (bpf_ntohs(ip.frag_off) & 0x1fff)
            return false;
        pb_addr_v4(&in->saddr, ip.saddr);
        pb_addr_v4(&in->daddr, ip.daddr);
        in->proto = ip.protocol;
        in->l4 = in->l3 + ip.ihl * 4;
    } else {
        struct ipv6hdr ip6;
        if (bpf_skb_load_bytes(skb, in->l3, &ip6, sizeof(ip6)) < 0 || ip6.version != 6)
            return false;
        pb_memcpy(&in->saddr, &ip6.saddr, 16);
        pb_memcpy(&in->daddr, &ip6.daddr, 16);
        in->proto = ip6.nexthdr;
        in->l4 = in->l3 + sizeof(ip6);
        if (in->proto == IPPROTO_FRAGMENT) {
            /* what a pod cut itself; again, only the first one has ports */
            if (bpf_skb_load_bytes(skb, in->l4, l4, sizeof(l4)) < 0 || l4[2] || (l4[3] & 0xf8))
                return false;
            in->proto = l4[0];
            in->l4 += 8;
        }
    }
    if (bpf_skb_load_bytes(skb, in->l4, l4, sizeof(l4)) < 0)
        return false;
    if (in->proto == IPPROTO_TCP || in->proto == IPPROTO_UDP || in->proto == IPPROTO_SCTP) {
        pb_memcpy(&in->sport, l4, 2);
        pb_memcpy(&in->dport, l4 + 2, 2);
        return true;
    }
    in->icmp_type = l4[0];
    if (in->proto == IPPROTO_ICMP ? (l4[0] == ICMP_ECHO || l4[0] == ICMP_ECHOREPLY)
                                  : in->proto == IPPROTO_ICMPV6 && (l4[0] == ICMPV6_ECHO_REQUEST || l4[0] == ICMPV6_ECHO_REPLY)) {
        pb_memcpy(&in->sport, l4 + 4, 2);
        return true;
    }
    return false;
}

/* Parses what an ICMP error (PB_F_ICMPERR) quotes; false when it is not enough to find the connection. */
static __always_inline bool pb_parse_inner(struct __sk_buff *skb, struct pb_inner *in)
{
    pb_memset(in, 0, sizeof(*in));
    return pb_read_inner(skb, in);
}

static __always_inline bool pb_icmp_is_request(__u8 proto, __u8 type)
{
    return proto == IPPROTO_ICMP ? type == ICMP_ECHO : type == ICMPV6_ECHO_REQUEST;
}
static __always_inline bool pb_icmp_is_reply(__u8 proto, __u8 type)
{
    return proto == IPPROTO_ICMP ? type == ICMP_ECHOREPLY : type == ICMPV6_ECHO_REPLY;
}

/* One routed hop: TTL or hop limit less one. 0, or the drop code. */
static __always_inline int pb_hop(struct __sk_buff *skb)
{
    __u32 l3 = pb_l3_off(skb);
    __u8 ttl;
    if (pb_family(skb) == 4) {
        struct {
            __u8 ttl, proto;
            __be16 check;
        } w;
        if (pb_load(skb, l3 + offsetof(struct iphdr, ttl), &w, sizeof(w)) < 0)
            return PB_DROP_INVALID;
        if (w.ttl <= 1)
            return PB_DROP_TTL_EXCEEDED;
        w.ttl--;
        /* What the sum over the header loses, its checksum gains (RFC 1141). */
        __u32 check = w.check + (__u32)bpf_htons(0x100);
        w.check = check + (check >= 0xffff);
        return bpf_skb_store_bytes(skb, l3 + offsetof(struct iphdr, ttl), &w, sizeof(w), 0) < 0 ? PB_DROP_WRITE_ERROR : 0;
    }
    if (pb_load(skb, l3 + offsetof(struct ipv6hdr, hop_limit), &ttl, 1) < 0)
        return PB_DROP_INVALID;
    if (ttl <= 1)
        return PB_DROP_TTL_EXCEEDED;
    ttl--;
    if (bpf_skb_store_bytes(skb, l3 + offsetof(struct ipv6hdr, hop_limit), &ttl, 1, 0) < 0)
        return PB_DROP_WRITE_ERROR;
    return 0;
}

/* Writes both Ethernet addresses. */
static __always_inline int pb_set_macs(struct __sk_buff *skb, const __u8 *dst, const __u8 *src)
{
    __u8 macs[12];
    pb_memcpy(macs, dst, 6);
    pb_memcpy(macs + 6, src, 6);
    return bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0) < 0 ? PB_DROP_WRITE_ERROR : 0;
}

static __always_inline void pb_set_mark(struct __sk_buff *skb, __u32 mark)
{
    skb->mark = (skb->mark & ~PB_MARK_MASK) | mark;
}

/* Whether the first `len` bits of both are the same. */
static __always_inline bool pb_addr_in(const struct pb_addr *a, const struct pb_addr *prefix, __u32 len)
{
    __u32 diff = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        __u32 bits = len > 32u * i ? len - 32u * i : 0;
        __u32 mask = bits >= 32 ? 0xffffffffu : bits ? ~(0xffffffffu >> bits) : 0;
        diff |= (a->w[i] ^ prefix->w[i]) & bpf_htonl(mask);
    }
    return !diff;
}
#endif
