/* SPDX-License-Identifier: Apache-2.0
 * Which backend a connection went to, for as long as it lives, and rewriting packets: what translation from pods and from
 * outside share. */
#ifndef PATCHBAY_SERVICE_FLOW_H
#define PATCHBAY_SERVICE_FLOW_H

#include <patchbay/places.h>
#include <patchbay/rewrite.h>
#include "lb.h"

#define LB_TCP (8000 * PB_SECOND)
#define LB_TCP_SYN (60 * PB_SECOND)
#define LB_TCP_FIN (120 * PB_SECOND) /* from the client's FIN on, and from each segment after it */
#define LB_TCP_RST (10 * PB_SECOND)
#define LB_UDP (60 * PB_SECOND)

/* A pod that reaches itself through a service would answer itself and not the service: it sees this source instead. The
 * IPv6 one is from the discard prefix (RFC 6666), which a pod sends to its router. */
#define LB_HAIRPIN4 bpf_htonl(0xa9fe2a01) /* 169.254.42.1 */

struct lb_flow_key {
    struct pb_addr client;
    struct pb_addr addr; /* the service's */
    __be16 cport;
    __be16 port;
    __u8 proto;
    __u8 pad[3];
};

/* Expired means that it does not exist, whether or not the agent has collected it. */
struct lb_flow {
    __u64 expires; /* CLOCK_MONOTONIC, ns */
    struct pb_addr addr; /* the backend's: it outlives the backend's number */
    __u32 backend;
    __be16 port;
    __u8 closing;  /* FIN or RST seen */
    __u8 pad;
    __u64 created;
    __u32 nat_port; /* as it is on the wire, in the low half; 0: the client's source was kept */
    __u32 pad2;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 131072);
    __type(key, struct lb_flow_key);
    __type(value, struct lb_flow);
} lb_flows SEC(".maps");
PB_CARRIED(lb_flows, struct lb_flow_key, struct lb_flow);

static __always_inline enum pb_place lb_flows_at(const struct lb_flow_key *k, __u64 now)
{
    struct lb_flow *f = bpf_map_lookup_elem(&lb_flows, k);
    if (!f)
        return PB_PLACE_EMPTY;
    if (f->expires > now)
        return PB_PLACE_ALIVE;
    bpf_map_delete_elem(&lb_flows, k);
    return PB_PLACE_ENDED;
}
PB_PLACES(lb_flows, struct lb_flow_key, 131072);

/* Connections refused because lb_flows was full of live ones. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pb_count);
} lb_refused SEC(".maps");

static __always_inline void lb_hairpin_addr(struct pb_addr *a, bool v4)
{
    if (v4) {
        pb_addr_v4(a, LB_HAIRPIN4);
        return;
    }
    a->w[0] = bpf_htonl(0x01000000); /* 100::a9fe:2a01 */
    a->w[1] = 0;
    a->w[2] = 0;
    a->w[3] = LB_HAIRPIN4;
}

static __always_inline bool lb_syn(const struct pb_scratch *s)
{
    return s->proto == IPPROTO_TCP && (s->tcp_flags & (PB_TCP_SYN | PB_TCP_ACK)) == PB_TCP_SYN;
}

static __always_inline __u64 lb_lifetime(const struct lb_flow *f, const struct pb_scratch *s)
{
    if (s->proto == IPPROTO_UDP)
        return LB_UDP;
    if (s->tcp_flags & PB_TCP_RST)
        return LB_TCP_RST;
    if (f->closing || (s->tcp_flags & PB_TCP_FIN))
        return LB_TCP_FIN;
    return lb_syn(s) ? LB_TCP_SYN : LB_TCP;
}

/* Whether a connection stays where it is. One of TCP does when its backend has left the service (it may live on), one of
 * UDP only while the backend serves; what begins anew goes to an active one. */
static __always_inline bool lb_stays(const volatile struct pb_stage_cfg *cfg, const struct lb_flow *f, const struct lb_service *svc, const struct pb_scratch *s, __u64 now)
{
    if (f->expires <= now)
        return false;
    bool syn = lb_syn(s);
    if (syn && f->closing)
        return false;
    __u32 id = f->backend;
    struct lb_backend *b = lb_backends_find(cfg, &id);
    bool same = b && pb_addr_eq(&b->addr, &f->addr) && b->port == f->port;
    if (syn)
        return same && b->state == LB_ACTIVE;
    if (s->proto == IPPROTO_UDP) {
        struct lb_member m = {.set = svc->set, .backend = id};
        return same && lb_members_find(cfg, &m);
    }
    return true;
}

/* Bob Jenkins' lookup3 mix over three words, as the kernel's jhash_3words: Maglev's index, the same on every node. */
static __always_inline __u32 lb_rol(__u32 x, __u32 n) { return x << n | x >> (32 - n); }
static __always_inline __u32 lb_jhash3(__u32 a, __u32 b, __u32 c, __u32 seed)
{
    seed += 0xdeadbeef + (3 << 2);
    a += seed;
    b += seed;
    c += seed;
    c ^= b; c -= lb_rol(b, 14);
    a ^= c; a -= lb_rol(c, 11);
    b ^= a; b -= lb_rol(a, 25);
    c ^= b; c -= lb_rol(b, 16);
    a ^= c; a -= lb_rol(c, 4);
    b ^= a; b -= lb_rol(a, 14);
    c ^= b; c -= lb_rol(b, 24);
    return c;
}

/* What Maglev chooses by: client and ports, so that all nodes send a connection to the same backend; with affinity the client
 * alone. The service's address does not count: several addresses of one service agree. */
#define LB_HASH_SEED 0x71dcda46 /* second word of the seed that Maglev tables are made with */
static __always_inline __u32 lb_hash(const struct pb_scratch *s, bool client_only)
{
    __u32 ports = (__u32)s->dport << 16 | (client_only ? 0 : s->sport);
    __u32 seed = LB_HASH_SEED;
    if (!pb_addr_is_v4(&s->saddr))
        seed = lb_jhash3(s->saddr.w[0], s->saddr.w[1], s->saddr.w[2], seed);
    return lb_jhash3(s->saddr.w[3], ports, s->proto, seed);
}

enum { LB_NOT_MINE = 0, LB_DONE = 1 }; /* other results: a drop code */

static __always_inline void lb_flow_key_of(struct lb_flow_key *k, const struct pb_scratch *s)
{
    pb_memset(k, 0, sizeof(*k));
    k->client = s->saddr;
    k->addr = s->daddr;
    k->cport = s->sport;
    k->port = s->dport;
    k->proto = s->proto;
}

/* A backend for what is a new connection to the service, and its flow. `flags`: of the flow's update; `epoch`: the stage's. LB_DONE or the
 * drop code. */
PB_FUNCTION int lb_flow_new(const struct lb_service *svc, const struct pb_scratch *s, struct lb_choice *c, __u64 flags, __u32 epoch)
{
    struct lb_flow_key k;
    struct lb_flow n = {};
    if (!svc || !s || !c)
        return PB_DROP_NO_SERVICE;
    __u64 now = bpf_ktime_get_ns();
    __u32 hash = svc->algorithm == LB_MAGLEV ? lb_hash(s, svc->flags & LB_F_AFFINITY) : bpf_get_prandom_u32();
    if (!lb_select(svc, &s->saddr, hash, c, epoch))
        return PB_DROP_NO_SERVICE;
    lb_flow_key_of(&k, s);
    n.addr = c->addr;
    n.port = c->port;
    n.backend = c->backend;
    n.created = now;
    n.closing = s->proto == IPPROTO_TCP && (s->tcp_flags & (PB_TCP_FIN | PB_TCP_RST));
    n.expires = now + lb_lifetime(&n, s);
    bool made = !bpf_map_update_elem(&lb_flows, &k, &n, flags);
    struct lb_flow *f = made ? 0 : bpf_map_lookup_elem(&lb_flows, &k);
    /* Full. What is over makes room; what is alive never does. */
    if (!made && !f && lb_flows_make_room(now))
        made = !bpf_map_update_elem(&lb_flows, &k, &n, BPF_NOEXIST);
    if (made) {
        lb_flows_keep(&k, now);
        return LB_DONE;
    }
    if (!f) {
        pb_count(&lb_refused, 0, 1);
        return PB_DROP_CT_CREATE_FAILED;
    }
    /* Another CPU was faster. */
    c->addr = f->addr;
    c->port = f->port;
    c->backend = f->backend;
    c->nat_port = PB_READ_ONCE(f->nat_port);
    return LB_DONE;
}

/* The backend of this packet's connection. */
static __always_inline int lb_flow_backend(const volatile struct pb_stage_cfg *cfg, const struct lb_service *svc, struct pb_scratch *s, struct lb_choice *c)
{
    struct lb_flow_key k;
    __u64 now = bpf_ktime_get_ns();
    lb_flow_key_of(&k, s);
    struct lb_flow *f = lb_flows_find(cfg, &k);
    if (f && lb_stays(cfg, f, svc, s, now)) {
        c->addr = f->addr;
        c->port = f->port;
        c->backend = f->backend;
        c->nat_port = PB_READ_ONCE(f->nat_port);
        if (s->proto == IPPROTO_TCP && (s->tcp_flags & (PB_TCP_FIN | PB_TCP_RST)) && !f->closing)
            f->closing = 1;
        __u64 until = now + lb_lifetime(f, s);
        /* A busy connection writes its expiry once a second; a SYN sent again does not shorten one that stands. */
        if (until >= f->expires + PB_SECOND || (until < f->expires && f->closing))
            f->expires = until;
        return LB_DONE;
    }
    if (pb_draining)
        return LB_NOT_MINE;
    return lb_flow_new(svc, s, c, f ? BPF_ANY : BPF_NOEXIST, cfg->epoch);
}

/* What the client asked for, which conntrack keeps, and who serves it. Before lb_to_backend. */
static __always_inline void lb_served(struct pb_scratch *s, const struct lb_service *svc, const struct lb_choice *c)
{
    s->svc_addr = s->daddr;
    s->svc_port = s->dport;
    s->svc_id = svc->id;
    s->backend_id = c->backend;
}

/* The packet is for the backend from here on, in itself and in the scratch. 0 or the drop code. */
static __always_inline int lb_to_backend(struct __sk_buff *skb, struct pb_scratch *s, const struct lb_choice *c)
{
    int code = pb_rewrite(skb, s->proto, false, &s->daddr, &c->addr, s->dport, c->port);
    s->daddr = c->addr;
    s->dport = c->port;
    pb_set_flag(skb, PB_F_NAT);
    return code;
}

/* The flow that an ICMP error is about, when that quotes an answer of a service: said by the client, or on the way to it. */
static __always_inline struct lb_flow *lb_flow_of_answer(const volatile struct pb_stage_cfg *cfg, const struct pb_inner *in)
{
    struct lb_flow_key k;
    if (in->proto != IPPROTO_TCP && in->proto != IPPROTO_UDP && in->proto != IPPROTO_SCTP)
        return 0;
    pb_memset(&k, 0, sizeof(k));
    k.client = in->daddr;
    k.addr = in->saddr;
    k.cport = in->dport;
    k.port = in->sport;
    k.proto = in->proto;
    struct lb_flow *f = lb_flows_find(cfg, &k);
    return f && f->expires > bpf_ktime_get_ns() ? f : 0;
}

/* Turns such an error into one for the backend, who knows its own address only; conntrack is told of which service it is. */
static __always_inline int lb_error_to_backend(struct __sk_buff *skb, struct pb_scratch *s, const struct pb_inner *in, const struct pb_addr *addr, __be16 port)
{
    int code = pb_rewrite_quoted(skb, in, true, addr, port);
    s->svc_addr = in->saddr;
    s->svc_port = in->sport;
    pb_set_flag(skb, PB_F_NAT);
    if (code || !pb_addr_eq(&s->daddr, &in->saddr))
        return code;
    code = pb_rewrite(skb, s->proto, false, &s->daddr, addr, 0, 0);
    s->daddr = *addr;
    return code;
}
#endif
