// One map in several layouts, chosen by a define.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifdef RENAMED_TYPE
typedef unsigned long long counter;
#define entry entry_v2
#else
typedef __u64 counter;
#endif

struct entry {
#ifdef SWAPPED
	counter packets;
	__u64 expires;
#else
	__u64 expires;
	counter packets;
#endif
#ifdef SIGNED
	__s32 flags;
#else
	__u32 flags;
#endif
	__u16 ports[2];
#ifdef GROWN
	__u64 spare;
#endif
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 100);
	__type(key, __u32);
	__type(value, struct entry);
#ifdef PINNED
	__uint(pinning, LIBBPF_PIN_BY_NAME);
#endif
} state SEC(".maps");

SEC("tc") int look(struct __sk_buff *skb)
{
	__u32 key = 1;
	struct entry *e = bpf_map_lookup_elem(&state, &key);
	return e ? (int)e->flags : 0;
}

char _license[] SEC("license") = "GPL";
