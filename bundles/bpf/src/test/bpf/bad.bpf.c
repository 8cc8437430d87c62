// The verifier refuses the second program: it reads a packet without a check.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc") int fine(struct __sk_buff *skb)
{
	return 0;
}

SEC("tc") int unchecked(struct __sk_buff *skb)
{
	return *(unsigned char *)(long)skb->data;
}

char _license[] SEC("license") = "GPL";
