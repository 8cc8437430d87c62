// A map whose value type is declared and never defined: its size is unknown.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct later;
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, __u32); __type(value, struct later); } unknown SEC(".maps");

SEC("tc") int look(struct __sk_buff *skb)
{
	__u32 key = 1;
	return bpf_map_lookup_elem(&unknown, &key) ? 1 : 0;
}

char _license[] SEC("license") = "GPL";
