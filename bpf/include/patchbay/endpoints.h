/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PATCHBAY_ENDPOINTS_H
#define PATCHBAY_ENDPOINTS_H
#include "maps.h"
/* Owner: endpoint. Address of a pod of this node (and the node's own addresses, PB_EP_HOST) -> where it is. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, struct pb_addr);
    __type(value, struct pb_endpoint);
} endpoints SEC(".maps");
#endif
