/* SPDX-License-Identifier: Apache-2.0
 * Ports of this node that connections to services were given, and the way back: lb_nat, keyed by what the answers look like. The range is below
 * NodePorts and below the node's own ephemeral ports, and apart from masquerade's; a port is taken for one backend only, so that it serves many at once.
 */
#ifndef PATCHBAY_SERVICE_NAT_H
#define PATCHBAY_SERVICE_NAT_H

#include "flow.h"

#define NAT_PORT_MIN 10000
#define NAT_PORT_MAX 29999
#define NAT_PROBES 32

struct lb_nat_key {
    struct pb_addr node;
    struct pb_addr backend;
    __be16 nport;
    __be16 bport;
    __u8 proto;
    __u8 pad[3];
};
/* Expired means that it does not exist, whether or not the agent has collected it. */
struct lb_nat {
    __u64 expires;
    struct pb_addr client;
    struct pb_addr addr; /* the service's */
    __be16 cport;
    __be16 port;
    __u32 svc; /* the frontend's number, below 2^31, and NAT_OWN_PROCESS */
};
#define NAT_OWN_PROCESS (1u << 31)
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 131072);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct lb_nat_key);
    __type(value, struct lb_nat);
} lb_nat SEC(".maps");
PB_CARRIED(lb_nat, struct lb_nat_key, struct lb_nat);

#define NAT_ENDED 1 /* expiry of a mapping that is being deleted: nobody takes it over any more */

static __always_inline enum pb_place lb_nat_at(const struct lb_nat_key *k, __u64 now)
{
    struct lb_nat *m = bpf_map_lookup_elem(&lb_nat, k);
    if (!m)
        return PB_PLACE_EMPTY;
    __u64 expires = PB_READ_ONCE(m->expires);
    if (expires > now || __sync_val_compare_and_swap(&m->expires, expires, NAT_ENDED) != expires)
        return PB_PLACE_ALIVE;
    bpf_map_delete_elem(&lb_nat, k);
    return PB_PLACE_ENDED;
}
PB_PLACES(lb_nat, struct lb_nat_key, 131072);

/* New connections that got no port: [0] none was free, [1] the map was full of live ones. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct pb_count);
} lb_nat_refused SEC(".maps");
static __always_inline void nat_key_of(struct lb_nat_key *k, const struct pb_addr *node, const struct pb_addr *backend, __be16 nport, __be16 bport, __u8 proto)
{
    pb_memset(k, 0, sizeof(*k));
    k->node = *node;
    k->backend = *backend;
    k->nport = nport;
    k->bport = bport;
    k->proto = proto;
}

/* Another lifetime that a mapping is given from now on. */
static __always_inline void nat_until(struct lb_nat *m, __u64 until)
{
    if (until >= m->expires + PB_SECOND || until < m->expires)
        m->expires = until;
}

/* How long a segment of the client keeps its mapping: as its flow. */
static __always_inline __u64 nat_lifetime(const struct pb_scratch *s)
{
    if (s->proto == IPPROTO_UDP)
        return LB_UDP;
    if (s->tcp_flags & PB_TCP_RST)
        return LB_TCP_RST;
    return s->tcp_flags & PB_TCP_FIN ? LB_TCP_FIN : lb_syn(s) ? LB_TCP_SYN : LB_TCP;
}

/* Whether the mapping is of a connection to a process of this node, where the client stands in the backend's place (or the service, see own.c). */
static __always_inline bool nat_of_own_process(const struct lb_nat *m, const struct lb_nat_key *k)
{
    /* One that an older version made says so by its client alone. */
    return (m->svc & NAT_OWN_PROCESS) || (m->cport == k->bport && pb_addr_eq(&m->client, &k->backend));
}

static __always_inline bool nat_same(const struct lb_nat *a, const struct lb_nat *b)
{
    return pb_addr_eq(&a->client, &b->client) && a->cport == b->cport && pb_addr_eq(&a->addr, &b->addr) && a->port == b->port;
}

static __always_inline __be16 nat_node_port(__u32 any)
{
    return bpf_htons(NAT_PORT_MIN + any % (NAT_PORT_MAX - NAT_PORT_MIN + 1));
}

static __always_inline bool nat_is(const struct lb_nat *m, const struct pb_scratch *s)
{
    return pb_addr_eq(&m->client, &s->saddr) && m->cport == s->sport && pb_addr_eq(&m->addr, &s->svc_addr) && m->port == s->svc_port;
}

enum nat_taken {
    NAT_NONE,  /* no port is free */
    NAT_FULL,  /* the map */
    NAT_MADE,
    NAT_TAKEN, /* in the place of a mapping that is over, or of this very connection */
};

/* The mapping that is being made on this CPU: not on the stack, which making it takes much of. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct lb_nat);
} lb_nat_new SEC(".maps");

static __always_inline struct lb_nat *nat_new(void)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&lb_nat_new, &zero);
}

/* Looks for a port of which the tuple in `key` is free and takes it for the new mapping: the one in `key` first, then any. */
PB_FUNCTION int nat_take(struct lb_nat_key *key, __u64 now)
{
    struct lb_nat_key k;
    struct lb_nat *m = nat_new();
    int taken = NAT_NONE;
    if (!key || !m)
        return NAT_NONE;
    k = *key;
#pragma clang loop unroll(disable)
    for (int i = 0; i < NAT_PROBES; i++) {
        long err = bpf_map_update_elem(&lb_nat, &k, m, BPF_NOEXIST);
        if (!err) {
            taken = NAT_MADE;
            break;
        }
        struct lb_nat *old = bpf_map_lookup_elem(&lb_nat, &k);
        if (!old && err != -17 /* EEXIST: collected just now */) {
            taken = NAT_FULL;
            break;
        }
        if (old) {
            /* One that is over is taken by whoever changes its expiry first. */
            __u64 expires = PB_READ_ONCE(old->expires);
            if (expires != NAT_ENDED && (expires <= now || nat_same(old, m)) && __sync_val_compare_and_swap(&old->expires, expires, m->expires) == expires) {
                old->client = m->client;
                old->addr = m->addr;
                old->cport = m->cport;
                old->port = m->port;
                old->svc = m->svc;
                taken = NAT_TAKEN;
                break;
            }
        }
        __u32 any = bpf_get_prandom_u32();
        if ((m->svc & NAT_OWN_PROCESS) && !pb_addr_eq(&k.backend, &m->addr))
            k.bport = bpf_htons(1024 + any % (65536 - 1024));
        else if (m->svc & NAT_OWN_PROCESS)
            k.bport = nat_node_port(any);
        else
            k.nport = nat_node_port(any);
    }
    *key = k;
    return taken;
}

/* Keeps a port in the connection's flow, in the place of `known`: the port that counts. */
PB_FUNCTION int flow_port(const struct pb_scratch *s, __u32 known, __be16 port)
{
    struct lb_flow_key f;
    if (!s)
        return port;
    pb_memset(&f, 0, sizeof(f));
    f.client = s->saddr;
    f.addr = s->svc_addr;
    f.cport = s->sport;
    f.port = s->svc_port;
    f.proto = s->proto;
    struct lb_flow *flow = bpf_map_lookup_elem(&lb_flows, &f);
    if (!flow)
        return port;
    __u32 before = __sync_val_compare_and_swap(&flow->nat_port, known, (__u32)port);
    return before == known ? port : before;
}

/* Makes a mapping for the connection in the scratch and keeps its port in the connection's flow, in the place of `known`. `own`:
 * NAT_OWN_PROCESS or 0. 0 and its port in `key`, or the drop code. */
PB_FUNCTION int nat_make(struct lb_nat_key *key, const struct pb_scratch *s, __u32 own, __u32 known, __u64 now)
{
    struct lb_nat_key k;
    struct lb_nat *m = nat_new();
    if (!key || !s || !m)
        return PB_DROP_NAT_NO_MAPPING;
    k = *key;
    m->expires = now + nat_lifetime(s);
    m->client = s->saddr;
    m->addr = s->svc_addr;
    m->cport = s->sport;
    m->port = s->svc_port;
    m->svc = s->svc_id | own;
    int taken = nat_take(&k, now);
    if (taken == NAT_FULL && lb_nat_make_room(now) && !bpf_map_update_elem(&lb_nat, &k, m, BPF_NOEXIST))
        taken = NAT_MADE;
    if (taken == NAT_MADE)
        lb_nat_keep(&k, now);
    else if (taken != NAT_TAKEN) {
        pb_count(&lb_nat_refused, taken == NAT_FULL, 1);
        return PB_DROP_NAT_NO_MAPPING;
    }
    *key = k;
    __be16 port = own ? k.bport : k.nport, counts = port;
    if (!own || known || port != s->sport)
        counts = flow_port(s, known, port);
    if (counts != port) /* another CPU gave it one meanwhile */
        bpf_map_delete_elem(&lb_nat, &k);
    if (own)
        key->bport = counts;
    else
        key->nport = counts;
    return 0;
}

/* The connection's port at this node. 0 and k->nport, or the drop code. */
static __always_inline int nat_port(const volatile struct pb_stage_cfg *cfg, struct lb_nat_key *k, const struct pb_scratch *s, __u32 known)
{
    __u64 now = bpf_ktime_get_ns();
    k->nport = known;
    if (known) {
        struct lb_nat *m = lb_nat_find(cfg, k);
        if (m && m->expires > now && nat_is(m, s)) {
            /* A closing connection stays closing; its last segments don't make it live for hours. */
            if (m->expires > now + LB_TCP_FIN || s->proto != IPPROTO_TCP || (s->tcp_flags & (PB_TCP_FIN | PB_TCP_RST | PB_TCP_SYN))
                || m->expires <= now + LB_TCP_SYN)
                nat_until(m, now + nat_lifetime(s));
            return 0;
        }
    }
    k->nport = nat_node_port(bpf_ntohs(s->sport));
    return nat_make(k, s, 0, known, now);
}

/* Whether a packet is for one of our ports. */
static __always_inline bool may_be_answer(const struct pb_scratch *s)
{
    __u32 port = bpf_ntohs(s->dport);
    return (s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP) && port >= NAT_PORT_MIN && port <= NAT_PORT_MAX;
}

/* To a process of this node: its answers leave through the node's stack and are given the service's address at the device. Where
 * a connection through another frontend has the tuple already, this one gets another client's port, `known` if it has one. `as`: whom the
 * process sees, the client itself, or the service with a port of our range. LB_DONE, or the drop code. */
PB_FUNCTION int own_process(struct __sk_buff *skb, struct pb_scratch *s, const struct pb_addr *as, __u32 known)
{
    struct lb_nat_key k;
    __u64 now = bpf_ktime_get_ns();
    if (!s || !as)
        return PB_DROP_NAT_NO_MAPPING;
    struct pb_addr seen = *as;
    bool itself = pb_addr_eq(&seen, &s->saddr);
    if (s->proto != IPPROTO_TCP && s->proto != IPPROTO_UDP)
        return LB_DONE; /* SCTP: the port is the service's, so nothing is to be undone but the address */
    nat_key_of(&k, &s->daddr, &seen, s->dport, known ? known : itself ? s->sport : nat_node_port(bpf_ntohs(s->sport)), s->proto);
    struct lb_nat *old = bpf_map_lookup_elem(&lb_nat, &k);
    if (old && old->expires > now && nat_is(old, s)) {
        nat_until(old, now + nat_lifetime(s));
    } else {
        int code = nat_make(&k, s, NAT_OWN_PROCESS, known, now);
        if (code)
            return code;
    }
    if (itself && k.bport == s->sport)
        return LB_DONE;
    int code = pb_rewrite(skb, s->proto, true, &s->saddr, &seen, s->sport, k.bport);
    s->saddr = seen;
    s->sport = k.bport;
    return code ? code : LB_DONE;
}
#endif
