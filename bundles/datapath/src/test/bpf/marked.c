/* SPDX-License-Identifier: Apache-2.0
 * A second feature in the chain, before the forwarder: passes everything on, or drops one UDP port.
 */
#include <patchbay/stage.h>

#ifdef MARKED_ASIDE
/* The same in two parts. */
PB_STAGE(marked_pod_egress)
{
    return s->proto == IPPROTO_UDP && s->dport == bpf_htons(9) ? pb_next(skb, cfg) : pb_skip(skb, cfg);
}
PB_STAGE(marked_pod_egress_aside) { return pb_drop(skb, cfg, s, PB_DROP_POLICY_DENY); }
#else
PB_STAGE(marked_pod_egress)
{
    if (s->proto == IPPROTO_UDP && s->dport == bpf_htons(9))
        return pb_drop(skb, cfg, s, PB_DROP_POLICY_DENY);
    return pb_next(skb, cfg);
}
#endif

PB_LICENSE;
