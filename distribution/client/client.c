/*
 * patchbay, patchbay-cni: the two executables that talk to a running agent.
 *
 * One static program; it behaves as the CNI plugin when it is called patchbay-cni, else as the command line. It
 * hands over what it was given (arguments, environment, standard input) and plays back what the agent answers, so
 * that neither a command nor a pod pays for the start of a Java machine. docs/agent-protocol.md has the frames, the
 * choice of the socket and the queue of deletions; the two must agree.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PROTOCOL_VERSION 1
#define FRAME_MAX (1u << 20)        /* longest payload either side may send */
#define CHUNK 65536u                /* standard input is cut into pieces of at most this */
#define CNI_STDIN_MAX (16u << 20)
#define CONNECT_MS 2000
#define CNI_MS 60000
#define DEFAULT_RUN "/run/patchbay"
#define DEFAULT_LAB "lab"
#define SOCKET_NAME "agent.sock"
#define QUEUE_NAME "cni-del"

extern char **environ;

/* ---- growing buffer ---------------------------------------------------------------------------------------- */

struct buf {
	char *data;
	size_t len, off, cap;
};

static void buf_add(struct buf *b, const void *p, size_t n)
{
	if (b->off && b->off == b->len)
		b->off = b->len = 0;
	if (b->len + n > b->cap) {
		size_t cap = b->cap ? b->cap : 4096;
		while (cap < b->len + n)
			cap *= 2;
		b->data = realloc(b->data, cap);
		if (!b->data) {
			static const char m[] = "patchbay: out of memory\n";
			(void)!write(2, m, sizeof m - 1);
			exit(1);
		}
		b->cap = cap;
	}
	memcpy(b->data + b->len, p, n);
	b->len += n;
}

static size_t buf_left(const struct buf *b) { return b->len - b->off; }

/* ---- terminal and signals ---------------------------------------------------------------------------------- */

static struct termios tty_before;
static volatile sig_atomic_t tty_is_raw;
static volatile sig_atomic_t got_winch, got_int, got_end;
static int wake[2] = { -1, -1 };

static void tty_restore(void)
{
	if (tty_is_raw) {
		tcsetattr(0, TCSADRAIN, &tty_before);
		tty_is_raw = 0;
	}
}

static void tty_mode(int raw)
{
	struct termios t;

	if (!raw) {
		tty_restore();
		return;
	}
	if (tty_is_raw || !isatty(0) || tcgetattr(0, &tty_before))
		return;
	t = tty_before;
	cfmakeraw(&t);
	if (!tcsetattr(0, TCSADRAIN, &t))
		tty_is_raw = 1;
}

static void on_signal(int sig)
{
	int saved = errno;

	if (sig == SIGWINCH)
		got_winch = 1;
	else if (sig == SIGINT)
		got_int++;
	else
		got_end = sig;
	(void)!write(wake[1], "", 1);
	errno = saved;
}

/* Ends by the signal's default action, so that a shell sees the true cause; the terminal is put back first. */
static void die_of(int sig)
{
	sigset_t set;

	tty_restore();
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
	_exit(128 + sig);
}

static void check_fatal_signals(void)
{
	if (got_end)
		die_of(got_end);
	if (got_int > 1) {
		tty_restore();
		_exit(130);
	}
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	static const int sigs[] = { SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT };

	if (pipe2(wake, O_NONBLOCK | O_CLOEXEC))
		exit(1);
	for (size_t i = 0; i < sizeof sigs / sizeof *sigs; i++) {
		struct sigaction before;
		/* what the parent told us to ignore stays ignored (nohup, background jobs) */
		if (!sigaction(sigs[i], NULL, &before) && before.sa_handler == SIG_IGN)
			continue;
		sigaction(sigs[i], &sa, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	atexit(tty_restore);
}

static void write_out(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);
		if (w < 0) {
			if (errno == EINTR) {
				check_fatal_signals();
				continue;
			}
			if (errno == EAGAIN) { /* a descriptor that our parent made non-blocking */
				struct pollfd f = { fd, POLLOUT, 0 };
				poll(&f, 1, -1);
				check_fatal_signals();
				continue;
			}
			if (errno == EPIPE)
				die_of(SIGPIPE);
			tty_restore();
			_exit(1);
		}
		p += w;
		n -= (size_t)w;
	}
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- frames ------------------------------------------------------------------------------------------------ */

static void put_frame(struct buf *b, char type, const void *p, size_t n)
{
	unsigned char h[5] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8),
			       (unsigned char)n, (unsigned char)type };
	buf_add(b, h, sizeof h);
	buf_add(b, p, n);
}

static void put_string(struct buf *b, char type, const char *s) { put_frame(b, type, s, strlen(s)); }

static void put_window(struct buf *b)
{
	struct winsize w;

	if (ioctl(1, TIOCGWINSZ, &w) && ioctl(0, TIOCGWINSZ, &w))
		return;
	unsigned char p[4] = { (unsigned char)(w.ws_row >> 8), (unsigned char)w.ws_row,
			       (unsigned char)(w.ws_col >> 8), (unsigned char)w.ws_col };
	put_frame(b, 'W', p, sizeof p);
}

/* ---- socket ------------------------------------------------------------------------------------------------ */

/*
 * Connects within CONNECT_MS; -1 with errno otherwise. A path too long for sockaddr_un is reached through the
 * directory's descriptor.
 */
static int agent_connect(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int dir = -1, fd, saved;
	int64_t until = now_ms() + CONNECT_MS;

	if (strlen(path) < sizeof a.sun_path) {
		strcpy(a.sun_path, path);
	} else {
		char parent[PATH_MAX];
		const char *slash = strrchr(path, '/');
		if (!slash || (size_t)(slash - path) >= sizeof parent) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(parent, path, (size_t)(slash - path));
		parent[slash - path] = 0;
		dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			return -1;
		if (snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/%s", dir, slash + 1) >=
		    (int)sizeof a.sun_path) {
			close(dir);
			errno = ENAMETOOLONG;
			return -1;
		}
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	while (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a)) {
		/* a full backlog answers EAGAIN at once: the agent is there, but busy */
		if ((errno != EAGAIN && errno != EINTR) || now_ms() >= until) {
			saved = errno == EAGAIN ? ETIMEDOUT : errno;
			close(fd);
			fd = -1;
			errno = saved;
			break;
		}
		check_fatal_signals();
		nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
	}
	saved = errno;
	if (dir >= 0)
		close(dir);
	errno = saved;
	return fd;
}

enum outcome { ANSWERED, AWAY, LOST, TIMED_OUT, BROKEN };

struct session {
	const char *path;
	struct buf out;           /* frames still to be sent */
	struct buf *keep_stdout;  /* not NULL: standard output is held back until the exit status has come */
	bool stdin_wanted;
	int64_t deadline;         /* CLOCK_MONOTONIC ms, 0 = none */
	int status;
	char why[128];
};

/* Returns false when the session is over. */
static bool take_frame(struct session *s, char type, const char *p, size_t n)
{
	switch (type) {
	case 'O':
		if (s->keep_stdout)
			buf_add(s->keep_stdout, p, n);
		else
			write_out(1, p, n);
		return true;
	case 'R':
		write_out(2, p, n);
		return true;
	case 'N':
		s->stdin_wanted = true;
		return true;
	case 'T':
		tty_mode(n > 0 && p[0] != 0);
		return true;
	case 'X':
		s->status = n > 0 ? (unsigned char)p[0] : 1;
		return false;
	default: /* a newer agent's extra */
		return true;
	}
}

static enum outcome converse(struct session *s)
{
	struct buf in = { 0 };
	bool stdin_open = true, hung_up = false;
	int ints_sent = 0;
	int fd = agent_connect(s->path);

	if (fd < 0) {
		snprintf(s->why, sizeof s->why, "%s", strerror(errno));
		return AWAY;
	}
	for (;;) {
		struct pollfd f[3] = { { fd, POLLIN, 0 }, { wake[0], POLLIN, 0 }, { -1, POLLIN, 0 } };
		int timeout = -1;

		if (buf_left(&s->out) && !hung_up)
			f[0].events |= POLLOUT;
		/* more input only when the earlier one has gone: nothing piles up, and neither side waits for the other */
		if (s->stdin_wanted && stdin_open && !buf_left(&s->out))
			f[2].fd = 0;
		if (s->deadline) {
			int64_t left = s->deadline - now_ms();
			if (left <= 0) {
				close(fd);
				return TIMED_OUT;
			}
			timeout = (int)left;
		}
		if (poll(f, 3, timeout) < 0 && errno != EINTR) {
			snprintf(s->why, sizeof s->why, "poll: %s", strerror(errno));
			return BROKEN;
		}
		if (f[1].revents & POLLIN) {
			char drop[64];
			while (read(wake[0], drop, sizeof drop) > 0)
				;
		}
		check_fatal_signals();
		if (got_int > ints_sent) {
			ints_sent = 1;
			put_frame(&s->out, 'G', "\002", 1);
		}
		if (got_winch) {
			got_winch = 0;
			put_window(&s->out);
		}
		if (f[2].revents) {
			char chunk[CHUNK];
			ssize_t n = read(0, chunk, sizeof chunk);
			if (n > 0) {
				put_frame(&s->out, 'I', chunk, (size_t)n);
			} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
				stdin_open = false;
				put_frame(&s->out, 'Z', "", 0);
			}
		}
		if (f[0].revents & (POLLIN | POLLHUP | POLLERR)) {
			char chunk[CHUNK];
			ssize_t n = recv(fd, chunk, sizeof chunk, 0);
			if (n > 0) {
				buf_add(&in, chunk, (size_t)n);
				while (buf_left(&in) >= 5) {
					const unsigned char *h = (unsigned char *)in.data + in.off;
					uint32_t len = (uint32_t)h[0] << 24 | (uint32_t)h[1] << 16 |
						       (uint32_t)h[2] << 8 | h[3];
					if (len > FRAME_MAX) {
						snprintf(s->why, sizeof s->why, "frame of %u bytes", len);
						close(fd);
						return BROKEN;
					}
					if (buf_left(&in) < 5 + (size_t)len)
						break;
					in.off += 5 + (size_t)len;
					if (!take_frame(s, (char)h[4], (const char *)h + 5, len)) {
						close(fd);
						free(in.data);
						return ANSWERED;
					}
				}
			} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
				close(fd);
				return LOST;
			}
		}
		if (buf_left(&s->out) && !hung_up) {
			ssize_t n = send(fd, s->out.data + s->out.off, buf_left(&s->out), MSG_NOSIGNAL);
			if (n >= 0)
				s->out.off += (size_t)n;
			else if (errno != EINTR && errno != EAGAIN)
				hung_up = true; /* what the agent said before it hung up is still to be read */
		}
	}
}

static void put_environment(struct buf *b, const char *prefix)
{
	for (char **e = environ; *e; e++)
		if (!strncmp(*e, prefix, strlen(prefix)) && strlen(*e) <= FRAME_MAX)
			put_string(b, 'E', *e);
}

static void put_header(struct buf *b, const char *kind)
{
	unsigned char version = PROTOCOL_VERSION;

	put_frame(b, 'V', &version, 1);
	put_string(b, 'K', kind);
}

/* ---- the command line -------------------------------------------------------------------------------------- */

static int usage(FILE *to, int status)
{
	fputs("usage: patchbay [-n NODE] [--lab NAME] [--socket PATH] COMMAND [ARGUMENT...]\n"
	      "  -n NODE        the node whose agent is asked: <run>/<lab>/NODE/agent.sock\n"
	      "  --lab NAME     the lab of that node (default: $PATCHBAY_LAB, else \"lab\")\n"
	      "  --socket PATH  the agent's socket itself (default: $PATCHBAY_SOCKET)\n"
	      "  <run> is $PATCHBAY_RUN, else /run/patchbay. Without -n the node's only agent is asked, or node1 of the lab.\n"
	      "  patchbay help  lists the commands of a running agent\n",
	      to);
	return status;
}

static int wrong(const char *fmt, ...)
{
	va_list ap;

	fputs("patchbay: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 2;
}

static bool plain_name(const char *s)
{
	if (!*s || *s == '.' || strlen(s) > 200)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-_.", *s))
			return false;
	return true;
}

static bool exists(const char *path) { return access(path, F_OK) == 0; }

static char *joined(const char *fmt, ...)
{
	char *s;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		exit(1);
	va_end(ap);
	return s;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The socket when nothing names it; NULL after a message when several nodes would do. */
static char *only_socket(const char *run, const char *lab)
{
	char *own = joined("%s/" SOCKET_NAME, run);
	char *dir = joined("%s/%s", run, lab);
	char *names[256];
	size_t n = 0;
	DIR *d;

	if (exists(own))
		return own;
	if ((d = opendir(dir))) {
		struct dirent *e;
		while ((e = readdir(d)) && n < sizeof names / sizeof *names) {
			if (!plain_name(e->d_name))
				continue;
			if (exists(joined("%s/%s/" SOCKET_NAME, dir, e->d_name)))
				names[n++] = joined("%s", e->d_name);
		}
		closedir(d);
	}
	if (n == 0)
		return own;
	qsort(names, n, sizeof *names, by_name);
	if (n > 1) {
		for (size_t i = 0; i < n; i++)
			if (!strcmp(names[i], "node1"))
				return joined("%s/node1/" SOCKET_NAME, dir);
		fprintf(stderr, "patchbay: %zu nodes run here; name one with -n:", n);
		for (size_t i = 0; i < n; i++)
			fprintf(stderr, " %s", names[i]);
		fputc('\n', stderr);
		return NULL;
	}
	return joined("%s/%s/" SOCKET_NAME, dir, names[0]);
}

static const char *env_or(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v && *v ? v : otherwise;
}

static int cli_main(int argc, char **argv)
{
	struct session s = { 0 };
	const char *node = NULL, *lab = env_or("PATCHBAY_LAB", DEFAULT_LAB), *socket_path = NULL;
	const char *run = env_or("PATCHBAY_RUN", DEFAULT_RUN);
	char cwd[PATH_MAX];
	int i = 1;

	/* our own options stand before the command; from there on everything belongs to the agent */
	for (; i < argc && argv[i][0] == '-'; i++) {
		const char **to = !strcmp(argv[i], "-n") || !strcmp(argv[i], "--node") ? &node :
				  !strcmp(argv[i], "--lab") ? &lab :
				  !strcmp(argv[i], "--socket") ? &socket_path : NULL;
		if (!strncmp(argv[i], "--lab=", 6)) {
			lab = argv[i] + 6;
			continue;
		}
		if (!to)
			break;
		if (++i >= argc)
			return wrong("%s needs a value", argv[i - 1]);
		*to = argv[i];
	}
	if (i < argc && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")))
		return usage(stdout, 0);
	if (i >= argc)
		return usage(stderr, 2);
	if (argv[i][0] == '-')
		return wrong("unknown option %s (patchbay --help)", argv[i]);
	if (node && !plain_name(node))
		return wrong("-n %s: not a node's name", node);
	if (!plain_name(lab))
		return wrong("--lab %s: not a lab's name", lab);

	if (socket_path)
		s.path = socket_path;
	else if (node)
		s.path = joined("%s/%s/%s/" SOCKET_NAME, run, lab, node);
	else if (*env_or("PATCHBAY_SOCKET", ""))
		s.path = getenv("PATCHBAY_SOCKET");
	else if (!(s.path = only_socket(run, lab)))
		return 2;

	put_header(&s.out, "cli");
	for (; i < argc; i++)
		put_string(&s.out, 'A', argv[i]);
	put_environment(&s.out, "TERM=");
	put_environment(&s.out, "COLUMNS=");
	put_environment(&s.out, "LINES=");
	if (getcwd(cwd, sizeof cwd)) { /* files named on the command line are relative to it */
		char *pwd = joined("PWD=%s", cwd);
		put_string(&s.out, 'E', pwd);
		free(pwd);
	}
	if (isatty(1))
		put_window(&s.out);
	put_frame(&s.out, 'S', "", 0);

	enum outcome o = converse(&s);
	tty_restore();
	switch (o) {
	case ANSWERED:
		return s.status;
	case AWAY:
		fprintf(stderr, "patchbay: no agent answers on %s: is it running? (patchbay lab status)\n", s.path);
		return 1;
	case LOST:
		fprintf(stderr, "patchbay: the agent on %s went away before it had answered; try again\n", s.path);
		return 1;
	default:
		fprintf(stderr, "patchbay: the agent on %s speaks another protocol (%s)\n", s.path, s.why);
		return 1;
	}
}

/* ---- CNI --------------------------------------------------------------------------------------------------- */

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && isspace((unsigned char)*p))
		p++;
	return p;
}

/* Past the closing quote of the string that starts at p (just behind its opening quote), or NULL. */
static const char *string_end(const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p == '\\')
			p++;
		else if (*p == '"')
			return p + 1;
	}
	return NULL;
}

/*
 * The string value of a key of the outermost object, or false. Not a parser: it follows quotes and nesting, enough
 * to find two keys when there is no agent to ask; what is odd is left to the agent to refuse.
 */
static bool scan_key(const char *p, size_t n, const char *key, char *value, size_t size)
{
	const char *end = p + n;
	int depth = 0;

	while (p < end) {
		if (*p == '{' || *p == '[') {
			depth++;
			p++;
		} else if (*p == '}' || *p == ']') {
			depth--;
			p++;
		} else if (*p == '"') {
			const char *name = p + 1, *after = string_end(name, end);
			if (!after)
				return false;
			p = skip_space(after, end);
			if (depth != 1 || p >= end || *p != ':')
				continue;
			p = skip_space(p + 1, end);
			if ((size_t)(after - 1 - name) != strlen(key) || memcmp(name, key, strlen(key)) || p >= end || *p != '"')
				continue;
			const char *v = p + 1, *vend = string_end(v, end);
			size_t k = 0;
			if (!vend)
				return false;
			for (vend--; v < vend; v++) {
				if (*v == '\\') {
					v++;
					if (*v != '"' && *v != '\\' && *v != '/')
						return false;
				}
				if (k + 1 >= size)
					return false;
				value[k++] = *v;
			}
			value[k] = 0;
			return true;
		} else {
			p++;
		}
	}
	return false;
}

static char cni_version[32] = "1.1.0";

static void print_json_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static int cni_error(int code, const char *msg, const char *details)
{
	printf("{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":", cni_version, code);
	print_json_string(stdout, msg);
	fputs(",\"details\":", stdout);
	print_json_string(stdout, details);
	fputs("}\n", stdout);
	fflush(stdout);
	return 1;
}

static int cni_versions(void)
{
	printf("{\"cniVersion\":\"%s\",\"supportedVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n", cni_version);
	return 0;
}

/* mkdir -p, 0700: the folder of the socket is root's alone. */
static int make_folders(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof part) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != 0)
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (mkdir(part, 0700) && errno != EEXIST)
			return -1;
	}
	return 0;
}

/* Leaves the deletion for the agent: complete on disk, or not there. Returns the file's path, or NULL with errno. */
static char *queue_deletion(const char *socket_path, const struct buf *conf)
{
	const char *slash = strrchr(socket_path, '/');
	char *dir = joined("%.*s/" QUEUE_NAME, slash ? (int)(slash - socket_path) : 1, slash ? socket_path : ".");
	struct buf text = { 0 };
	struct timespec t;
	char *tmp, *name, *result = NULL;
	int fd = -1, dfd = -1, saved;
	size_t done = 0;

	clock_gettime(CLOCK_REALTIME, &t);
	/* sorts by time, so that the agent replays in order */
	name = joined("%s/%020lld-%d", dir, (long long)t.tv_sec * 1000000000LL + t.tv_nsec, (int)getpid());
	tmp = joined("%s/.%020lld-%d.tmp", dir, (long long)t.tv_sec * 1000000000LL + t.tv_nsec, (int)getpid());
	for (char **e = environ; *e; e++)
		if (!strncmp(*e, "CNI_", 4)) {
			buf_add(&text, *e, strlen(*e));
			buf_add(&text, "\n", 1);
		}
	buf_add(&text, "\n", 1);
	buf_add(&text, conf->data, conf->len);

	if (make_folders(dir))
		return NULL;
	dfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (dfd < 0 || fd < 0)
		goto out;
	while (done < text.len) {
		ssize_t w = write(fd, text.data + done, text.len - done);
		if (w < 0 && errno != EINTR)
			goto out;
		if (w > 0)
			done += (size_t)w;
	}
	if (fsync(fd) || rename(tmp, name) || fsync(dfd))
		goto out;
	result = name;
out:
	saved = errno;
	if (fd >= 0)
		close(fd);
	if (dfd >= 0)
		close(dfd);
	if (!result)
		unlink(tmp);
	errno = saved;
	return result;
}

static void cni_request(struct session *s, const struct buf *conf, struct buf *answer, int64_t deadline)
{
	s->deadline = deadline;
	s->keep_stdout = answer;
	put_header(&s->out, "cni");
	put_environment(&s->out, "CNI_");
	put_frame(&s->out, 'S', "", 0);
	for (size_t off = 0; off < conf->len; off += CHUNK)
		put_frame(&s->out, 'I', conf->data + off, conf->len - off < CHUNK ? conf->len - off : CHUNK);
	put_frame(&s->out, 'Z', "", 0);
}

static int cni_main(void)
{
	struct buf conf = { 0 }, answer = { 0 };
	struct session s = { 0 };
	static char path[PATH_MAX], details[PATH_MAX + 256];
	const char *command = env_or("CNI_COMMAND", "");
	int64_t deadline = now_ms() + CNI_MS;
	char v[sizeof cni_version];
	bool del;

	buf_add(&conf, "", 0);
	for (;;) {
		char chunk[CHUNK];
		struct pollfd f = { 0, POLLIN, 0 };
		int ready = poll(&f, 1, (int)(deadline - now_ms() > 0 ? deadline - now_ms() : 0));
		if (ready == 0)
			return cni_error(5, "standard input was not closed", "the network configuration did not end within 60 s");
		ssize_t n = read(0, chunk, sizeof chunk);
		if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
			check_fatal_signals();
			continue;
		}
		if (n <= 0)
			break;
		buf_add(&conf, chunk, (size_t)n);
		if (conf.len > CNI_STDIN_MAX)
			return cni_error(6, "network configuration too long", "more than 16 MiB on standard input");
	}
	if (scan_key(conf.data, conf.len, "cniVersion", v, sizeof v) && *v && strspn(v, "0123456789.") == strlen(v))
		strcpy(cni_version, v);
	if (!scan_key(conf.data, conf.len, "agentSocket", path, sizeof path) || !*path)
		snprintf(path, sizeof path, "%s", env_or("PATCHBAY_SOCKET", DEFAULT_RUN "/" SOCKET_NAME));

	if (!strstr(" ADD DEL CHECK GC STATUS VERSION ", joined(" %s ", command)) || !*command) {
		snprintf(details, sizeof details, "CNI_COMMAND is \"%.100s\"", command);
		return cni_error(4, "CNI_COMMAND must be ADD, DEL, CHECK, GC, STATUS or VERSION", details);
	}
	del = !strcmp(command, "DEL");
	if (del)
		for (char **e = environ; *e; e++)
			if (!strncmp(*e, "CNI_", 4) && strchr(*e, '\n'))
				return cni_error(4, "a CNI_ variable contains a line feed", "such a deletion could not be queued");
	if (del && !*env_or("CNI_CONTAINERID", ""))
		return cni_error(4, "CNI_CONTAINERID is empty", "");

	s.path = path;
	cni_request(&s, &conf, &answer, deadline);
	enum outcome o = converse(&s);

	if (o == ANSWERED) {
		write_out(1, answer.data ? answer.data : "", answer.len);
		return s.status;
	}
	if (!strcmp(command, "VERSION"))
		return cni_versions();
	if (o == TIMED_OUT) {
		snprintf(details, sizeof details, "no answer from the agent on %s within %d s", path, CNI_MS / 1000);
		return cni_error(11, "the Patchbay agent did not answer in time; try again later", details);
	}
	if (o == BROKEN) {
		snprintf(details, sizeof details, "%s: %s", path, s.why);
		return cni_error(11, "the Patchbay agent speaks another protocol; try again later", details);
	}
	if (!del) {
		snprintf(details, sizeof details, o == AWAY ? "no agent answers on %s: %s" :
			 "the agent on %s went away before it had answered%s", path, o == AWAY ? s.why : "");
		return cni_error(11, "the Patchbay agent is away; try again later", details);
	}
	char *queued = queue_deletion(path, &conf);
	if (!queued) {
		snprintf(details, sizeof details, "queue beside %s: %s", path, strerror(errno));
		return cni_error(5, "the agent is away and the deletion could not be queued", details);
	}
	/* The agent may have drained its queue just before our file was there: ask once more. A deletion done twice is fine. */
	struct session again = { .path = path };
	struct buf second = { 0 };
	cni_request(&again, &conf, &second, deadline);
	if (converse(&again) == ANSWERED && again.status == 0)
		unlink(queued);
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;

	name = name ? name + 1 : argc > 0 ? argv[0] : "patchbay";
	catch_signals();
	return !strcmp(name, "patchbay-cni") ? cni_main() : cli_main(argc, argv);
}
