/* SPDX-License-Identifier: Apache-2.0
 * What the verifier refuses.
 */
#include <patchbay/stage.h>

PB_STAGE(refused_pod_egress)
{
    __u8 *p = (__u8 *)(long)skb->data;
    return pb_drop(skb, cfg, s, p[100]);
}

PB_LICENSE;
