/* probe --proto icmp: one echo, as ping sends it, and whatever ICMP answers it. Needs CAP_NET_RAW. */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define LARGEST 65000

/* The kernel fills in ICMPv6's checksum, not ICMP's. */
static uint16_t checksum(const uint8_t *data, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The echo that an error is about has our identifier right behind its IP header. */
static bool about_ours(const uint8_t *quoted, size_t size, bool six, uint16_t id)
{
	size_t head = six ? 40 : size ? (size_t)(quoted[0] & 15) * 4 : 0;

	return size >= head + 8 && quoted[head] == (six ? ICMP6_ECHO_REQUEST : ICMP_ECHO) && (quoted[head + 4] << 8 | quoted[head + 5]) == id;
}

/* -1: not for us. */
static int answer(const uint8_t *m, size_t size, bool six, uint16_t id, const struct sockaddr_storage *from)
{
	if (size < 8)
		return -1;
	if (m[0] == (six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY)) {
		if ((m[4] << 8 | m[5]) != id)
			return -1;
		printf("echo of %zu bytes from ", size - 8);
	} else if (m[0] == (six ? ICMP6_DST_UNREACH : ICMP_DEST_UNREACH) || m[0] == (six ? ICMP6_PACKET_TOO_BIG : ICMP_DEST_UNREACH)
		   || m[0] == (six ? ICMP6_TIME_EXCEEDED : ICMP_TIME_EXCEEDED)) {
		if (!about_ours(m + 8, size - 8, six, id))
			return -1;
		bool too_big = six ? m[0] == ICMP6_PACKET_TOO_BIG : m[0] == ICMP_DEST_UNREACH && m[1] == ICMP_FRAG_NEEDED;
		if (too_big)
			printf("too big, MTU %d from ", m[6] << 8 | m[7]);
		else
			printf("ICMP type %d code %d from ", m[0], m[1]);
	} else {
		return -1;
	}
	char host[64] = "?";
	if (six)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)from)->sin6_addr, host, sizeof host);
	else
		inet_ntop(AF_INET, &((const struct sockaddr_in *)from)->sin_addr, host, sizeof host);
	printf("%s\n", host);
	return m[0] == (six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) ? EXIT_RAN : EXIT_REFUSED;
}

int probe_icmp(const struct options *o)
{
	static uint8_t packet[LARGEST + 8], got[LARGEST + 100];
	bool six = o->to.sa.ss_family == AF_INET6;
	int fd = socket(o->to.sa.ss_family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	uint64_t until = now_ns() + (uint64_t)o->timeout_ms * 1000000ull;
	uint16_t id = (uint16_t)getpid();
	size_t size = o->size < LARGEST ? o->size : LARGEST;
	struct addr to = o->to;
	int never = six ? IPV6_PMTUDISC_PROBE : IP_PMTUDISC_PROBE;

	if (fd < 0)
		fail("socket: %s", strerror(errno));
	if (o->bind.set)
		bind_or_fail(fd, &o->bind);
	/* as large as asked, whatever is known of the way: the answer is what is to be seen */
	setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &never, sizeof never);
	if (six)
		((struct sockaddr_in6 *)&to.sa)->sin6_port = 0;
	memset(packet, 0, size + 8);
	packet[0] = six ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	packet[4] = (uint8_t)(id >> 8);
	packet[5] = (uint8_t)id;
	packet[7] = 1;
	if (!six) {
		uint16_t sum = checksum(packet, size + 8);
		packet[2] = (uint8_t)(sum >> 8);
		packet[3] = (uint8_t)sum;
	}
	if (sendto(fd, packet, size + 8, 0, (const struct sockaddr *)&to.sa, to.len) < 0) {
		printf("failed %s\n", strerrorname_np(errno));
		close(fd);
		return EXIT_OTHER;
	}
	for (uint64_t now; (now = now_ns()) < until && !stopping;) {
		struct sockaddr_storage from;
		socklen_t len = sizeof from;
		struct pollfd p = { fd, POLLIN, 0 };
		if (poll(&p, 1, (int)((until - now) / 1000000 + 1)) <= 0)
			continue;
		ssize_t r = recvfrom(fd, got, sizeof got, 0, (struct sockaddr *)&from, &len);
		size_t head = six || r <= 0 ? 0 : (size_t)(got[0] & 15) * 4;
		int result = r > (ssize_t)head ? answer(got + head, (size_t)r - head, six, id, &from) : -1;
		if (result >= 0) {
			close(fd);
			return result;
		}
	}
	printf("timeout ETIMEDOUT\n");
	close(fd);
	return EXIT_TIMEOUT;
}
