/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading through to the map of an older layout, while a change of layout is under way.
 *
 *     PB_CARRIED(ct4, struct ct4_key, struct ct_entry);     // behind the map's own definition
 *     struct ct_entry *e = ct4_find(cfg, &key);             // instead of bpf_map_lookup_elem(&ct4, &key)
 *
 * When a generation brings another layout of ct4 (migration "copy"), the loader makes a new, empty map, gives this object
 * the old one as ct4_old, and says in pb_carry_ct4 where each byte comes from, by the names that both layouts' BTF have
 * for it. What is missing in the new map is then looked for in the old one, brought over, and found here ever after. At
 * all other times pb_carry_ct4 is zero, ct4_old is ct4 itself, and the verifier removes all of this.
 *
 * Only the first lookup of a pass needs it; updates and deletes go to the new map alone. An entry that is in the new map
 * is never overwritten from the old one, whatever it says: an expired one stays expired.
 */
#ifndef PATCHBAY_CARRY_H
#define PATCHBAY_CARRY_H
#include "stage.h"

#define PB_CARRY_KEY 64
#define PB_CARRY_VALUE 256
#define PB_CARRY_ZERO 0xffffu

struct pb_carry {
    __u16 active;                /* 1: this generation has the old layout's map beside its own */
    __u16 key[PB_CARRY_KEY];     /* for each byte of the old key, the byte of the new key; PB_CARRY_ZERO: none */
    __u16 value[PB_CARRY_VALUE]; /* for each byte of the new value, the byte of the old value; PB_CARRY_ZERO: none */
};

/* The loader ends the reading by this word, as soon as everything has been brought over. */
static __always_inline bool pb_carry_is_on(__u32 epoch)
{
    __u32 zero = 0;
    __u32 *carried = bpf_map_lookup_elem(&pb_carrying, &zero);
    return carried && PB_READ_ONCE(*carried) == epoch;
}

#define PB_CARRIED(MAP, KEY, VALUE)                                                                                \
    struct {                                                                                                       \
        __uint(type, BPF_MAP_TYPE_HASH);                                                                           \
        __uint(max_entries, 1);                                                                                    \
        __type(key, KEY);                                                                                          \
        __type(value, VALUE);                                                                                      \
    } MAP##_old SEC(".maps");                                                                                      \
    const volatile struct pb_carry pb_carry_##MAP = {};                                                            \
    /* The old map's entry. The old key is made anew each time: it and a value together are much for the stack. */                \
    static __always_inline const __u8 *MAP##_in_old(const KEY *key)                                                \
    {                                                                                                              \
        __u8 old_key[PB_CARRY_KEY];                                                                                \
        for (int i = 0; i < PB_CARRY_KEY; i++) {                                                                   \
            __u32 from = pb_carry_##MAP.key[i];                                                                    \
            old_key[i] = from < sizeof(KEY) ? ((const __u8 *)key)[from] : 0;                                       \
        }                                                                                                          \
        return bpf_map_lookup_elem(&MAP##_old, old_key);                                                           \
    }                                                                                                              \
    static __always_inline void MAP##_bring(const KEY *key, const __u8 *old)                                       \
    {                                                                                                              \
        VALUE v;                                                                                                   \
        for (__u32 i = 0; i < sizeof(VALUE); i++) {                                                                \
            __u32 from = pb_carry_##MAP.value[i];                                                                  \
            ((__u8 *)&v)[i] = from != PB_CARRY_ZERO ? old[from] : 0;                                               \
        }                                                                                                          \
        /* Another CPU may have been faster: its entry stays. */                                                   \
        bpf_map_update_elem(&MAP, key, &v, BPF_NOEXIST);                                                           \
    }                                                                                                              \
    /* Whether there is an entry now. `epoch`: the stage's. */                                                     \
    PB_FUNCTION int MAP##_carry(const KEY *of, __u32 epoch)                                                        \
    {                                                                                                              \
        _Static_assert(sizeof(KEY) <= PB_CARRY_KEY && sizeof(VALUE) <= PB_CARRY_VALUE, "too large to read through"); \
        KEY key;                                                                                                   \
        if (!of || !pb_carry_##MAP.active || !pb_carry_is_on(epoch))                                               \
            return false;                                                                                          \
        key = *of;                                                                                                 \
        const __u8 *old = MAP##_in_old(&key);                                                                      \
        if (!old)                                                                                                  \
            return false;                                                                                          \
        MAP##_bring(&key, old);                                                                                    \
        /* Whoever deletes meanwhile does so in the old map first, then in the new. */                             \
        if (!MAP##_in_old(&key)) {                                                                                 \
            bpf_map_delete_elem(&MAP, &key);                                                                       \
            return false;                                                                                          \
        }                                                                                                          \
        return true;                                                                                               \
    }                                                                                                              \
    static __always_inline VALUE *MAP##_find(const volatile struct pb_stage_cfg *cfg, const KEY *key)              \
    {                                                                                                              \
        VALUE *found = bpf_map_lookup_elem(&MAP, key);                                                             \
        if (found || !pb_carry_##MAP.active)                                                                       \
            return found;                                                                                          \
        return MAP##_carry(key, cfg->epoch) ? bpf_map_lookup_elem(&MAP, key) : 0;                                  \
    }
#endif
