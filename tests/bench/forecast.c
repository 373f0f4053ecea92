/*
 * How often a forecast warns for nothing and how early it warns rightly: families of made-up disks, each
 * looked at every 6 hours of its life as the daemon would, and series that were recorded (files of "SECONDS
 * VALUE LIMIT" lines where the value changed, on the command line), looked at every hour.  Prints one JSON object a family.
 */
#include "history/forecast.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DAYS    40
#define STEP    300
#define N       (DAYS * 86400 / STEP)
#define LOOK    (6 * 3600 / STEP) /* samples between two looks */
#define HORIZON (7 * 86400.0)     /* warned below */
#define RIGHT   2.0               /* full within so many times the horizon: the warning was right */

static uint64_t seed;

static double
dice(void)
{
	seed = seed * 6364136223846793005U + 1442695040888963407U;
	return (double)(seed >> 11) / 9007199254740992.0;
}

static double
normal(void)
{
	double sum = 0;

	for (unsigned i = 0; i < 12; i++)
		sum += dice();
	return sum - 6;
}

/* ---- families: the share that is used; the limit is 1 ---- */

struct made {
	double a, b, c, d, walk;
};
typedef double (*family_fn)(struct made *, double day, size_t i);

static double
flat(struct made *m, double day, size_t i)
{
	(void)day;
	(void)i;
	return 0.3 + 0.6 * m->a + 0.01 * normal();
}

static double
daily(struct made *m, double day, size_t i)
{
	(void)i;
	return 0.3 + 0.3 * m->a + (0.05 + 0.25 * m->b) * sin(2 * M_PI * (day + m->c)) +
	       0.005 * normal();
}

static double
weekly(struct made *m, double day, size_t i)
{
	double phase = fmod(day + 7 * m->c, 7);

	(void)i;
	return 0.3 + 0.2 * m->a + (phase < 5 ? 0.2 * sin(2 * M_PI * day) * m->b + 0.1 : 0) +
	       0.005 * normal();
}

static double
rotated(struct made *m, double day, size_t i)
{
	double period = 1 + 6 * m->b; /* days */

	(void)i;
	return 0.3 + 0.2 * m->a + 0.4 * fmod(day + 7 * m->c, period) / period + 0.003 * normal();
}

/* A backup that is written in two hours of the night and removed before the next. */
static double
nightly(struct made *m, double day, size_t i)
{
	double hour = fmod(day + m->c, 1) * 24;

	(void)i;
	return 0.3 + 0.2 * m->a +
	       0.3 * (hour < 2       ? hour / 2
	                 : hour < 20 ? 1
	                             : 0) +
	       0.003 * normal();
}

static double
walk(struct made *m, double day, size_t i)
{
	(void)day;
	(void)i;
	m->walk += 0.0008 * normal();
	m->walk = fmin(fmax(m->walk, -0.4), 0.4);
	return 0.5 + m->walk;
}

static double
step(struct made *m, double day, size_t i)
{
	(void)i;
	return 0.2 + 0.2 * m->a + (day > 5 + 30 * m->c ? 0.3 : 0) + 0.003 * normal();
}

/* A load of some hours, which stays. */
static double
load(struct made *m, double day, size_t i)
{
	double since = (day - 5 - 30 * m->c) * 24 / (1 + 4 * m->b);

	(void)i;
	return 0.3 + 0.1 * m->a + 0.3 * fmin(fmax(since, 0), 1) + 0.003 * normal();
}

static double
stopped(struct made *m, double day, size_t i)
{
	(void)i;
	return 0.2 + 0.02 * fmin(day, 15 + 10 * m->a) + 0.003 * normal();
}

static double
linear(struct made *m, double day, size_t i)
{
	(void)i;
	return 0.1 + day * (0.9 / (20 + 18 * m->a)) + 0.005 * normal();
}

static double
linear_daily(struct made *m, double day, size_t i)
{
	return linear(m, day, i) + 0.05 * m->b * sin(2 * M_PI * (day + m->c));
}

static double
after_jump(struct made *m, double day, size_t i)
{
	(void)i;
	return 0.1 + (day > 10 ? 0.2 : 0) + day * (0.7 / (20 + 18 * m->a)) + 0.003 * normal();
}

static double
after_purge(struct made *m, double day, size_t i)
{
	(void)i;
	return 0.2 + day * (0.9 / (15 + 5 * m->a)) - (day > 10 ? 0.35 : 0) + 0.003 * normal();
}

static double
accelerating(struct made *m, double day, size_t i)
{
	double end = 25 + 14 * m->a;

	(void)i;
	return 0.3 + 0.7 * pow(day / end, 4) + 0.003 * normal();
}

/* Flat for weeks, then full within a day or two: a slot that nobody reads. */
static double
leak(struct made *m, double day, size_t i)
{
	double from = 15 + 15 * m->a, over = 0.75 + 1.5 * m->b;

	(void)i;
	return 0.4 + (day > from ? 0.6 * (day - from) / over : 0) + 0.003 * normal();
}

/* The same in the first week that is seen of it. */
static double
early_leak(struct made *m, double day, size_t i)
{
	double from = 2 + 4 * m->a, over = 0.75 + 1.5 * m->b;

	(void)i;
	return 0.4 + (day > from ? 0.6 * (day - from) / over : 0) + 0.003 * normal();
}

/* Of a month one such rotation is seen at most twice. */
static double
long_rotated(struct made *m, double day, size_t i)
{
	double period = 10 + 20 * m->b;

	(void)i;
	return 0.3 + 0.2 * m->a + 0.4 * fmod(day + 30 * m->c, period) / period + 0.003 * normal();
}

static const struct {
	const char *name;
	family_fn of;
} families[] = { { "flat", flat }, { "daily season", daily }, { "weekly season", weekly },
	{ "rotation, 1 to 7 days", rotated }, { "nightly backup", nightly },
	{ "random walk", walk }, { "step", step }, { "load of 1 to 5 h", load },
	{ "growth that stopped", stopped }, { "linear", linear },
	{ "linear with a season", linear_daily }, { "linear after a jump", after_jump },
	{ "linear after a purge", after_purge }, { "accelerating", accelerating },
	{ "leak, full in 0.75 to 2.25 d", leak }, { "leak in the first week", early_leak },
	{ "rotation, 10 to 30 days", long_rotated } };

/* ---- one life ---- */

struct score {
	unsigned series, full, warned, missed, false_series, false_episodes;
	double days;
	double lead_s[1000];
};

static size_t
average(const double *v, size_t from, size_t to, size_t per, struct history_point *ret)
{
	size_t n = 0;

	for (from -= from % per; from + per <= to; from += per) {
		double sum = 0;

		for (size_t k = from; k < from + per; k++)
			sum += v[k];
		ret[n++] =
		    (struct history_point){ .at_s = INT64_C(1700000000) + (int64_t)from * STEP,
			    .value = sum / (double)per };
	}
	return n;
}

static double
eta_at(const double *v, size_t at, double limit)
{
	static struct history_point hours[24 * 32], fine[600];
	size_t month = (size_t)(FORECAST_PAST_S / STEP), days = (size_t)(FORECAST_FINE_S / STEP);
	size_t nh = average(v, at > month ? at - month : 0, at, 3600 / STEP, hours);
	size_t nf = average(v, at > days ? at - days : 0, at, 1, fine);
	struct forecast f;

	forecast_make(hours, nh, fine, nf, &f);
	return forecast_eta(&f, v[at - 1], limit, NULL);
}

static void
live(const double *v, size_t n, double limit, double horizon, size_t look, struct score *s)
{
	size_t end = n, right = (size_t)(RIGHT * horizon / STEP);
	bool on = false, ever = false, wrong = false, full;

	for (size_t i = 0; i < n && end == n; i++)
		if (v[i] >= limit)
			end = i;
	full = end < n;
	for (size_t at = look; at < end; at += look) {
		bool warns = eta_at(v, at, limit) < horizon;

		s->days += (double)look * STEP / 86400;
		if (warns && !on) {
			if (!full || end - at > right) {
				/* what is made ends: who knows whether it would have been full */
				if (full || n - at > right) {
					s->false_episodes++;
					wrong = true;
				}
			} else if (!ever) {
				ever = true;
				s->lead_s[s->warned++] = (double)(end - at) * STEP;
			}
		}
		on = warns;
	}
	s->series++;
	s->full += full;
	s->missed += full && !ever;
	s->false_series += wrong;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
print(const char *name, struct score *s, bool last)
{
	qsort(s->lead_s, s->warned, sizeof(double), by_value);
	printf(" {\"family\":\"%s\",\"series\":%u,\"days\":%.0f,\"full\":%u,\"missed\":%u,"
	       "\"false_series\":%u,\"false_episodes\":%u",
	    name, s->series, s->days, s->full, s->missed, s->false_series, s->false_episodes);
	if (s->warned > 0)
		printf(",\"lead_h\":[%.1f,%.1f,%.1f]", s->lead_s[0] / 3600,
		    s->lead_s[s->warned / 2] / 3600, s->lead_s[s->warned - 1] / 3600);
	printf("}%s\n", last ? "" : ",");
	fflush(stdout);
}

/* ---- recorded ---- */

/* A value holds until the next line. */
static bool
read_recorded(const char *path, double *v, size_t *ret_n, double *ret_limit)
{
	FILE *f = fopen(path, "re");
	size_t n = 0;
	double at, value, limit = NAN, begin = NAN;

	if (!f)
		return false;
	while (fscanf(f, "%lf %lf %lf", &at, &value, &limit) == 3) {
		begin = n == 0 ? at : begin;
		if (!(at >= begin && (at - begin) / STEP < N))
			break;
		for (; n > 0 && n < (size_t)((at - begin) / STEP); n++)
			v[n] = v[n - 1];
		n = (size_t)((at - begin) / STEP);
		v[n++] = value;
	}
	fclose(f);
	*ret_n = n;
	*ret_limit = limit;
	return n > 0;
}

int
main(int argc, char **argv)
{
	static double v[N];
	unsigned lives = argc > 1 ? (unsigned)atoi(argv[1]) : 12;

	printf("[\n");
	for (size_t k = 0; k < ARRAY_SIZE(families); k++) {
		struct score s = { 0 };

		for (unsigned i = 0; i < MIN(lives, 1000u); i++) {
			struct made m = { 0 };

			seed = 1000 * k + i + 1;
			for (unsigned j = 0; j < 20; j++)
				dice();
			m.a = dice();
			m.b = dice();
			m.c = dice();
			m.d = dice();
			for (size_t j = 0; j < N; j++)
				v[j] = families[k].of(&m, (double)j * STEP / 86400, j);
			live(v, N, 1, HORIZON, LOOK, &s);
		}
		print(families[k].name, &s, k + 1 == ARRAY_SIZE(families) && argc <= 2);
	}
	for (int i = 2; i < argc; i++) {
		struct score s = { 0 };
		const char *name = strrchr(argv[i], '/');
		size_t n;
		double limit;

		if (!read_recorded(argv[i], v, &n, &limit)) {
			fprintf(stderr, "forecast: %s: nothing to read\n", argv[i]);
			return 1;
		}
		live(v, n, limit, HORIZON, LOOK / 6, &s);
		print(name ? name + 1 : argv[i], &s, i + 1 == argc);
	}
	printf("]\n");
	return 0;
}
