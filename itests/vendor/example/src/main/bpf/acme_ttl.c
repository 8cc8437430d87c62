#include <stddef.h>
#include <patchbay/stage.h>

struct acme_ttl_key {
    __u32 ttl;
};
struct acme_ttl_seen {
    __u64 packets;
    __u64 refused;
};
struct acme_ttl_limit {
    __u32 min_ttl;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 256);
    __type(key, struct acme_ttl_key);
    __type(value, struct acme_ttl_seen);
} acme_ttl_seen SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct acme_ttl_limit);
} acme_ttl_limit SEC(".maps");

PB_STAGE(acme_ttl_pod_egress)
{
    struct acme_ttl_seen first = {}, *seen;
    struct acme_ttl_limit *limit;
    struct acme_ttl_key key = {};
    __u32 zero = 0;

    if (pb_family(skb) != 4 || bpf_skb_load_bytes(skb, pb_l3_off(skb) + offsetof(struct iphdr, ttl), &key.ttl, 1))
        return pb_next(skb, cfg);
    bpf_map_update_elem(&acme_ttl_seen, &key, &first, BPF_NOEXIST);
    seen = bpf_map_lookup_elem(&acme_ttl_seen, &key);
    limit = bpf_map_lookup_elem(&acme_ttl_limit, &zero);
    if (!seen || !limit)
        return pb_next(skb, cfg);
    __sync_fetch_and_add(&seen->packets, s->segments);
    if (key.ttl >= limit->min_ttl)
        return pb_next(skb, cfg);
    __sync_fetch_and_add(&seen->refused, s->segments);
    return pb_drop(skb, cfg, s, PB_DROP_TTL_EXCEEDED);
}

PB_LICENSE;
