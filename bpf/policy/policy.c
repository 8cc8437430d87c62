/* SPDX-License-Identifier: Apache-2.0
 * policy: may the sender send this (pod-egress), may the receiver get it (pod-ingress). Replies and related ICMP errors of
 * an allowed connection don't ask; everything else is judged packet by packet, so that a changed policy holds for open
 * connections too: by the tables, or, where conntrack says that the connection's last packet passed under this very revision
 * of them, between the same identities, by that. With a host firewall the node itself is such a sender (host-egress,
 * netdev-egress) and receiver (pod-ingress). Semantics: docs/features/policy.md.
 */
#include <patchbay/packet.h>
#include <patchbay/endpoints.h>
#include <patchbay/ipcache.h>
#include <patchbay/policy.h>

#define PB_ID_WORLD 2

/* What the entries say. */
struct pb_finding {
    __u32 cookie;
    __u8 match; /* enum pb_policy_match */
    bool denied;
    bool allowed;
};

/* True ends the search: a deny decides. Of several allows the last found stays, so probes go from wide to narrow. */
static __always_inline bool pb_found(const struct pb_policy_value *v, __u8 match, struct pb_finding *f)
{
    f->cookie = v->cookie;
    f->match = match;
    if (v->deny) {
        f->denied = true;
        return true;
    }
    f->allowed = true;
    return false;
}

static __always_inline bool pb_is_member(__u32 set, __u32 identity)
{
    struct pb_policy_set *s = bpf_map_lookup_elem(&policy_sets, &set);
    __u32 word = identity / 64;
    /* The caller has tested the identity, and so the compiler would leave the remainder out. Kernel 6.1 forgets such a test when it was about a copy. */
    barrier_var(word);
    return s && (PB_READ_ONCE(s->members[word % (PB_POLICY_PODS / 64)]) >> (identity % 64) & 1);
}

/* One shape of one peer. `sets`: the peer is an identity, and may be in a set. */
static __always_inline bool pb_probe(struct pb_policy_key *k, bool sets, __u8 match, struct pb_finding *f)
{
    if (sets && k->peer < PB_POLICY_PODS) {
        __u32 identity = k->peer;
        k->peer = PB_POLICY_SET;
        struct pb_policy_value *v = bpf_map_lookup_elem(&policy, k);
        k->peer = identity;
        if (v && pb_is_member(v->set, identity))
            return pb_found(v, match, f);
        if (v && v->alone)
            return false;
    }
    struct pb_policy_value *v = bpf_map_lookup_elem(&policy, k);
    return v ? pb_found(v, match, f) : false;
}

static __always_inline bool pb_probe_port(struct pb_policy_key *k, bool sets, __u8 direction, __u16 port, int bits, __u8 match, struct pb_finding *f)
{
    k->bits = direction | bits;
    k->port = bits ? port & (__u16)(0xffffu << (16 - bits)) : 0;
    return pb_probe(k, sets, match, f);
}

/* The shapes with some of the port's bits. Rare. */
PB_FUNCTION int pb_probe_ranges(const struct pb_policy_key *peer, __u32 shapes, __u16 port, __u8 match, struct pb_finding *f)
{
    struct pb_policy_key k;
    if (!peer || !f)
        return false;
    k = *peer;
    __u8 direction = k.bits & PB_POLICY_EGRESS;
#pragma clang loop unroll(disable)
    for (int bits = 1; bits < 16; bits++)
        if ((shapes & (1u << bits)) && pb_probe_port(&k, shapes & PB_SHAPE_SETS, direction, port, bits, match, f))
            return true;
    return false;
}

/* All shapes that occur for one kind of peer. Ranges are rare: without them three tests suffice. */
static __always_inline bool pb_probe_peer(struct pb_policy_key *k, __u32 shapes, __u8 direction, __u8 proto, __u16 port,
                                          enum pb_policy_peer kind, struct pb_finding *f)
{
    bool anyone = kind == PB_PEER_ANY;
    bool sets = kind == PB_PEER_IDENTITY && (shapes & PB_SHAPE_SETS);
    if (shapes & PB_SHAPE_ANY_PROTO) {
        k->proto = 0;
        k->bits = direction;
        k->port = 0;
        if (pb_probe(k, sets, anyone ? PB_MATCH_ALL : PB_MATCH_L3_ONLY, f))
            return true;
    }
    k->proto = proto;
    if ((shapes & 1) && pb_probe_port(k, sets, direction, port, 0, anyone ? PB_MATCH_PROTO_ONLY : PB_MATCH_L3_PROTO, f))
        return true;
    __u8 match = anyone ? PB_MATCH_L4_ONLY : PB_MATCH_L3_L4;
    k->bits = direction;
    if ((shapes & 0xfffe) && pb_probe_ranges(k, shapes, port, match, f))
        return true;
    return (shapes & (1u << 16)) && pb_probe_port(k, sets, direction, port, 16, match, f);
}

/* A pod's own service may lead back to the pod: it always reaches itself. */
static __always_inline bool pb_to_itself(const struct __sk_buff *skb, const struct pb_scratch *s, bool egress)
{
    if (pb_addr_eq(&s->saddr, &s->daddr))
        return true;
    if (!s->svc_id || pb_hook_entered(skb) != PB_HOOK_POD_EGRESS)
        return false;
    if (!egress) /* the source may have become an address of the service's: the device tells */
        return (pb_flags(skb) & PB_F_LOCAL) && skb->ifindex == s->ep_ifindex;
    if (skb->cb[PB_CB_SRC] != skb->cb[PB_CB_DST])
        return false;
    struct pb_endpoint *ep = bpf_map_lookup_elem(&endpoints, &s->daddr);
    return ep && ep->ifindex == skb->ifindex;
}

static __always_inline bool pb_known_protocol(__u8 proto, __u32 flags)
{
    return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6
        || (proto == IPPROTO_SCTP && (flags & PB_POLICY_SCTP));
}

/* What a node needs to be reached at all, beyond any policy: neighbour discovery and group membership (RFC 4890 4.4.1). */
static __always_inline bool pb_host_needs(const struct pb_scratch *s)
{
    return s->proto == IPPROTO_ICMPV6 && ((s->icmp_type >= 130 && s->icmp_type <= 137) || s->icmp_type == 143);
}

/* Chooses the copy for this pass, the one that it has asked already if it has. The word that verdicts of this pass are remembered
 * by; 0: none are, because the word isn't whole, or another copy has come to count since the pass began. */
static __always_inline __u32 pb_policy_begin(struct pb_scratch *s)
{
    __u32 zero = 0;
    __u32 *sealed = bpf_map_lookup_elem(&policy_sealed, &zero);
    __u32 *select = bpf_map_lookup_elem(&policy_select, &zero);
    if (!select || !sealed)
        return 0;
    __u32 seal = PB_READ_ONCE(*sealed), word = PB_READ_ONCE(*select);
    __u16 copy = 1 + (word & 1);
    if (!s->policy_table)
        s->policy_table = copy;
    return s->policy_table == copy && word == ~seal ? word & PB_POLICY_WORD : 0;
}

/* The directory entry of the pod's class, in the copy of this pass. NULL: no class. */
static __always_inline struct pb_policy_dir *pb_policy_of(struct pb_scratch *s)
{
    __u32 id = s->ep_policy_id;
    if (!id || id >= PB_POLICY_CLASSES || !s->policy_table)
        return NULL;
    __u32 at = (s->policy_table == 2 ? PB_POLICY_CLASSES : 0) + id;
    struct pb_policy_dir *dir = bpf_map_lookup_elem(&policy_dirs, &at);
    return dir && dir->table_id ? dir : NULL;
}

static __always_inline bool pb_is_pod(__u32 identity)
{
    return identity >= PB_POLICY_FIRST_POD && identity < PB_POLICY_PODS;
}

/* Whether the tables had the chance to say something about this identity. */
static __always_inline bool pb_is_known(__u32 identity)
{
    __u32 at = identity / 64;
    __u64 *word = bpf_map_lookup_elem(&policy_known, &at);
    return word && (PB_READ_ONCE(*word) >> (identity % 64) & 1);
}

/* The peer's class. It refines an identity: where somebody comes in as no pod (an outsider with a pod's address), the address lends him
 * nothing. A pod whose labels have just changed may come in under its old identity, while the ipcache has the new one. */
static __always_inline __u32 pb_class_of(const struct pb_addr *peer, __u32 identity, bool egress)
{
    struct pb_ipcache_value *v = bpf_map_lookup_elem(&ipcache, peer);
    if (!v || (!egress && v->identity != identity && !(pb_is_pod(identity) && pb_is_pod(v->identity))))
        return 0;
    return v->peer_class;
}

/* 0, or the drop code; what is to be said of it stands in the scratch. */
static __always_inline int pb_judge(struct __sk_buff *skb, struct pb_scratch *s, bool egress)
{
    s->policy_cookie = 0;
    s->policy_match = PB_MATCH_NONE;
    s->policy_action = PB_ACT_NONE;

    __u32 ct = pb_ct_state(skb);
    s->set_policy_flags = 0;
    if (ct == PB_CT_REPLY || ct == PB_CT_RELATED)
        return 0;
    __u32 word = pb_policy_begin(s);
    /* A packet that is reported asks all the same: the event names the rule. */
    if (ct == PB_CT_ESTABLISHED && word && s->ct_policy_flags == word && !(pb_flags(skb) & PB_F_TRACE))
        return 0;
    bool host = s->ep_flags & PB_EP_HOST;
    if (host && !s->ep_policy_id)
        return 0; /* the host firewall was lifted while the packet was on its way here */
    struct pb_policy_dir *dir = pb_policy_of(s);
    if (!dir)
        return PB_DROP_ENDPOINT_NOT_READY;
    struct pb_policy_direction *d = egress ? &dir->egress : &dir->ingress;
    /* A node speaks more protocols than its pods: while no rule closes the direction they pass. */
    if (!pb_known_protocol(s->proto, dir->flags))
        return host && !d->closed ? 0 : PB_DROP_CT_UNKNOWN_PROTO;
    if (host && pb_host_needs(s))
        return 0;
    if (s->proto == IPPROTO_ICMP && s->icmp_type == ICMP_DEST_UNREACH && s->icmp_code == ICMP_FRAG_NEEDED)
        return 0;
    if (pb_to_itself(skb, s, egress))
        return 0;

    bool icmp = s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6;
    __u16 port = icmp ? s->icmp_type : bpf_ntohs(s->dport);
    __u8 direction = egress ? PB_POLICY_EGRESS : 0;
    __u32 identity = egress ? skb->cb[PB_CB_DST] : skb->cb[PB_CB_SRC];
    struct pb_policy_key k = {.table_id = dir->table_id};
    struct pb_finding f;
    pb_memset(&f, 0, sizeof(f));

    bool done = pb_probe_peer(&k, d->any_shapes, direction, s->proto, port, PB_PEER_ANY, &f);
    __u32 shapes = d->class_shapes;
    if (!done && shapes) {
        k.peer = pb_class_of(egress ? &s->daddr : &s->saddr, identity, egress);
        if (k.peer)
            done = pb_probe_peer(&k, shapes, direction, s->proto, port, PB_PEER_CLASS, &f);
    }
    if (!done && identity) {
        k.peer = identity;
        pb_probe_peer(&k, d->identity_shapes, direction, s->proto, port, PB_PEER_IDENTITY, &f);
    }

    s->policy_cookie = f.cookie;
    s->policy_match = f.match;
    /* An explicit deny always wins, also one that nobody could write down yet. */
    bool unknown = !f.denied && (d->identity_shapes & PB_SHAPE_DENY_LABELS) && pb_is_pod(identity) && !pb_is_known(identity);
    if (f.denied || unknown || (!f.allowed && d->closed)) {
        if (s->ep_flags & (egress ? PB_EP_AUDIT_OUT : PB_EP_AUDIT_IN)) {
            s->policy_action = PB_ACT_AUDIT;
            return 0;
        }
        s->policy_action = PB_ACT_DENY;
        return f.denied ? PB_DROP_POLICY_DENY : unknown ? PB_DROP_INVALID_IDENTITY : PB_DROP_POLICY;
    }
    /* An open direction that no entry concerns has nothing to say. */
    if (f.allowed)
        s->policy_action = PB_ACT_ALLOW;
    /* What decided was the class, the identity, protocol and port. Several types of ICMP share a connection, and a peer's class may
     * change while nothing in the tables does. */
    if (!icmp && !d->class_shapes)
        s->set_policy_flags = word;
    return 0;
}

static __always_inline int pb_policy(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s, bool egress)
{
    int code = pb_judge(skb, s, egress);
    if (s->policy_action != PB_ACT_NONE && pb_ct_state(skb) != PB_CT_ESTABLISHED)
        pb_event(skb, cfg, s, PB_EVENT_VERDICT, s->policy_action);
    return code ? pb_drop(skb, cfg, s, code) : pb_next(skb, cfg);
}

PB_STAGE(policy_egress) { return pb_policy(skb, cfg, s, true); }
PB_STAGE(policy_ingress) { return pb_policy(skb, cfg, s, false); }

/* What the node itself sends, where it is a subject. */
static __always_inline int pb_policy_host(struct __sk_buff *skb, const volatile struct pb_stage_cfg *cfg, struct pb_scratch *s)
{
    if (!(pb_flags(skb) & PB_F_HOST_POLICY))
        return pb_next(skb, cfg);
    if (!skb->cb[PB_CB_DST]) {
        struct pb_ipcache_value *v = pb_ipcache_lookup(&s->daddr);
        skb->cb[PB_CB_DST] = v && v->identity ? v->identity : PB_ID_WORLD;
    }
    return pb_policy(skb, cfg, s, true);
}

PB_STAGE(policy_host_egress) { return pb_policy_host(skb, cfg, s); }
PB_STAGE(policy_netdev_egress) { return pb_policy_host(skb, cfg, s); }

PB_LICENSE;
