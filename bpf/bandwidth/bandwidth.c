/* SPDX-License-Identifier: Apache-2.0
 * Bandwidth: earliest departure times for the packets of pods with a limit, kept by the fq discipline of the node's device.
 * Where the kernel has no fq this map stays empty, and a token bucket in the pod does the work.
 */
#include <patchbay/stage.h>

#define HORIZON 2000000000ull /* of fq: what would leave later is dropped now */

/* Endpoint id -> its rate. */
struct throttle {
    __u64 bytes_per_second;
    __u64 last;            /* departure of the last packet, CLOCK_MONOTONIC ns */
    __u64 horizon_drops;
    __u64 spare;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, __u32);
    __type(value, struct throttle);
} throttle SEC(".maps");

/* When the packet may leave; 0: now; ~0: never. */
static __always_inline __u64 departure(struct __sk_buff *skb, const struct pb_scratch *s)
{
    __u32 id = pb_ep_id(skb);
    struct throttle *t = bpf_map_lookup_elem(&throttle, &id);
    if (!t || !t->bytes_per_second)
        return 0;
    __u64 now = bpf_ktime_get_ns();
    __u64 delay = (__u64)s->len * 1000000000ull / t->bytes_per_second;
    __u64 next = PB_READ_ONCE(t->last) + delay;
    if (next <= now) {
        t->last = now;
        return 0;
    }
    if (next - now >= HORIZON) {
        t->horizon_drops++;
        return ~0ull;
    }
    t->last = next;
    return next;
}

/* Behind routing: what goes to another pod of the node is not here any more. */
PB_STAGE(pace_pod_egress)
{
    if (pb_route(skb) == PB_ROUTE_HOST)
        return pb_next(skb, cfg);
    __u64 at = departure(skb, s);
    if (at == ~0ull)
        return pb_drop(skb, cfg, s, PB_DROP_EDT_HORIZON);
    if (at)
        bpf_skb_set_tstamp(skb, at, BPF_SKB_TSTAMP_DELIVERY_MONO);
    return pb_next(skb, cfg);
}

PB_LICENSE;
