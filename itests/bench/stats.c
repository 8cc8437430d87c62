/* Medians, ratios of the same round, and how sure they are. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CASES 64
#define MAX_ROUNDS 1024
#define RESAMPLES 4000

static struct { char name[96]; double value[MAX_ROUNDS]; } *cases;
static int used;

static int find(const char *name)
{
	for (int i = 0; i < used; i++)
		if (!strcmp(cases[i].name, name))
			return i;
	if (used == MAX_CASES)
		fail("more than %d cases", MAX_CASES);
	snprintf(cases[used].name, sizeof cases[used].name, "%s", name);
	for (int r = 0; r < MAX_ROUNDS; r++)
		cases[used].value[r] = NAN;
	return used++;
}

/* A generator of its own: the same input gives the same table. */
static uint32_t pick(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((*state >> 33) % below);
}

int stats(int argc, char **argv)
{
	char name[96];
	int round;
	double v;

	if (argc < 1)
		fail("stats needs the case to compare with");
	cases = calloc(MAX_CASES, sizeof *cases);
	while (scanf(" %95[^\t]\t%d\t%lf", name, &round, &v) == 3) {
		if (round < 0 || round >= MAX_ROUNDS)
			fail("round %d", round);
		cases[find(name)].value[round] = v;
	}
	int base = find(argv[0]);
	printf("| | rounds | median%s%s | ratio | 90 %% |\n|---|---|---|---|---|\n", argc > 1 ? ", " : "", argc > 1 ? argv[1] : "");
	for (int c = 0; c < used; c++) {
		static double all[MAX_ROUNDS], ratio[MAX_ROUNDS], sample[MAX_ROUNDS], medians[RESAMPLES];
		size_t n = 0, m = 0;
		for (int r = 0; r < MAX_ROUNDS; r++) {
			double x = cases[c].value[r], b = cases[base].value[r];
			if (!isnan(x))
				all[n++] = x;
			if (!isnan(x) && !isnan(b) && b > 0)
				ratio[m++] = x / b;
		}
		if (!n)
			continue;
		printf("| %s | %zu | %.*f | ", cases[c].name, n, quantile(all, n, .5) < 100 ? 1 : 0, quantile(all, n, .5));
		if (c == base || m < 3) {
			puts(c == base ? "1 | |" : "| |");
			continue;
		}
		uint64_t state = 1;
		for (int k = 0; k < RESAMPLES; k++) {
			for (size_t i = 0; i < m; i++)
				sample[i] = ratio[pick(&state, (uint32_t)m)];
			medians[k] = quantile(sample, m, .5);
		}
		double low = quantile(medians, RESAMPLES, .05), high = quantile(medians, RESAMPLES, .95);
		printf("%.2f | %.2f-%.2f |\n", quantile(ratio, m, .5), low, high);
	}
	return 0;
}

/* Least squares of the rounds' ratios over N; whether N matters at all is what its interval says. */
int slope(int argc, char **argv)
{
	enum { SIZES = 16, ROUNDS = 128 };
	static double base[SIZES][ROUNDS], mine[SIZES][ROUNDS], ratio[SIZES][ROUNDS], slopes[RESAMPLES];
	double at[SIZES], v, n;
	int sizes = 0, count[SIZES] = {0}, round;
	char name[96];

	if (argc < 2)
		fail("slope needs the case to compare with and the case");
	for (int i = 0; i < SIZES; i++)
		for (int r = 0; r < ROUNDS; r++)
			base[i][r] = mine[i][r] = NAN;
	while (scanf("%lf\t%95[^\t]\t%d\t%lf", &n, name, &round, &v) == 4) {
		int i = 0;
		while (i < sizes && at[i] != n)
			i++;
		if (i == SIZES || round < 0 || round >= ROUNDS)
			fail("more than %d sizes or %d rounds", SIZES, ROUNDS);
		if (i == sizes)
			at[sizes++] = n;
		if (!strcmp(name, argv[0]))
			base[i][round] = v;
		else if (!strcmp(name, argv[1]))
			mine[i][round] = v;
	}
	for (int i = 0; i < sizes; i++)
		for (int r = 0; r < ROUNDS; r++)
			if (!isnan(base[i][r]) && !isnan(mine[i][r]) && base[i][r] > 0)
				ratio[i][count[i]++] = mine[i][r] / base[i][r];
	uint64_t state = 1;
	double found = 0;
	for (int k = -1; k < RESAMPLES; k++) {
		double sx = 0, sy = 0, sxx = 0, sxy = 0, m = 0;
		for (int i = 0; i < sizes; i++)
			for (int r = 0; r < count[i]; r++) {
				/* resampled within each size; the first time as it is */
				double x = at[i] / 10000, y = ratio[i][k < 0 ? (uint32_t)r : pick(&state, (uint32_t)count[i])];
				sx += x, sy += y, sxx += x * x, sxy += x * y, m++;
			}
		if (m < 3 || m * sxx == sx * sx)
			fail("not enough rounds or sizes for a slope");
		double s = (m * sxy - sx * sy) / (m * sxx - sx * sx);
		if (k < 0)
			found = s;
		else
			slopes[k] = s;
	}
	printf("%.4f %.4f %.4f\n", found, quantile(slopes, RESAMPLES, .05), quantile(slopes, RESAMPLES, .95));
	return 0;
}

int quantiles(int argc, char **argv)
{
	size_t n = 0, room = 1024;
	double *v = malloc(room * sizeof *v), x;

	(void)argc;
	(void)argv;
	while (scanf("%lf", &x) == 1) {
		if (n == room)
			v = realloc(v, (room *= 2) * sizeof *v);
		v[n++] = x;
	}
	if (!n)
		fail("no numbers");
	double p50 = quantile(v, n, .5), p90 = quantile(v, n, .9), p99 = quantile(v, n, .99);
	printf("%zu %.2f %.2f %.2f %.2f\n", n, p50, p90, p99, v[n - 1]);
	return 0;
}
