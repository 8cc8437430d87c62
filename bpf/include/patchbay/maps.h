/* SPDX-License-Identifier: Apache-2.0
 * Maps of the core that every stage uses. The loader gives all objects of a node the same pinned maps; pb_chain
 * alone is new for each generation. Feature-owned shared maps have headers of their own: endpoints.h, ipcache.h,
 * node_config.h. */
#ifndef PATCHBAY_MAPS_H
#define PATCHBAY_MAPS_H

#include <bpf/bpf_helpers.h>
#include "abi.h"
#include "event.h"

struct pb_count {
    __u64 skbs;
    __u64 segments;
};

/* The epoch in charge: the one word that a switch writes. 0 = no generation. Mapped into the agent, so that a switch is
 * one aligned store: the kernel's own update of an array element is a memcpy, which promises no atomicity. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, __u32);
} pb_epoch SEC(".maps");

/* The epoch whose maps of a new layout are still being filled from the old ones; 0: none. See carry.h. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} pb_carrying SEC(".maps");

/* in[hook][slot]: packets that a preamble admitted to the generation in that slot. Only ever grows. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PB_HOOKS * PB_SLOTS);
    __type(key, __u32);
    __type(value, struct pb_count);
} pb_in SEC(".maps");

/* out[hook][slot][code]: what became of them. Only ever grows. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PB_HOOKS * PB_SLOTS * 256);
    __type(key, __u32);
    __type(value, struct pb_count);
} pb_out SEC(".maps");

/* mixed[hook][slot]: packets that met a stage of another generation than their own. Must stay 0. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PB_HOOKS * PB_SLOTS);
    __type(key, __u32);
    __type(value, struct pb_count);
} pb_mixed SEC(".maps");

/* guard[hook]: packets that the pipeline did not take charge of, dropped by the guard. Must stay 0. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PB_HOOKS);
    __type(key, __u32);
    __type(value, struct pb_count);
} pb_unprocessed SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pb_scratch);
} pb_scratch_map SEC(".maps");

/* The stages of one generation, packed densely. */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 128);
    __type(key, __u32);
    __type(value, __u32);
} pb_chain SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4 * 1024 * 1024);
} pb_events SEC(".maps");

/* Events that found the ring full. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pb_count);
} pb_events_lost SEC(".maps");

/* Who listens: bit 0 = flows wanted (hubble), bit 1 = monitor. 0: nothing is written to the ring. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} pb_events_wanted SEC(".maps");
#endif
