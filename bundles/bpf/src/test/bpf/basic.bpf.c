// Programs and maps for the tests of this bundle: one of everything that the loader handles.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct inner { __u16 a; __s8 b; };
struct flow_key { __u32 saddr; __u32 daddr; __u16 sport; __u16 dport; __u8 proto; __u8 pad[3]; };
struct flow_value {
	__u64 packets;
	__u64 bytes;
	union { __u32 v4; __u8 v6[16]; };
	struct inner nested[2];
	__u32 closing : 1, seen : 3;
	__s32 delta;
};
struct config { __u32 next; struct { __u16 port; __u16 flags; } net; __u64 big; };

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1000); __type(key, struct flow_key); __type(value, struct flow_value); } flows SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 8); __type(key, __u32); __type(value, __u64); } counters SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __uint(map_flags, BPF_F_MMAPABLE); __type(key, __u32); __type(value, __u32); } shared SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 8); __uint(key_size, 4); __uint(value_size, 4); } stages SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 65536); } events SEC(".maps");
struct lpm_key { __u32 prefix; __u8 addr[16]; };
struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __uint(max_entries, 100); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, struct lpm_key); __type(value, __u32); } prefixes SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 128); __type(key, __u32); __type(value, __u64); } recent SEC(".maps");

const volatile __u32 next_stage = 7;
const volatile struct config cfg = { .next = 1, .big = 2 };

SEC("tc") int first(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&counters, &zero);
	if (n)
		(*n)++;
	skb->cb[1] = skb->cb[0] + 1;
	skb->mark = skb->mark + 0x100;
	bpf_tail_call(skb, &stages, next_stage);
	return TC_ACT_SHOT;
}

SEC("tc") int second(struct __sk_buff *skb)
{
	skb->cb[2] = cfg.net.port;
	skb->cb[3] = (__u32)(cfg.big >> 32);
	return 42;
}

SEC("tc") int emit(struct __sk_buff *skb)
{
	__u32 key = skb->len, *sh, one = 1;
	__u64 value = 1;
	__u64 *record = bpf_ringbuf_reserve(&events, 16, 0);
	if (!record)
		return TC_ACT_SHOT;
	record[0] = skb->len;
	record[1] = skb->mark;
	if (skb->mark == 0xdead) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		return TC_ACT_OK;
	}
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	bpf_map_update_elem(&recent, &key, &value, BPF_ANY);
	sh = bpf_map_lookup_elem(&shared, &one);
	if (sh)
		__sync_fetch_and_add(sh, 1);
	return TC_ACT_OK;
}

SEC("tc") int touch(struct __sk_buff *skb)
{
	struct flow_key key = { .saddr = skb->len };
	struct lpm_key prefix = { .prefix = 128 };
	struct flow_value *value = bpf_map_lookup_elem(&flows, &key);
	if (value)
		value->packets++;
	return bpf_map_lookup_elem(&prefixes, &prefix) ? TC_ACT_OK : TC_ACT_UNSPEC;
}

SEC("cgroup/connect4") int refuse(struct bpf_sock_addr *ctx)
{
	return ctx->user_port == (9 << 8) ? 0 : 1;
}

char _license[] SEC("license") = "GPL";
