/* SPDX-License-Identifier: Apache-2.0
 * A policy that knows one rule: connections to ports 7000 to 7999 may be made. Everything else passes as an answer, and an
 * answer is what conntrack says is one: without the entry it is dropped.
 */
#include <patchbay/stage.h>

static __always_inline int ask(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s)
{
    __u32 state = pb_ct_state(skb);
    __u16 port = bpf_ntohs(s->dport);
    if (state == PB_CT_REPLY || state == PB_CT_RELATED || (port >= 7000 && port < 8000))
        return pb_next(skb, cfg);
    return pb_drop(skb, cfg, s, PB_DROP_POLICY);
}

PB_STAGE(ask_pod_egress) { return ask(skb, cfg, s); }
PB_STAGE(ask_pod_ingress) { return ask(skb, cfg, s); }

PB_LICENSE;
