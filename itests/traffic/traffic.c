/*
 * pb-traffic: sample workload of the lab, and the measurement of traffic that is independent of the datapath's own
 * counters. pb-traffic --help documents every mode and every number.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char help[] =
"usage: pb-traffic MODE [OPTION...]\n"
"\n"
"Addresses are numbers: 10.0.0.1:80 or [fd00::1]:80. SIGTERM or SIGINT ends any mode with its report: one line of JSON on\n"
"standard output, or whole in --out FILE. Times are CLOCK_MONOTONIC. Exit status: 0 the report was written (see \"clean\"),\n"
"1 it could not run, 2 wrong usage; probe has its own.\n"
"\n"
"serve [--tcp PORT]... [--udp PORT]... [--name NAME] [--seconds S]\n"
"    All addresses, IPv4 and IPv6. TCP: sends back what it gets; an HTTP GET gets 200 and NAME; a first line WHO gets NAME.\n"
"    UDP: sends each datagram back; WHO gets NAME. NAME is the host name unless given.\n"
"    connections, open    accepted; of these not yet closed      bytes        sent back over TCP\n"
"    http, who            requests of these kinds                errors       failed calls, by errno\n"
"    datagrams, datagram_bytes, send_failures                    of all UDP ports\n"
"\n"
"udp-send --to A:P --pps N --seconds S [--size B] [--flow ID] [--bind A:P] [--unconnected] [--no-hello] [--wait-ms MS]\n"
"udp-recv --listen A:P [--flows N]\n"
"udp-duplex [--listen A:P] [--peer A:P] --pps N [--seconds S] [--size B] [--flow ID] [--unconnected] [--wait-ms MS]\n"
"    Numbered datagrams of B bytes (default 64), N a second. First HELLO until it is answered, at most MS (default 5000), unless\n"
"    --no-hello; last FIN with the number sent, repeated until it is answered. udp-recv ends 300 ms after the FIN of N flows\n"
"    (default 1). In udp-duplex both sides send on the same socket; the side without --peer answers the first that comes\n"
"    and, without --seconds, stops when the other has.\n"
"  sending:\n"
"    sent, sent_bytes     numbered datagrams that the kernel took   send_failures  refused by it; these have no number\n"
"    send_errors          of those and of earlier ones' ICMP answers, by errno\n"
"    greeting_errors      the same while HELLO has no answer yet: the other side may not have started\n"
"    max_send_gap_us      longest time between two of them          greeted, fin_acked  1: HELLO, FIN were answered\n"
"  receiving, over all flows and for each in flows:\n"
"    received             different numbers       duplicates        numbers that came again\n"
"    lost                 sent minus received; without FIN: highest number + 1 minus received\n"
"    lost_ranges          the first 16, first and last number       reordered      came after a higher number\n"
"    late                 came after FIN          corrupt           right number, wrong content: counted as lost\n"
"    max_gap_us, max_gap_before   longest time between two arrivals by the kernel's stamps, and the number that ended it\n"
"    latency_us           from send to read, both processes' scheduling included\n"
"    source_changes       times the sender's address or port changed   foreign     datagrams that are not ours\n"
"    socket_drops         dropped for want of room in this process's socket: loss that is not the network's\n"
"    fin                  1: every flow has said how many it sent; 0 is a failure     receive_errors  by errno\n"
"  both:\n"
"    datagrams_out, datagrams_in   every datagram of the socket, HELLO, FIN and answers included, as a counter in the network sees it\n"
"    control_out          those that are not numbered data\n"
"    clean                true: nothing lost, duplicate, reordered, corrupt or failed, and all ends known\n"
"\n"
"tcp-rr --to A:P --connections N --seconds S [--size B] [--interval-us U] [--timeout-ms MS] [--bind A:P]\n"
"    N connections are opened and stay; on each a request of B bytes (default 64), its answer compared byte by byte, then after\n"
"    U microseconds (default 0) the next. A broken connection is not opened again.\n"
"tcp-crr --to A:P --seconds S [--connections N] [--cps R] [--size B] [--server-closes] [--timeout-ms MS] [--bind A:P]\n"
"    A new connection for each transaction, closed by FIN (the client's first, or the server's), at most N at a time (default 1; 64 with --cps), R a second\n"
"    (default as fast as it goes). With --server-closes the client's ports are free at once; B is at least 8.\n"
"    attempts, connected, refused   connections          transactions, per_second   complete answers\n"
"    latency_us           rr: request to answer; crr: connect to answer               connect_us     connect alone\n"
"    resets               ECONNRESET and EPIPE           timeouts     nothing within MS (default 3000), one count each\n"
"    early_eof            closed by the other side before the answer                  mismatches     wrong bytes\n"
"    stuck                without answer at the end      retransmits  segments that the kernel sent again (this side)\n"
"    errors               all failures, by errno; refused and resets are among them\n"
"    connections, alive   rr: asked for; whole at the end           longest_gap_us   rr: longest time on one connection\n"
"                         between two answers\n"
"    clean                true: no failure of any kind, and (rr) all alive, (crr) every attempt a transaction\n"
"\n"
"probe --to A:P [--proto tcp|udp|icmp] [--count N] [--first] [--timeout MS] [--bind A:P] [--size B]\n"
"    Asks WHO and prints the answer, or refused, timeout, closed, failed and the errno. No JSON. Exit status: 0 reached, 3 refused,\n"
"    4 no answer within MS (default 1000), 5 any other failure; of N probes (default 1) the highest.\n"
"    With --first it ends with the first that is reached, silent about those before, and prints the time of the answer in ns, CLOCK_REALTIME.\n"
"    icmp: an echo of B bytes (default 64) that is not fragmented here, as root; its answer, or 3 and the ICMP error that came instead. The\n"
"    port means nothing.\n"
"\n"
"--until-signal: no end of its own (as --seconds 0).\n";

static void on_stop(int sig)
{
	(void)sig;
	stopping = 1;
}

static int usage(const char *what, const char *about)
{
	fprintf(stderr, "pb-traffic: %s%s%s (pb-traffic --help)\n", what, about ? " " : "", about ? about : "");
	return EXIT_USAGE;
}

static bool number(const char *text, double low, double high, double *v)
{
	char *end;

	*v = strtod(text, &end);
	return *text && !*end && *v >= low && *v <= high;
}

int main(int argc, char **argv)
{
	static char host[256];
	struct options o = { .size = 64, .flows = 1, .count = 1, .wait_ms = 5000, .proto = "tcp", .seconds = -1 };
	struct sigaction sa = { .sa_handler = on_stop };
	struct rlimit files;
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "--help") || !strcmp(mode, "-h") || !strcmp(mode, "help")) {
		fputs(help, stdout);
		return 0;
	}
	for (int i = 2; i < argc; i++) {
		const char *k = argv[i];
		double v = 0;
		if (!strcmp(k, "--help")) {
			fputs(help, stdout);
			return 0;
		}
		if (!strcmp(k, "--until-signal")) { o.seconds = 0; continue; }
		if (!strcmp(k, "--unconnected")) { o.unconnected = true; continue; }
		if (!strcmp(k, "--first")) { o.first = true; continue; }
		if (!strcmp(k, "--no-hello")) { o.no_hello = true; continue; }
		if (!strcmp(k, "--server-closes")) { o.server_closes = true; continue; }
		if (++i >= argc)
			return usage("needs a value or is unknown:", k);
		const char *t = argv[i];
		bool ok = true;
		if (!strcmp(k, "--to")) ok = parse_addr(t, &o.to);
		else if (!strcmp(k, "--bind")) ok = parse_addr(t, &o.bind);
		else if (!strcmp(k, "--listen")) ok = parse_addr(t, &o.listen);
		else if (!strcmp(k, "--peer")) ok = parse_addr(t, &o.peer);
		else if (!strcmp(k, "--name")) o.name = t;
		else if (!strcmp(k, "--out")) o.out = t;
		else if (!strcmp(k, "--proto")) { o.proto = t; ok = !strcmp(t, "tcp") || !strcmp(t, "udp") || !strcmp(t, "icmp"); }
		else if (!strcmp(k, "--tcp")) { if ((ok = number(t, 1, 65535, &v) && o.tcp_count < MAX_PORTS)) o.tcp[o.tcp_count++] = (uint16_t)v; }
		else if (!strcmp(k, "--udp")) { if ((ok = number(t, 1, 65535, &v) && o.udp_count < MAX_PORTS)) o.udp[o.udp_count++] = (uint16_t)v; }
		else if (!strcmp(k, "--pps")) ok = number(t, 0.001, 1e7, &o.pps);
		else if (!strcmp(k, "--cps")) ok = number(t, 0.001, 1e6, &o.cps);
		else if (!strcmp(k, "--seconds")) ok = number(t, 0, 1e6, &o.seconds);
		else if (!strcmp(k, "--size")) { ok = number(t, 1, 1 << 20, &v); o.size = (uint32_t)v; }
		else if (!strcmp(k, "--flow")) { ok = number(t, 0, 4294967295.0, &v); o.flow = (uint32_t)v; }
		else if (!strcmp(k, "--flows")) { ok = number(t, 1, 4096, &v); o.flows = (uint32_t)v; }
		else if (!strcmp(k, "--connections")) { ok = number(t, 1, 100000, &v); o.connections = (uint32_t)v; }
		else if (!strcmp(k, "--interval-us")) { ok = number(t, 0, 1e9, &v); o.interval_us = (uint32_t)v; }
		else if (!strcmp(k, "--timeout-ms") || !strcmp(k, "--timeout")) { ok = number(t, 1, 3.6e6, &v); o.timeout_ms = (uint32_t)v; }
		else if (!strcmp(k, "--wait-ms")) { ok = number(t, 1, 3.6e6, &v); o.wait_ms = (uint32_t)v; }
		else if (!strcmp(k, "--count")) { ok = number(t, 1, 1e6, &v); o.count = (uint32_t)v; }
		else return usage("unknown option", k);
		if (!ok)
			return usage("bad value for", k);
	}
	if (!o.name) {
		FILE *f = fopen("/proc/sys/kernel/hostname", "r");
		if (f && fgets(host, sizeof host, f))
			host[strcspn(host, "\n")] = 0;
		if (f)
			fclose(f);
		o.name = host;
	}
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}

	bool timed = o.seconds >= 0;
	if (!strcmp(mode, "serve"))
		return o.tcp_count + o.udp_count ? serve(&o) : usage("serve needs --tcp or --udp", NULL);
	if (!strcmp(mode, "udp-recv"))
		return o.listen.set ? udp_recv(&o) : usage("udp-recv needs --listen", NULL);
	if (!strcmp(mode, "udp-send") || !strcmp(mode, "udp-duplex")) {
		bool duplex = mode[4] == 'd';
		if (duplex ? !o.peer.set && !o.listen.set : !o.to.set)
			return usage(mode, duplex ? "needs --peer or --listen" : "needs --to");
		if (o.pps <= 0 || (!timed && (!duplex || o.peer.set)))
			return usage(mode, "needs --pps, and --seconds or --until-signal");
		if (o.size < 32 || o.size > 65507)
			return usage("--size of a datagram is 32 to 65507", NULL);
		return duplex ? udp_duplex(&o) : udp_send(&o);
	}
	if (!strcmp(mode, "tcp-rr") || !strcmp(mode, "tcp-crr")) {
		bool crr = mode[4] == 'c';
		if (!o.to.set || !timed || (!crr && !o.connections))
			return usage(mode, crr ? "needs --to, and --seconds or --until-signal" : "needs --to, --connections, and --seconds or --until-signal");
		if (!o.connections)
			o.connections = o.cps > 0 ? 64 : 1;
		if (!o.timeout_ms)
			o.timeout_ms = 3000;
		if (o.server_closes && o.size < 8)
			o.size = 8;
		return crr ? tcp_crr(&o) : tcp_rr(&o);
	}
	if (!strcmp(mode, "probe")) {
		if (!o.to.set)
			return usage("probe needs --to", NULL);
		if (!o.timeout_ms)
			o.timeout_ms = 1000;
		return probe(&o);
	}
	return usage(*mode ? "unknown mode" : "needs a mode", *mode ? mode : NULL);
}
