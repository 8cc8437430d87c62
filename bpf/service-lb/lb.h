/* SPDX-License-Identifier: Apache-2.0
 * Services as the datapath knows them, and the one way to choose a backend, for packets and for sockets.
 *
 * lb_services  frontend -> service: one probe for every packet and call
 * lb_slots     (set, slot / 16) -> 16 backend numbers: one more for a new connection
 * lb_backends  number -> address
 *
 * The agent writes backends before the slots that name them and slots before the frontend that counts them, and deletes
 * the other way round; each entry changes as a whole. A slot that names nobody is therefore rare, and tried again.
 */
#ifndef PATCHBAY_SERVICE_LB_H
#define PATCHBAY_SERVICE_LB_H

#include <patchbay/carry.h>
#include <patchbay/packet.h>

enum lb_kind { LB_CLUSTER_IP = 1, LB_NODE_PORT = 2, LB_EXTERNAL_IP = 3, LB_LOAD_BALANCER = 4, LB_HOST_PORT = 5 };
enum lb_state { LB_ACTIVE = 0, LB_TERMINATING = 1, LB_QUARANTINED = 2, LB_MAINTENANCE = 3, LB_TERMINATING_NOT_SERVING = 4 };
#define LB_F_AFFINITY 1       /* a client stays with its backend */
#define LB_F_EXTERNAL_LOCAL 2 /* externalTrafficPolicy: Local */
#define LB_F_INTERNAL_LOCAL 4 /* internalTrafficPolicy: Local */
#define LB_F_TWO_SCOPES 8     /* clients inside the cluster have an entry of their own, scope 1 */
#define LB_F_SOURCE_RANGES 16 /* only clients that lb_source_ranges has */
enum lb_algorithm { LB_RANDOM = 0, LB_MAGLEV = 1 };
#define LB_NAT_TUNNEL 1 /* conntrack's nat_flags: forwarded by another node, through the tunnel */

struct lb_service_key {
    struct pb_addr addr;
    __be16 port;
    __u8 proto;
    __u8 scope; /* 0: everybody; 1: clients inside the cluster, where they are told apart (LB_F_TWO_SCOPES) */
};

struct lb_service {
    __u32 id;        /* of the frontend, as `service list` shows it */
    __u32 set;       /* its backends, shared by all frontends of one service port */
    __u32 count;     /* slots that new connections choose from, [0, count) */
    __u32 total;     /* slots that are filled: behind count are those that only serve what they have */
    __u16 flags;     /* LB_F_* */
    __u8 kind;       /* enum lb_kind */
    __u8 algorithm;  /* enum lb_algorithm */
    __u32 affinity_seconds;
    __u32 table;     /* size of the set's Maglev table */
    __u32 spare;
};

struct lb_backend {
    struct pb_addr addr;
    __be16 port;
    __u8 proto;
    __u8 state; /* enum lb_state */
    __u32 spare;
};

#define LB_SLOTS 16
struct lb_slots_key {
    __u32 set;
    __u32 chunk;
};
struct lb_slots {
    __u32 backend[LB_SLOTS];
};

/* A part of a set's Maglev table (key: struct lb_slots_key). */
#define LB_MAGLEV_PART 256
struct lb_maglev {
    __u32 backend[LB_MAGLEV_PART];
};

/* A client is known by its pod's address, on both ways. */
struct lb_affinity_key {
    struct pb_addr client;
    __u32 set;
};
struct lb_affinity {
    __u64 last_used; /* CLOCK_MONOTONIC, ns: of the last new connection */
    __u32 backend;
    __u32 pad;
};

struct lb_member {
    __u32 set;
    __u32 backend;
};
#define LB_MEMBER_NEW 1  /* may be chosen for a new connection */
#define LB_MEMBER_KEEP 2 /* serves what it has */

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct lb_service_key);
    __type(value, struct lb_service);
} lb_services SEC(".maps");
PB_CARRIED(lb_services, struct lb_service_key, struct lb_service);

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 524288);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, struct lb_backend);
} lb_backends SEC(".maps");
PB_CARRIED(lb_backends, __u32, struct lb_backend);

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 131072);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct lb_slots_key);
    __type(value, struct lb_slots);
} lb_slots SEC(".maps");
PB_CARRIED(lb_slots, struct lb_slots_key, struct lb_slots);

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 262144);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct lb_slots_key);
    __type(value, struct lb_maglev);
} lb_maglev SEC(".maps");

/* Whether a remembered backend is still one of the set, LB_MEMBER_*: it may have left the service and live on elsewhere. For
 * sets that remember: with affinity, or of UDP. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 131072);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct lb_member);
    __type(value, __u32);
} lb_members SEC(".maps");
PB_CARRIED(lb_members, struct lb_member, __u32);

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 65536);
    __type(key, struct lb_affinity_key);
    __type(value, struct lb_affinity);
} lb_affinity SEC(".maps");
PB_CARRIED(lb_affinity, struct lb_affinity_key, struct lb_affinity);

/* 1: being disabled. What exists is translated, nothing new. */
const volatile __u32 pb_draining = 0;

/* What a connection is sent to. */
struct lb_choice {
    struct pb_addr addr;
    __u32 backend;
    __be16 port;
    __u16 pad;
    __u32 nat_port; /* the flow's */
};

/* The service as clients inside the cluster see it. Changes the key's scope. */
static __always_inline struct lb_service *lb_find_inside(const volatile struct pb_stage_cfg *cfg, struct lb_service_key *k)
{
    struct lb_service *svc = lb_services_find(cfg, k);
    if (!svc || !(svc->flags & LB_F_TWO_SCOPES))
        return svc;
    k->scope = 1;
    return lb_services_find(cfg, k);
}

static __always_inline bool lb_choose(const volatile struct pb_stage_cfg *cfg, struct lb_choice *c, __u32 id)
{
    struct lb_backend *b = lb_backends_find(cfg, &id);
    if (!b)
        return false;
    c->addr = b->addr;
    c->port = b->port;
    c->backend = id;
    return true;
}

/* A backend for a new connection, chosen by `hash`; false: there is none. */
static __always_inline bool lb_pick(const volatile struct pb_stage_cfg *cfg, const struct lb_service *svc, __u32 hash, struct lb_choice *c)
{
    __u32 count = svc->count, table = svc->table;
    if (!count)
        return false;
    if (svc->algorithm == LB_MAGLEV && table) {
        __u32 at = hash % table;
        struct lb_slots_key k = {.set = svc->set, .chunk = at / LB_MAGLEV_PART};
        struct lb_maglev *part = bpf_map_lookup_elem(&lb_maglev, &k);
        if (part && lb_choose(cfg, c, part->backend[at % LB_MAGLEV_PART]))
            return true;
    }
    __u32 slot = hash % count;
#pragma clang loop unroll(disable)
    for (int attempt = 0; attempt < 3; attempt++) {
        struct lb_slots_key k = {.set = svc->set, .chunk = slot / LB_SLOTS};
        struct lb_slots *slots = lb_slots_find(cfg, &k);
        if (slots && lb_choose(cfg, c, slots->backend[slot % LB_SLOTS]))
            return true;
        /* The set is being changed at this moment. */
        slot = attempt ? 0 : bpf_get_prandom_u32() % count;
    }
    return false;
}

static __always_inline bool lb_may_keep(const volatile struct pb_stage_cfg *cfg, const struct lb_service *svc, const struct lb_affinity *a, __u64 now)
{
    struct lb_member m = {.set = svc->set, .backend = a->backend};
    if (a->last_used + svc->affinity_seconds * PB_SECOND <= now)
        return false;
    __u32 *how = lb_members_find(cfg, &m);
    return how && *how == LB_MEMBER_NEW;
}

/* A backend for a new connection of a client whose pod address is known (null: it does not matter). Two CPUs, or a packet
 * and a socket call, that decide for one client at one time agree: the first to write wins. */
static __always_inline bool lb_choose_for(const volatile struct pb_stage_cfg *cfg, const struct lb_service *svc, const struct pb_addr *client,
                                          __u32 hash, struct lb_choice *c)
{
    bool remembers = (svc->flags & LB_F_AFFINITY) && client;
    struct lb_affinity_key k;
    struct lb_affinity *a = 0;
    __u64 now = bpf_ktime_get_ns();
    __u32 known = 0;
    pb_memset(&k, 0, sizeof(k));
    if (remembers) {
        k.client = *client;
        k.set = svc->set;
        a = lb_affinity_find(cfg, &k);
    }
    if (a) {
        known = PB_READ_ONCE(a->backend);
        if (lb_may_keep(cfg, svc, a, now)) {
            a->last_used = now;
            if (lb_choose(cfg, c, known))
                return true;
        }
    }
    if (!lb_pick(cfg, svc, hash, c))
        return false;
    if (!remembers)
        return true;
    __u32 first;
    if (a) {
        a->last_used = now;
        first = __sync_val_compare_and_swap(&a->backend, known, c->backend);
        if (first == known)
            return true;
    } else {
        struct lb_affinity mine = {.last_used = now, .backend = c->backend};
        if (!bpf_map_update_elem(&lb_affinity, &k, &mine, BPF_NOEXIST))
            return true;
        a = bpf_map_lookup_elem(&lb_affinity, &k);
        if (!a)
            return true; /* no room to remember it */
        first = PB_READ_ONCE(a->backend);
    }
    lb_choose(cfg, c, first);
    return true;
}

/* `epoch`: the stage's. */
PB_FUNCTION int lb_select(const struct lb_service *svc, const struct pb_addr *client, __u32 hash, struct lb_choice *c, __u32 epoch)
{
    const volatile struct pb_stage_cfg cfg = {.epoch = epoch};
    return svc && c ? lb_choose_for(&cfg, svc, client, hash, c) : 0;
}
#endif
