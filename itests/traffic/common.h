/* What the modes of pb-traffic share: options, addresses, clocks, counters by errno, latency histograms, the report. */
#ifndef PB_TRAFFIC_COMMON_H
#define PB_TRAFFIC_COMMON_H

#define _GNU_SOURCE
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#define NS 1000000000ull

enum { EXIT_RAN = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_REFUSED = 3, EXIT_TIMEOUT = 4, EXIT_OTHER = 5 };

struct addr {
	struct sockaddr_storage sa;
	socklen_t len;
	bool set;
};

#define MAX_PORTS 32

struct options {
	struct addr to, bind, listen, peer;
	uint16_t tcp[MAX_PORTS], udp[MAX_PORTS];
	int tcp_count, udp_count;
	const char *name, *out, *proto;
	double pps, cps, seconds; /* seconds 0: until a signal */
	uint32_t size, flow, flows, connections, interval_us, timeout_ms, count, wait_ms;
	bool size_set, unconnected, no_hello, server_closes, first;
};

extern volatile sig_atomic_t stopping; /* SIGTERM or SIGINT came */

void fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint64_t now_ns(void);            /* CLOCK_MONOTONIC: one clock for all namespaces of a machine */
uint64_t wall_ns(void);
bool parse_addr(const char *text, struct addr *a);
void print_addr(FILE *f, const struct sockaddr_storage *sa);
int udp_socket(int family);       /* non-blocking, large buffers */
uint32_t socket_drops(int fd);    /* datagrams the kernel dropped for want of room in this socket's buffer */
void bind_or_fail(int fd, const struct addr *a);

/* ---- counts by errno ---- */
struct errors {
	struct { int number; uint64_t count; } of[16];
	int used;
};
void errors_add(struct errors *e, int number);
uint64_t errors_of(const struct errors *e, int number);
uint64_t errors_all(const struct errors *e);
void errors_print(FILE *f, const struct errors *e); /* {"ECONNRESET":1} */

/* ---- latencies ---- */
#define HIST_BUCKETS 2048
struct hist {
	uint64_t bucket[HIST_BUCKETS], count, max;
};
void hist_add(struct hist *h, uint64_t ns);
double hist_us(const struct hist *h, double quantile); /* upper bound of the bucket, at most 3.2 % too high; the maximum is exact */

/* ---- the report: one line of JSON, to standard output or --out ---- */
FILE *report_open(void);
int report_close(const struct options *o, FILE *f);

int serve(const struct options *o);
int udp_send(const struct options *o);
int udp_recv(const struct options *o);
int udp_duplex(const struct options *o);
int tcp_rr(const struct options *o);
int tcp_crr(const struct options *o);
int probe(const struct options *o);
int probe_icmp(const struct options *o); /* one echo; exit status as probe */

#endif
