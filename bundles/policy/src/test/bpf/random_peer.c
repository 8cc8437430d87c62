/* SPDX-License-Identifier: Apache-2.0
 * A stage of the bench: gives each packet another destination at random, so that one test run of many packets meets as many
 * peers as traffic would, with nothing in between that warms or cools the caches.
 */
#include <patchbay/stage.h>

struct random_peers {
    __u32 first; /* IPv4 address, host byte order */
    __u32 count;
    __u64 state;
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct random_peers);
} random_peers SEC(".maps");

PB_STAGE(random_peer)
{
    __u32 zero = 0;
    struct random_peers *r = bpf_map_lookup_elem(&random_peers, &zero);
    if (!r)
        return TC_ACT_SHOT;
    r->state = r->state * 6364136223846793005ull + 1442695040888963407ull;
    s->daddr.w[3] = bpf_htonl(r->first + (__u32)(((r->state >> 32) * r->count) >> 32));
    /* The packet of a test run keeps its context from one run to the next. */
    skb->cb[PB_CB_META] &= 0xfff;
    return pb_next(skb, cfg);
}

PB_LICENSE;
