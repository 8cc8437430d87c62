/*
 * Sequence-numbered datagrams, one way or both ways on one socket. Each direction of each flow is judged by its receiver
 * alone: it keeps one bit per sequence number, so lost, duplicate and reordered are counted, not inferred; the sender
 * says at the end how many it has sent, in a record that is repeated until it is acknowledged.
 */
#include "common.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x50425431u /* PBT1 */
#define REPEAT_NS (20 * 1000000ull)   /* HELLO and FIN until acknowledged */
#define QUIET_NS (300 * 1000000ull)   /* after the last FIN: late ones still count */
#define MAX_DATAGRAM 65507
#define MAX_FLOWS 4096
#define MAX_SEQ (1ull << 33)          /* 1 GiB of bits; more is corrupt */

enum { DATA = 1, FIN, FIN_ACK, HELLO, HELLO_ACK };

struct wire {
	uint32_t magic;
	uint32_t type;
	uint32_t flow;
	uint32_t size;
	uint64_t seq;     /* FIN: number of datagrams sent */
	uint64_t sent_ns;
} __attribute__((packed));

struct in_flow {
	uint32_t id;
	uint8_t *bits;
	uint64_t bits_len;
	uint64_t received, duplicates, reordered, corrupt, bytes, highest, total, source_changes;
	uint64_t last_wall, max_gap, max_gap_seq, late;
	bool any, fin;
	struct sockaddr_storage from;
	socklen_t from_len;
	struct hist latency;
};

struct engine {
	const struct options *o;
	int fd;
	/* sending */
	bool sends, connected, have_peer, greeted, fin_phase, fin_acked;
	struct sockaddr_storage peer;
	socklen_t peer_len;
	uint64_t seq, start, end, next, last_send, max_send_gap, next_control, give_up;
	uint64_t bytes, local_failures;
	bool blocked;
	struct errors errors;
	struct errors greeting_errors; /* before the first answer: the other side may not have started yet */
	/* receiving */
	bool receives;
	struct in_flow **flows;
	int flow_count;
	uint64_t last_arrival, foreign;
	struct errors recv_errors;
	/* every datagram, control ones included: what a counter in the network must agree with */
	uint64_t out_all, in_all, out_hello, out_fin, out_acks;
};

static struct errors *send_errors(struct engine *e) { return e->sends && !e->greeted ? &e->greeting_errors : &e->errors; }

static unsigned char out_buffer[MAX_DATAGRAM], in_buffer[MAX_DATAGRAM + 1];

static unsigned char pattern(uint64_t seq, size_t i) { return (unsigned char)(seq * 31 + i * 7); }

/* 0 or errno; EAGAIN: nothing was sent, wait for room. */
static int emit(struct engine *e, uint32_t type, uint32_t flow, uint64_t seq, size_t size, const struct sockaddr_storage *to, socklen_t to_len)
{
	struct wire w = { htobe32(MAGIC), htobe32(type), htobe32(flow), htobe32((uint32_t)size), htobe64(seq), htobe64(now_ns()) };

	memcpy(out_buffer, &w, sizeof w);
	for (size_t i = sizeof w; i < size; i++)
		out_buffer[i] = pattern(seq, i);
	for (int i = 0; i < 4; i++) {
		ssize_t n = e->connected ? send(e->fd, out_buffer, size, MSG_NOSIGNAL)
					 : sendto(e->fd, out_buffer, size, MSG_NOSIGNAL, (const struct sockaddr *)to, to_len);
		if (n == (ssize_t)size) {
			e->out_all++;
			return 0;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return EAGAIN;
		int why = n < 0 ? errno : EIO;
		errors_add(send_errors(e), why);
		/* on a connected socket this is the answer to an earlier datagram, and this one was not sent: once more */
		if (why == ECONNREFUSED || why == EHOSTUNREACH || why == ENETUNREACH)
			continue;
		return why;
	}
	return ECONNREFUSED;
}

static struct in_flow *flow_of(struct engine *e, uint32_t id)
{
	for (int i = 0; i < e->flow_count; i++)
		if (e->flows[i]->id == id)
			return e->flows[i];
	if (e->flow_count == MAX_FLOWS)
		return NULL;
	struct in_flow *f = calloc(1, sizeof *f);
	e->flows = realloc(e->flows, sizeof *e->flows * (size_t)(e->flow_count + 1));
	if (!f || !e->flows)
		fail("out of memory");
	f->id = id;
	return e->flows[e->flow_count++] = f;
}

static void arrived(struct engine *e, struct in_flow *f, uint64_t seq, uint64_t sent, size_t n, uint64_t wall)
{
	if (seq >= MAX_SEQ) {
		f->corrupt++;
		return;
	}
	for (size_t i = sizeof(struct wire); i < n; i++)
		if (in_buffer[i] != pattern(seq, i)) {
			f->corrupt++;
			return;
		}
	if (seq / 8 >= f->bits_len) {
		uint64_t len = f->bits_len ? f->bits_len : 65536;
		while (len <= seq / 8)
			len *= 2;
		f->bits = realloc(f->bits, len);
		if (!f->bits)
			fail("out of memory");
		memset(f->bits + f->bits_len, 0, len - f->bits_len);
		f->bits_len = len;
	}
	uint8_t bit = (uint8_t)(1u << (seq & 7));
	if (f->bits[seq / 8] & bit) {
		f->duplicates++;
		return;
	}
	f->bits[seq / 8] |= bit;
	f->received++;
	f->bytes += n;
	if (f->any && seq < f->highest)
		f->reordered++;
	if (!f->any || seq > f->highest)
		f->highest = seq;
	if (f->any && wall > f->last_wall && wall - f->last_wall > f->max_gap) {
		f->max_gap = wall - f->last_wall;
		f->max_gap_seq = seq;
	}
	if (f->fin)
		f->late++;
	f->last_wall = wall;
	f->any = true;
	uint64_t now = now_ns();
	hist_add(&f->latency, now > sent ? now - sent : 0);
	(void)e;
}

static void receive(struct engine *e)
{
	for (int burst = 0; burst < 256; burst++) {
		struct sockaddr_storage from;
		char control[256];
		struct iovec iov = { in_buffer, sizeof in_buffer };
		struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1,
				    .msg_control = control, .msg_controllen = sizeof control };
		struct wire w;
		ssize_t n = recvmsg(e->fd, &m, 0);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				errors_add(e->sends ? send_errors(e) : &e->recv_errors, errno); /* ICMP's answer to what we sent */
			return;
		}
		e->in_all++;
		uint64_t wall = 0;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
				struct timespec t;
				memcpy(&t, CMSG_DATA(c), sizeof t);
				wall = (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
			}
		if (!wall)
			wall = wall_ns();
		memcpy(&w, in_buffer, sizeof w);
		if ((size_t)n < sizeof w || be32toh(w.magic) != MAGIC || be32toh(w.size) != (uint32_t)n) {
			e->foreign++;
			continue;
		}
		uint32_t type = be32toh(w.type), id = be32toh(w.flow);
		uint64_t seq = be64toh(w.seq);
		e->last_arrival = now_ns();
		if (type == HELLO_ACK && id == e->o->flow) {
			e->greeted = true;
			continue;
		}
		if (type == FIN_ACK && id == e->o->flow) {
			e->fin_acked = true;
			continue;
		}
		if (!e->receives || (type != DATA && type != FIN && type != HELLO)) {
			e->foreign++;
			continue;
		}
		if (e->sends && !e->have_peer) { /* duplex, the side that waits: answers whoever came first */
			e->peer = from;
			e->peer_len = m.msg_namelen;
			e->have_peer = e->greeted = true;
		}
		if (type == HELLO) {
			if (!emit(e, HELLO_ACK, id, 0, sizeof w, &from, m.msg_namelen))
				e->out_acks++;
			continue;
		}
		struct in_flow *f = flow_of(e, id);
		if (!f) {
			e->foreign++;
			continue;
		}
		if (f->from_len && (f->from_len != m.msg_namelen || memcmp(&f->from, &from, m.msg_namelen)))
			f->source_changes++;
		memcpy(&f->from, &from, m.msg_namelen);
		f->from_len = m.msg_namelen;
		if (type == DATA) {
			arrived(e, f, seq, be64toh(w.sent_ns), (size_t)n, wall);
		} else {
			f->fin = true;
			f->total = seq;
			if (!emit(e, FIN_ACK, id, 0, sizeof w, &from, m.msg_namelen))
				e->out_acks++;
		}
	}
}

static bool all_in(const struct engine *e)
{
	uint32_t done = 0;

	for (int i = 0; i < e->flow_count; i++)
		done += e->flows[i]->fin;
	return done >= e->o->flows && now_ns() - e->last_arrival > QUIET_NS;
}

static void pace(struct engine *e, uint64_t now)
{
	uint64_t step = (uint64_t)((double)NS / e->o->pps);

	for (int burst = 0; burst < 64 && now >= e->next; burst++) {
		int r = emit(e, DATA, e->o->flow, e->seq, e->o->size, &e->peer, e->peer_len);
		if (r == EAGAIN) {
			e->blocked = true;
			return;
		}
		e->next = e->start + (e->seq + e->local_failures + 1) * step;
		if (r) { /* not sent: it has no number, so it cannot be taken for lost */
			e->local_failures++;
		} else {
			uint64_t at = now_ns();
			if (e->last_send && at - e->last_send > e->max_send_gap)
				e->max_send_gap = at - e->last_send;
			e->last_send = at;
			e->bytes += e->o->size;
			e->seq++;
		}
		now = now_ns();
	}
}

/* Runs until its part is over; false when a peer that had to answer did not. */
static void run(struct engine *e)
{
	uint64_t grace = (uint64_t)e->o->wait_ms * 1000000ull;

	prctl(PR_SET_TIMERSLACK, 1ul);
	e->give_up = e->sends && !e->greeted ? now_ns() + grace : 0;
	for (;;) {
		uint64_t now = now_ns(), wake = now + 50 * 1000000ull;

		if (e->sends && e->have_peer && !e->greeted) {
			if (stopping || now > e->give_up)
				return;
			if (now >= e->next_control) {
				e->next_control = now + REPEAT_NS;
				if (!emit(e, HELLO, e->o->flow, 0, sizeof(struct wire), &e->peer, e->peer_len))
					e->out_hello++;
			}
			wake = e->next_control;
		} else if (e->sends && e->have_peer && !e->fin_phase) {
			if (!e->start) {
				e->start = e->next = now;
				e->end = e->o->seconds > 0 ? now + (uint64_t)(e->o->seconds * (double)NS) : UINT64_MAX;
				e->last_arrival = now;
			}
			/* the side that was not told how long stops when the other has said its last */
			bool peer_done = e->receives && e->o->seconds <= 0 && !e->o->peer.set && e->flow_count &&
					 e->flows[0]->fin;
			if (stopping || now >= e->end || peer_done) {
				e->fin_phase = true;
				e->next_control = now;
				e->give_up = now + grace;
			} else {
				pace(e, now);
				wake = e->next;
			}
		}
		if (e->fin_phase) {
			if (!e->fin_acked && now >= e->next_control) {
				e->next_control = now + REPEAT_NS;
				if (!emit(e, FIN, e->o->flow, e->seq, sizeof(struct wire), &e->peer, e->peer_len))
					e->out_fin++;
			}
			wake = e->next_control > now ? e->next_control : now + REPEAT_NS;
			if (now > e->give_up || (e->fin_acked && (!e->receives || all_in(e))))
				return;
		}
		if (!e->sends && (stopping || all_in(e)))
			return;
		if (e->sends && !e->have_peer && stopping)
			return;

		struct pollfd p = { e->fd, (short)(POLLIN | (e->blocked ? POLLOUT : 0)), 0 };
		struct timespec t = { 0, 0 };
		now = now_ns();
		if (e->blocked)
			wake = now + 50 * 1000000ull;
		if (wake > now) {
			t.tv_sec = (time_t)((wake - now) / NS);
			t.tv_nsec = (long)((wake - now) % NS);
		}
		e->blocked = false;
		if (ppoll(&p, 1, &t, NULL) > 0 && p.revents & (POLLIN | POLLERR))
			receive(e);
	}
}

static uint64_t lost_of(const struct in_flow *f)
{
	uint64_t expected = f->fin ? f->total : f->any ? f->highest + 1 : 0;

	return expected > f->received ? expected - f->received : 0;
}

static void print_sent(FILE *o, const struct engine *e)
{
	fprintf(o, "\"flow\":%u,\"sent\":%llu,\"sent_bytes\":%llu,\"send_failures\":%llu,\"send_errors\":", e->o->flow,
		(unsigned long long)e->seq, (unsigned long long)e->bytes, (unsigned long long)e->local_failures);
	errors_print(o, &e->errors);
	fputs(",\"greeting_errors\":", o);
	errors_print(o, &e->greeting_errors);
	fprintf(o, ",\"max_send_gap_us\":%.1f,\"greeted\":%d,\"fin_acked\":%d", (double)e->max_send_gap / 1000, e->greeted && e->start,
		e->fin_acked);
}

static void print_received(FILE *o, const struct engine *e)
{
	uint64_t received = 0, lost = 0, duplicates = 0, reordered = 0, corrupt = 0, sources = 0, gap = 0;
	uint32_t fin = 0;

	for (int i = 0; i < e->flow_count; i++) {
		const struct in_flow *f = e->flows[i];
		received += f->received;
		lost += lost_of(f);
		duplicates += f->duplicates;
		reordered += f->reordered;
		corrupt += f->corrupt;
		sources += f->source_changes;
		fin += f->fin;
		if (f->max_gap > gap)
			gap = f->max_gap;
	}
	fprintf(o, "\"received\":%llu,\"lost\":%llu,\"duplicates\":%llu,\"reordered\":%llu,\"corrupt\":%llu,\"source_changes\":%llu,"
		"\"max_gap_us\":%.1f,\"socket_drops\":%u,\"foreign\":%llu,\"receive_errors\":", (unsigned long long)received,
		(unsigned long long)lost, (unsigned long long)duplicates, (unsigned long long)reordered, (unsigned long long)corrupt,
		(unsigned long long)sources, (double)gap / 1000, socket_drops(e->fd), (unsigned long long)e->foreign);
	errors_print(o, &e->recv_errors);
	fprintf(o, ",\"fin\":%d,\"flows_expected\":%u,\"flows\":[", e->flow_count && fin >= e->o->flows && fin == (uint32_t)e->flow_count,
		e->o->flows);
	for (int i = 0; i < e->flow_count; i++) {
		const struct in_flow *f = e->flows[i];
		fprintf(o, "%s{\"flow\":%u,\"from\":\"", i ? "," : "", f->id);
		print_addr(o, &f->from);
		fprintf(o, "\",\"received\":%llu,\"expected\":%llu,\"lost\":%llu,\"lost_ranges\":[", (unsigned long long)f->received,
			(unsigned long long)(f->fin ? f->total : f->any ? f->highest + 1 : 0), (unsigned long long)lost_of(f));
		uint64_t end = f->fin ? f->total : f->any ? f->highest + 1 : 0;
		int shown = 0;
		for (uint64_t s = 0; lost_of(f) && s < end && shown < 16; s++) {
			uint64_t from = s;
			while (s < end && !(s / 8 < f->bits_len && f->bits[s / 8] >> (s & 7) & 1))
				s++;
			if (s > from)
				fprintf(o, "%s[%llu,%llu]", shown++ ? "," : "", (unsigned long long)from, (unsigned long long)s - 1);
		}
		fprintf(o, "],\"duplicates\":%llu,\"reordered\":%llu,\"late\":%llu,\"corrupt\":%llu,\"source_changes\":%llu,\"bytes\":%llu,"
			"\"max_gap_us\":%.1f,\"max_gap_before\":%llu,\"latency_us\":{\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f},\"fin\":%d}",
			(unsigned long long)f->duplicates, (unsigned long long)f->reordered, (unsigned long long)f->late,
			(unsigned long long)f->corrupt, (unsigned long long)f->source_changes, (unsigned long long)f->bytes,
			(double)f->max_gap / 1000, (unsigned long long)f->max_gap_seq, hist_us(&f->latency, .5), hist_us(&f->latency, .99),
			(double)f->latency.max / 1000, f->fin);
	}
	fputc(']', o);
}

static bool clean_in(const struct engine *e)
{
	uint32_t fin = 0;

	for (int i = 0; i < e->flow_count; i++) {
		const struct in_flow *f = e->flows[i];
		if (lost_of(f) || f->duplicates || f->reordered || f->corrupt || !f->fin || f->received != f->total)
			return false;
		fin++;
	}
	return fin >= e->o->flows && !errors_all(&e->recv_errors);
}

static bool clean_out(const struct engine *e)
{
	return e->seq > 0 && !e->local_failures && !errors_all(&e->errors) && (e->fin_acked || e->o->no_hello);
}

static int report(const struct engine *e, const char *mode)
{
	FILE *o = report_open();
	bool clean = (!e->sends || clean_out(e)) && (!e->receives || clean_in(e));

	fprintf(o, "{\"mode\":\"%s\",", mode);
	if (e->sends) {
		print_sent(o, e);
		fputc(',', o);
	}
	if (e->receives) {
		print_received(o, e);
		fputc(',', o);
	}
	fprintf(o, "\"datagrams_out\":%llu,\"datagrams_in\":%llu,\"control_out\":{\"hello\":%llu,\"fin\":%llu,\"acks\":%llu},\"clean\":%s}",
		(unsigned long long)e->out_all, (unsigned long long)e->in_all, (unsigned long long)e->out_hello,
		(unsigned long long)e->out_fin, (unsigned long long)e->out_acks, clean ? "true" : "false");
	return report_close(e->o, o);
}

static void send_to(struct engine *e, const struct addr *to)
{
	e->sends = e->have_peer = true;
	e->peer = to->sa;
	e->peer_len = to->len;
	e->greeted = e->o->no_hello;
	if (e->o->unconnected)
		return;
	if (connect(e->fd, (const struct sockaddr *)&to->sa, to->len))
		fail("connect: %s", strerror(errno));
	e->connected = true;
}

int udp_send(const struct options *o)
{
	struct engine e = { .o = o, .fd = udp_socket(o->to.sa.ss_family) };

	if (o->bind.set)
		bind_or_fail(e.fd, &o->bind);
	send_to(&e, &o->to);
	run(&e);
	return report(&e, "udp-send");
}

int udp_recv(const struct options *o)
{
	struct engine e = { .o = o, .fd = udp_socket(o->listen.sa.ss_family), .receives = true };

	bind_or_fail(e.fd, &o->listen);
	run(&e);
	return report(&e, "udp-recv");
}

int udp_duplex(const struct options *o)
{
	const struct addr *first = o->listen.set ? &o->listen : o->bind.set ? &o->bind : NULL;
	struct engine e = { .o = o, .fd = udp_socket(first ? first->sa.ss_family : o->peer.sa.ss_family), .receives = true, .sends = true };

	if (first)
		bind_or_fail(e.fd, first);
	if (o->peer.set)
		send_to(&e, &o->peer);
	run(&e);
	return report(&e, "udp-duplex");
}
