/* SPDX-License-Identifier: Apache-2.0
 * Service addresses at the socket: a call names a service and goes to a backend; nothing is left to do per packet.
 * recvmsg and getpeername show the service again. A v6 socket that talks IPv4 uses mapped addresses, which is how all
 * maps hold them.
 *
 * The client of a service with affinity is its pod's address, here as per packet. Where the pod behind a socket's namespace
 * is not known (yet), the call goes on untranslated and the packet is translated: never two answers for one client.
 */
#include "lb.h"
#include <patchbay/ipcache.h>
#include <patchbay/sock.h>

#define ECONNREFUSED 111

struct lb_netns {
    struct pb_addr addr4; /* zero: none */
    struct pb_addr addr6;
};

/* Namespace of a pod (bpf_get_netns_cookie) -> its addresses. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, struct lb_netns);
} lb_netns SEC(".maps");

struct lb_sock_key {
    __u64 cookie;
    struct pb_addr addr;
    __be16 port;
    __u8 proto;
    __u8 pad[5];
};
struct lb_sock_service {
    struct pb_addr addr;
    __be16 port;
    __u16 pad;
    __u32 svc;
};
struct lb_sock_backend {
    __u32 backend;
};

/* Socket and backend -> the service that was asked for. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 131072);
    __type(key, struct lb_sock_key);
    __type(value, struct lb_sock_service);
} lb_sock_rev SEC(".maps");
PB_CARRIED(lb_sock_rev, struct lb_sock_key, struct lb_sock_service);

/* Unconnected socket and service -> backend, so that the datagrams of one exchange stay together. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 65536);
    __type(key, struct lb_sock_key);
    __type(value, struct lb_sock_backend);
} lb_sock_pick SEC(".maps");
PB_CARRIED(lb_sock_pick, struct lb_sock_key, struct lb_sock_backend);

enum { GO_ON = 1, REFUSE = 0 };

static __always_inline void sock_key(struct lb_sock_key *k, struct bpf_sock_addr *ctx, const struct pb_addr *addr, __be16 port)
{
    pb_memset(k, 0, sizeof(*k));
    k->cookie = bpf_get_socket_cookie(ctx);
    k->addr = *addr;
    k->port = port;
    k->proto = ctx->protocol;
}

static __always_inline void sock_addr4(struct bpf_sock_addr *ctx, struct pb_addr *a) { pb_addr_v4(a, ctx->user_ip4); }
static __always_inline void sock_addr6(struct bpf_sock_addr *ctx, struct pb_addr *a)
{
    a->w[0] = ctx->user_ip6[0];
    a->w[1] = ctx->user_ip6[1];
    a->w[2] = ctx->user_ip6[2];
    a->w[3] = ctx->user_ip6[3];
}

static __always_inline void sock_set(struct bpf_sock_addr *ctx, const struct pb_addr *a, __be16 port, bool v6)
{
    if (v6) {
        ctx->user_ip6[0] = a->w[0];
        ctx->user_ip6[1] = a->w[1];
        ctx->user_ip6[2] = a->w[2];
        ctx->user_ip6[3] = a->w[3];
    } else {
        ctx->user_ip4 = a->w[3];
    }
    ctx->user_port = port;
}

/* The backend that this socket's datagrams went to before, while it serves. */
static __always_inline bool sock_known(const volatile struct pb_stage_cfg *cfg, const struct lb_service *svc, const struct lb_sock_key *sk, struct lb_choice *c)
{
    struct lb_sock_backend *known = lb_sock_pick_find(cfg, sk);
    if (!known)
        return false;
    struct lb_member m = {.set = svc->set, .backend = known->backend};
    return lb_members_find(cfg, &m) && lb_choose(cfg, c, m.backend);
}

static __always_inline bool sock_is_loopback(const struct pb_addr *a)
{
    if (pb_addr_is_v4(a))
        return (a->w[3] & 0xff) == 127;
    return !a->w[0] && !a->w[1] && !a->w[2] && a->w[3] == bpf_htonl(1);
}

static __always_inline bool sock_is_node(const struct pb_addr *a)
{
    struct pb_ipcache_value *v = bpf_map_lookup_elem(&ipcache, a);
    return v && (v->flags & PB_IPC_NODE);
}

/* Tells who listens that a call for `asked` goes to `c`. The caller's pod is the one behind its namespace. */
static __always_inline void sock_event(struct bpf_sock_addr *ctx, const volatile struct pb_stage_cfg *cfg, const struct pb_addr *asked,
                                       const struct lb_choice *c, __be16 port)
{
    __u32 zero = 0;
    __u32 *wanted = bpf_map_lookup_elem(&pb_events_wanted, &zero);
    if (!wanted || !*wanted)
        return;
    __u64 ns = bpf_get_netns_cookie(ctx);
    struct lb_netns *pod = bpf_map_lookup_elem(&lb_netns, &ns);
    struct pb_event *e = bpf_ringbuf_reserve(&pb_events, sizeof(*e), 0);
    if (!e) {
        pb_count_call(&pb_events_lost, 0);
        return;
    }
    pb_memset(e, 0, sizeof(*e));
    e->ts = bpf_ktime_get_ns();
    e->type = PB_EVENT_SOCK;
    e->code = PB_SOCK_DONE;
    e->hook = cfg->hook;
    e->epoch = cfg->epoch & 0xff;
    if (pod)
        e->saddr = pb_addr_is_v4(asked) ? pod->addr4 : pod->addr6;
    e->daddr = c->addr;
    e->dport = c->port;
    e->proto = ctx->protocol;
    e->svc_addr = *asked;
    e->svc_port = port;
    e->stage = cfg->order;
    bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/* connect and sendmsg. `datagram`: an unconnected socket's. */
static __always_inline int sock_forward(struct bpf_sock_addr *ctx, const volatile struct pb_stage_cfg *cfg, bool v6, bool datagram)
{
    struct lb_service_key k = {};
    struct lb_sock_key sk;
    struct lb_choice c = {};
    if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
        return GO_ON;
    if (v6)
        sock_addr6(ctx, &k.addr);
    else
        sock_addr4(ctx, &k.addr);
    k.port = ctx->user_port;
    k.proto = ctx->protocol;
    struct pb_addr asked = k.addr;
    struct lb_service *svc = lb_find_inside(cfg, &k);
    if (!svc && sock_is_loopback(&k.addr)) {
        /* A NodePort on the loopback address: the row of all addresses. */
        k.addr.w[3] = 0;
        svc = lb_find_inside(cfg, &k);
    } else if (!svc && sock_is_node(&k.addr)) {
        /* Another node's NodePort: from here straight to the backend, who then sees the pod. */
        k.addr.w[0] = 0;
        k.addr.w[1] = 0;
        k.addr.w[2] = pb_addr_is_v4(&asked) ? PB_V4_PREFIX : 0;
        k.addr.w[3] = 0;
        svc = lb_find_inside(cfg, &k);
        if (svc && svc->kind != LB_NODE_PORT)
            svc = 0;
    }
    if (!svc)
        return GO_ON;
    k.addr = asked;
    sock_key(&sk, ctx, &k.addr, k.port);
    if (!datagram || !sock_known(cfg, svc, &sk, &c)) {
        if (pb_draining)
            return GO_ON;
        struct pb_addr *client = 0;
        if (svc->flags & LB_F_AFFINITY) {
            __u64 ns = bpf_get_netns_cookie(ctx);
            struct lb_netns *pod = bpf_map_lookup_elem(&lb_netns, &ns);
            if (!pod)
                return GO_ON;
            client = pb_addr_is_v4(&k.addr) ? &pod->addr4 : &pod->addr6;
            if (pb_addr_is_zero(client))
                return GO_ON;
        }
        if (!lb_select(svc, client, bpf_get_prandom_u32(), &c, cfg->epoch)) {
            bpf_set_retval(-ECONNREFUSED);
            return REFUSE;
        }
        if (datagram) {
            struct lb_sock_backend pick = {.backend = c.backend};
            bpf_map_update_elem(&lb_sock_pick, &sk, &pick, BPF_ANY);
        }
    }
    struct lb_sock_service r = {};
    r.addr = k.addr;
    r.port = k.port;
    r.svc = svc->id;
    sk.addr = c.addr;
    sk.port = c.port;
    if (datagram) {
        struct lb_sock_service *old = lb_sock_rev_find(cfg, &sk);
        if (old && pb_addr_eq(&old->addr, &r.addr) && old->port == r.port) {
            sock_set(ctx, &c.addr, c.port, v6);
            return GO_ON;
        }
    }
    /* Without the way back a datagram's answer would come from a stranger: then rather per packet. */
    if (bpf_map_update_elem(&lb_sock_rev, &sk, &r, BPF_ANY))
        return GO_ON;
    sock_set(ctx, &c.addr, c.port, v6);
    /* Of an unconnected socket's exchange only the first datagram comes this far. */
    sock_event(ctx, cfg, &r.addr, &c, r.port);
    return GO_ON;
}

/* recvmsg and getpeername. */
static __always_inline int sock_reverse(struct bpf_sock_addr *ctx, const volatile struct pb_stage_cfg *cfg, bool v6)
{
    struct lb_sock_key sk;
    struct pb_addr a;
    if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
        return GO_ON;
    if (v6)
        sock_addr6(ctx, &a);
    else
        sock_addr4(ctx, &a);
    sock_key(&sk, ctx, &a, ctx->user_port);
    struct lb_sock_service *r = lb_sock_rev_find(cfg, &sk);
    if (r)
        sock_set(ctx, &r->addr, r->port, v6);
    return GO_ON;
}

PB_SOCK_STAGE("cgroup/connect4", service_connect4) { return sock_forward(ctx, cfg, false, false); }
PB_SOCK_STAGE("cgroup/sendmsg4", service_sendmsg4) { return sock_forward(ctx, cfg, false, true); }
PB_SOCK_STAGE("cgroup/recvmsg4", service_recvmsg4) { return sock_reverse(ctx, cfg, false); }
PB_SOCK_STAGE("cgroup/getpeername4", service_getpeername4) { return sock_reverse(ctx, cfg, false); }
PB_SOCK_STAGE("cgroup/connect6", service_connect6) { return sock_forward(ctx, cfg, true, false); }
PB_SOCK_STAGE("cgroup/sendmsg6", service_sendmsg6) { return sock_forward(ctx, cfg, true, true); }
PB_SOCK_STAGE("cgroup/recvmsg6", service_recvmsg6) { return sock_reverse(ctx, cfg, true); }
PB_SOCK_STAGE("cgroup/getpeername6", service_getpeername6) { return sock_reverse(ctx, cfg, true); }

PB_LICENSE;
