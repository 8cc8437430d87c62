/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PATCHBAY_IPCACHE_H
#define PATCHBAY_IPCACHE_H
#include "stage.h"
/* Owner: identity. Single addresses (pods, nodes): one hash probe, about 35 ns; an LPM lookup costs ten times that. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 262144);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct pb_addr);
    __type(value, struct pb_ipcache_value);
} ipcache SEC(".maps");
/* Prefixes (CIDR identities, pod CIDRs of other nodes); asked only when the hash has no answer. */
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct pb_ipcache_prefix);
    __type(value, struct pb_ipcache_value);
} ipcache_prefixes SEC(".maps");

static __always_inline struct pb_ipcache_value *pb_ipcache_lookup(const struct pb_addr *a)
{
    struct pb_ipcache_value *v = bpf_map_lookup_elem(&ipcache, a);
    if (v)
        return v;
    struct pb_ipcache_prefix p = {.prefixlen = 128, .addr = *a};
    return bpf_map_lookup_elem(&ipcache_prefixes, &p);
}

/* The world by numbers: one for both families, or in dual stack one for each. */
#define PB_WORLD 2
#define PB_WORLD_IPV4 9
#define PB_WORLD_IPV6 10

static __always_inline bool pb_is_world(__u32 identity)
{
    return identity == PB_WORLD || identity == PB_WORLD_IPV4 || identity == PB_WORLD_IPV6;
}

/* Which of them an address is: in dual stack the prefixes of length 0 have an entry each, else there is none. */
static __always_inline __u32 pb_world_of(const struct pb_addr *a)
{
    struct pb_ipcache_prefix p;
    pb_memset(&p, 0, sizeof(p));
    if (pb_addr_is_v4(a)) {
        p.prefixlen = 96;
        p.addr.w[2] = PB_V4_PREFIX;
    }
    struct pb_ipcache_value *v = bpf_map_lookup_elem(&ipcache_prefixes, &p);
    return v && v->identity ? v->identity : PB_WORLD;
}
#endif
