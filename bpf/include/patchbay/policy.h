/* SPDX-License-Identifier: Apache-2.0
 * Policy tables. Owner: policy; private to it, and here because its tests and benches load them too.
 *
 * All tables of the node share one hash. A policy class (pb_endpoint.policy_id) finds its table through the directory,
 * which exists twice; policy_select says which copy counts. A change writes new tables under table ids that no packet
 * knows, then the idle directory, then that one word: every endpoint, both directions, at once. A packet that asks in
 * both directions (sender, then receiver on the same node) asks the same copy.
 *
 * Where many peers have the same entry but for the peer, as a rule that selects many makes them, one entry with a peer set stands for all of them:
 * it costs a packet the same however many they are, and takes a bit of room for each.
 *
 * The word also counts every change of tables and directory, its revision. Conntrack keeps with a connection the word under
 * which its last packet was let pass, so that the next one needs no probe as long as nothing has changed.
 */
#ifndef PATCHBAY_POLICY_H
#define PATCHBAY_POLICY_H

#include "stage.h"

#define PB_POLICY_CLASSES 16384

/* What an entry is found by. Only the leading `bits` bits of the port count; ICMP: the type, 16 bits. */
struct pb_policy_key {
    __u32 table_id;
    __u32 peer;  /* identity, peer class (from 3 * 2^24), 0 = anyone, PB_POLICY_SET = those in the value's set */
    __u16 port;  /* host byte order; zero beyond its leading bits */
    __u8 proto;  /* 0 = any; then bits and port are 0 */
    __u8 bits;   /* bits 0-4 how many bits of the port count (0-16), bit 7 direction (0 ingress, 1 egress) */
};
#define PB_POLICY_EGRESS 0x80
#define PB_POLICY_SET 0xffffffffu /* no identity is as high */

struct pb_policy_value {
    __u32 cookie; /* which rule, for events; 0 = none, 1 = the pod's own node */
    __u8 deny;    /* 1: drops whatever else allows */
    __u8 alone;   /* of a set: 1: no other identity of a pod has an entry with this protocol and port */
    __u16 set;    /* of a set: index in policy_sets */
};

/* Which shapes of entries occur for a kind of peer: bit n (0-16) = a protocol with n bits of port, bit 17 = any protocol. A
 * mask may name shapes that are gone; never may it lack one that is there. */
#define PB_SHAPE_ANY_PROTO (1u << 17)
/* In identity_shapes: a rule denies by labels, whether or not anybody has them now. Who isn't known (policy_known) might. */
#define PB_SHAPE_DENY_LABELS (1u << 24)
/* In identity_shapes: some of the entries are sets. A set's shape is in the mask like any other's. */
#define PB_SHAPE_SETS (1u << 25)
enum pb_policy_peer { PB_PEER_IDENTITY = 0, PB_PEER_CLASS = 1, PB_PEER_ANY = 2, PB_PEER_KINDS = 3 };

struct pb_policy_direction {
    __u32 closed; /* 1: what no entry allows is dropped */
    __u32 identity_shapes;
    __u32 class_shapes;
    __u32 any_shapes;
};

/* 0 in table_id: no such class. */
struct pb_policy_dir {
    __u32 table_id;
    __u32 flags;  /* PB_POLICY_* */
    struct pb_policy_direction ingress;
    struct pb_policy_direction egress;
};
#define PB_POLICY_SCTP 1 /* SCTP is not an unknown protocol */

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 262144);
    __type(key, struct pb_policy_key);
    __type(value, struct pb_policy_value);
} policy SEC(".maps");

/* [copy * PB_POLICY_CLASSES + policy_id] */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2 * PB_POLICY_CLASSES);
    __type(key, __u32);
    __type(value, struct pb_policy_dir);
} policy_dirs SEC(".maps");

/* The identities of pods that the tables in force know, a bit each. A pod of another node may carry one that its own node has claimed
 * while nobody here wrote tables: no entry of it says that it isn't denied. */
#define PB_POLICY_FIRST_POD 256
#define PB_POLICY_PODS 65536
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, PB_POLICY_PODS / 64);
    __type(key, __u32);
    __type(value, __u64);
} policy_known SEC(".maps");

/* Peer sets of pods' identities, a bit each. A set belongs to one entry of one table, and is another's when a grace period has passed since
 * that table was in force. */
#define PB_POLICY_SETS 1024
struct pb_policy_set {
    __u64 members[PB_POLICY_PODS / 64];
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, PB_POLICY_SETS);
    __type(key, __u32);
    __type(value, struct pb_policy_set);
} policy_sets SEC(".maps");

/* Bit 0: the copy that counts. Bits 1-23: the revision; another one after each change of what is in force, by the same store
 * where that is a switch. The copy is one bit of one byte, which no way of storing can tear; of the rest see policy_sealed. */
#define PB_POLICY_WORD 0xffffffu
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} policy_select SEC(".maps");

/* The complement of the word, stored after it. Where they don't agree, the word was read while it was stored, or whoever stored it
 * was killed, or knew nothing of revisions: then nothing is remembered and every packet asks. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} policy_sealed SEC(".maps");
#endif
