/*
 * pb-bench: what `patchbay bench` measures with and counts with, beside pb-traffic. pb-bench --help documents every mode.
 */
#include "bench.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char help[] =
"usage: pb-bench MODE [OPTION...]\n"
"\n"
"stats BASE [UNIT]\n"
"    Standard input: lines CASE<TAB>ROUND<TAB>VALUE. A Markdown table, a row for each case in order of appearance: the median, and the\n"
"    median of the ratios to BASE of the same round with its 90 % interval (bootstrap of the rounds, 4000 times).\n"
"slope BASE CASE\n"
"    Standard input: lines N<TAB>CASE<TAB>ROUND<TAB>VALUE. One line: by how much the ratio of CASE to BASE changes when N grows by 10 000\n"
"    (least squares over all rounds), and its 90 % interval.\n"
"quantiles\n"
"    Standard input: one number a line. One line: count, p50, p90, p99, highest.\n"
"testrun --prog PIN --ifindex N --frame HEX [--prepare HEX@IFINDEX]... [--repeat N] [--rounds N]\n"
"    ns of one run of the program and all that it tail-calls, on a frame of which every run sees an untouched copy of the first 36\n"
"    bytes; less what the copying costs. --prepare: frames that are run once before, such as the others of a handshake.\n"
"burst --count N --parallel P [--env NAME=VALUE]... [--stdin FILE] -- COMMAND...\n"
"    Runs COMMAND N times, at most P at once; {} in environment and arguments is the run's number, from 0. Each run's milliseconds from\n"
"    fork to exit on standard output, one a line; a run that fails is shown on standard error, and the exit status is 1.\n"
"until SECONDS -- COMMAND...\n"
"    Runs COMMAND again and again, 5 ms apart, until it succeeds; prints the milliseconds this took. Exit status 1 when it never did.\n";

void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("pb-bench: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double quantile(double *values, size_t n, double q)
{
	if (!n)
		return NAN;
	qsort(values, n, sizeof *values, ascending);
	if (q == 0.5 && n % 2 == 0)
		return (values[n / 2 - 1] + values[n / 2]) / 2;
	size_t rank = (size_t)ceil(q * (double)n);
	return values[rank ? rank - 1 : 0];
}

int main(int argc, char **argv)
{
	static const struct { const char *name; int (*run)(int, char **); } modes[] = {
		{ "stats", stats }, { "slope", slope }, { "quantiles", quantiles }, { "testrun", testrun }, { "burst", burst }, { "until", until },
	};

	for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof *modes; i++)
		if (!strcmp(argv[1], modes[i].name))
			return modes[i].run(argc - 2, argv + 2);
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(help, stdout);
		return 0;
	}
	fputs("pb-bench: needs a mode (pb-bench --help)\n", stderr);
	return 2;
}
