/* SPDX-License-Identifier: Apache-2.0
 * What the kernel tells the agent: one record format in one ring (pb_events). Consumers: hubble, monitor. */
#ifndef PATCHBAY_EVENT_H
#define PATCHBAY_EVENT_H

#include "abi.h"

enum pb_event_type {
    PB_EVENT_DROP = 1,    /* code = the reason */
    PB_EVENT_TRACE = 4,   /* code = the observation point, PB_TO_* */
    PB_EVENT_VERDICT = 5, /* policy verdict of a new connection; code = enum pb_policy_action */
    PB_EVENT_SOCK = 7,    /* socket translation */
};
#define PB_EVENT_F_REPLY   1
#define PB_EVENT_F_INGRESS 2 /* about the receiving pod's side */
#define PB_EVENT_F_TUNNEL  4
#define PB_EVENT_F_MASQ    8

struct pb_event {
    __u64 ts;            /* bpf_ktime_get_ns: CLOCK_MONOTONIC */
    __u8 type;
    __u8 code;
    __u8 hook;           /* enum pb_hook entered */
    __u8 flags;
    __u32 epoch;         /* low byte of the generation's epoch */
    __u32 src_identity;
    __u32 dst_identity;
    struct pb_addr saddr;
    struct pb_addr daddr;
    __be16 sport;
    __be16 dport;
    __u8 proto;
    __u8 tcp_flags;
    __u8 icmp_type;
    __u8 icmp_code;
    __u16 endpoint;
    __u8 ct_state;
    __u8 policy_match;
    __u32 policy_cookie;
    __u32 ifindex;
    __u32 len;
    struct pb_addr svc_addr; /* address before service translation; zero = none */
    __be16 svc_port;
    __u16 pad;
    __u32 stage;         /* order number of the stage that decided */
};
#endif
