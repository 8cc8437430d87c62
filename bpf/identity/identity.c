/* SPDX-License-Identifier: Apache-2.0
 * identity: the identities of peers, from the ipcache. An address that nobody knows is the world's: 2, or in dual stack what
 * the ipcache has for the whole family.
 */
#include <patchbay/stage.h>
#include <patchbay/endpoints.h>
#include <patchbay/ipcache.h>
#include <patchbay/node_config.h>

#define PB_ID_HOST 1

/* Towards the destination as it is after service translation: identity, and the node it is behind. */
static __always_inline int pb_destination(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s)
{
    /* A pod of this node has its identity with it, and is behind no other. */
    if (s->dst_ifindex) {
        skb->cb[PB_CB_DST] = s->dst_identity;
        return pb_next(skb, cfg);
    }
    struct pb_ipcache_value *v = pb_ipcache_lookup(&s->daddr);
    if (v) {
        skb->cb[PB_CB_DST] = v->identity ? v->identity : PB_WORLD;
        s->tunnel_ip = v->tunnel;
    } else {
        skb->cb[PB_CB_DST] = PB_WORLD;
        pb_memset(&s->tunnel_ip, 0, sizeof(s->tunnel_ip));
    }
    return pb_next(skb, cfg);
}

PB_STAGE(dst_identity_pod_egress) { return pb_destination(skb, cfg, s); }
PB_STAGE(dst_identity_host_egress) { return pb_destination(skb, cfg, s); }

/* pod-ingress of its own device: the node's kernel sent it here. A packet that came from another hook brings its source. */
PB_STAGE(src_identity_pod_ingress)
{
    if (!(pb_flags(skb) & PB_F_LOCAL)) {
        struct pb_ipcache_value *v = pb_ipcache_lookup(&s->saddr);
        skb->cb[PB_CB_SRC] = v && v->identity ? v->identity : PB_WORLD;
    }
    return pb_next(skb, cfg);
}

/* A node device says nothing of who sent a packet, so the address alone must not lend it an identity that has a way of its
 * own: this node's pods and addresses never come in from outside, and pods behind a tunnel come through the tunnel. */
static __always_inline __u32 pb_claimed_identity(const struct pb_addr *a)
{
    struct pb_ipcache_value *v = pb_ipcache_lookup(a);
    if (!v || !v->identity)
        return PB_WORLD;
    if (v->identity == PB_ID_HOST || (v->flags & PB_IPC_LOCAL))
        return pb_world_of(a);
    if (v->flags & PB_IPC_TUNNEL) {
        __u32 zero = 0;
        struct pb_node_config *node = bpf_map_lookup_elem(&node_config, &zero);
        if (node && node->tunnel_ifindex)
            return pb_world_of(a);
    }
    return v->identity;
}

/* Only what is for a pod of this node needs it, or for the node where it is a subject of policy: other traffic of the node
 * pays for one look-up and no more. */
PB_STAGE(src_identity_netdev_ingress)
{
    struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, &s->daddr);
    if (ep && (!(ep->flags & PB_EP_HOST) || ep->policy_id))
        skb->cb[PB_CB_SRC] = pb_claimed_identity(&s->saddr);
    return pb_next(skb, cfg);
}

PB_LICENSE;
