/* SPDX-License-Identifier: Apache-2.0
 *
 * How to write a stage: one feature's program at one hook.
 *
 *     #include <patchbay/stage.h>
 *     PB_STAGE(my_stage)                  // the body of `int my_stage(skb, cfg, s)`
 *     {
 *         if (s->proto != IPPROTO_UDP)
 *             return pb_next(skb, cfg);          // not mine: on to the successor
 *         return pb_drop(skb, cfg, s, PB_DROP_POLICY);
 *     }
 *     PB_LICENSE;
 *
 * Every path ends in pb_next, pb_to_pod_ingress, or a verdict (pb_verdict, pb_drop). Nothing else returns a TC
 * action: the ledger counts what goes through these.
 *
 * Helpers are always_inline. What is large, has a loop, or comes after many ways is a function of its own instead:
 *     PB_FUNCTION int my_search(const struct my_key *key, __u64 now)
 * The verifier walks such a function once for each program that calls it, whoever calls it, and not once more for each way
 * that leads there; and loading a program takes time that grows with the square of its length. At most five arguments: the
 * context, numbers, and pointers to structs that are wholly written, which the function must test for NULL. It returns a
 * number of which the caller knows nothing. No pointer to a stage's constants, and no tail call in there. Keys and values that it
 * gives to maps are copies of its own on the stack, or in a map: Linux 6.1 takes no others.
 */
#ifndef PATCHBAY_STAGE_H
#define PATCHBAY_STAGE_H

#include <stdbool.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include "maps.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
/* Once in every object: the license that the kernel asks for, and types that the loader compares but no map names. */
#define PB_LICENSE                                            \
    const struct pb_event pb_abi_event SEC("patchbay") = {};  \
    char pb_license[] SEC("license") = "Dual BSD/GPL"
/* A global function, verified by itself: see above. */
#define PB_FUNCTION __attribute__((noinline))
#define pb_memcpy __builtin_memcpy
#define pb_memset __builtin_memset
/* The compiler may not move, merge or forget this access. */
#define PB_READ_ONCE(x) (*(volatile typeof(x) *)&(x))

/* What the loader tells a stage: constants in .rodata, known to the verifier. */
struct pb_stage_cfg {
    __u32 epoch;       /* of the generation this program belongs to */
    __u32 next;        /* successor's index in pb_chain */
    __u32 pod_ingress; /* index of pod-ingress' first stage for a packet that is parsed already */
    __u32 hook;        /* the hook this stage is at */
    __u32 order;       /* its order number */
    __u32 last;        /* 1: no successor */
};

#define PB_STAGE(NAME)                                                                                              \
    const volatile struct pb_stage_cfg pb_cfg_##NAME = {};                                                          \
    static __always_inline int pb_body_##NAME(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg,       \
                                              struct pb_scratch *s);                                                \
    SEC("tc") int NAME(struct __sk_buff *skb)                                                                       \
    {                                                                                                               \
        __u32 zero = 0;                                                                                             \
        struct pb_scratch *s = bpf_map_lookup_elem(&pb_scratch_map, &zero);                                         \
        if (!s)                                                                                                     \
            return TC_ACT_SHOT;                                                                                     \
        pb_check_epoch(skb, &pb_cfg_##NAME);                                                                        \
        return pb_body_##NAME(skb, &pb_cfg_##NAME, s);                                                              \
    }                                                                                                               \
    static __always_inline int pb_body_##NAME(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg,       \
                                              struct pb_scratch *s)

/* ---- reading and writing the context ---- */
static __always_inline __u32 pb_flags(const struct __sk_buff *skb) { return skb->cb[PB_CB_META]; }
static __always_inline void pb_set_flag(struct __sk_buff *skb, __u32 f) { skb->cb[PB_CB_META] |= f; }
static __always_inline void pb_clear_flag(struct __sk_buff *skb, __u32 f) { skb->cb[PB_CB_META] &= ~f; }
static __always_inline __u32 pb_hook_entered(const struct __sk_buff *skb) { return (skb->cb[PB_CB_META] >> 8) & 0xf; }
static __always_inline __u32 pb_epoch_of(const struct __sk_buff *skb) { return skb->cb[PB_CB_META] & 0xff; }
static __always_inline __u32 pb_l3_off(const struct __sk_buff *skb) { return skb->cb[PB_CB_OFF] & 0xff; }
static __always_inline __u32 pb_l4_off(const struct __sk_buff *skb) { return (skb->cb[PB_CB_OFF] >> 8) & 0xff; }
static __always_inline __u32 pb_family(const struct __sk_buff *skb) { return (skb->cb[PB_CB_OFF] >> 24) & 0xf; }
static __always_inline __u32 pb_ep_id(const struct __sk_buff *skb) { return skb->cb[PB_CB_EP] & 0xffff; }
static __always_inline void pb_set_ep_id(struct __sk_buff *skb, __u32 id)
{
    skb->cb[PB_CB_EP] = (skb->cb[PB_CB_EP] & 0xffff0000u) | (id & 0xffff);
}
static __always_inline __u32 pb_ct_state(const struct __sk_buff *skb) { return (skb->cb[PB_CB_EP] >> 16) & 0xff; }
static __always_inline void pb_set_ct_state(struct __sk_buff *skb, __u32 st)
{
    skb->cb[PB_CB_EP] = (skb->cb[PB_CB_EP] & 0xff00ffffu) | ((st & 0xff) << 16);
}
static __always_inline __u32 pb_route(const struct __sk_buff *skb) { return skb->cb[PB_CB_EP] >> 24; }
static __always_inline void pb_set_route(struct __sk_buff *skb, __u32 r)
{
    skb->cb[PB_CB_EP] = (skb->cb[PB_CB_EP] & 0x00ffffffu) | (r << 24);
}

/* ---- addresses ---- */
static __always_inline void pb_addr_v4(struct pb_addr *a, __be32 v4)
{
    a->w[0] = 0;
    a->w[1] = 0;
    a->w[2] = PB_V4_PREFIX;
    a->w[3] = v4;
}
static __always_inline bool pb_addr_eq(const struct pb_addr *a, const struct pb_addr *b)
{
    return a->w[3] == b->w[3] && a->w[2] == b->w[2] && a->w[1] == b->w[1] && a->w[0] == b->w[0];
}
static __always_inline bool pb_addr_is_zero(const struct pb_addr *a) { return !(a->w[0] | a->w[1] | a->w[2] | a->w[3]); }
static __always_inline bool pb_addr_is_v4(const struct pb_addr *a) { return !a->w[0] && !a->w[1] && a->w[2] == PB_V4_PREFIX; }

/* ---- counting ---- */
static __always_inline void pb_count(void *map, __u32 key, __u32 segments)
{
    struct pb_count *c = bpf_map_lookup_elem(map, &key);
    if (c) {
        c->skbs++;
        c->segments += segments;
    }
}
static __always_inline __u32 pb_segments(const struct __sk_buff *skb) { return skb->gso_segs ? skb->gso_segs : 1; }

static __always_inline void pb_check_epoch(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg)
{
    __u32 epoch = pb_epoch_of(skb);
    if (epoch != (cfg->epoch & 0xff))
        pb_count(&pb_mixed, pb_hook_entered(skb) * PB_SLOTS + PB_SLOT(epoch), pb_segments(skb));
}

/* ---- events ---- */
static __always_inline void pb_event(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg,
                                     const struct pb_scratch *s, __u8 type, __u8 code)
{
    __u32 zero = 0;
    __u32 *wanted = bpf_map_lookup_elem(&pb_events_wanted, &zero);
    if (!wanted || !*wanted)
        return;
    struct pb_event *e = bpf_ringbuf_reserve(&pb_events, sizeof(*e), 0);
    if (!e) {
        pb_count(&pb_events_lost, 0, 1);
        return;
    }
    __u32 f = pb_flags(skb);
    e->ts = bpf_ktime_get_ns();
    e->type = type;
    e->code = code;
    e->hook = pb_hook_entered(skb);
    e->flags = (pb_ct_state(skb) == PB_CT_REPLY ? PB_EVENT_F_REPLY : 0)
             | (cfg->hook == PB_HOOK_POD_INGRESS ? PB_EVENT_F_INGRESS : 0)
             | (f & PB_F_TUNNEL ? PB_EVENT_F_TUNNEL : 0) | (f & PB_F_MASQ ? PB_EVENT_F_MASQ : 0);
    e->epoch = pb_epoch_of(skb);
    e->src_identity = skb->cb[PB_CB_SRC];
    e->dst_identity = skb->cb[PB_CB_DST];
    e->saddr = s->saddr;
    e->daddr = s->daddr;
    e->sport = s->sport;
    e->dport = s->dport;
    e->proto = s->proto;
    e->tcp_flags = s->tcp_flags;
    e->icmp_type = s->icmp_type;
    e->icmp_code = s->icmp_code;
    e->endpoint = pb_ep_id(skb);
    e->ct_state = pb_ct_state(skb);
    e->policy_match = s->policy_match;
    e->policy_cookie = s->policy_cookie;
    e->ifindex = skb->ifindex;
    e->len = s->len;
    e->svc_addr = s->svc_addr;
    e->svc_port = s->svc_port;
    e->pad = 0;
    e->stage = cfg->order;
    bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/* ---- ways out of a stage ---- */

/* Ends the pass: counts `code` for the hook that was entered and returns the TC action `act`. */
static __always_inline int pb_verdict(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg,
                                      const struct pb_scratch *s, __u8 code, int act)
{
    __u32 key = (pb_hook_entered(skb) * PB_SLOTS + PB_SLOT(pb_epoch_of(skb))) * 256 + code;
    pb_count(&pb_out, key, pb_segments(skb));
    if (PB_IS_DROP(code))
        pb_event(skb, cfg, s, PB_EVENT_DROP, code);
    else if (pb_flags(skb) & PB_F_TRACE)
        pb_event(skb, cfg, s, PB_EVENT_TRACE, code);
    return act;
}

static __always_inline int pb_drop(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg,
                                   const struct pb_scratch *s, __u8 code)
{
    return pb_verdict(skb, cfg, s, code, TC_ACT_SHOT);
}

/* A tail call found nothing: counted, dropped. */
static __always_inline int pb_hole(struct __sk_buff *skb)
{
    pb_count(&pb_out, (pb_hook_entered(skb) * PB_SLOTS + PB_SLOT(pb_epoch_of(skb))) * 256 + PB_DROP_HOLE, pb_segments(skb));
    return TC_ACT_SHOT;
}

/* On to the successor. */
static __always_inline int pb_next(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg)
{
    bpf_tail_call(skb, &pb_chain, cfg->next);
    return pb_hole(skb);
}

/* Past the successor: for a stage of two parts. What most packets need is in the first; the second, PB_STAGE(NAME_aside) at the same
 * hook, has the order number behind the first's, so that nothing can be between them, and gets only what the first sends there
 * with pb_next. A stage of seldom needed code costs no packet anything, and keeps programs short. */
static __always_inline int pb_skip(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg)
{
    bpf_tail_call(skb, &pb_chain, cfg->next + 1);
    return pb_hole(skb);
}

/* Delivery to a local pod: through pod-ingress, whatever the hook. The receiver is scratch.dst_*. */
static __always_inline int pb_to_pod_ingress(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg)
{
    pb_set_flag(skb, PB_F_LOCAL);
    bpf_tail_call(skb, &pb_chain, cfg->pod_ingress);
    return pb_hole(skb);
}

/* Copies `len` bytes (a constant) of the packet at `off`, at most 255. Headers are nearly always in what is linear of it, and then no helper is
 * called. Negative when the packet is shorter. */
static __always_inline long pb_load(const struct __sk_buff *skb, __u32 off, void *to, const __u32 len)
{
    const __u8 *at = (const __u8 *)(long)skb->data + (off & 0xff), *end = (const __u8 *)(long)skb->data_end;
    if (at + len <= end) {
        /* In words: where that needs alignment, the kernel places IP headers so (NET_IP_ALIGN), and the verifier sees to it. */
        __builtin_memcpy(to, __builtin_assume_aligned(at, 4), len);
        return 0;
    }
    return bpf_skb_load_bytes(skb, off, to, len);
}

/* Makes `len` bytes of the packet directly readable; false if the packet is shorter. Invalidates packet pointers. */
static __always_inline bool pb_pull(struct __sk_buff *skb, __u32 len)
{
    void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
    if (data + len <= end)
        return true;
    return bpf_skb_pull_data(skb, len) == 0;
}
#endif
