/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PATCHBAY_NODE_CONFIG_H
#define PATCHBAY_NODE_CONFIG_H
#include "maps.h"
/* Owner: node. One entry. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pb_node_config);
} node_config SEC(".maps");
#endif
