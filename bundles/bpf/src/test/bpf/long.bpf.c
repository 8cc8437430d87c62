// Refused after the verifier has walked a long way, so that its log outgrows a small buffer.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc") int wanders(struct __sk_buff *skb)
{
	volatile __u32 sum = 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < 3000; i++)
		sum += bpf_get_prandom_u32() & i;
	return sum + *(unsigned char *)(long)skb->data;
}

char _license[] SEC("license") = "GPL";
