/* SPDX-License-Identifier: Apache-2.0
 * Masquerade: what a pod sends out of the cluster leaves with the node's address and a port of a range that nothing else
 * uses. A port is taken for one remote tuple only, so that it serves many destinations at once. IPv4: TCP, UDP, ICMP echo,
 * and the errors about them.
 *
 * Two maps for one mapping: snat4_in, keyed by what answers look like, has the state; snat4_out leads from the pod's tuple
 * to it. A mapping past its expiry does not exist, whether or not anybody has collected it.
 */
#include <patchbay/packet.h>
#include <patchbay/ipcache.h>
#include <patchbay/node_config.h>

#define NAT_TCP_ESTABLISHED (8000 * PB_SECOND)
#define NAT_TCP_SYN (60 * PB_SECOND)
#define NAT_TCP_CLOSING (60 * PB_SECOND) /* as long as the peer may hold the tuple in TIME_WAIT */
#define NAT_OTHER (60 * PB_SECOND)
#define PROBES 32
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
enum masq_flags { MASQ_NODES = 1, /* also what goes to other nodes of the cluster */ MASQ_NODES_NEVER = 2 };
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
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 131072);
    __type(key, struct snat4_key);
    __type(value, struct snat4_out);
} snat4_out SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 131072);
    __type(key, struct snat4_key);
    __type(value, struct snat4_in);
} snat4_in SEC(".maps");

/* [n], n below 32: mappings that found a port after n collisions; [32]: none found; [33]: a map was full. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PROBES + 2);
    __type(key, __u32);
    __type(value, struct pb_count);
} snat4_probes SEC(".maps");

static __always_inline void nat_seen(struct snat4_in *m, const struct pb_scratch *s, __u64 now, bool tx)
{
    __u64 until = now + NAT_OTHER;
    if (s->proto == IPPROTO_TCP) {
        __u8 flags = s->tcp_flags;
        if (tx && (flags & (PB_TCP_SYN | PB_TCP_ACK)) == PB_TCP_SYN && (m->tx_closing || m->rx_closing)) {
            m->tx_closing = 0;
            m->rx_closing = 0;
            m->seen_non_syn = 0;
        }
        if (flags & (PB_TCP_FIN | PB_TCP_RST)) {
            if (tx)
                m->tx_closing = 1;
            else
                m->rx_closing = 1;
        } else if (!(flags & PB_TCP_SYN) && !m->seen_non_syn) {
            m->seen_non_syn = 1;
        }
        if ((m->tx_closing && m->rx_closing) || (flags & PB_TCP_RST))
            until = now + NAT_TCP_CLOSING;
        else
            until = now + (m->seen_non_syn ? NAT_TCP_ESTABLISHED : NAT_TCP_SYN);
    }
    if (until < m->expires || until - m->expires >= PB_SECOND)
        m->expires = until;
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
    } else if (proto == IPPROTO_ICMP) {
        *check = 2;
        *port = 4;
        *flags = 0;
    } else {
        return false;
    }
    return true;
}

static __always_inline int nat_l3(struct __sk_buff *skb, bool source, __be32 from, __be32 to)
{
    __u32 l3 = pb_l3_off(skb);
    if (bpf_l3_csum_replace(skb, l3 + offsetof(struct iphdr, check), from, to, 4) < 0)
        return PB_DROP_CSUM_L3;
    if (bpf_skb_store_bytes(skb, l3 + (source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr)), &to, 4, 0) < 0)
        return PB_DROP_WRITE_ERROR;
    return 0;
}

/* Rewrites one side of the packet's tuple, and the scratch with it. 0, or the drop code. */
static __always_inline int nat_rewrite(struct __sk_buff *skb, struct pb_scratch *s, bool source, __be32 addr, __be16 port)
{
    __be32 from = source ? s->saddr.w[3] : s->daddr.w[3];
    /* An echo's identifier stands in sport, whichever way it goes. */
    bool echo = s->proto == IPPROTO_ICMP;
    __be16 from_port = source || echo ? s->sport : s->dport;
    __u32 check, at, l4 = pb_l4_off(skb);
    __u64 flags;
    if (!(pb_flags(skb) & PB_F_FRAG)) { /* later fragments have no L4 header */
        if (!nat_offsets(s->proto, source, &check, &at, &flags))
            return PB_DROP_NAT_UNSUPP_PROTO;
        if (!echo && bpf_l4_csum_replace(skb, l4 + check, from, addr, flags | 4) < 0)
            return PB_DROP_CSUM_L4;
        if (from_port != port) {
            if (bpf_l4_csum_replace(skb, l4 + check, from_port, port, (flags & ~BPF_F_PSEUDO_HDR) | 2) < 0)
                return PB_DROP_CSUM_L4;
            if (bpf_skb_store_bytes(skb, l4 + at, &port, 2, 0) < 0)
                return PB_DROP_WRITE_ERROR;
        }
    }
    int code = nat_l3(skb, source, from, addr);
    if (code)
        return code;
    if (source)
        s->saddr.w[3] = addr;
    else
        s->daddr.w[3] = addr;
    if (source || echo)
        s->sport = port;
    else
        s->dport = port;
    pb_set_flag(skb, PB_F_NAT);
    return 0;
}

/* Rewrites one side of an ICMP error and of the packet that it quotes, there the opposite one. The quoted IP header's sum
 * stays what it was with its checksum counted in, so of the error's own checksum only the port's part changes; the quoted
 * L4 checksum, which no receiver can verify, stays. */
static __always_inline int nat_rewrite_error(struct __sk_buff *skb, struct pb_scratch *s, const struct pb_inner *in, bool source,
                                             __be32 addr, __be16 port)
{
    __be32 from = source ? s->saddr.w[3] : s->daddr.w[3];
    bool inner_source = !source, echo = in->proto == IPPROTO_ICMP;
    __be32 inner_from = inner_source ? in->saddr.w[3] : in->daddr.w[3];
    __be16 from_port = inner_source || echo ? in->sport : in->dport;
    __u32 at = echo ? 4 : inner_source ? 0 : 2;
    if (bpf_l3_csum_replace(skb, in->l3 + offsetof(struct iphdr, check), inner_from, addr, 4) < 0)
        return PB_DROP_CSUM_L3;
    if (bpf_skb_store_bytes(skb, in->l3 + (inner_source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr)), &addr, 4, 0) < 0
        || bpf_skb_store_bytes(skb, in->l4 + at, &port, 2, 0) < 0)
        return PB_DROP_WRITE_ERROR;
    if (bpf_l4_csum_replace(skb, pb_l4_off(skb) + 2, from_port, port, 2) < 0)
        return PB_DROP_CSUM_L4;
    int code = nat_l3(skb, source, from, addr);
    if (code)
        return code;
    if (source)
        s->saddr.w[3] = addr;
    else
        s->daddr.w[3] = addr;
    pb_set_flag(skb, PB_F_NAT);
    return 0;
}

/* ---- out ---- */

static __always_inline void out_key(struct snat4_key *k, __be32 pod, __be32 remote, __be16 lport, __be16 rport, __u8 proto)
{
    pb_memset(k, 0, sizeof(*k));
    k->local = pod;
    k->remote = remote;
    k->lport = lport;
    k->rport = rport;
    k->proto = proto;
}

/* Takes a port and makes the mapping. 0, or the drop code. */
static __always_inline int nat_allocate(struct pb_scratch *s, const struct snat4_key *out, __be32 node, const struct masq_config *c,
                                        __be16 wanted, __u64 now, struct snat4_out *result)
{
    struct snat4_key k = *out;
    struct snat4_in m;
    __u32 min = c && c->port_min ? c->port_min : PORT_MIN;
    __u32 max = c && c->port_max >= min ? c->port_max : PORT_MAX;
    __u32 range = max - min + 1;
    /* The pod's own port chooses first: the same connection gets the same port again. */
    __u32 at = wanted ? bpf_ntohs(wanted) - min : (__u32)bpf_ntohs(out->lport) + bpf_ntohl(out->local) * 31;
    pb_memset(&m, 0, sizeof(m));
    m.addr = out->local;
    m.port = out->lport;
    m.created = now;
    nat_seen(&m, s, now, true);
    k.local = node;
    __u32 i, taken = 0;
    long err = 0;
    for (i = 0; i < PROBES; i++) {
        k.lport = bpf_htons(min + at % range);
        err = bpf_map_update_elem(&snat4_in, &k, &m, BPF_NOEXIST);
        if (!err) {
            taken = 1;
            break;
        }
        struct snat4_in *old = bpf_map_lookup_elem(&snat4_in, &k);
        if (old) {
            /* One that is over is taken by whoever changes its expiry first. */
            __u64 expires = old->expires;
            if ((expires <= now || (old->addr == m.addr && old->port == m.port))
                && __sync_val_compare_and_swap(&old->expires, expires, m.expires) == expires) {
                old->addr = m.addr;
                old->port = m.port;
                old->created = now;
                old->tx_closing = m.tx_closing;
                old->rx_closing = 0;
                old->seen_non_syn = m.seen_non_syn;
                taken = 1;
                break;
            }
        } else if (err != -17 /* EEXIST: collected just now, try the next */) {
            break;
        }
        at = bpf_get_prandom_u32();
    }
    if (!taken) {
        pb_count(&snat4_probes, i < PROBES ? PROBES + 1 : PROBES, 1);
        return PB_DROP_NAT_NO_MAPPING;
    }
    pb_count(&snat4_probes, i, 1);
    result->addr = node;
    result->port = k.lport;
    result->pad = 0;
    return 0;
}

/* The mapping of a pod's tuple, made when there is none. 0: result is set; negative: not to be translated. */
static __always_inline int nat_mapping(struct pb_scratch *s, const struct snat4_key *out, __be32 node, struct snat4_out *result)
{
    __u32 zero = 0;
    __u64 now = bpf_ktime_get_ns();
    __be16 wanted = 0;
    struct snat4_out *o = bpf_map_lookup_elem(&snat4_out, out);
    if (o) {
        struct snat4_key k = *out;
        k.local = o->addr;
        k.lport = o->port;
        struct snat4_in *m = bpf_map_lookup_elem(&snat4_in, &k);
        if (m && m->addr == out->local && m->port == out->lport && m->expires > now) {
            nat_seen(m, s, now, true);
            *result = *o;
            return 0;
        }
        if (o->addr == node)
            wanted = o->port;
    }
    if (pb_draining)
        return -1;
    int code = nat_allocate(s, out, node, bpf_map_lookup_elem(&masq_config, &zero), wanted, now, result);
    if (code)
        return code;
    if (bpf_map_update_elem(&snat4_out, out, result, o ? BPF_ANY : BPF_NOEXIST) == 0)
        return 0;
    /* Another CPU made one for the same connection meanwhile: that one counts, ours is given back. Or the map is full. */
    struct snat4_key mine = *out;
    mine.local = result->addr;
    mine.lport = result->port;
    o = bpf_map_lookup_elem(&snat4_out, out);
    if (o) {
        if (o->port != result->port || o->addr != result->addr)
            bpf_map_delete_elem(&snat4_in, &mine);
        *result = *o;
        return 0;
    }
    bpf_map_delete_elem(&snat4_in, &mine);
    pb_count(&snat4_probes, PROBES + 1, 1);
    return PB_DROP_NAT_NO_MAPPING;
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
    struct snat4_key k;
    struct snat4_out to;
    if (pb_route(skb) != PB_ROUTE_NETWORK || pb_family(skb) != 4 || pb_ct_state(skb) == PB_CT_REPLY)
        return 0;
    struct pb_node_config *n = bpf_map_lookup_elem(&node_config, &zero);
    if (!n)
        return PB_DROP_NO_CONFIG;
    if (pb_flags(skb) & PB_F_ICMPERR) {
        /* About a packet that came for the pod, perhaps through a mapping: then it quotes the node's address, too. */
        struct pb_inner in;
        if (!pb_parse_inner(skb, &in))
            return 0;
        bool echo = in.proto == IPPROTO_ICMP;
        out_key(&k, in.daddr.w[3], in.saddr.w[3], echo ? in.sport : in.dport, echo ? 0 : in.sport, in.proto);
        struct snat4_out *o = bpf_map_lookup_elem(&snat4_out, &k);
        if (!o)
            return 0;
        pb_set_flag(skb, PB_F_MASQ);
        return nat_rewrite_error(skb, s, &in, true, o->addr, o->port);
    }
    if (!nat_leaves_cluster(skb, s, n))
        return 0;
    bool echo = s->proto == IPPROTO_ICMP && pb_icmp_is_request(s->proto, s->icmp_type);
    if (s->proto != IPPROTO_TCP && s->proto != IPPROTO_UDP && !echo)
        return pb_draining ? 0 : PB_DROP_NAT_UNSUPP_PROTO;
    if (!n->node_ip4.w[3])
        return PB_DROP_NO_CONFIG;
    out_key(&k, s->saddr.w[3], s->daddr.w[3], s->sport, s->dport, s->proto);
    int code = nat_mapping(s, &k, n->node_ip4.w[3], &to);
    if (code < 0)
        return 0; /* draining: as if this feature had gone */
    if (code)
        return code;
    pb_set_flag(skb, PB_F_MASQ);
    return nat_rewrite(skb, s, true, to.addr, to.port);
}

PB_STAGE(masq_pod_egress)
{
    int code = masquerade(skb, s);
    return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
}

/* ---- back ---- */

static __always_inline int unmasquerade(struct __sk_buff *skb, struct pb_scratch *s)
{
    struct snat4_key k;
    __u64 now = bpf_ktime_get_ns();
    if (pb_family(skb) != 4)
        return 0;
    if (pb_flags(skb) & PB_F_ICMPERR) {
        struct pb_inner in;
        if (!pb_parse_inner(skb, &in) || in.saddr.w[3] != s->daddr.w[3])
            return 0;
        bool echo = in.proto == IPPROTO_ICMP;
        out_key(&k, in.saddr.w[3], in.daddr.w[3], in.sport, echo ? 0 : in.dport, in.proto);
        struct snat4_in *m = bpf_map_lookup_elem(&snat4_in, &k);
        if (!m || m->expires <= now)
            return 0;
        return nat_rewrite_error(skb, s, &in, false, m->addr, m->port);
    }
    bool echo = s->proto == IPPROTO_ICMP;
    if (echo ? !pb_icmp_is_reply(s->proto, s->icmp_type) : s->proto != IPPROTO_TCP && s->proto != IPPROTO_UDP)
        return 0;
    /* The node's own connections are most of what comes here: no look-up for a port that can't be ours. */
    if (bpf_ntohs(echo ? s->sport : s->dport) < 1024)
        return 0;
    out_key(&k, s->daddr.w[3], s->saddr.w[3], echo ? s->sport : s->dport, echo ? 0 : s->sport, s->proto);
    struct snat4_in *m = bpf_map_lookup_elem(&snat4_in, &k);
    if (!m || m->expires <= now)
        return 0;
    nat_seen(m, s, now, false);
    return nat_rewrite(skb, s, false, m->addr, m->port);
}

PB_STAGE(unmasq_netdev_ingress)
{
    int code = unmasquerade(skb, s);
    return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
}

PB_LICENSE;
