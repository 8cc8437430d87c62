/* The sample workload: answers on any number of TCP and UDP ports, one process, epoll. */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BUFFER (256 << 10)

enum kind { LISTENER, DATAGRAMS, CONNECTION };

struct conn {
	enum kind kind;
	int fd;
	bool probing, http, close_after, eof; /* probing: the first bytes still decide what is spoken */
	uint64_t close_at;                    /* bytes to be answered before the server closes */
	uint64_t answered;
	char *data;                           /* read, not yet written back */
	size_t len, off;
	struct conn *next_dead;
};

static struct { uint64_t connections, open, bytes, http, who, datagrams, datagram_bytes, udp_send_failures; struct errors errors; } n;
static int ep;
static struct conn *dead;

static void watch(struct conn *c, uint32_t events, int op)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	epoll_ctl(ep, op, c->fd, &ev);
}

static int any_socket(int type, uint16_t port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int on = 1, off = 0, size = 8 << 20;
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool six = fd >= 0;

	for (;;) {
		if (fd < 0)
			fail("socket: %s", strerror(errno));
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		if (six)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
		if (!bind(fd, six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4, six ? sizeof v6 : sizeof v4))
			break;
		int why = errno;
		close(fd);
		if (!six || why == EADDRINUSE)
			fail("port %u: %s", port, strerror(why));
		six = false; /* no IPv6 here */
		fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	if (type == SOCK_STREAM) {
		if (listen(fd, 4096))
			fail("listen: %s", strerror(errno));
	} else {
		/* answer from the address that was asked */
		if (six)
			setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
		if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
			setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	}
	return fd;
}

static void add(enum kind kind, int fd)
{
	struct conn *c = calloc(1, sizeof *c);

	if (!c)
		fail("out of memory");
	c->kind = kind;
	c->fd = fd;
	c->probing = true;
	watch(c, EPOLLIN, EPOLL_CTL_ADD);
}

static void drop(struct conn *c)
{
	close(c->fd);
	c->fd = -1;
	n.open--;
	free(c->data);
	c->data = NULL;
	c->next_dead = dead; /* the same round may still hold an event of it */
	dead = c;
}

static void say(struct conn *c, const char *text)
{
	size_t k = strlen(text);

	c->data = realloc(c->data, k + 1);
	if (!c->data)
		fail("out of memory");
	memcpy(c->data, text, k);
	c->len = k;
	c->off = 0;
}

static void inspect(struct conn *c, const char *name)
{
	char text[1024];

	if (c->len < 4 && !c->eof)
		return;
	if (c->len >= 4 && (!memcmp(c->data, "GET ", 4) || !memcmp(c->data, "HEAD", 4))) {
		if (!memmem(c->data, c->len, "\r\n\r\n", 4) && !c->eof && c->len < 16384)
			return;
		bool head = c->data[0] == 'H';
		snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s%s",
			 strlen(name) + 1, head ? "" : name, head ? "" : "\n");
		say(c, text);
		c->http = c->close_after = true;
		n.http++;
	} else if (c->len >= 4 && !memcmp(c->data, "WHO\n", 4)) {
		snprintf(text, sizeof text, "%s\n", name);
		say(c, text);
		n.who++;
	} else if (c->len >= 4 && !memcmp(c->data, "PBTQ", 4)) { /* answer this many bytes, then close first */
		uint32_t size;
		if (c->len < 8)
			return;
		memcpy(&size, c->data + 4, 4);
		c->close_at = ntohl(size);
	}
	c->probing = false;
}

static void flush(struct conn *c)
{
	while (!c->probing && c->off < c->len) {
		ssize_t w = send(c->fd, c->data + c->off, c->len - c->off, MSG_NOSIGNAL);
		if (w < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN) {
				watch(c, EPOLLOUT, EPOLL_CTL_MOD); /* read on when this has gone */
				return;
			}
			errors_add(&n.errors, errno);
			drop(c);
			return;
		}
		c->off += (size_t)w;
		c->answered += (uint64_t)w;
		n.bytes += (uint64_t)w;
	}
	if (c->probing)
		return;
	c->len = c->off = 0;
	if (c->eof) {
		drop(c);
		return;
	}
	if (c->close_after || (c->close_at && c->answered >= c->close_at)) {
		shutdown(c->fd, SHUT_WR); /* and wait for the other's end */
		c->close_after = false;
		c->close_at = 0;
	}
	watch(c, EPOLLIN, EPOLL_CTL_MOD);
}

static void read_conn(struct conn *c, const char *name)
{
	static char chunk[BUFFER];
	ssize_t r = recv(c->fd, chunk, sizeof chunk, 0);

	if (r < 0) {
		if (errno == EINTR || errno == EAGAIN)
			return;
		errors_add(&n.errors, errno);
		drop(c);
		return;
	}
	if (r == 0) {
		c->eof = true;
	} else if (!c->http) {
		c->data = realloc(c->data, c->len + (size_t)r);
		if (!c->data)
			fail("out of memory");
		memcpy(c->data + c->len, chunk, (size_t)r);
		c->len += (size_t)r;
	}
	if (c->probing)
		inspect(c, name);
	flush(c);
}

static void read_datagrams(int fd, const char *name)
{
	static char data[65536];

	for (int i = 0; i < 256; i++) {
		struct sockaddr_storage from;
		char control[256], answer[512];
		struct iovec iov = { data, sizeof data };
		struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1,
				    .msg_control = control, .msg_controllen = sizeof control };
		ssize_t r = recvmsg(fd, &m, 0);

		if (r < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				errors_add(&n.errors, errno);
			return;
		}
		n.datagrams++;
		n.datagram_bytes += (uint64_t)r;
		iov.iov_len = (size_t)r;
		if (r >= 3 && !memcmp(data, "WHO", 3)) {
			iov.iov_base = answer;
			iov.iov_len = (size_t)snprintf(answer, sizeof answer, "%.400s\n", name);
			n.who++;
		}
		/* the address goes back as the source; the interface is left to the routes */
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
				struct in_pktinfo *p = (void *)CMSG_DATA(c);
				p->ipi_ifindex = 0;
				p->ipi_spec_dst = p->ipi_addr;
			} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
				struct in6_pktinfo *p = (void *)CMSG_DATA(c);
				if (IN6_IS_ADDR_V4MAPPED(&p->ipi6_addr) || !IN6_IS_ADDR_LINKLOCAL(&p->ipi6_addr))
					p->ipi6_ifindex = 0;
			}
		}
		if (from.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&((struct sockaddr_in6 *)&from)->sin6_addr)) {
			/* keep only the IPv4 word on the address: the kernel refuses the mixture */
			char kept[CMSG_SPACE(sizeof(struct in_pktinfo))];
			bool found = false;
			for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
				if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO && c->cmsg_len <= sizeof kept) {
					memset(kept, 0, sizeof kept);
					memcpy(kept, c, c->cmsg_len);
					found = true;
				}
			memcpy(control, kept, found ? sizeof kept : 0);
			m.msg_controllen = found ? sizeof kept : 0;
		}
		if (sendmsg(fd, &m, MSG_NOSIGNAL) < 0) {
			n.udp_send_failures++;
			errors_add(&n.errors, errno);
		}
	}
}

int serve(const struct options *o)
{
	struct epoll_event ev[256];
	uint64_t end = o->seconds > 0 ? now_ns() + (uint64_t)(o->seconds * (double)NS) : UINT64_MAX;

	ep = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < o->tcp_count; i++)
		add(LISTENER, any_socket(SOCK_STREAM, o->tcp[i]));
	for (int i = 0; i < o->udp_count; i++)
		add(DATAGRAMS, any_socket(SOCK_DGRAM, o->udp[i]));
	while (!stopping && now_ns() < end) {
		int k = epoll_wait(ep, ev, 256, o->seconds > 0 ? 100 : -1);
		for (int i = 0; i < k; i++) {
			struct conn *c = ev[i].data.ptr;
			if (c->fd < 0)
				continue;
			if (c->kind == LISTENER) {
				int fd, on = 1;
				while ((fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
					setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
					n.connections++;
					n.open++;
					add(CONNECTION, fd);
				}
				if (errno != EAGAIN && errno != EINTR)
					errors_add(&n.errors, errno);
			} else if (c->kind == DATAGRAMS) {
				read_datagrams(c->fd, o->name);
			} else if (ev[i].events & EPOLLOUT) {
				flush(c);
			} else {
				read_conn(c, o->name);
			}
		}
		while (dead) {
			struct conn *c = dead;
			dead = c->next_dead;
			free(c);
		}
	}
	FILE *f = report_open();
	fprintf(f, "{\"mode\":\"serve\",\"connections\":%llu,\"open\":%llu,\"bytes\":%llu,\"http\":%llu,\"who\":%llu,\"datagrams\":%llu,"
		"\"datagram_bytes\":%llu,\"send_failures\":%llu,\"errors\":", (unsigned long long)n.connections, (unsigned long long)n.open,
		(unsigned long long)n.bytes, (unsigned long long)n.http, (unsigned long long)n.who, (unsigned long long)n.datagrams,
		(unsigned long long)n.datagram_bytes, (unsigned long long)n.udp_send_failures);
	errors_print(f, &n.errors);
	fputc('}', f);
	return report_close(o, f);
}
