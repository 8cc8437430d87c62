/* SPDX-License-Identifier: Apache-2.0
 * Masquerade: what a pod sends out of the cluster leaves with the node's address and a port of a range that nothing else
 * uses. A port is taken for one remote tuple only, so that it serves many destinations at once. TCP, UDP, echoes, and the
 * errors about them.
 *
 * Two maps for one mapping, and two of each for the families: snat4_in, keyed by what answers look like, has the state;
 * snat4_out leads from the pod's tuple to it. A mapping past its expiry does not exist, whether or not anybody has collected it.
 */
#include <patchbay/packet.h>
#include <patchbay/places.h>
#include <patchbay/ipcache.h>
#include <patchbay/node_config.h>

#define NAT_TCP_ESTABLISHED (8000 * PB_SECOND)
#define NAT_TCP_SYN (60 * PB_SECOND)
#define NAT_TCP_CLOSING (60 * PB_SECOND) /* as long as the peer may hold the tuple in TIME_WAIT */
#define NAT_OTHER (60 * PB_SECOND)
#define NAT_ENDED 1 /* expiry of a mapping that is being deleted: nobody takes it over any more */
#define PROBES 32
#define NO_PORT PROBES /* what NAT(allocate) says else, and where it is counted */
#define NO_ROOM (PROBES + 1)
#define PORT_MIN 61000
#define PORT_MAX 65535
#define ID_REMOTE_NODE 6
#define POD_IDENTITIES 256
#define LOCAL_IDENTITIES (1u << 24)

/* 1: translate what exists and admit nothing new; the feature is on its way out. */
const volatile __u32 pb_draining = 0;

struct masq_config {
    __u32 flags;    /* enum masq_flags */
    __u16 port_min; /* 0: 61000 */
    __u16 port_max; /* 0: 65535 */
    __u32 spare[6];
};
enum masq_flags {
    MASQ_NODES = 1,       /* also what goes to other nodes of the cluster */
    MASQ_NODES_NEVER = 2,
    MASQ_NO_IPV6 = 4,     /* IPv6 leaves with the pod's address */
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct masq_config);
} masq_config SEC(".maps");

struct snat4_key {
    __be32 local;  /* out: the pod; in: the node */
    __be32 remote;
    __be16 lport;  /* ICMP echo: identifier */
    __be16 rport;
    __u8 proto;
    __u8 pad[3];
};
struct snat4_out {
    __be32 addr;   /* of the node */
    __be16 port;
    __u16 pad;
};
struct snat4_in {
    __u64 expires; /* CLOCK_MONOTONIC, ns */
    __u64 created;
    __be32 addr;   /* of the pod */
    __be16 port;
    __u8 tx_closing;
    __u8 rx_closing;
    __u8 seen_non_syn;
    __u8 pad[3];
    __u32 spare[3];
};
struct snat6_key {
    struct pb_addr local;
    struct pb_addr remote;
    __be16 lport;
    __be16 rport;
    __u8 proto;
    __u8 pad[3];
};
struct snat6_out {
    struct pb_addr addr;
    __be16 port;
    __u16 pad;
};
struct snat6_in {
    __u64 expires;
    __u64 created;
    struct pb_addr addr;
    __be16 port;
    __u8 tx_closing;
    __u8 rx_closing;
    __u8 seen_non_syn;
    __u8 pad[3];
};

/* Who speaks with whom, in either family. out: local is the pod; in: the node. */
struct nat_tuple {
    struct pb_addr local;
    struct pb_addr remote;
    __be16 lport;
    __be16 rport;
    __u8 proto;
};
struct nat_end {
    struct pb_addr addr;
    __be16 port;
};

static __always_inline bool nat_is_echo(__u8 proto) { return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6; }

#define NAT(NAME) snat4_##NAME
#define NAT_ADDR(A) ((A).w[3])
#define NAT_SAME(A, B) ((A) == (B))
#define NAT_WHOLE(TO, A) pb_addr_v4(TO, A)
#define NAT_PLACES PB_PLACES(snat4_out, struct snat4_key, 131072)
#include "mappings.h"
#define NAT(NAME) snat6_##NAME
#define NAT_ADDR(A) (A)
#define NAT_SAME(A, B) pb_addr_eq(&(A), &(B))
#define NAT_WHOLE(TO, A) (*(TO) = (A))
#define NAT_PLACES PB_PLACES(snat6_out, struct snat6_key, 131072)
#include "mappings.h"

/* 0: `to` is set; negative: not to be translated; else the drop code. */
static __always_inline int nat_mapping(struct __sk_buff *skb, const struct pb_scratch *s, const struct nat_tuple *t,
                                       const struct pb_addr *node, struct nat_end *to)
{
    return pb_family(skb) == 4 ? snat4_mapping(s, t, node, to) : snat6_mapping(s, t, node, to);
}

/* What a pod's tuple leaves as, if there is a mapping. */
static __always_inline bool nat_way(struct __sk_buff *skb, const struct nat_tuple *t, struct nat_end *to)
{
    return pb_family(skb) == 4 ? snat4_way(t, to) : snat6_way(t, to);
}

/* The pod that an answer is for, if it is for one; `s`: the answer, which keeps the mapping alive; NULL: something about it. */
static __always_inline bool nat_pod(struct __sk_buff *skb, const struct nat_tuple *t, const struct pb_scratch *s, struct nat_end *pod)
{
    return pb_family(skb) == 4 ? snat4_pod(t, s, pod) : snat6_pod(t, s, pod);
}

/* ---- rewriting ---- */

/* Where the L4 checksum and the port are; false for what has neither. */
static __always_inline bool nat_offsets(__u8 proto, bool source, __u32 *check, __u32 *port, __u64 *flags)
{
    *flags = BPF_F_PSEUDO_HDR;
    if (proto == IPPROTO_TCP) {
        *check = 16;
        *port = source ? 0 : 2;
    } else if (proto == IPPROTO_UDP) {
        *check = 6;
        *port = source ? 0 : 2;
        *flags |= BPF_F_MARK_MANGLED_0;
    } else if (nat_is_echo(proto)) {
        *check = 2;
        *port = 4;
    } else {
        return false;
    }
    return true;
}

/* Writes an address into the IP header at `l3`, and what follows for that header's own checksum. */
static __always_inline int nat_l3(struct __sk_buff *skb, __u32 l3, bool source, const struct pb_addr *from, const struct pb_addr *to)
{
    if (pb_family(skb) == 4) {
        if (bpf_l3_csum_replace(skb, l3 + offsetof(struct iphdr, check), from->w[3], to->w[3], 4) < 0)
            return PB_DROP_CSUM_L3;
        if (bpf_skb_store_bytes(skb, l3 + (source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr)), &to->w[3], 4, 0) < 0)
            return PB_DROP_WRITE_ERROR;
        return 0;
    }
    if (bpf_skb_store_bytes(skb, l3 + (source ? offsetof(struct ipv6hdr, saddr) : offsetof(struct ipv6hdr, daddr)), to, 16, 0) < 0)
        return PB_DROP_WRITE_ERROR;
    return 0;
}

/* What a changed address is to the checksum of TCP, UDP or ICMPv6. */
static __always_inline int nat_l4_address(struct __sk_buff *skb, __u32 check, const struct pb_addr *from, const struct pb_addr *to, __u64 flags)
{
    if (pb_family(skb) == 4)
        return bpf_l4_csum_replace(skb, check, from->w[3], to->w[3], flags | 4) < 0 ? PB_DROP_CSUM_L4 : 0;
    __s64 diff = bpf_csum_diff((void *)from, 16, (void *)to, 16, 0);
    return bpf_l4_csum_replace(skb, check, 0, diff, flags) < 0 ? PB_DROP_CSUM_L4 : 0;
}

/* Rewrites one side of the packet's tuple, and the scratch with it. 0, or the drop code. */
static __always_inline int nat_rewrite(struct __sk_buff *skb, struct pb_scratch *s, bool source, const struct nat_end *to)
{
    struct pb_addr *from = source ? &s->saddr : &s->daddr;
    /* An echo's identifier stands in sport, whichever way it goes. */
    bool echo = nat_is_echo(s->proto);
    __be16 port = to->port, from_port = source || echo ? s->sport : s->dport;
    __u32 check, at, l4 = pb_l4_off(skb);
    __u64 flags;
    int code;
    if (!(pb_flags(skb) & PB_F_FRAG)) { /* later fragments have no L4 header */
        if (!nat_offsets(s->proto, source, &check, &at, &flags))
            return PB_DROP_NAT_UNSUPP_PROTO;
        /* ICMP alone has no pseudo header */
        if (s->proto != IPPROTO_ICMP) {
            code = nat_l4_address(skb, l4 + check, from, &to->addr, flags);
            if (code)
                return code;
        }
        if (from_port != port) {
            if (bpf_l4_csum_replace(skb, l4 + check, from_port, port, (flags & ~BPF_F_PSEUDO_HDR) | 2) < 0)
                return PB_DROP_CSUM_L4;
            if (bpf_skb_store_bytes(skb, l4 + at, &port, 2, 0) < 0)
                return PB_DROP_WRITE_ERROR;
        }
    }
    code = nat_l3(skb, pb_l3_off(skb), source, from, &to->addr);
    if (code)
        return code;
    *from = to->addr;
    if (source || echo)
        s->sport = port;
    else
        s->dport = port;
    pb_set_flag(skb, PB_F_NAT);
    return 0;
}

/* Rewrites one side of an ICMP error and of the packet that it quotes, there the opposite one. In IPv4 the quoted IP header's sum
 * stays what it was with its checksum counted in, so of the error's own checksum only the port's part changes; in IPv6 all of it
 * does. The quoted L4 checksum, which no receiver can verify, stays. */
static __always_inline int nat_rewrite_error(struct __sk_buff *skb, struct pb_scratch *s, const struct pb_inner *in, bool source,
                                             const struct nat_end *to)
{
    struct pb_addr *from = source ? &s->saddr : &s->daddr;
    bool inner_source = !source, echo = nat_is_echo(in->proto);
    const struct pb_addr *inner_from = inner_source ? &in->saddr : &in->daddr;
    __be16 from_port = inner_source || echo ? in->sport : in->dport;
    __u32 at = echo ? 4 : inner_source ? 0 : 2, check = pb_l4_off(skb) + 2;
    int code = nat_l3(skb, in->l3, inner_source, inner_from, &to->addr);
    if (code)
        return code;
    if (bpf_skb_store_bytes(skb, in->l4 + at, &to->port, 2, 0) < 0)
        return PB_DROP_WRITE_ERROR;
    if (bpf_l4_csum_replace(skb, check, from_port, to->port, 2) < 0)
        return PB_DROP_CSUM_L4;
    if (pb_family(skb) == 6) {
        code = nat_l4_address(skb, check, inner_from, &to->addr, 0);
        if (!code)
            code = nat_l4_address(skb, check, from, &to->addr, BPF_F_PSEUDO_HDR);
        if (code)
            return code;
    }
    code = nat_l3(skb, pb_l3_off(skb), source, from, &to->addr);
    if (code)
        return code;
    *from = to->addr;
    pb_set_flag(skb, PB_F_NAT);
    return 0;
}

/* ---- out ---- */

static __always_inline void nat_tuple_of(struct nat_tuple *t, const struct pb_addr *local, const struct pb_addr *remote, __be16 lport, __be16 rport,
                                         __u8 proto)
{
    t->local = *local;
    t->remote = *remote;
    t->lport = lport;
    t->rport = rport;
    t->proto = proto;
}

/* Whether what goes there needs the node's address. */
static __always_inline bool nat_leaves_cluster(const struct __sk_buff *skb, const struct pb_scratch *s, const struct pb_node_config *n)
{
    __u32 zero = 0, dst = skb->cb[PB_CB_DST];
    if (dst >= POD_IDENTITIES && dst < LOCAL_IDENTITIES)
        return false;
    struct pb_ipcache_value *v = bpf_map_lookup_elem(&ipcache, &s->daddr);
    if (dst != ID_REMOTE_NODE && !(v && (v->flags & PB_IPC_NODE)))
        return true;
    struct masq_config *c = bpf_map_lookup_elem(&masq_config, &zero);
    if (c && (c->flags & MASQ_NODES))
        return true;
    if (c && (c->flags & MASQ_NODES_NEVER))
        return false;
    /* With an overlay a pod's address is not at home on the nodes' network: another node's rp_filter would drop it. */
    return n->tunnel_ifindex != 0;
}

/* 0: on to the successor; otherwise the drop code. */
static __always_inline int masquerade(struct __sk_buff *skb, struct pb_scratch *s)
{
    __u32 zero = 0;
    struct nat_tuple t;
    struct nat_end to;
    if (pb_route(skb) != PB_ROUTE_NETWORK || pb_ct_state(skb) == PB_CT_REPLY)
        return 0;
    struct pb_node_config *n = bpf_map_lookup_elem(&node_config, &zero);
    if (!n)
        return PB_DROP_NO_CONFIG;
    if (pb_flags(skb) & PB_F_ICMPERR) {
        /* About a packet that came for the pod, perhaps through a mapping: then it quotes the node's address, too. */
        struct pb_inner in;
        if (!pb_parse_inner(skb, &in))
            return 0;
        bool echo = nat_is_echo(in.proto);
        nat_tuple_of(&t, &in.daddr, &in.saddr, echo ? in.sport : in.dport, echo ? 0 : in.sport, in.proto);
        if (!nat_way(skb, &t, &to))
            return 0;
        pb_set_flag(skb, PB_F_MASQ);
        return nat_rewrite_error(skb, s, &in, true, &to);
    }
    struct masq_config *c = bpf_map_lookup_elem(&masq_config, &zero);
    if (pb_family(skb) == 6 && c && (c->flags & MASQ_NO_IPV6))
        return 0;
    if (!nat_leaves_cluster(skb, s, n))
        return 0;
    bool echo = nat_is_echo(s->proto) && pb_icmp_is_request(s->proto, s->icmp_type);
    if (s->proto != IPPROTO_TCP && s->proto != IPPROTO_UDP && !echo)
        return pb_draining ? 0 : PB_DROP_NAT_UNSUPP_PROTO;
    const struct pb_addr *node = pb_family(skb) == 4 ? &n->node_ip4 : &n->node_ip6;
    if (pb_addr_is_zero(node))
        return PB_DROP_NO_CONFIG;
    nat_tuple_of(&t, &s->saddr, &s->daddr, s->sport, s->dport, s->proto);
    int code = nat_mapping(skb, s, &t, node, &to);
    if (code < 0)
        return 0; /* draining: as if this feature had gone */
    if (code)
        return code;
    pb_set_flag(skb, PB_F_MASQ);
    return nat_rewrite(skb, s, true, &to);
}

PB_STAGE(masq_pod_egress)
{
    int code = masquerade(skb, s);
    return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
}

/* ---- back ---- */

static __always_inline int unmasquerade(struct __sk_buff *skb, struct pb_scratch *s)
{
    struct nat_tuple t;
    struct nat_end pod;
    if (pb_flags(skb) & PB_F_ICMPERR) {
        struct pb_inner in;
        if (!pb_parse_inner(skb, &in) || !pb_addr_eq(&in.saddr, &s->daddr))
            return 0;
        nat_tuple_of(&t, &in.saddr, &in.daddr, in.sport, nat_is_echo(in.proto) ? 0 : in.dport, in.proto);
        return nat_pod(skb, &t, 0, &pod) ? nat_rewrite_error(skb, s, &in, false, &pod) : 0;
    }
    bool echo = nat_is_echo(s->proto);
    if (echo ? !pb_icmp_is_reply(s->proto, s->icmp_type) : s->proto != IPPROTO_TCP && s->proto != IPPROTO_UDP)
        return 0;
    /* The node's own connections are most of what comes here: no look-up for a port that can't be ours. */
    if (bpf_ntohs(echo ? s->sport : s->dport) < 1024)
        return 0;
    nat_tuple_of(&t, &s->daddr, &s->saddr, echo ? s->sport : s->dport, echo ? 0 : s->sport, s->proto);
    return nat_pod(skb, &t, s, &pod) ? nat_rewrite(skb, s, false, &pod) : 0;
}

PB_STAGE(unmasq_netdev_ingress)
{
    int code = unmasquerade(skb, s);
    return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
}

PB_LICENSE;
