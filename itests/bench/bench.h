/* What the modes of pb-bench share. */
#ifndef PB_BENCH_H
#define PB_BENCH_H

#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>

void fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint64_t now_ns(void); /* CLOCK_MONOTONIC */
double quantile(double *values, size_t n, double q); /* sorts; nearest rank */

int stats(int argc, char **argv);
int slope(int argc, char **argv);
int quantiles(int argc, char **argv);
int testrun(int argc, char **argv);
int burst(int argc, char **argv);
int until(int argc, char **argv);

#endif
