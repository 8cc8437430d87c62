/* SPDX-License-Identifier: Apache-2.0
 * Another address or port for one side of a packet, or of the packet that an ICMP error quotes, checksums with it. */
#ifndef PATCHBAY_REWRITE_H
#define PATCHBAY_REWRITE_H

#include "packet.h"

#define PB_TCP_CHECK 16 /* where the transport headers have their checksum */
#define PB_UDP_CHECK 6
#define PB_ICMP_CHECK 2

/* Offset of the packet's checksum that covers addresses; 0: there is none, or it is not in this fragment. SCTP's covers
 * the ports but no address, and nothing in the kernel mends it. */
static __always_inline __u32 pb_l4_check(const struct __sk_buff *skb, __u8 proto, __u64 *mangled)
{
    __u32 l4 = pb_l4_off(skb);
    *mangled = proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
    if (pb_flags(skb) & PB_F_FRAG)
        return 0;
    return proto == IPPROTO_TCP ? l4 + PB_TCP_CHECK : proto == IPPROTO_UDP ? l4 + PB_UDP_CHECK : proto == IPPROTO_ICMPV6 ? l4 + PB_ICMP_CHECK : 0;
}

PB_FUNCTION int pb_write_port(struct __sk_buff *skb, __u8 proto, bool source, __be16 old, __be16 new)
{
    __u64 mangled;
    __u32 sum = pb_l4_check(skb, proto, &mangled);
    if (sum && bpf_l4_csum_replace(skb, sum, old, new, mangled | 2) < 0)
        return PB_DROP_CSUM_L4;
    return bpf_skb_store_bytes(skb, pb_l4_off(skb) + (source ? 0 : 2), &new, 2, 0) < 0 ? PB_DROP_WRITE_ERROR : 0;
}

/* Another port of TCP or UDP (SCTP: see above), source or destination; 0 or the drop code. A later fragment has none. */
static __always_inline int pb_rewrite_port(struct __sk_buff *skb, __u8 proto, bool source, __be16 old, __be16 new)
{
    return old == new || (pb_flags(skb) & PB_F_FRAG) ? 0 : pb_write_port(skb, proto, source, old, new);
}

/* Another address, source or destination; 0 or the drop code. */
PB_FUNCTION int pb_rewrite_address(struct __sk_buff *skb, __u8 proto, bool source, const struct pb_addr *old, const struct pb_addr *new)
{
    __u64 mangled;
    if (!old || !new)
        return PB_DROP_WRITE_ERROR;
    __u32 l3 = pb_l3_off(skb), sum = pb_l4_check(skb, proto, &mangled);
    if (pb_family(skb) == 4) {
        if (sum && bpf_l4_csum_replace(skb, sum, old->w[3], new->w[3], BPF_F_PSEUDO_HDR | mangled | 4) < 0)
            return PB_DROP_CSUM_L4;
        if (bpf_l3_csum_replace(skb, l3 + offsetof(struct iphdr, check), old->w[3], new->w[3], 4) < 0)
            return PB_DROP_CSUM_L3;
        __u32 at = l3 + (source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr));
        if (bpf_skb_store_bytes(skb, at, &new->w[3], 4, 0) < 0)
            return PB_DROP_WRITE_ERROR;
    } else {
        __s64 diff = bpf_csum_diff((void *)old, 16, (void *)new, 16, 0);
        if (sum && bpf_l4_csum_replace(skb, sum, 0, diff, BPF_F_PSEUDO_HDR | mangled) < 0)
            return PB_DROP_CSUM_L4;
        __u32 at = l3 + (source ? offsetof(struct ipv6hdr, saddr) : offsetof(struct ipv6hdr, daddr));
        if (bpf_skb_store_bytes(skb, at, new, 16, 0) < 0)
            return PB_DROP_WRITE_ERROR;
    }
    return 0;
}

/* Another address and port. */
static __always_inline int pb_rewrite(struct __sk_buff *skb, __u8 proto, bool source, const struct pb_addr *old, const struct pb_addr *new,
                                      __be16 oldport, __be16 newport)
{
    int code = pb_rewrite_address(skb, proto, source, old, new);
    return code ? code : pb_rewrite_port(skb, proto, source, oldport, newport);
}

/* A checksum of which `diff` (bpf_csum_diff) was covered. */
static __always_inline __u16 pb_check_changed(__u16 check, __s64 diff)
{
    __u64 sum = (__u64)(__u16)~check + (__u32)diff;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

/* The quoted transport checksum, where the quote reaches as far: of the 8 bytes that every error quotes only UDP's and an
 * echo's are. `from` and `to`: what it covers, 20 bytes. 0 or the drop code. */
static __always_inline int pb_rewrite_quoted_check(struct __sk_buff *skb, const struct pb_inner *in, const __u32 *from, const __u32 *to)
{
    __u32 at = in->l4 + (in->proto == IPPROTO_TCP ? PB_TCP_CHECK : in->proto == IPPROTO_UDP ? PB_UDP_CHECK : PB_ICMP_CHECK);
    __u16 old, new;
    if (in->proto == IPPROTO_SCTP || bpf_skb_load_bytes(skb, at, &old, 2) < 0 || (in->proto == IPPROTO_UDP && !old))
        return 0;
    new = pb_check_changed(old, bpf_csum_diff((void *)from, 20, (void *)to, 20, 0));
    if (in->proto == IPPROTO_UDP && !new)
        new = 0xffff;
    if (bpf_l4_csum_replace(skb, pb_l4_off(skb) + PB_ICMP_CHECK, old, new, 2) < 0)
        return PB_DROP_CSUM_L4;
    return bpf_skb_store_bytes(skb, at, &new, 2, 0) < 0 ? PB_DROP_WRITE_ERROR : 0;
}

/* Another address and port for one side of the packet that an ICMP error quotes (`in`, as the packet says it), and the error's
 * own checksum. An echo's identifier counts as the port of either side. 0 or the drop code. */
PB_FUNCTION int pb_rewrite_quoted(struct __sk_buff *skb, const struct pb_inner *in, bool source, const struct pb_addr *addr, __be16 port)
{
    if (!in || !addr)
        return 0;
    const struct pb_addr *was = source ? &in->saddr : &in->daddr;
    bool v4 = pb_family(skb) == 4, echo = in->proto == IPPROTO_ICMP || in->proto == IPPROTO_ICMPV6;
    __be16 wasport = source || echo ? in->sport : in->dport;
    __u32 sum = pb_l4_off(skb) + PB_ICMP_CHECK;
    __u32 from[5], to[5];
    /* ICMP's checksum alone covers no address. */
    pb_memcpy(from, in->proto == IPPROTO_ICMP ? addr : was, 16);
    pb_memcpy(to, addr, 16);
    from[4] = wasport;
    to[4] = port;
    int code = pb_rewrite_quoted_check(skb, in, from, to);
    if (code)
        return code;
    if (wasport != port) {
        if (bpf_l4_csum_replace(skb, sum, wasport, port, 2) < 0)
            return PB_DROP_CSUM_L4;
        if (bpf_skb_store_bytes(skb, in->l4 + (echo ? 4 : source ? 0 : 2), &port, 2, 0) < 0)
            return PB_DROP_WRITE_ERROR;
    }
    if (pb_addr_eq(was, addr))
        return 0;
    if (v4) {
        /* The quoted header's own checksum makes up for its address: the sum over both stays. */
        if (bpf_l3_csum_replace(skb, in->l3 + offsetof(struct iphdr, check), was->w[3], addr->w[3], 4) < 0)
            return PB_DROP_CSUM_L3;
        __u32 at = in->l3 + (source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr));
        return bpf_skb_store_bytes(skb, at, &addr->w[3], 4, 0) < 0 ? PB_DROP_WRITE_ERROR : 0;
    }
    if (bpf_l4_csum_replace(skb, sum, 0, bpf_csum_diff((void *)was, 16, (void *)addr, 16, 0), 0) < 0)
        return PB_DROP_CSUM_L4;
    __u32 at = in->l3 + (source ? offsetof(struct ipv6hdr, saddr) : offsetof(struct ipv6hdr, daddr));
    return bpf_skb_store_bytes(skb, at, addr, 16, 0) < 0 ? PB_DROP_WRITE_ERROR : 0;
}
#endif
