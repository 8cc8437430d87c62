/* SPDX-License-Identifier: Apache-2.0
 * The mappings of one family: its maps and what is done with them. Included once for each, by masquerade.c, which says what a name
 * (NAT) and an address (NAT_ADDR, NAT_SAME, NAT_WHOLE) are there, and has places made (NAT_PLACES). No guard.
 */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 131072);
    __type(key, struct NAT(key));
    __type(value, struct NAT(out));
} NAT(out) SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 131072);
    __type(key, struct NAT(key));
    __type(value, struct NAT(in));
} NAT(in) SEC(".maps");

/* [n], n below 32: mappings that found a port after n collisions; [32]: none found; [33]: a map was full of living ones. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PROBES + 2);
    __type(key, __u32);
    __type(value, struct pb_count);
} NAT(probes) SEC(".maps");

/* A pod's tuple that is over: its mapping is, or has been taken over. Both go, so that a place among the ways is one among the mappings,
 * of which there are never more. */
static __always_inline enum pb_place NAT(out_at)(const struct NAT(key) *k, __u64 now)
{
    struct NAT(out) *o = bpf_map_lookup_elem(&NAT(out), k);
    if (!o)
        return PB_PLACE_EMPTY;
    struct NAT(key) in = *k;
    in.local = o->addr;
    in.lport = o->port;
    struct NAT(in) *m = bpf_map_lookup_elem(&NAT(in), &in);
    if (m && NAT_SAME(m->addr, k->local) && m->port == k->lport) {
        __u64 expires = PB_READ_ONCE(m->expires);
        if (expires > now || __sync_val_compare_and_swap(&m->expires, expires, NAT_ENDED) != expires)
            return PB_PLACE_ALIVE;
        bpf_map_delete_elem(&NAT(in), &in);
    }
    bpf_map_delete_elem(&NAT(out), k);
    return PB_PLACE_ENDED;
}
NAT_PLACES;

static __always_inline void NAT(key_of)(struct NAT(key) *k, const struct nat_tuple *t)
{
    pb_memset(k, 0, sizeof(*k));
    k->local = NAT_ADDR(t->local);
    k->remote = NAT_ADDR(t->remote);
    k->lport = t->lport;
    k->rport = t->rport;
    k->proto = t->proto;
}

static __always_inline void NAT(seen)(struct NAT(in) *m, const struct pb_scratch *s, __u64 now, bool tx)
{
    __u64 until = now + NAT_OTHER;
    if (s->proto == IPPROTO_TCP) {
        __u8 flags = s->tcp_flags;
        if (tx && (flags & (PB_TCP_SYN | PB_TCP_ACK)) == PB_TCP_SYN && (m->tx_closing || m->rx_closing)) {
            m->tx_closing = 0;
            m->rx_closing = 0;
            m->seen_non_syn = 0;
        }
        if (flags & (PB_TCP_FIN | PB_TCP_RST)) {
            if (tx)
                m->tx_closing = 1;
            else
                m->rx_closing = 1;
        } else if (!(flags & PB_TCP_SYN) && !m->seen_non_syn) {
            m->seen_non_syn = 1;
        }
        if ((m->tx_closing && m->rx_closing) || (flags & PB_TCP_RST))
            until = now + NAT_TCP_CLOSING;
        else
            until = now + (m->seen_non_syn ? NAT_TCP_ESTABLISHED : NAT_TCP_SYN);
    }
    if (until < m->expires || until - m->expires >= PB_SECOND)
        m->expires = until;
}

/* Takes a port and makes the mapping, with the address in `result` and the port in it if that is free (0: any). 0, NO_PORT or NO_ROOM. */
PB_FUNCTION int NAT(allocate)(const struct pb_scratch *s, const struct NAT(key) *out, struct NAT(out) *result, __u64 now)
{
    struct NAT(key) k;
    struct NAT(in) m;
    __u32 zero = 0;
    if (!s || !out || !result)
        return NO_PORT;
    struct masq_config *c = bpf_map_lookup_elem(&masq_config, &zero);
    __be16 wanted = result->port;
    k = *out;
    __u32 min = c && c->port_min ? c->port_min : PORT_MIN;
    __u32 max = c && c->port_max >= min ? c->port_max : PORT_MAX;
    __u32 range = max - min + 1;
    /* The pod's own port chooses first: the same connection gets the same port again. */
    __u32 at = wanted ? bpf_ntohs(wanted) - min : (__u32)bpf_ntohs(out->lport) + bpf_ntohl(s->saddr.w[3]) * 31;
    pb_memset(&m, 0, sizeof(m));
    m.addr = out->local;
    m.port = out->lport;
    m.created = now;
    NAT(seen)(&m, s, now, true);
    k.local = result->addr;
    __u32 i, taken = 0;
    long err = 0;
    for (i = 0; i < PROBES; i++) {
        k.lport = bpf_htons(min + at % range);
        err = bpf_map_update_elem(&NAT(in), &k, &m, BPF_NOEXIST);
        if (!err) {
            taken = 1;
            break;
        }
        struct NAT(in) *old = bpf_map_lookup_elem(&NAT(in), &k);
        if (old) {
            /* One that is over is taken by whoever changes its expiry first. */
            __u64 expires = PB_READ_ONCE(old->expires);
            if (expires != NAT_ENDED && (expires <= now || (NAT_SAME(old->addr, m.addr) && old->port == m.port))
                && __sync_val_compare_and_swap(&old->expires, expires, m.expires) == expires) {
                old->addr = m.addr;
                old->port = m.port;
                old->created = now;
                old->tx_closing = m.tx_closing;
                old->rx_closing = 0;
                old->seen_non_syn = m.seen_non_syn;
                taken = 1;
                break;
            }
        } else if (err != -17 /* EEXIST: collected just now, try the next */) {
            break;
        }
        at = bpf_get_prandom_u32();
    }
    if (!taken)
        return i < PROBES ? NO_ROOM : NO_PORT;
    pb_count(&NAT(probes), i, 1);
    result->port = k.lport;
    return 0;
}

static __always_inline void NAT(tell)(struct nat_end *to, const struct NAT(out) *o)
{
    NAT_WHOLE(&to->addr, o->addr);
    to->port = o->port;
}

/* The mapping of a pod's tuple, made when there is none. 0: `to` is set; negative: not to be translated; else the drop code. */
static __always_inline int NAT(mapping)(const struct pb_scratch *s, const struct nat_tuple *t, const struct pb_addr *node, struct nat_end *to)
{
    __u64 now = bpf_ktime_get_ns();
    struct NAT(key) out;
    struct NAT(out) result;
    pb_memset(&result, 0, sizeof(result));
    result.addr = NAT_ADDR(*node);
    NAT(key_of)(&out, t);
    struct NAT(out) *o = bpf_map_lookup_elem(&NAT(out), &out);
    if (o) {
        struct NAT(key) k = out;
        k.local = o->addr;
        k.lport = o->port;
        struct NAT(in) *m = bpf_map_lookup_elem(&NAT(in), &k);
        if (m && NAT_SAME(m->addr, out.local) && m->port == out.lport && m->expires > now) {
            NAT(seen)(m, s, now, true);
            NAT(tell)(to, o);
            return 0;
        }
        if (NAT_SAME(o->addr, result.addr))
            result.port = o->port;
    }
    if (pb_draining)
        return -1;
    bool known = o;
    int failed = NAT(allocate)(s, &out, &result, now);
    /* Full. What is over makes room; what is alive never does. */
    if (failed == NO_ROOM && NAT(out_make_room)(now))
        failed = NAT(allocate)(s, &out, &result, now);
    if (failed) {
        pb_count(&NAT(probes), failed == NO_ROOM ? NO_ROOM : NO_PORT, 1);
        return PB_DROP_NAT_NO_MAPPING;
    }
    NAT(tell)(to, &result);
    if (bpf_map_update_elem(&NAT(out), &out, &result, known ? BPF_ANY : BPF_NOEXIST) == 0) {
        if (!known)
            NAT(out_keep)(&out, now);
        return 0;
    }
    /* Another CPU made one for the same connection meanwhile: that one counts, ours is given back. Or the map is full of ways. */
    struct NAT(key) mine = out;
    mine.local = result.addr;
    mine.lport = result.port;
    o = bpf_map_lookup_elem(&NAT(out), &out);
    if (o) {
        if (o->port != result.port || !NAT_SAME(o->addr, result.addr))
            bpf_map_delete_elem(&NAT(in), &mine);
        NAT(tell)(to, o);
        return 0;
    }
    if (NAT(out_make_room)(now) && bpf_map_update_elem(&NAT(out), &out, &result, BPF_NOEXIST) == 0) {
        NAT(out_keep)(&out, now);
        return 0;
    }
    bpf_map_delete_elem(&NAT(in), &mine);
    pb_count(&NAT(probes), NO_ROOM, 1);
    return PB_DROP_NAT_NO_MAPPING;
}

static __always_inline bool NAT(way)(const struct nat_tuple *t, struct nat_end *to)
{
    struct NAT(key) k;
    NAT(key_of)(&k, t);
    struct NAT(out) *o = bpf_map_lookup_elem(&NAT(out), &k);
    if (o)
        NAT(tell)(to, o);
    return o;
}

static __always_inline bool NAT(pod)(const struct nat_tuple *t, const struct pb_scratch *s, struct nat_end *pod)
{
    struct NAT(key) k;
    __u64 now = bpf_ktime_get_ns();
    NAT(key_of)(&k, t);
    struct NAT(in) *m = bpf_map_lookup_elem(&NAT(in), &k);
    if (!m || m->expires <= now)
        return false;
    if (s)
        NAT(seen)(m, s, now, false);
    NAT_WHOLE(&pod->addr, m->addr);
    pod->port = m->port;
    return true;
}

#undef NAT_PLACES
#undef NAT
#undef NAT_ADDR
#undef NAT_SAME
#undef NAT_WHOLE
