/*
 * Request and response over TCP: on connections that stay open (rr), or a new connection for each (crr), and single
 * probes. Retransmission hides loss, so rr also reports what the kernel had to send again, and the longest silence.
 */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_SIZE (1u << 20)

enum state { IDLE, CONNECTING, WAITING, RESTING, CLOSING, DEAD };

struct conn {
	enum state state;
	int fd;
	uint64_t seq, begun, sent_at, last_done, due;
	size_t sent, got;
	bool overdue;
};

struct bench {
	const struct options *o;
	bool crr;
	int ep;
	struct conn *c;
	uint64_t start, end;
	bool draining;
	unsigned char *request, *scratch;
	uint64_t attempts, connected, transactions, timeouts, resets, refused, early_eof, mismatches, longest_gap, alive, stuck, retransmits;
	uint64_t next_start;
	struct errors errors;
	struct hist latency, connect_latency;
};

static unsigned char pattern(uint64_t seq, unsigned c, size_t i) { return (unsigned char)(seq * 17 + c * 5 + i * 3); }

static void fill(struct bench *b, unsigned index, uint64_t seq, unsigned char *p)
{
	for (size_t i = 0; i < b->o->size; i++)
		p[i] = pattern(seq, index, i);
	if (b->crr && b->o->server_closes) {
		uint32_t size = htonl(b->o->size);
		memcpy(p, "PBTQ", 4);
		memcpy(p + 4, &size, 4);
	} else {
		p[0] = 'E'; /* no word that the server takes for a request of another kind */
	}
}

static void watch(struct bench *b, struct conn *c, uint32_t events, int op)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	epoll_ctl(b->ep, op, c->fd, &ev);
}

static void count_retransmits(struct bench *b, int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof info;

	if (!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		b->retransmits += info.tcpi_total_retrans;
}

static void end_conn(struct bench *b, struct conn *c, enum state next)
{
	if (c->fd >= 0) {
		count_retransmits(b, c->fd);
		close(c->fd);
	}
	c->fd = -1;
	c->state = next;
}

/* The connection failed: rr does not open it again, so that every broken connection is seen as one. */
static void broken(struct bench *b, struct conn *c, int why)
{
	errors_add(&b->errors, why);
	if (why == ECONNREFUSED)
		b->refused++;
	else if (why == ECONNRESET || why == EPIPE)
		b->resets++;
	end_conn(b, c, b->crr ? IDLE : DEAD);
}

static void push(struct bench *b, struct conn *c)
{
	unsigned index = (unsigned)(c - b->c);

	fill(b, index, c->seq, b->request);
	while (c->sent < b->o->size) {
		ssize_t w = send(c->fd, b->request + c->sent, b->o->size - c->sent, MSG_NOSIGNAL);
		if (w < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN) {
				watch(b, c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
				return;
			}
			broken(b, c, errno);
			return;
		}
		c->sent += (size_t)w;
	}
	watch(b, c, EPOLLIN, EPOLL_CTL_MOD);
}

static void request(struct bench *b, struct conn *c)
{
	c->state = WAITING;
	c->sent = c->got = 0;
	c->overdue = false;
	c->sent_at = now_ns();
	push(b, c);
}

static void begin(struct bench *b, struct conn *c)
{
	int on = 1;

	c->fd = socket(b->o->to.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		fail("socket: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (b->o->bind.set) {
		setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
		bind_or_fail(c->fd, &b->o->bind);
	}
	b->attempts++;
	c->begun = c->sent_at = now_ns();
	c->state = CONNECTING;
	c->overdue = false;
	watch(b, c, EPOLLOUT, EPOLL_CTL_ADD);
	if (connect(c->fd, (const struct sockaddr *)&b->o->to.sa, b->o->to.len) && errno != EINPROGRESS)
		broken(b, c, errno);
}

static void established(struct bench *b, struct conn *c)
{
	int why = 0;
	socklen_t len = sizeof why;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &why, &len);
	if (why) {
		broken(b, c, why);
		return;
	}
	b->connected++;
	hist_add(&b->connect_latency, now_ns() - c->begun);
	c->last_done = now_ns();
	request(b, c);
}

static void done(struct bench *b, struct conn *c, uint64_t now)
{
	b->transactions++;
	hist_add(&b->latency, now - (b->crr ? c->begun : c->sent_at));
	if (now - c->last_done > b->longest_gap)
		b->longest_gap = now - c->last_done;
	c->last_done = now;
	c->seq++;
	if (b->crr) {
		c->state = CLOSING;
		if (!b->o->server_closes)
			shutdown(c->fd, SHUT_WR);
	} else if (b->draining) {
		c->state = RESTING;
		c->due = UINT64_MAX;
	} else if (b->o->interval_us) {
		c->state = RESTING;
		c->due = now + (uint64_t)b->o->interval_us * 1000;
	} else {
		request(b, c);
	}
}

static void ready(struct bench *b, struct conn *c, uint32_t events)
{
	if (c->fd < 0)
		return;
	if (c->state == CONNECTING) {
		established(b, c);
		return;
	}
	if (events & EPOLLOUT && c->state == WAITING && c->sent < b->o->size) {
		push(b, c);
		if (c->fd < 0)
			return;
	}
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	ssize_t r = recv(c->fd, b->scratch, MAX_SIZE, 0);
	if (r < 0) {
		if (errno != EINTR && errno != EAGAIN)
			broken(b, c, errno);
		return;
	}
	if (r == 0) {
		if (c->state == CLOSING) {
			end_conn(b, c, IDLE);
		} else {
			b->early_eof++;
			end_conn(b, c, b->crr ? IDLE : DEAD);
		}
		return;
	}
	if (c->state != WAITING || c->got + (size_t)r > b->o->size) {
		b->mismatches++; /* more than was asked for */
		end_conn(b, c, b->crr ? IDLE : DEAD);
		return;
	}
	fill(b, (unsigned)(c - b->c), c->seq, b->request);
	if (memcmp(b->scratch, b->request + c->got, (size_t)r)) {
		b->mismatches++;
		end_conn(b, c, b->crr ? IDLE : DEAD);
		return;
	}
	c->got += (size_t)r;
	if (c->got == b->o->size)
		done(b, c, now_ns());
}

/* Starts what is due, notices what is late; the time of the next such moment. */
static uint64_t tick(struct bench *b, uint64_t now)
{
	uint64_t timeout = (uint64_t)b->o->timeout_ms * 1000000ull, next = now + 100 * 1000000ull;
	uint64_t step = b->crr && b->o->cps > 0 ? (uint64_t)((double)NS / b->o->cps) : 0;

	for (unsigned i = 0; i < b->o->connections; i++) {
		struct conn *c = &b->c[i];
		if (c->state == IDLE && b->crr && !b->draining && now >= b->next_start) {
			b->next_start = step ? b->next_start + step : 0;
			begin(b, c);
		}
		if (c->state == RESTING && now >= c->due && !b->draining)
			request(b, c);
		if (c->state == RESTING && c->due < next)
			next = c->due;
		if (c->state == CONNECTING || c->state == WAITING || c->state == CLOSING) {
			uint64_t since = c->state == WAITING && !b->crr ? c->sent_at : c->begun;
			if (now > since && now - since >= timeout && !c->overdue) { /* begun within this very tick: since is later */
				b->timeouts++;
				c->overdue = true;
				if (b->crr)
					end_conn(b, c, IDLE);
				else if (c->state == CONNECTING)
					end_conn(b, c, DEAD);
			} else if (!c->overdue && since + timeout < next) {
				next = since + timeout;
			}
		}
	}
	if (step && !b->draining && b->next_start < next)
		next = b->next_start;
	return next;
}

static int busy(const struct bench *b)
{
	int n = 0;

	for (unsigned i = 0; i < b->o->connections; i++) {
		enum state s = b->c[i].state;
		n += s == CONNECTING || s == WAITING || s == CLOSING;
	}
	return n;
}

static void loop(struct bench *b)
{
	struct epoll_event ev[256];
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct epoll_event tev = { .events = EPOLLIN, .data.ptr = NULL };
	uint64_t drain_until = 0, armed = 0;

	prctl(PR_SET_TIMERSLACK, 1ul);
	epoll_ctl(b->ep, EPOLL_CTL_ADD, timer, &tev);
	b->start = b->next_start = now_ns();
	b->end = b->o->seconds > 0 ? b->start + (uint64_t)(b->o->seconds * (double)NS) : UINT64_MAX;
	if (!b->crr)
		for (unsigned i = 0; i < b->o->connections; i++)
			begin(b, &b->c[i]);
	for (;;) {
		uint64_t now = now_ns();
		if (!b->draining && (stopping || now >= b->end)) {
			b->draining = true; /* what is under way may end; nothing new begins */
			b->end = now;
			drain_until = now + (uint64_t)b->o->timeout_ms * 1000000ull + 50 * 1000000ull;
		}
		uint64_t next = tick(b, now);
		if (b->draining && (!busy(b) || now >= drain_until))
			break;
		if (!b->crr) {
			bool any = false;
			for (unsigned i = 0; i < b->o->connections && !any; i++)
				any = b->c[i].state != DEAD;
			if (!any)
				break;
		}
		if (b->draining ? drain_until < next : b->end < next)
			next = b->draining ? drain_until : b->end;
		int wait = -1;
		if (next <= now) {
			wait = 0;
		} else if (next != armed) {
			struct itimerspec t = { .it_value = { (time_t)(next / NS), (long)(next % NS) } };
			timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL);
			armed = next;
		}
		int k = epoll_wait(b->ep, ev, 256, wait);
		for (int i = 0; i < k; i++) {
			if (!ev[i].data.ptr) {
				uint64_t drop;
				(void)!read(timer, &drop, sizeof drop);
				armed = 0;
			} else {
				ready(b, ev[i].data.ptr, ev[i].events);
			}
		}
	}
	for (unsigned i = 0; i < b->o->connections; i++) {
		struct conn *c = &b->c[i];
		if (c->state == WAITING || c->state == CONNECTING) {
			b->stuck++;
			if (!b->crr && c->state == WAITING && now_ns() - c->last_done > b->longest_gap)
				b->longest_gap = now_ns() - c->last_done;
		}
		b->alive += !b->crr && c->state == RESTING;
		end_conn(b, c, DEAD);
	}
}

static int bench(const struct options *o, bool crr)
{
	struct bench b = { .o = o, .crr = crr, .ep = epoll_create1(EPOLL_CLOEXEC) };

	b.c = calloc(o->connections, sizeof *b.c);
	b.request = malloc(MAX_SIZE);
	b.scratch = malloc(MAX_SIZE);
	if (!b.c || !b.request || !b.scratch)
		fail("out of memory");
	for (unsigned i = 0; i < o->connections; i++)
		b.c[i].fd = -1;
	loop(&b);

	double took = (double)(b.end - b.start) / (double)NS;
	bool clean = b.transactions && !b.timeouts && !errors_all(&b.errors) && !b.early_eof && !b.mismatches && !b.stuck &&
		     (crr ? b.transactions == b.attempts : b.alive == o->connections);
	FILE *f = report_open();
	fprintf(f, "{\"mode\":\"%s\",\"seconds\":%.3f,\"attempts\":%llu,\"connected\":%llu,\"refused\":%llu,\"transactions\":%llu,\"per_second\":%.1f,"
		"\"latency_us\":{\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f},\"connect_us\":{\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f},"
		"\"resets\":%llu,\"timeouts\":%llu,\"early_eof\":%llu,\"mismatches\":%llu,\"stuck\":%llu,\"retransmits\":%llu,\"errors\":",
		crr ? "tcp-crr" : "tcp-rr", took, (unsigned long long)b.attempts, (unsigned long long)b.connected, (unsigned long long)b.refused,
		(unsigned long long)b.transactions, took > 0 ? (double)b.transactions / took : 0, hist_us(&b.latency, .5),
		hist_us(&b.latency, .99), (double)b.latency.max / 1000, hist_us(&b.connect_latency, .5), hist_us(&b.connect_latency, .99),
		(double)b.connect_latency.max / 1000, (unsigned long long)b.resets, (unsigned long long)b.timeouts,
		(unsigned long long)b.early_eof, (unsigned long long)b.mismatches, (unsigned long long)b.stuck, (unsigned long long)b.retransmits);
	errors_print(f, &b.errors);
	if (!crr)
		fprintf(f, ",\"connections\":%u,\"alive\":%llu,\"longest_gap_us\":%.1f", o->connections, (unsigned long long)b.alive,
			(double)b.longest_gap / 1000);
	fprintf(f, ",\"clean\":%s}", clean ? "true" : "false");
	return report_close(o, f);
}

int tcp_rr(const struct options *o) { return bench(o, false); }
int tcp_crr(const struct options *o) { return bench(o, true); }

/* ---- probe ------------------------------------------------------------------------------------------------- */

static int verdict(int why)
{
	if (why == ECONNREFUSED)
		return EXIT_REFUSED;
	if (why == ETIMEDOUT)
		return EXIT_TIMEOUT;
	return EXIT_OTHER;
}

static int say_failure(const struct options *o, const char *word, int why)
{
	const char *name = strerrorname_np(why);

	if (!o->first)
		printf("%s%s%s\n", word, name ? " " : "", name ? name : "");
	return verdict(why);
}

static int probe_once(const struct options *o, bool tcp)
{
	uint64_t until = now_ns() + (uint64_t)o->timeout_ms * 1000000ull;
	int fd = tcp ? socket(o->to.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : udp_socket(o->to.sa.ss_family);
	char answer[512];
	size_t got = 0;
	bool sent = false;
	int result;

	if (fd < 0)
		fail("socket: %s", strerror(errno));
	if (o->bind.set)
		bind_or_fail(fd, &o->bind);
	if (connect(fd, (const struct sockaddr *)&o->to.sa, o->to.len) && errno != EINPROGRESS) {
		result = say_failure(o, errno == ECONNREFUSED ? "refused" : "failed", errno);
		close(fd);
		return result;
	}
	for (;;) {
		uint64_t now = now_ns();
		struct pollfd p = { fd, (short)(sent ? POLLIN : POLLOUT), 0 };
		if (now >= until || stopping) {
			result = say_failure(o, !sent || !tcp ? "timeout" : "timeout (connected, no answer)", ETIMEDOUT);
			break;
		}
		if (poll(&p, 1, (int)((until - now) / 1000000 + 1)) <= 0)
			continue;
		int why = 0;
		socklen_t len = sizeof why;
		ssize_t r;
		if (!sent) {
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len);
			r = why ? -1 : send(fd, "WHO\n", 4, MSG_NOSIGNAL);
			if (!why && r < 0)
				why = errno;
			sent = r == 4;
		} else {
			r = recv(fd, answer + got, sizeof answer - 1 - got, 0);
			why = r < 0 ? errno : 0;
			if (r >= 0) {
				got += (size_t)r;
				answer[got] = 0;
				if (r == 0 && tcp && !got) {
					result = say_failure(o, "closed", ECONNRESET);
					break;
				}
				if (!tcp || r == 0 || memchr(answer, '\n', got) || got == sizeof answer - 1) {
					answer[strcspn(answer, "\r\n")] = 0;
					printf("%s\n", answer);
					result = EXIT_RAN;
					break;
				}
			}
		}
		if (why && why != EAGAIN && why != EINTR) {
			result = say_failure(o, why == ECONNREFUSED ? "refused" : why == ETIMEDOUT ? "timeout" : "failed", why);
			break;
		}
	}
	close(fd);
	fflush(stdout);
	return result;
}

int probe(const struct options *o)
{
	int worst = EXIT_RAN;
	bool tcp = strcmp(o->proto, "udp") != 0;

	for (uint32_t i = 0; i < o->count && !stopping; i++) {
		int r = strcmp(o->proto, "icmp") ? probe_once(o, tcp) : probe_icmp(o);
		if (o->first && r == EXIT_RAN) {
			printf("%llu\n", (unsigned long long)wall_ns());
			return r;
		}
		if (r > worst)
			worst = r;
	}
	return worst;
}
