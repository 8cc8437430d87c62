/* SPDX-License-Identifier: Apache-2.0
 * A second feature in the chain, before the forwarder: passes everything on, or drops one UDP port.
 */
#include <patchbay/stage.h>

PB_STAGE(marked_pod_egress)
{
    if (s->proto == IPPROTO_UDP && s->dport == bpf_htons(9))
        return pb_drop(skb, cfg, s, PB_DROP_POLICY_DENY);
    return pb_next(skb, cfg);
}

PB_LICENSE;
