/*
 * BPF_PROG_TEST_RUN on pinned programs. The kernel runs a program N times on one and the same packet, which the pipeline changes (MAC
 * addresses, TTL): the second run would be another packet. So a small program runs first each time, writes the frame's first 36 bytes again
 * and tail-calls the program that is measured. What this costs is measured in the same way with a program that does nothing behind it.
 */
#include "bench.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RESTORED 36
#define MAX_FRAMES 16
#define MAX_SAMPLES 256

struct frame { unsigned char bytes[2048]; size_t length; uint32_t ifindex; };

static long bpf(int command, union bpf_attr *a) { return syscall(SYS_bpf, command, a, sizeof *a); }

static int nibble(int c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static void parse(const char *text, struct frame *f)
{
	for (; nibble(text[0]) >= 0 && nibble(text[1]) >= 0 && f->length < sizeof f->bytes; text += 2)
		f->bytes[f->length++] = (unsigned char)(nibble(text[0]) << 4 | nibble(text[1]));
	if (*text == '@')
		f->ifindex = (uint32_t)atoi(text + 1);
	else if (*text)
		fail("not a frame in small hexadecimal digits: %s", text);
	if (f->length < RESTORED)
		fail("a frame has at least %d bytes", RESTORED);
}

static int load(const struct bpf_insn *insns, size_t count)
{
	static char log[65536];
	union bpf_attr a = { .prog_type = BPF_PROG_TYPE_SCHED_CLS, .insns = (uint64_t)(uintptr_t)insns, .insn_cnt = (uint32_t)count,
			     .license = (uint64_t)(uintptr_t)"GPL", .log_buf = (uint64_t)(uintptr_t)log, .log_size = sizeof log, .log_level = 1 };
	int fd = (int)bpf(BPF_PROG_LOAD, &a);
	if (fd < 0)
		fail("the kernel refuses pb-bench's own program: %s\n%s", strerror(errno), log);
	return fd;
}

static int nothing(void)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 7 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	return load(insns, 2);
}

/* Writes the frame's head, then tail-calls entry 0 of the array. */
static int restoring(const struct frame *f, int array)
{
	struct bpf_insn p[64];
	size_t n = 0;
	p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 };
	for (int i = 0; i < RESTORED; i += 4) {
		int32_t word;
		memcpy(&word, f->bytes + i, 4);
		p[n++] = (struct bpf_insn){ .code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = 10, .off = (int16_t)(i - 40), .imm = word };
	}
	p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0 };
	p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 10 };
	p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 3, .imm = -40 };
	p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = RESTORED };
	p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 5, .imm = 0 };
	p[n++] = (struct bpf_insn){ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_store_bytes };
	p[n++] = (struct bpf_insn){ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = 10, .off = -40, .imm = 0 };
	p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6 };
	p[n++] = (struct bpf_insn){ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 2, .src_reg = BPF_PSEUDO_MAP_FD, .imm = array };
	p[n++] = (struct bpf_insn){ 0 };
	p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 0 };
	p[n++] = (struct bpf_insn){ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call };
	p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -1 };
	p[n++] = (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT };
	return load(p, n);
}

static int program_array(int program)
{
	union bpf_attr a = { .map_type = BPF_MAP_TYPE_PROG_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };
	int map = (int)bpf(BPF_MAP_CREATE, &a);
	if (map < 0)
		fail("map: %s", strerror(errno));
	uint32_t zero = 0, fd = (uint32_t)program;
	memset(&a, 0, sizeof a);
	a.map_fd = (uint32_t)map;
	a.key = (uint64_t)(uintptr_t)&zero;
	a.value = (uint64_t)(uintptr_t)&fd;
	if (bpf(BPF_MAP_UPDATE_ELEM, &a))
		fail("a program can't be tail-called: %s", strerror(errno));
	return map;
}

static uint32_t run(int program, const struct frame *f, uint32_t repeat, uint32_t *verdict)
{
	struct __sk_buff context = { .ifindex = f->ifindex };
	unsigned char out[4096];
	union bpf_attr a = { .test = { .prog_fd = (uint32_t)program, .data_in = (uint64_t)(uintptr_t)f->bytes, .data_size_in = (uint32_t)f->length,
				       .data_out = (uint64_t)(uintptr_t)out, .data_size_out = sizeof out, .repeat = repeat,
				       .ctx_in = (uint64_t)(uintptr_t)&context, .ctx_size_in = sizeof context } };
	if (bpf(BPF_PROG_TEST_RUN, &a))
		fail("BPF_PROG_TEST_RUN on device %u: %s", f->ifindex, strerror(errno));
	*verdict = a.test.retval;
	return a.test.duration;
}

int testrun(int argc, char **argv)
{
	static struct frame frame, prepare[MAX_FRAMES];
	const char *pin = NULL;
	uint32_t repeat = 100000, verdict;
	int rounds = 15, prepared = 0;

	for (int i = 0; i + 1 < argc; i += 2) {
		const char *v = argv[i + 1];
		if (!strcmp(argv[i], "--prog")) pin = v;
		else if (!strcmp(argv[i], "--ifindex")) frame.ifindex = (uint32_t)atoi(v);
		else if (!strcmp(argv[i], "--frame")) parse(v, &frame);
		else if (!strcmp(argv[i], "--prepare") && prepared < MAX_FRAMES) parse(v, &prepare[prepared++]);
		else if (!strcmp(argv[i], "--repeat")) repeat = (uint32_t)atoi(v);
		else if (!strcmp(argv[i], "--rounds")) rounds = atoi(v);
		else fail("testrun: unknown option %s", argv[i]);
	}
	if (!pin || !frame.length || rounds < 1 || rounds > MAX_SAMPLES)
		fail("testrun needs --prog and --frame");
	union bpf_attr a = { .pathname = (uint64_t)(uintptr_t)pin };
	int program = (int)bpf(BPF_OBJ_GET, &a);
	if (program < 0)
		fail("%s: %s", pin, strerror(errno));
	for (int i = 0; i < prepared; i++) {
		run(program, &prepare[i], 1, &verdict);
		if (verdict != 7)
			fail("frame %d before it is not delivered: verdict %u", i, verdict);
	}
	int measured = restoring(&frame, program_array(program)), empty = restoring(&frame, program_array(nothing()));
	double with[MAX_SAMPLES], without[MAX_SAMPLES], net[MAX_SAMPLES];
	run(measured, &frame, repeat / 10 + 1, &verdict);
	for (int r = 0; r < rounds; r++) {
		uint32_t v;
		without[r] = run(empty, &frame, repeat, &v);
		with[r] = run(measured, &frame, repeat, &verdict);
		net[r] = with[r] - without[r];
	}
	double p5 = quantile(net, (size_t)rounds, .05), p50 = quantile(net, (size_t)rounds, .5), p95 = quantile(net, (size_t)rounds, .95);
	printf("{\"verdict\":%u,\"ns\":%.0f,\"low\":%.0f,\"high\":%.0f,\"copying\":%.0f}\n", verdict, p50, p5, p95, quantile(without, (size_t)rounds, .5));
	return 0;
}
