/* Processes started and waited for: how long each takes. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every {} becomes the number; the caller's process ends soon, nothing is freed. */
static char *numbered(const char *text, int number)
{
	size_t room = strlen(text) * 8 + 16, at = 0;
	char *out = malloc(room);

	for (const char *p = text; *p;) {
		if (p[0] == '{' && p[1] == '}') {
			at += (size_t)snprintf(out + at, room - at, "%d", number);
			p += 2;
		} else {
			out[at++] = *p++;
		}
	}
	out[at] = 0;
	return out;
}

static pid_t start(char **command, char **env, int envs, const char *in, FILE *out, int number)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	for (int i = 0; i < envs; i++)
		putenv(numbered(env[i], number));
	int argc = 0;
	while (command[argc])
		argc++;
	char **args = calloc((size_t)argc + 1, sizeof *args);
	for (int i = 0; i < argc; i++)
		args[i] = numbered(command[i], number);
	int fd = open(in ? in : "/dev/null", O_RDONLY);
	if (fd < 0 || dup2(fd, 0) < 0 || dup2(fileno(out), 1) < 0 || dup2(1, 2) < 0)
		_exit(126);
	execvp(args[0], args);
	_exit(127);
}

int burst(int argc, char **argv)
{
	int count = 0, parallel = 1, envs = 0, i, failed = 0, begun = 0, open_runs = 0;
	char *env[64];
	const char *in = NULL;

	for (i = 0; i < argc && strcmp(argv[i], "--"); i += 2) {
		if (i + 1 >= argc)
			fail("burst: %s needs a value", argv[i]);
		if (!strcmp(argv[i], "--count")) count = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--parallel")) parallel = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--stdin")) in = argv[i + 1];
		else if (!strcmp(argv[i], "--env") && envs < 64) env[envs++] = argv[i + 1];
		else fail("burst: unknown option %s", argv[i]);
	}
	if (++i >= argc || count < 1 || parallel < 1)
		fail("burst needs --count, --parallel and a command");
	struct run { pid_t pid; uint64_t begun; FILE *out; } *runs = calloc((size_t)count, sizeof *runs);
	while (begun < count || open_runs) {
		while (begun < count && open_runs < parallel) {
			struct run *r = &runs[begun];
			r->out = tmpfile();
			r->begun = now_ns();
			r->pid = start(argv + i, env, envs, in, r->out, begun);
			begun++;
			open_runs++;
		}
		int status;
		pid_t pid = wait(&status);
		uint64_t now = now_ns();
		for (int k = 0; k < begun; k++) {
			if (runs[k].pid != pid)
				continue;
			open_runs--;
			printf("%.3f\n", (double)(now - runs[k].begun) / 1e6);
			if (!WIFEXITED(status) || WEXITSTATUS(status)) {
				char line[512];
				rewind(runs[k].out);
				if (failed++ < 3)
					fprintf(stderr, "run %d failed:\n", k);
				while (failed <= 3 && fgets(line, sizeof line, runs[k].out))
					fputs(line, stderr);
			}
			fclose(runs[k].out);
		}
	}
	return failed ? 1 : 0;
}

int until(int argc, char **argv)
{
	if (argc < 3 || strcmp(argv[1], "--"))
		fail("until SECONDS -- COMMAND...");
	uint64_t begin = now_ns(), end = begin + (uint64_t)(atof(argv[0]) * 1e9);
	FILE *out = tmpfile();
	for (;;) {
		int status;
		pid_t pid = start(argv + 2, NULL, 0, NULL, out, 0);
		waitpid(pid, &status, 0);
		uint64_t now = now_ns();
		if (WIFEXITED(status) && !WEXITSTATUS(status)) {
			printf("%.1f\n", (double)(now - begin) / 1e6);
			return 0;
		}
		if (now >= end)
			return 1;
		usleep(5000);
	}
}
