/* SPDX-License-Identifier: Apache-2.0
 * Connection tracking. One entry for each connection and side: the side is the pod that a pass is about (the sender at
 * pod-egress, the receiver in pod-ingress), or the node itself with a host firewall, so the two pods of a local connection have an entry each, with their own
 * state. `lookup` puts what is known into the context and the scratch; `commit`, behind policy, makes the entry of a new
 * connection with what service, policy and NAT left in the scratch. No other feature touches these maps.
 *
 * Each byte of state is written by one direction only, so that two CPUs need no lock; counters are not atomic for the
 * same reason. An entry past its expiry does not exist, whether or not anybody has collected it.
 *
 * Behind service translation two connections may have one tuple: one through a service and one straight to its backend, or
 * two through different services (from a pod; from outside through two frontends). Whichever comes second gets another port
 * on its initiator's side, as Linux' own conntrack does it. The entry says for which service and which port of the
 * initiator it is, so nothing else needs to be remembered: the ports that a connection may get come in an order of its
 * own, and its packets find its entry by trying them.
 */
#include <patchbay/rewrite.h>
#include <patchbay/carry.h>
#include <patchbay/places.h>

#define CT_TCP_ESTABLISHED (8000 * PB_SECOND)
#define CT_TCP_SYN (60 * PB_SECOND)
#define CT_TCP_CLOSING (10 * PB_SECOND)
#define CT_OTHER (60 * PB_SECOND)
#define CT_REPORT (5 * PB_SECOND)
#define CT_REPORTED_FLAGS (PB_TCP_SYN | PB_TCP_FIN | PB_TCP_RST)

struct ct4_key {
    __be32 local;
    __be32 remote;
    __be16 lport; /* ICMP echo: the identifier is the port of who asks, the other's is 0 */
    __be16 rport;
    __u8 proto;
    __u8 pad[3];
};

struct ct6_key {
    struct pb_addr local;
    struct pb_addr remote;
    __be16 lport;
    __be16 rport;
    __u8 proto;
    __u8 pad[3];
};

/* tx: what the local pod sends; rx: what it receives. Members are found by name when a newer layout takes over. */
struct ct_entry {
    __u64 expires;        /* CLOCK_MONOTONIC, ns */
    __u64 tx_packets;
    __u64 tx_bytes;
    __u64 rx_packets;
    __u64 rx_bytes;
    __u64 tx_report;      /* time of the last event, ns */
    __u64 rx_report;
    __u8 out;             /* 1: the local pod began the connection */
    __u8 replied;         /* 1: an answer was seen */
    __u8 seen_non_syn;    /* 1: a TCP segment without SYN was seen */
    __u8 tx_closing;      /* 1: FIN or RST seen */
    __u8 rx_closing;
    __u8 tx_flags_seen;   /* TCP flags */
    __u8 rx_flags_seen;
    __u8 pad;

    struct pb_addr svc_addr; /* service: what the client asked for */
    __u32 svc_id;
    __be16 svc_port;
    __u16 svc_flags;

    __u32 peer_identity;  /* identity of who began the connection, when it was made */
    __u32 policy_flags;   /* not used; to drop it would make the update one-way */

    __u16 nat_flags;
    __be16 nat_port;
    __u32 policy_epoch;   /* generation that wrote policy_seen: what another one's policy let pass says nothing */

    __u64 policy_seen;    /* what policy let the last packet pass by: bits 0-23 its word, 24-37 class, 38-63 peer's identity */
    __be16 own_port;      /* the initiator's, when another connection had its tuple and the key's port is not its own; or 0 */
    __u8 spare[6];
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 131072);
    __type(key, struct ct4_key);
    __type(value, struct ct_entry);
} ct4 SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 131072);
    __type(key, struct ct6_key);
    __type(value, struct ct_entry);
} ct6 SEC(".maps");

PB_CARRIED(ct4, struct ct4_key, struct ct_entry);
PB_CARRIED(ct6, struct ct6_key, struct ct_entry);

#define CT_AT(MAP)                                                                             \
    static __always_inline enum pb_place MAP##_at(const struct MAP##_key *k, __u64 now)        \
    {                                                                                          \
        struct ct_entry *e = bpf_map_lookup_elem(&MAP, k);                                     \
        if (!e)                                                                                \
            return PB_PLACE_EMPTY;                                                             \
        if (e->expires > now)                                                                  \
            return PB_PLACE_ALIVE;                                                             \
        bpf_map_delete_elem(&MAP, k);                                                          \
        return PB_PLACE_ENDED;                                                                 \
    }
CT_AT(ct4)
CT_AT(ct6)
PB_PLACES(ct4, struct ct4_key, 131072);
PB_PLACES(ct6, struct ct6_key, 131072);

/* Connections refused because the map was full: [0] ct4, [1] ct6 (the agent collects at once when one grows); [2] because
 * another connection had the tuple and no other port was found. */
#define CT_NO_PORT 2
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 3);
    __type(key, __u32);
    __type(value, struct pb_count);
} ct_refused SEC(".maps");

/* The entry that is being made on this CPU: too large for the stack beside what making it takes. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ct_entry);
} ct_new SEC(".maps");

static __always_inline struct ct_entry *ct_new_entry(void)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&ct_new, &zero);
}

/* Until when (CLOCK_MONOTONIC, ns) a connection may live under another port than its own, by a hash of its tuple. Only what
 * would be a new connection asks. Too late an end costs a few look-ups. */
#define CT_RENAMED 16384 /* a power of two */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, CT_RENAMED);
    __type(key, __u32);
    __type(value, __u64);
} ct_renamed SEC(".maps");

struct ct_tuple {
    struct pb_addr local;
    struct pb_addr remote;
    __be16 lport;
    __be16 rport;
    __u8 proto;
};

/* Lifetimes are seconds: the clock of the last tick will do, and costs a tenth of the precise one, for each packet and side. */
static __always_inline __u64 ct_now(void) { return bpf_ktime_get_coarse_ns(); }

/* The tuple as the local pod sees it. */
static __always_inline void ct_tuple_of(struct ct_tuple *t, const struct pb_addr *saddr, const struct pb_addr *daddr,
                                        __be16 sport, __be16 dport, __u8 proto, __u8 icmp_type, bool tx)
{
    if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6) {
        /* The identifier belongs to who asks: a request against the direction of another's ping with the same
         * identifier must not pass for its answer. */
        if (pb_icmp_is_reply(proto, icmp_type)) {
            dport = sport;
            sport = 0;
        }
    }
    t->local = tx ? *saddr : *daddr;
    t->remote = tx ? *daddr : *saddr;
    t->lport = tx ? sport : dport;
    t->rport = tx ? dport : sport;
    t->proto = proto;
}

static __always_inline void ct4_key_of(struct ct4_key *k, const struct ct_tuple *t)
{
    pb_memset(k, 0, sizeof(*k));
    k->local = t->local.w[3];
    k->remote = t->remote.w[3];
    k->lport = t->lport;
    k->rport = t->rport;
    k->proto = t->proto;
}

static __always_inline void ct6_key_of(struct ct6_key *k, const struct ct_tuple *t)
{
    pb_memset(k, 0, sizeof(*k));
    k->local = t->local;
    k->remote = t->remote;
    k->lport = t->lport;
    k->rport = t->rport;
    k->proto = t->proto;
}

static __always_inline struct ct_entry *ct_find(struct __sk_buff *skb, const struct ct_tuple *t)
{
    if (pb_family(skb) == 4) {
        struct ct4_key k;
        ct4_key_of(&k, t);
        return bpf_map_lookup_elem(&ct4, &k);
    }
    struct ct6_key k;
    ct6_key_of(&k, t);
    return bpf_map_lookup_elem(&ct6, &k);
}

/* The same, for the first look at a packet: while a new layout takes over, entries may still be in the old map. */
static __always_inline struct ct_entry *ct_first_find(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, const struct ct_tuple *t)
{
    if (pb_family(skb) == 4) {
        struct ct4_key k;
        ct4_key_of(&k, t);
        return ct4_find(cfg, &k);
    }
    struct ct6_key k;
    ct6_key_of(&k, t);
    return ct6_find(cfg, &k);
}

static __always_inline void ct_tell(struct pb_scratch *s, const struct ct_entry *e)
{
    s->ct_svc_addr = e->svc_addr;
    s->ct_svc_port = e->svc_port;
    s->ct_svc_flags = e->svc_flags;
    s->ct_svc_id = e->svc_id;
    s->ct_peer_identity = e->peer_identity;
    s->ct_nat_flags = e->nat_flags;
    s->ct_nat_port = e->nat_port;
    s->ct_policy_flags = 0;
}

static __always_inline void ct_tell_nothing(struct pb_scratch *s)
{
    pb_memset(&s->ct_svc_addr, 0, sizeof(s->ct_svc_addr));
    s->ct_svc_port = 0;
    s->ct_svc_flags = 0;
    s->ct_svc_id = 0;
    s->ct_peer_identity = 0;
    s->ct_nat_flags = 0;
    s->ct_nat_port = 0;
    s->ct_policy_flags = 0;
}

/* One word, so that two CPUs never leave a mixture. */
#define CT_SEEN_WORD 0xffffffu
static __always_inline __u64 ct_seen_between(const struct __sk_buff *skb, const struct pb_scratch *s, bool tx)
{
    return (__u64)skb->cb[tx ? PB_CB_DST : PB_CB_SRC] << 38 | (__u64)(s->ep_policy_id & 0x3fff) << 24;
}

static __always_inline bool ct_bare_syn(const struct pb_scratch *s)
{
    return s->proto == IPPROTO_TCP && (s->tcp_flags & (PB_TCP_SYN | PB_TCP_ACK)) == PB_TCP_SYN;
}

/* Of ICMP only requests go along with a connection, and only replies answer it: with the identifier 0 both directions, and all
 * that has no identifier, have the same key. */
static __always_inline bool ct_astray(const struct pb_scratch *s, bool forward)
{
    if (s->proto != IPPROTO_ICMP && s->proto != IPPROTO_ICMPV6)
        return false;
    return forward ? !pb_icmp_is_request(s->proto, s->icmp_type) : !pb_icmp_is_reply(s->proto, s->icmp_type);
}

/* Whether the service that this pass translated belongs into the local pod's entry: the client's side undoes what was
 * done to the client's packets; what was done at a node device is undone by the backend's side. The node itself has a side only
 * where it is a subject of policy. */
static __always_inline bool ct_keeps_service(const struct __sk_buff *skb, bool tx)
{
    return tx || (pb_hook_entered(skb) != PB_HOOK_POD_EGRESS && !(pb_flags(skb) & PB_F_HOST_POLICY));
}

/* Counts the packet, moves the state, and says whether it is worth an event. */
static __always_inline bool ct_seen(struct ct_entry *e, const struct pb_scratch *s, __u64 now, bool tx)
{
    __u64 until = now + CT_OTHER;
    bool report = false;
    if (tx) {
        e->tx_packets += s->segments;
        e->tx_bytes += s->len;
    } else {
        e->rx_packets += s->segments;
        e->rx_bytes += s->len;
    }
    if (s->proto == IPPROTO_TCP) {
        __u8 flags = s->tcp_flags;
        __u8 seen = tx ? e->tx_flags_seen : e->rx_flags_seen;
        report = flags & CT_REPORTED_FLAGS & ~seen;
        if (flags & ~seen) {
            if (tx)
                e->tx_flags_seen = seen | flags;
            else
                e->rx_flags_seen = seen | flags;
        }
        bool was_alive = !(e->tx_closing && e->rx_closing);
        if (flags & (PB_TCP_FIN | PB_TCP_RST)) {
            if (tx)
                e->tx_closing = 1;
            else
                e->rx_closing = 1;
            /* A connection refused, or given up before it stood, is over for both. */
            if ((flags & PB_TCP_RST) && !(e->tx_flags_seen & e->rx_flags_seen & PB_TCP_SYN)) {
                e->tx_closing = 1;
                e->rx_closing = 1;
            }
        } else if (!(flags & PB_TCP_SYN) && !e->seen_non_syn) {
            e->seen_non_syn = 1;
        }
        if (e->tx_closing && e->rx_closing) {
            if (!was_alive)
                until = e->expires; /* the end is set; late segments do not move it */
            else
                until = now + CT_TCP_CLOSING;
        } else if (flags & PB_TCP_RST) {
            /* Nothing follows an RST that the peer believed; if it did not, the next segment restores the lifetime. */
            until = now + CT_TCP_CLOSING;
        } else {
            until = now + (e->seen_non_syn ? CT_TCP_ESTABLISHED : CT_TCP_SYN);
        }
        /* Answers that come back another way, as those of a service to the node itself, never tell of their end. */
        if (tx && e->out && e->tx_closing && !e->replied && until > now + CT_TCP_SYN)
            until = now + CT_TCP_SYN;
    }
    /* A busy connection writes its expiry once a second. */
    if (until < e->expires || until - e->expires >= PB_SECOND)
        e->expires = until;
    __u64 last = tx ? e->tx_report : e->rx_report;
    if (report || now - last >= CT_REPORT) {
        if (tx)
            e->tx_report = now;
        else
            e->rx_report = now;
        return true;
    }
    return false;
}

/* ---- two connections with one tuple ---- */

#define CT_OTHER_PORTS 8 /* that a connection may get */
#define CT_PRIVILEGED 1024

static __always_inline __u64 ct_mix(__u64 h)
{
    h ^= h >> 31;
    h *= 0x9e3779b97f4a7c15ull;
    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9ull;
    return h ^ h >> 32;
}

static __always_inline __u64 ct_mix_addr(const struct pb_addr *a)
{
    return ct_mix(((__u64)a->w[3] << 32 | a->w[2]) ^ ct_mix((__u64)a->w[1] << 32 | a->w[0]));
}

static __always_inline __u64 ct_hash(const struct ct_tuple *t)
{
    __u64 ports = (__u64)t->proto << 32 | (__u32)t->lport << 16 | t->rport;
    return ct_mix(ct_mix_addr(&t->local) ^ ct_mix(ct_mix_addr(&t->remote) ^ ports));
}

/* The i-th other port of a connection whose tuple, with its own port, hashes to `hash`. A server that trusts privileged ports
 * sees one if that is what the initiator used. */
static __always_inline __be16 ct_other_port(__u64 hash, const struct pb_scratch *s, __be16 own, int i)
{
    __u32 h = ct_mix(hash ^ ct_mix_addr(&s->svc_addr) ^ ((__u64)s->svc_port << 32 | i)) >> 32;
    __u32 low = bpf_ntohs(own) < CT_PRIVILEGED ? CT_PRIVILEGED / 2 : CT_PRIVILEGED;
    __u32 high = bpf_ntohs(own) < CT_PRIVILEGED ? CT_PRIVILEGED : 65536;
    return bpf_htons(low + h % (high - low));
}

/* The initiator's port in a tuple of its own side (`tx`) or of the other's. */
static __always_inline __be16 ct_initiator_port(const struct ct_tuple *t, bool tx)
{
    return tx ? t->lport : t->rport;
}
static __always_inline void ct_set_initiator_port(struct ct_tuple *t, bool tx, __be16 port)
{
    if (tx)
        t->lport = port;
    else
        t->rport = port;
}

/* Whether the entry is of the connection that this pass is about: begun by the side that `tx` says, for the service in the
 * scratch, with `own` as the port that its initiator has but the key hasn't (0: the key has it). */
static __always_inline bool ct_is(const struct ct_entry *e, const struct pb_scratch *s, __be16 own, bool tx)
{
    return !!e->out == tx && e->own_port == own && e->svc_port == s->svc_port && pb_addr_eq(&e->svc_addr, &s->svc_addr);
}

/* Whether a connection of this pass can get another port. The receiver's side of a connection between two pods of the node
 * sees what the sender's side made of it; nothing mends SCTP's checksum. */
static __always_inline bool ct_may_rename(const struct __sk_buff *skb, __u8 proto, bool tx)
{
    return ct_keeps_service(skb, tx) && (proto == IPPROTO_TCP || proto == IPPROTO_UDP);
}

static __always_inline void ct_note_renamed(__u64 hash, __u64 until)
{
    __u32 at = hash & (CT_RENAMED - 1);
    __u64 *known = bpf_map_lookup_elem(&ct_renamed, &at);
    if (known && *known < until)
        *known = until;
}

static __always_inline bool ct_may_be_renamed(__u64 hash, __u64 now)
{
    __u32 at = hash & (CT_RENAMED - 1);
    __u64 *until = bpf_map_lookup_elem(&ct_renamed, &at);
    return until && *until > now;
}

/* Whether the connection that this pass is about lives under another port than its own; the tuple has that afterwards. `epoch`: the
 * stage's. */
PB_FUNCTION int ct_renamed_to(struct __sk_buff *skb, const struct pb_scratch *s, struct ct_tuple *t, bool tx, __u32 epoch)
{
    const volatile struct pb_stage_cfg cfg = {.epoch = epoch};
    if (!s || !t)
        return false;
    __u64 now = ct_now(), hash = ct_hash(t);
    __be16 own = ct_initiator_port(t, tx);
#pragma clang loop unroll(disable)
    for (int i = 0; i < CT_OTHER_PORTS; i++) {
        ct_set_initiator_port(t, tx, ct_other_port(hash, s, own, i));
        struct ct_entry *e = ct_first_find(skb, &cfg, t);
        if (e && e->expires > now && ct_is(e, s, own, tx))
            return true;
    }
    ct_set_initiator_port(t, tx, own);
    return false;
}

/* The live entry of the connection that a packet is of, seen by who began it (`tx`: the local pod) or, if the entry says so, by
 * the other side. With another port than its own, the tuple has that afterwards. NULL: none; `*others`: another connection
 * has the tuple. */
static __always_inline struct ct_entry *ct_connection(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, const struct pb_scratch *s,
                                                      struct ct_tuple *t, bool tx, __u64 now, bool *others)
{
    struct ct_entry *e = ct_first_find(skb, cfg, t);
    bool live = e && e->expires > now;
    *others = false;
    if (live && (!!e->out != tx || !ct_keeps_service(skb, tx) || ct_is(e, s, 0, tx)))
        return e;
    *others = live;
    if (!ct_may_rename(skb, t->proto, tx) || (!live && !ct_may_be_renamed(ct_hash(t), now)))
        return 0;
    return ct_renamed_to(skb, s, t, tx, cfg->epoch) ? ct_find(skb, t) : 0;
}

/* Gives the packet its initiator's other port, or its own again; 0 or the drop code. */
static __always_inline int ct_set_port(struct __sk_buff *skb, struct pb_scratch *s, bool source, __be16 port)
{
    int code = pb_rewrite_port(skb, s->proto, source, source ? s->sport : s->dport, port);
    if (source)
        s->sport = port;
    else
        s->dport = port;
    pb_set_flag(skb, PB_F_NAT);
    return code;
}

/* ---- ICMP errors, about a packet that went the other way: what the pod receives quotes what it sent ---- */

/* The tuple of what an error quotes, as the local pod sees it; false: it can't be read. */
PB_FUNCTION int ct_quoted(struct __sk_buff *skb, struct ct_tuple *t, bool tx)
{
    struct pb_inner in;
    if (!t || !pb_parse_inner(skb, &in))
        return false;
    ct_tuple_of(t, &in.saddr, &in.daddr, in.sport, in.dport, in.proto, in.icmp_type, !tx);
    return true;
}

/* Gives what the error quotes its initiator's other port. 0 or the drop code. */
PB_FUNCTION int ct_rename_quoted(struct __sk_buff *skb, bool source, __be16 port)
{
    struct pb_inner in;
    if (!pb_parse_inner(skb, &in))
        return 0;
    pb_set_flag(skb, PB_F_NAT);
    return pb_rewrite_quoted(skb, &in, source, source ? &in.saddr : &in.daddr, port);
}

/* 0 or the drop code. */
static __always_inline int ct_related(struct __sk_buff *skb, struct pb_scratch *s, const struct ct_tuple *t, const struct ct_entry *e, bool tx)
{
    pb_set_ct_state(skb, PB_CT_RELATED);
    ct_tell(s, e);
    __be16 own = e->own_port;
    if (!own)
        return 0;
    /* Who began the connection knows its own port only, the other side only the other. */
    bool from_initiator = !!e->out != tx;
    return ct_rename_quoted(skb, from_initiator, from_initiator ? own : ct_initiator_port(t, tx));
}

static __always_inline int ct_lookup(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s, bool tx)
{
    struct ct_tuple t;
    bool others, error = pb_flags(skb) & PB_F_ICMPERR;
    __u64 now = ct_now();
    int code;
    ct_tell_nothing(s);
    pb_memset(&t, 0, sizeof(t));
    if (error) {
        pb_set_ct_state(skb, PB_CT_NEW);
        if (!ct_quoted(skb, &t, tx))
            return pb_next(skb, cfg);
    } else {
        ct_tuple_of(&t, &s->saddr, &s->daddr, s->sport, s->dport, s->proto, s->icmp_type, tx);
    }
    struct ct_entry *e = ct_connection(skb, cfg, s, &t, tx, now, &others);
    if (error) {
        code = e ? ct_related(skb, s, &t, e, tx) : 0;
        return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
    }
    bool forward = e && !!e->out == tx;
    if (!e || (ct_bare_syn(s) && (!forward || e->tx_closing || e->rx_closing)) || ct_astray(s, forward)) {
        /* The end of something forgotten is not to end the connection that has its tuple now. */
        if (others && s->proto == IPPROTO_TCP && (s->tcp_flags & PB_TCP_RST))
            return pb_drop(skb, cfg, s, PB_DROP_UNKNOWN_CT);
        /* A bare SYN never answers anything: it opens a connection, for which policy is asked. */
        pb_set_ct_state(skb, PB_CT_NEW);
        pb_set_flag(skb, PB_F_TRACE);
        return pb_next(skb, cfg);
    }
    if (forward) {
        /* A frontend that was made anew has another number. */
        if (ct_keeps_service(skb, tx) && e->svc_id != s->svc_id) {
            e->svc_flags = s->svc_flags;
            e->svc_id = s->svc_id;
        }
        pb_set_ct_state(skb, PB_CT_ESTABLISHED);
    } else {
        if (!e->replied)
            e->replied = 1;
        pb_set_ct_state(skb, PB_CT_REPLY);
    }
    ct_tell(s, e);
    if (forward) {
        __u64 seen = PB_READ_ONCE(e->policy_seen);
        if ((seen & ~(__u64)CT_SEEN_WORD) == ct_seen_between(skb, s, tx) && PB_READ_ONCE(e->policy_epoch) == cfg->epoch)
            s->ct_policy_flags = seen & CT_SEEN_WORD;
    }
    if (ct_seen(e, s, now, tx))
        pb_set_flag(skb, PB_F_TRACE);
    __be16 own = e->own_port;
    if (own) {
        __be16 other = ct_initiator_port(&t, !!e->out);
        ct_set_initiator_port(&t, !!e->out, own);
        ct_note_renamed(ct_hash(&t), e->expires);
        code = ct_set_port(skb, s, forward, forward ? other : own);
        if (code)
            return pb_drop(skb, cfg, s, code);
    }
    return pb_next(skb, cfg);
}

/* What makes no connection: errors, neighbour discovery, answers nobody asked for, the end of something unknown. */
static __always_inline bool ct_untracked(const struct __sk_buff *skb, const struct pb_scratch *s)
{
    if (s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6)
        return !pb_icmp_is_request(s->proto, s->icmp_type);
    return s->proto == IPPROTO_TCP && (s->tcp_flags & PB_TCP_RST);
}

static __always_inline long ct_update(struct __sk_buff *skb, const struct ct_tuple *t, const struct ct_entry *e, __u64 flags)
{
    if (pb_family(skb) == 4) {
        struct ct4_key k;
        ct4_key_of(&k, t);
        return bpf_map_update_elem(&ct4, &k, e, flags);
    }
    struct ct6_key k;
    ct6_key_of(&k, t);
    return bpf_map_update_elem(&ct6, &k, e, flags);
}

/* Room in a full map: true when an entry that was over has gone. */
static __always_inline bool ct_make_room(struct __sk_buff *skb, __u64 now)
{
    return pb_family(skb) == 4 ? ct4_make_room(now) : ct6_make_room(now);
}

/* Notes a new entry where it can be found again. */
static __always_inline void ct_keep(struct __sk_buff *skb, const struct ct_tuple *t, __u64 now)
{
    if (pb_family(skb) == 4) {
        struct ct4_key k;
        ct4_key_of(&k, t);
        ct4_keep(&k, now);
    } else {
        struct ct6_key k;
        ct6_key_of(&k, t);
        ct6_keep(&k, now);
    }
}

#define CT_EEXIST -17

enum { CT_FOUND = 0, CT_MADE = 1 }; /* other results: a drop code */

/* The new entry, for a connection whose tuple another one has, under another port of its initiator; the packet and the tuple get
 * that. */
PB_FUNCTION int ct_rename(struct __sk_buff *skb, struct pb_scratch *s, struct ct_tuple *t, __u64 now)
{
    struct ct_entry *e = ct_new_entry();
    if (!s || !t || !e)
        return PB_DROP_CT_CREATE_FAILED;
    bool tx = e->out, found = false, full = false, made = false;
    __be16 own = ct_initiator_port(t, tx), port = 0;
    __u64 hash = ct_hash(t);
    e->own_port = own;
#pragma clang loop unroll(disable)
    for (int i = 0; i < CT_OTHER_PORTS; i++) {
        port = ct_other_port(hash, s, own, i);
        ct_set_initiator_port(t, tx, port);
        long err = ct_update(skb, t, e, BPF_NOEXIST);
        if (err && err != CT_EEXIST) {
            full = true;
            break;
        }
        if (!err) {
            made = true;
            found = true;
            break;
        }
        struct ct_entry *old = ct_find(skb, t);
        if (!old)
            continue;
        bool ours = ct_is(old, s, own, tx);
        if (old->expires <= now || (ours && (old->tx_closing || old->rx_closing))) {
            ct_update(skb, t, e, BPF_EXIST);
            found = true;
            break;
        }
        if (ours) { /* another CPU was faster */
            found = true;
            break;
        }
    }
    if (full) {
        if (!ct_make_room(skb, now) || ct_update(skb, t, e, BPF_NOEXIST)) {
            pb_count(&ct_refused, pb_family(skb) == 4 ? 0 : 1, 1);
            return PB_DROP_CT_CREATE_FAILED;
        }
        made = true;
    } else if (!found) {
        pb_count(&ct_refused, CT_NO_PORT, 1);
        return PB_DROP_NAT_NO_MAPPING;
    }
    ct_note_renamed(hash, e->expires);
    int code = ct_set_port(skb, s, true, port);
    return code ? code : made ? CT_MADE : CT_FOUND;
}

static __always_inline int ct_commit(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s, bool tx)
{
    struct ct_tuple t;
    if (pb_ct_state(skb) == PB_CT_ESTABLISHED && s->set_policy_flags) {
        ct_tuple_of(&t, &s->saddr, &s->daddr, s->sport, s->dport, s->proto, s->icmp_type, tx);
        struct ct_entry *known = ct_find(skb, &t);
        /* By now the entry may be that of a connection the other way. */
        if (known && !!known->out == tx) {
            PB_READ_ONCE(known->policy_epoch) = cfg->epoch;
            PB_READ_ONCE(known->policy_seen) = ct_seen_between(skb, s, tx) | (s->set_policy_flags & CT_SEEN_WORD);
        }
        s->set_policy_flags = 0;
    }
    if (pb_ct_state(skb) != PB_CT_NEW || ct_untracked(skb, s))
        return pb_next(skb, cfg);

    struct ct_entry *e = ct_new_entry();
    if (!e)
        return pb_drop(skb, cfg, s, PB_DROP_CT_CREATE_FAILED);
    __u64 now = ct_now();
    pb_memset(e, 0, sizeof(*e));
    pb_memset(&t, 0, sizeof(t));
    ct_tuple_of(&t, &s->saddr, &s->daddr, s->sport, s->dport, s->proto, s->icmp_type, tx);
    e->out = tx;
    e->peer_identity = skb->cb[PB_CB_SRC];
    if (ct_keeps_service(skb, tx)) {
        e->svc_addr = s->svc_addr;
        e->svc_port = s->svc_port;
        e->svc_flags = s->svc_flags;
        e->svc_id = s->svc_id;
    }
    e->policy_epoch = cfg->epoch;
    if (s->set_policy_flags)
        e->policy_seen = ct_seen_between(skb, s, tx) | (s->set_policy_flags & CT_SEEN_WORD);
    e->nat_flags = s->set_nat_flags;
    e->nat_port = s->set_nat_port;
    ct_seen(e, s, now, tx);
    /* The last segments of what was forgotten already: not for hours. */
    if (s->proto == IPPROTO_TCP && (s->tcp_flags & PB_TCP_FIN))
        e->expires = now + CT_TCP_SYN;

    bool made = !ct_update(skb, &t, e, BPF_NOEXIST);
    if (!made) {
        struct ct_entry *old = ct_find(skb, &t);
        if (old && old->expires > now && ct_keeps_service(skb, tx) && !!old->out == tx && !ct_is(old, s, 0, tx)) {
            /* Another connection's. */
            int code = PB_DROP_UNSUPP_SERVICE_PROTO;
            if (ct_may_rename(skb, s->proto, tx))
                code = ct_rename(skb, s, &t, now);
            if (code != CT_FOUND && code != CT_MADE)
                return pb_drop(skb, cfg, s, code);
            made = code == CT_MADE;
        } else if (old) {
            /* One that is over gives way. A live one stays: another CPU was faster, or a SYN came against its direction. */
            if (old->expires <= now || old->tx_closing || old->rx_closing)
                ct_update(skb, &t, e, BPF_EXIST);
        } else {
            /* Full. What is over makes room; what is alive never does. */
            if (ct_make_room(skb, now))
                made = !ct_update(skb, &t, e, BPF_NOEXIST);
            if (!made) {
                pb_count(&ct_refused, pb_family(skb) == 4 ? 0 : 1, 1);
                return pb_drop(skb, cfg, s, PB_DROP_CT_CREATE_FAILED);
            }
        }
    }
    if (made)
        ct_keep(skb, &t, now);
    /* The receiver's pass, which may follow in this one, leaves its own. */
    s->set_policy_flags = 0;
    s->set_nat_flags = 0;
    s->set_nat_port = 0;
    return pb_next(skb, cfg);
}

PB_STAGE(ct_lookup_pod_egress) { return ct_lookup(skb, cfg, s, true); }
PB_STAGE(ct_lookup_pod_ingress) { return ct_lookup(skb, cfg, s, false); }
PB_STAGE(ct_commit_pod_egress) { return ct_commit(skb, cfg, s, true); }
PB_STAGE(ct_commit_pod_ingress) { return ct_commit(skb, cfg, s, false); }

/* The node is a side only where it is a subject of policy. What it receives comes through pod-ingress then. */
static __always_inline int ct_lookup_host(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s)
{
    return pb_flags(skb) & PB_F_HOST_POLICY ? ct_lookup(skb, cfg, s, true) : pb_next(skb, cfg);
}

static __always_inline int ct_commit_host(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s)
{
    return pb_flags(skb) & PB_F_HOST_POLICY ? ct_commit(skb, cfg, s, true) : pb_next(skb, cfg);
}

PB_STAGE(ct_lookup_host_egress) { return ct_lookup_host(skb, cfg, s); }
PB_STAGE(ct_commit_host_egress) { return ct_commit_host(skb, cfg, s); }
PB_STAGE(ct_lookup_netdev_egress) { return ct_lookup_host(skb, cfg, s); }
PB_STAGE(ct_commit_netdev_egress) { return ct_commit_host(skb, cfg, s); }

PB_LICENSE;
