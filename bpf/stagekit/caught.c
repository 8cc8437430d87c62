/* SPDX-License-Identifier: Apache-2.0
 * For tests of single stages: where the stage under test went on to. */
#include <patchbay/stage.h>

SEC("tc") int caught_next(struct __sk_buff *skb) { return 100; }
SEC("tc") int caught_pod_ingress(struct __sk_buff *skb) { return 101; }

PB_LICENSE;
