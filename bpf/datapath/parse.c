/* SPDX-License-Identifier: Apache-2.0
 * parse: Ethernet, IPv4, IPv6 with extension headers, TCP/UDP/SCTP/ICMP -> context and scratch. Later stages never
 * parse again. Fragments: the first one leaves its ports, or what an ICMP message says, in a map; the others read them
 * there (RFC 791, RFC 8200 4.5).
 */
#include <patchbay/stage.h>
#include <patchbay/endpoints.h>
#include <patchbay/icmp.h>

struct pb_frag_key {
    struct pb_addr saddr;
    struct pb_addr daddr;
    __u32 id;
    __u32 proto;
};
struct pb_frag_ports {
    __be16 sport;
    __be16 dport;
    __u8 icmp_type;
    __u8 icmp_code;
    __u16 pad;
};
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, struct pb_frag_key);
    __type(value, struct pb_frag_ports);
} fragments SEC(".maps");

#define PB_MAX_EXTHDRS 6

/* Ports at `l4`, or what stands for them, as far as `end`, where the IP header says that the packet is over: what is behind it
 * is cut off before any receiver looks. 0 = fine, otherwise a drop code. */
static __always_inline int pb_parse_l4(struct __sk_buff *skb, struct pb_scratch *s, __u32 l4, __u32 end)
{
    __be16 ports[2];
    __u8 icmp[8], tcp[14];
    s->sport = 0;
    s->dport = 0;
    s->tcp_flags = 0;
    s->icmp_type = 0;
    s->icmp_code = 0;
    switch (s->proto) {
    case IPPROTO_TCP:
        if (l4 + sizeof(tcp) > end || pb_load(skb, l4, tcp, sizeof(tcp)) < 0)
            return PB_DROP_CT_INVALID_HDR;
        pb_memcpy(&s->sport, tcp, 2);
        pb_memcpy(&s->dport, tcp + 2, 2);
        s->tcp_flags = tcp[13];
        return 0;
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
        if (l4 + sizeof(ports) > end || pb_load(skb, l4, ports, sizeof(ports)) < 0)
            return PB_DROP_CT_INVALID_HDR;
        s->sport = ports[0];
        s->dport = ports[1];
        return 0;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        if (l4 + sizeof(icmp) > end || bpf_skb_load_bytes(skb, l4, icmp, sizeof(icmp)) < 0)
            return PB_DROP_CT_INVALID_HDR;
        /* Each family has its own; in the other it is nothing. */
        bool v4 = s->proto == IPPROTO_ICMP;
        if (v4 != pb_addr_is_v4(&s->saddr))
            return PB_DROP_CT_UNKNOWN_PROTO;
        s->icmp_type = icmp[0];
        s->icmp_code = icmp[1];
        if (v4 ? (icmp[0] == ICMP_ECHO || icmp[0] == ICMP_ECHOREPLY) : (icmp[0] == ICMPV6_ECHO_REQUEST || icmp[0] == ICMPV6_ECHO_REPLY))
            __builtin_memcpy(&s->sport, icmp + 4, 2);
        else if (v4 ? (icmp[0] == ICMP_DEST_UNREACH || icmp[0] == ICMP_TIME_EXCEEDED || icmp[0] == ICMP_PARAMETERPROB)
                    : icmp[0] < 128)
            pb_set_flag(skb, PB_F_ICMPERR);
        return 0;
    default:
        return PB_DROP_CT_UNKNOWN_PROTO;
    }
}

/* 0, or the drop code. */
static __always_inline int pb_parse_packet(struct __sk_buff *skb, struct pb_scratch *s)
{
    __u32 l3 = ETH_HLEN, l4, end, frag_id = 0;
    bool fragment = false, first = true;

    /* One scratch per CPU serves packet after packet: nothing of the last one may be read. */
    pb_memset(s, 0, sizeof(*s));
    s->len = skb->wire_len ? skb->wire_len : skb->len;
    s->segments = pb_segments(skb);

    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        struct iphdr ip;
        if (pb_load(skb, l3, &ip, sizeof(ip)) < 0 || ip.ihl < 5 || ip.version != 4)
            return PB_DROP_INVALID;
        pb_addr_v4(&s->saddr, ip.saddr);
        pb_addr_v4(&s->daddr, ip.daddr);
        s->proto = ip.protocol;
        l4 = l3 + ip.ihl * 4;
        /* Only what the kernel will cut into segments may be longer than the field can say. */
        end = !ip.tot_len && skb->gso_segs ? skb->len : l3 + bpf_ntohs(ip.tot_len);
        __u16 off = bpf_ntohs(ip.frag_off);
        fragment = off & 0x3fff;
        first = !(off & 0x1fff);
        frag_id = bpf_ntohs(ip.id);
        skb->cb[PB_CB_OFF] = l3 | (l4 << 8) | ((__u32)ip.protocol << 16) | (4u << 24);
    } else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr ip6;
        if (pb_load(skb, l3, &ip6, sizeof(ip6)) < 0 || ip6.version != 6)
            return PB_DROP_INVALID;
        pb_memcpy(&s->saddr, &ip6.saddr, 16);
        pb_memcpy(&s->daddr, &ip6.daddr, 16);
        /* An IPv4-mapped address on the wire would pass for another family's (RFC 4291 2.5.5.2: never on the wire). */
        if (pb_addr_is_v4(&s->saddr) || pb_addr_is_v4(&s->daddr))
            return PB_DROP_INVALID;
        __u8 next = ip6.nexthdr;
        l4 = l3 + sizeof(ip6);
        end = !ip6.payload_len && (skb->gso_segs || next == IPPROTO_HOPOPTS) ? skb->len : l4 + bpf_ntohs(ip6.payload_len);
#pragma unroll
        for (int i = 0; i < PB_MAX_EXTHDRS; i++) {
            __u8 h[8];
            if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT
                && next != IPPROTO_AH)
                break;
            if (l4 > 240 || bpf_skb_load_bytes(skb, l4, h, sizeof(h)) < 0)
                return PB_DROP_INVALID_EXTHDR;
            if (next == IPPROTO_FRAGMENT) {
                __u16 off = ((__u16)h[2] << 8) | h[3];
                fragment = true;
                first = !(off & 0xfff8);
                frag_id = ((__u32)h[4] << 24) | ((__u32)h[5] << 16) | ((__u32)h[6] << 8) | h[7];
                l4 += 8;
            } else if (next == IPPROTO_AH) {
                l4 += (h[1] + 2) * 4;
            } else {
                l4 += (h[1] + 1) * 8;
            }
            next = h[0];
            if (fragment && !first)
                break;
        }
        if (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS || next == IPPROTO_AH || l4 > 255)
            if (first)
                return PB_DROP_INVALID_EXTHDR;
        s->proto = next;
        skb->cb[PB_CB_OFF] = l3 | ((l4 & 0xff) << 8) | ((__u32)next << 16) | (6u << 24);
    } else {
        return PB_DROP_UNKNOWN_L3;
    }

    if (fragment) {
        struct pb_frag_key k = {};
        k.saddr = s->saddr;
        k.daddr = s->daddr;
        k.id = frag_id;
        k.proto = s->proto;
        if (!first) {
            struct pb_frag_ports *p = bpf_map_lookup_elem(&fragments, &k);
            if (!p)
                return PB_DROP_FRAG_NOT_FOUND;
            s->sport = p->sport;
            s->dport = p->dport;
            s->icmp_type = p->icmp_type;
            s->icmp_code = p->icmp_code;
            pb_set_flag(skb, PB_F_FRAG);
            return 0;
        }
        int err = pb_parse_l4(skb, s, l4, end);
        if (err)
            return err;
        struct pb_frag_ports p = {.sport = s->sport, .dport = s->dport, .icmp_type = s->icmp_type, .icmp_code = s->icmp_code};
        bpf_map_update_elem(&fragments, &k, &p, BPF_ANY);
        return 0;
    }
    return pb_parse_l4(skb, s, l4, end);
}

/* What can't be parsed is dropped where pods are concerned. */
static __always_inline int pb_parse(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s)
{
    int err = pb_parse_packet(skb, s);
    return err ? pb_drop(skb, cfg, s, err) : pb_next(skb, cfg);
}

/* The node's own is left to the kernel, unless policy has a say about the node: then what it can't judge is dropped, but for
 * other protocols, which it can. */
static __always_inline int pb_parse_netdev(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s,
                                           const struct pb_addr *own)
{
    int err = pb_parse_packet(skb, s);
    if (!err)
        return pb_next(skb, cfg);
    struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, own);
    if (!ep || !(ep->flags & PB_EP_HOST) || !ep->policy_id)
        return pb_verdict(skb, cfg, s, PB_PASS, TC_ACT_UNSPEC);
    return err == PB_DROP_CT_UNKNOWN_PROTO ? pb_next(skb, cfg) : pb_drop(skb, cfg, s, err);
}

PB_STAGE(parse_pod_egress) { return pb_parse(skb, cfg, s); }
PB_STAGE(parse_pod_ingress) { return pb_parse(skb, cfg, s); }
PB_STAGE(parse_overlay_ingress) { return pb_parse(skb, cfg, s); }
PB_STAGE(parse_host_egress) { return pb_parse(skb, cfg, s); }
PB_STAGE(parse_netdev_ingress) { return pb_parse_netdev(skb, cfg, s, &s->daddr); }
PB_STAGE(parse_netdev_egress) { return pb_parse_netdev(skb, cfg, s, &s->saddr); }

PB_LICENSE;
