/* SPDX-License-Identifier: Apache-2.0
 *
 * How to write a program for a socket hook (connect, sendmsg, recvmsg, getpeername of a cgroup): one per hook and
 * generation, no chain.
 *
 *     #include <patchbay/sock.h>
 *     PB_SOCK_STAGE("cgroup/connect4", my_connect4)   // the body of `int my_connect4(ctx, cfg)`
 *     {
 *         return 1;                                   // the call goes on; 0 refuses it (connect and sendmsg only)
 *     }
 *     PB_LICENSE;
 *
 * The macro counts the way out. These programs run in the process' own context: they may be preempted, so nothing here
 * uses the per-CPU scratch, and counts are atomic.
 */
#ifndef PATCHBAY_SOCK_H
#define PATCHBAY_SOCK_H

#include "stage.h"

static __always_inline void pb_count_call(void *map, __u32 key)
{
    struct pb_count *c = bpf_map_lookup_elem(map, &key);
    if (c) {
        __sync_fetch_and_add(&c->skbs, 1);
        __sync_fetch_and_add(&c->segments, 1);
    }
}

/* A refused call counts as PB_DROP_NO_SERVICE: what refuses calls is a service without a backend. */
static __always_inline void pb_sock_out(const volatile struct pb_stage_cfg *cfg, __u8 code)
{
    pb_count_call(&pb_out, (cfg->hook * PB_SLOTS + PB_SLOT(cfg->epoch)) * 256 + code);
}

#define PB_SOCK_STAGE(SECTION, NAME)                                                                                \
    const volatile struct pb_stage_cfg pb_cfg_##NAME = {};                                                          \
    static __always_inline int pb_body_##NAME(struct bpf_sock_addr *ctx, const volatile struct pb_stage_cfg *cfg);  \
    SEC(SECTION) int NAME(struct bpf_sock_addr *ctx)                                                                \
    {                                                                                                               \
        int goes_on = pb_body_##NAME(ctx, &pb_cfg_##NAME);                                                          \
        pb_sock_out(&pb_cfg_##NAME, goes_on ? PB_SOCK_DONE : PB_DROP_NO_SERVICE);                                   \
        return goes_on;                                                                                             \
    }                                                                                                               \
    static __always_inline int pb_body_##NAME(struct bpf_sock_addr *ctx, const volatile struct pb_stage_cfg *cfg)
#endif
