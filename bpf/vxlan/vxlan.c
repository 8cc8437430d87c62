/* SPDX-License-Identifier: Apache-2.0
 * VXLAN: packets for pods of other nodes go through one collect-metadata device, the VNI saying who sent them. What comes
 * out of it is believed only when a known node sent it, and only about that node's own pods.
 */
#include <patchbay/packet.h>
#include <patchbay/ipcache.h>

#define ID_HOST 1
#define ID_REMOTE_NODE 6
#define VNI_LIMIT (1u << 24)
#define MAX_CIDRS 4

struct vxlan_config {
    __u32 ifindex; /* of the tunnel device; 0: none yet */
    __be16 port;   /* UDP */
    __u16 pad;
    __u32 spare[6];
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct vxlan_config);
} vxlan_config SEC(".maps");

/* Each address of each other node -> what its pods have their addresses from. */
struct tunnel_node {
    __u32 cidrs;   /* how many of cidr are in use */
    __u32 flags;
    struct pb_ipcache_prefix cidr[MAX_CIDRS];
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, struct pb_addr);
    __type(value, struct tunnel_node);
} tunnel_nodes SEC(".maps");

/* Pods about which their node and our ipcache disagree, since when. While a pod's labels change, both are right for a
 * while: the change reaches the nodes one after the other, and one whose agent is away only when it is back: its pods go on
 * as what they were. A disagreement that lasts is refused. */
#define DISAGREE_FOR (600 * PB_SECOND)
#define DISAGREE_OVER (60 * PB_SECOND)
struct disagreement_key {
    struct pb_addr addr;
    __u32 vni;
};
struct disagreement {
    __u64 since;
    __u64 last;
};
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, struct disagreement_key);
    __type(value, struct disagreement);
} tunnel_disagree SEC(".maps");

static __always_inline struct vxlan_config *config(void)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&vxlan_config, &zero);
}

/* 0, or the drop code. */
static __always_inline int encapsulate(struct __sk_buff *skb, struct pb_scratch *s, const struct vxlan_config *c, int *act)
{
    struct bpf_tunnel_key key;
    __u32 id = skb->cb[PB_CB_SRC];
    __u64 flags = BPF_F_ZERO_CSUM_TX;
    if (!c || !c->ifindex)
        return PB_DROP_NO_TUNNEL_ENDPOINT;
    pb_memset(&key, 0, sizeof(key));
    /* On the wire "host" would mean the receiver's own; identities of prefixes are known to this node only, and of the world
     * the receiver sees for itself which family's it is. */
    key.tunnel_id = id == ID_HOST ? ID_REMOTE_NODE : id >= VNI_LIMIT || !id || pb_is_world(id) ? PB_WORLD : id;
    key.tunnel_ttl = 64;
    if (pb_addr_is_v4(&s->tunnel_ip)) {
        key.remote_ipv4 = bpf_ntohl(s->tunnel_ip.w[3]);
    } else {
        pb_memcpy(key.remote_ipv6, &s->tunnel_ip, 16);
        flags |= BPF_F_TUNINFO_IPV6;
    }
    if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags) < 0)
        return PB_DROP_WRITE_ERROR;
    pb_set_mark(skb, PB_MARK_OVERLAY);
    *act = bpf_redirect(c->ifindex, 0);
    return PB_TO_OVERLAY;
}

/* A pod that could speak VXLAN to a node could claim any identity. */
static __always_inline bool forges_tunnel(const struct __sk_buff *skb, const struct pb_scratch *s, const struct vxlan_config *c)
{
    if (s->proto != IPPROTO_UDP || !c || s->dport != c->port || !c->port)
        return false;
    __u32 dst = skb->cb[PB_CB_DST];
    return dst == ID_HOST || dst == ID_REMOTE_NODE || pb_route(skb) == PB_ROUTE_HOST || bpf_map_lookup_elem(&tunnel_nodes, &s->daddr);
}

PB_STAGE(encap_pod_egress)
{
    struct vxlan_config *c = config();
    int act = TC_ACT_SHOT, code = PB_DROP_ENCAP_PROHIBITED;
    if (!forges_tunnel(skb, s, c)) {
        if (pb_route(skb) != PB_ROUTE_OVERLAY)
            return pb_next(skb, cfg);
        code = encapsulate(skb, s, c, &act);
    }
    return pb_verdict(skb, cfg, s, code, act);
}

PB_STAGE(encap_host_egress)
{
    int act = TC_ACT_SHOT;
    if (pb_route(skb) != PB_ROUTE_OVERLAY)
        return pb_next(skb, cfg);
    int code = encapsulate(skb, s, config(), &act);
    return pb_verdict(skb, cfg, s, code, act);
}

static __always_inline bool owns(const struct tunnel_node *n, const struct pb_addr *a)
{
#pragma unroll
    for (int i = 0; i < MAX_CIDRS; i++)
        if (i < (int)n->cidrs && pb_addr_in(a, &n->cidr[i].addr, n->cidr[i].prefixlen))
            return true;
    return false;
}

/* Whether an address is one of the node's own: no other node has its pod CIDRs. */
static __always_inline bool is_of(const struct tunnel_node *n, const struct pb_addr *a)
{
    struct tunnel_node *other = bpf_map_lookup_elem(&tunnel_nodes, a);
    return other && other->cidrs == n->cidrs && other->cidr[0].prefixlen == n->cidr[0].prefixlen && pb_addr_eq(&other->cidr[0].addr, &n->cidr[0].addr);
}

/* Whether a disagreement is young enough to be a change on its way. */
static __always_inline bool may_disagree(const struct pb_addr *a, __u32 vni)
{
    struct disagreement_key k;
    __u64 now = bpf_ktime_get_ns();
    pb_memset(&k, 0, sizeof(k));
    k.addr = *a;
    k.vni = vni;
    struct disagreement *d = bpf_map_lookup_elem(&tunnel_disagree, &k);
    if (!d) {
        struct disagreement fresh = {.since = now, .last = now};
        bpf_map_update_elem(&tunnel_disagree, &k, &fresh, BPF_NOEXIST);
        return true;
    }
    if (now - d->last >= DISAGREE_OVER)
        d->since = now;
    if (now - d->last >= PB_SECOND)
        d->last = now;
    return now - d->since < DISAGREE_FOR;
}

/* Who sent it: 0 and the identity, or the drop code. */
static __always_inline int sender(struct __sk_buff *skb, const struct pb_scratch *s, __u32 *identity)
{
    struct bpf_tunnel_key key;
    struct pb_addr from;
    pb_memset(&key, 0, sizeof(key));
    if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) == 0) {
        pb_addr_v4(&from, bpf_htonl(key.remote_ipv4));
    } else {
        pb_memset(&key, 0, sizeof(key));
        if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6) < 0)
            return PB_DROP_NO_TUNNEL;
        pb_memcpy(&from, key.remote_ipv6, 16);
    }
    __u32 vni = key.tunnel_id;
    *identity = vni;
    struct tunnel_node *n = bpf_map_lookup_elem(&tunnel_nodes, &from);
    if (!n)
        return PB_DROP_UNKNOWN_SENDER;
    /* 0 is nobody; "host" is each node's name for itself alone. */
    if (!vni || vni == ID_HOST || vni >= VNI_LIMIT)
        return PB_DROP_INVALID_IDENTITY;
    /* A node's own packets: from one of its addresses, or from its router address among its pods'. */
    if (pb_addr_eq(&s->saddr, &from))
        return vni == ID_REMOTE_NODE || vni == PB_WORLD ? 0 : PB_DROP_INVALID_IDENTITY; /* world: a client outside, for a service */
    struct pb_ipcache_value *v = bpf_map_lookup_elem(&ipcache, &s->saddr);
    if (!v || !v->identity) {
        if (owns(n, &s->saddr))
            return 0; /* a pod that we have not heard of yet */
        return (vni == ID_REMOTE_NODE || vni == PB_WORLD) && bpf_map_lookup_elem(&tunnel_nodes, &s->saddr) ? 0 : PB_DROP_INVALID_SIP;
    }
    if (v->flags & PB_IPC_LOCAL)
        return PB_DROP_INVALID_SIP;
    if (v->flags & PB_IPC_NODE) {
        /* Its router address, or another of its addresses. */
        if (pb_addr_is_zero(&v->tunnel) ? !is_of(n, &s->saddr) : !pb_addr_eq(&v->tunnel, &from))
            return PB_DROP_INVALID_SIP;
        if (v->identity == ID_HOST)
            return PB_DROP_INVALID_SIP;
        if (vni == PB_WORLD)
            return 0; /* as above: of a family that the underlay does not speak, a client comes with another of the node's addresses */
        *identity = v->identity; /* the API server's node has an identity of its own */
        return vni == ID_REMOTE_NODE || vni == v->identity ? 0 : PB_DROP_INVALID_IDENTITY;
    }
    if (!pb_addr_eq(&v->tunnel, &from) && !owns(n, &s->saddr))
        return PB_DROP_INVALID_SIP;
    if (v->identity == vni || may_disagree(&s->saddr, vni))
        return 0;
    return PB_DROP_INVALID_IDENTITY;
}

PB_STAGE(decap_overlay_ingress)
{
    __u32 identity = 0;
    int code = sender(skb, s, &identity);
    skb->cb[PB_CB_SRC] = identity == PB_WORLD ? pb_world_of(&s->saddr) : identity;
    pb_set_flag(skb, PB_F_TUNNEL);
    return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
}

PB_LICENSE;
