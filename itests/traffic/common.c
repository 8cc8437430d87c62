#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

volatile sig_atomic_t stopping;

void fail(const char *fmt, ...)
{
	va_list ap;

	fputs("pb-traffic: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILED);
}

static uint64_t clock_ns(clockid_t c)
{
	struct timespec t;

	clock_gettime(c, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
uint64_t wall_ns(void) { return clock_ns(CLOCK_REALTIME); }

bool parse_addr(const char *text, struct addr *a)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	char *end;
	long port;
	size_t n;

	if (!colon)
		return false;
	port = strtol(colon + 1, &end, 10);
	if (!colon[1] || *end || port < 0 || port > 65535)
		return false;
	n = (size_t)(colon - text);
	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (n >= sizeof host)
		return false;
	memcpy(host, text, n);
	host[n] = 0;
	memset(a, 0, sizeof *a);
	struct sockaddr_in *v4 = (void *)&a->sa;
	struct sockaddr_in6 *v6 = (void *)&a->sa;
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		a->len = sizeof *v4;
	} else if (memset(&a->sa, 0, sizeof a->sa), inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		a->len = sizeof *v6;
	} else {
		return false;
	}
	a->set = true;
	return true;
}

void print_addr(FILE *f, const struct sockaddr_storage *sa)
{
	char host[64] = "?";

	if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)sa;
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
		fprintf(f, "%s:%u", host, ntohs(v4->sin_port));
	} else if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)sa;
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
		fprintf(f, "[%s]:%u", host, ntohs(v6->sin6_port));
	}
}

int udp_socket(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int size = 64 << 20, on = 1;

	if (fd < 0)
		fail("socket: %s", strerror(errno));
	/* so that a slow moment of this process does not look like loss; what overflows all the same is reported apart */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	size = 1 << 20;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
	return fd;
}

uint32_t socket_drops(int fd)
{
	uint32_t mem[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof mem;

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len) ? 0 : mem[SK_MEMINFO_DROPS];
}

void bind_or_fail(int fd, const struct addr *a)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)&a->sa, a->len))
		fail("bind: %s", strerror(errno));
}

void errors_add(struct errors *e, int number)
{
	for (int i = 0; i < e->used; i++)
		if (e->of[i].number == number) {
			e->of[i].count++;
			return;
		}
	if (e->used < (int)(sizeof e->of / sizeof *e->of)) {
		e->of[e->used].number = number;
		e->of[e->used++].count = 1;
	} else {
		e->of[e->used - 1].count++;
	}
}

uint64_t errors_of(const struct errors *e, int number)
{
	for (int i = 0; i < e->used; i++)
		if (e->of[i].number == number)
			return e->of[i].count;
	return 0;
}

uint64_t errors_all(const struct errors *e)
{
	uint64_t n = 0;

	for (int i = 0; i < e->used; i++)
		n += e->of[i].count;
	return n;
}

void errors_print(FILE *f, const struct errors *e)
{
	fputc('{', f);
	for (int i = 0; i < e->used; i++) {
		const char *name = strerrorname_np(e->of[i].number);
		if (name)
			fprintf(f, "%s\"%s\":%llu", i ? "," : "", name, (unsigned long long)e->of[i].count);
		else
			fprintf(f, "%s\"errno %d\":%llu", i ? "," : "", e->of[i].number, (unsigned long long)e->of[i].count);
	}
	fputc('}', f);
}

/* below 64 ns exactly, above 32 buckets to each power of two */
static unsigned hist_index(uint64_t v)
{
	if (v < 64)
		return (unsigned)v;
	unsigned e = 63 - (unsigned)__builtin_clzll(v);
	return 64 + (e - 6) * 32 + (unsigned)(v >> (e - 5) & 31);
}

static uint64_t hist_upper(unsigned i)
{
	if (i < 64)
		return i;
	unsigned e = (i - 64) / 32 + 6;
	return (1ull << e) + ((uint64_t)((i - 64) % 32 + 1) << (e - 5)) - 1;
}

void hist_add(struct hist *h, uint64_t ns)
{
	unsigned i = hist_index(ns);

	h->bucket[i < HIST_BUCKETS ? i : HIST_BUCKETS - 1]++;
	h->count++;
	if (ns > h->max)
		h->max = ns;
}

double hist_us(const struct hist *h, double quantile)
{
	uint64_t want = (uint64_t)(quantile * (double)h->count + 0.999999), sum = 0;

	if (!h->count)
		return 0;
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		sum += h->bucket[i];
		if (sum >= want && sum) {
			uint64_t u = hist_upper(i);
			return (double)(u < h->max ? u : h->max) / 1000;
		}
	}
	return (double)h->max / 1000;
}

static char *report_text;
static size_t report_size;

FILE *report_open(void)
{
	FILE *f = open_memstream(&report_text, &report_size);

	if (!f)
		fail("out of memory");
	return f;
}

int report_close(const struct options *o, FILE *f)
{
	fputc('\n', f);
	fclose(f);
	if (!o->out) {
		fwrite(report_text, 1, report_size, stdout);
		return fflush(stdout) ? EXIT_FAILED : EXIT_RAN;
	}
	/* appears whole or not at all */
	char tmp[4096];
	snprintf(tmp, sizeof tmp, "%s.%d.tmp", o->out, (int)getpid());
	FILE *to = fopen(tmp, "w");
	if (!to || fwrite(report_text, 1, report_size, to) != report_size || fclose(to) || rename(tmp, o->out))
		fail("%s: %s", o->out, strerror(errno));
	return EXIT_RAN;
}
