/* SPDX-License-Identifier: Apache-2.0
 *
 * Room in a hash whose entries have an expiry, when nobody collects: the datapath's own way to entries that are over.
 *
 *     static __always_inline enum pb_place lb_flows_at(const struct lb_flow_key *key, __u64 now);  // deletes what is over
 *     PB_PLACES(lb_flows, struct lb_flow_key, 131072);
 *     ... made a new entry:       lb_flows_keep(&key, now);
 *     ... found the map full:     if (lb_flows_make_room(now)) once more
 *
 * MAP_places has one key for each entry that there is room for. A new entry looks at a few places at random, ends the entry
 * of the first that is over, and leaves its own key there. In a full map it looks at more of them. What is alive is never
 * touched. Only a hint: an entry may have no place, and a place no entry.
 */
#ifndef PATCHBAY_PLACES_H
#define PATCHBAY_PLACES_H
#include "stage.h"

#define PB_PLACE_LOOK 8    /* places that a new entry looks at for itself */
#define PB_PLACE_SEARCH 32 /* and for any entry that is over, when the map is full */

enum pb_place {
    PB_PLACE_EMPTY, /* there is no such entry */
    PB_PLACE_ALIVE,
    PB_PLACE_ENDED, /* it was over, and has been deleted */
};

/* SIZE: as many as the map has entries. MAP_places_entries is set to what MAP_places has.
 * PB_PLACES' search: ends the entry of the first place whose entry is over, takes the place for `k` if there is one, and says
 * whether an entry went. With `k` an empty place will do. */
#define PB_PLACES(MAP, KEY, SIZE)                                                                                 \
    const volatile __u32 MAP##_places_entries = SIZE;                                                             \
    struct {                                                                                                      \
        __uint(type, BPF_MAP_TYPE_ARRAY);                                                                         \
        __uint(max_entries, SIZE);                                                                                \
        __type(key, __u32);                                                                                       \
        __type(value, KEY);                                                                                       \
    } MAP##_places SEC(".maps");                                                                                  \
    /* A function of its own: else the verifier would walk all places again for each way that leads to a new entry. */       \
    PB_FUNCTION int MAP##_search(const KEY *k, __u64 now, __u32 tries)                                            \
    {                                                                                                             \
        for (__u32 i = 0; i < PB_PLACE_SEARCH && i < tries; i++) {                                                \
            __u32 at = bpf_get_prandom_u32() % MAP##_places_entries;                                              \
            KEY *place = bpf_map_lookup_elem(&MAP##_places, &at);                                                 \
            if (!place)                                                                                           \
                return false;                                                                                     \
            /* A copy: another CPU may take the place meanwhile. */                                               \
            KEY old = *place;                                                                                     \
            enum pb_place is = old.proto ? MAP##_at(&old, now) : PB_PLACE_EMPTY;                                  \
            if (is == PB_PLACE_ALIVE)                                                                             \
                continue;                                                                                         \
            if (k)                                                                                                \
                *place = *k;                                                                                      \
            if (k || is == PB_PLACE_ENDED)                                                                        \
                return is == PB_PLACE_ENDED;                                                                      \
        }                                                                                                         \
        return false;                                                                                             \
    }                                                                                                             \
    /* Notes a new entry where it can be found again. */                                                          \
    static __always_inline void MAP##_keep(const KEY *k, __u64 now) { MAP##_search(k, now, PB_PLACE_LOOK); }      \
    /* Room in a full map: true when an entry that was over has gone. */                                          \
    static __always_inline bool MAP##_make_room(__u64 now) { return MAP##_search(0, now, PB_PLACE_SEARCH); }
#endif
