/*
 * How often what is unusual is told falsely, how often and how soon truly: shapes of load by the minute,
 * eight weeks to learn from and four to be judged by the thresholds of the checks, with and without a
 * fault in each.  Then how long it is told what has changed for good.
 * Prints two tables.
 */
#include "base/base.h"
#include "check/check.h"
#include "history/baseline.h"
#include <math.h>
#include <stdio.h>
#include <time.h>

#define MINUTE INT64_C(60)
#define HOUR   INT64_C(3600)
#define DAY    INT64_C(86400)
/* Sunday 2026-01-18: Europe sets its clocks after two of the weeks that are judged. */
#define BEGIN  INT64_C(1768694400)
#define LEARN  56
#define JUDGE  28
#define DAYS   (LEARN + JUDGE)
#define N      (DAYS * 1440)
#define SERIES 12

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
	double u = dice();

	return sqrt(-2 * log(u > 0 ? u : 1e-12)) * cos(2 * M_PI * dice());
}

/* ---- shapes: the mean at a minute ---- */

static double
day_wave(const struct tm *tm, double low)
{
	double h = tm->tm_hour + tm->tm_min / 60.0;

	return low + (1 - low) * (0.5 - 0.5 * cos((h - 4) / 24 * 2 * M_PI));
}

static double
flat(const struct tm *tm, int64_t minute)
{
	(void)tm;
	(void)minute;
	return 100;
}

static double
office(const struct tm *tm, int64_t minute)
{
	double h = tm->tm_hour + tm->tm_min / 60.0;
	bool day = tm->tm_wday >= 1 && tm->tm_wday <= 5;
	double rise = 1 / (1 + exp(-(h - 8) * 4)), fall = 1 / (1 + exp((h - 17.5) * 4));

	(void)minute;
	return 8 + (day ? 800 * rise * fall * (fabs(h - 12.5) < 0.5 ? 0.6 : 1) : 0);
}

static double
shop(const struct tm *tm, int64_t minute)
{
	(void)minute;
	return 400 * day_wave(tm, 0.08) * (tm->tm_wday == 0 || tm->tm_wday == 6 ? 1.4 : 1);
}

static double
growing(const struct tm *tm, int64_t minute)
{
	return shop(tm, minute) * pow(1.05, (double)minute / 10080);
}

static double
jobs(const struct tm *tm, int64_t minute)
{
	double v = 60;
	int64_t day = minute / 1440;
	int late =
	    (int)(day * 7919 % 21) - 10; /* the nightly one is up to ten minutes early or late */
	int at = tm->tm_hour * 60 + tm->tm_min;

	if (tm->tm_min < 4)
		v += 300; /* each hour */
	if (at >= 120 + late && at < 165 + late)
		v += 900;
	if (tm->tm_wday == 0 && tm->tm_hour >= 4 && tm->tm_hour < 6)
		v += 1500;
	return v;
}

static double
monthly(const struct tm *tm, int64_t minute)
{
	return shop(tm, minute) + (tm->tm_mday == 1 && tm->tm_hour < 3 ? 1500 : 0);
}

static double
nearly_idle(const struct tm *tm, int64_t minute)
{
	(void)minute;
	return tm->tm_min % 15 == 0 ? 3 : 0.8;
}

/* Second Monday of the weeks that are judged: nobody comes. */
static double
holiday(const struct tm *tm, int64_t minute)
{
	return minute / 1440 == LEARN + 8 ? 8 : office(tm, minute);
}

/* Each quarter of an hour for five minutes, and little between. */
static double
bursts(const struct tm *tm, int64_t minute)
{
	(void)minute;
	return tm->tm_min % 15 < 5 ? 500 : 20;
}

/* The third and fourth week of those that are learned are holidays. */
static double
school(const struct tm *tm, int64_t minute)
{
	int64_t day = minute / 1440;

	return day >= 14 && day < 28 ? 8 + (office(tm, minute) - 8) * 0.1 : office(tm, minute);
}

struct shape {
	const char *name;
	double (*mean)(const struct tm *, int64_t minute);
	double noise, memory; /* of the logarithm: size, and how long it stays (minutes) */
};
static const struct shape shapes[] = {
	{ "flat", flat, 0.05, 5 },
	{ "office hours", office, 0.12, 10 },
	{ "shop, busy in the evening", shop, 0.12, 10 },
	{ "the same, noisy", shop, 0.4, 20 },
	{ "growing 5 % a week", growing, 0.12, 10 },
	{ "jobs each hour, night, week", jobs, 0.1, 5 },
	{ "a job on the first of a month", monthly, 0.12, 10 },
	{ "nearly idle", nearly_idle, 0.3, 5 },
	{ "office hours, a holiday", holiday, 0.12, 10 },
	/* these came after the thresholds had been chosen */
	{ "bursts of five minutes", bursts, 0.12, 10 },
	{ "office hours, after holidays", school, 0.12, 10 },
};

/* ---- faults: what is made of the value while they last ---- */

struct fault {
	const char *name;
	double factor;
	int minutes;
};
static const struct fault faults[] = {
	{ "nothing comes any more", 0, 60 },
	{ "a tenth is left", 0.1, 60 },
	{ "half is left", 0.5, 120 },
	{ "twice as much", 2, 120 },
	{ "three times", 3, 60 },
	{ "ten times", 10, 30 },
};

static struct tm clock_of[N];
static double value[N];
static struct history_point points[N];

static void
make(const struct shape *s)
{
	double noise = 0, keep = exp(-1 / s->memory);

	for (int64_t i = 0; i < N; i++) {
		double mean = s->mean(&clock_of[i], i), v;

		noise = noise * keep + s->noise * sqrt(1 - keep * keep) * normal();
		v = mean * exp(noise);
		/* a minute of them is counted */
		value[i] = fmax(0, v + sqrt(v / 60) * normal());
	}
}

/* As the history keeps it: 30 days of 5 minutes, before that hours; nothing before `since`. */
static size_t
history_at(int64_t now, int64_t since)
{
	size_t n = 0;
	int64_t fine = MAX(now - 30 * 1440, 0) / 60 * 60;

	for (int64_t i = MAX(now - 56 * 1440, since) / 60 * 60; i < now;) {
		int64_t step = i < fine ? 60 : 5;
		double sum = 0;

		for (int64_t k = 0; k < step; k++)
			sum += value[i + k];
		points[n++] = (struct history_point){ .at_s = BEGIN + i * MINUTE,
			.value = sum / (double)step };
		i += step;
	}
	return n;
}

struct judge {
	struct threshold limit, clear;
	double min_mad;
	int for_min;
};
struct verdict {
	int opened;    /* times */
	int64_t first; /* minute of the first time; -1 */
	int64_t last;  /* that it was open; -1 */
	int64_t opened_minutes;
};

/* The life of a finding: open after `for`, resolved after as long without. */
static struct verdict
judge(const struct judge *j, const struct baseline_hour *hours, const double *factor)
{
	struct verdict r = { .first = -1, .last = -1 };
	int bad = 0, good = 0;
	bool open = false;

	for (int64_t i = LEARN * 1440; i < N; i++) {
		const struct baseline_hour *h = &hours[(i - LEARN * 1440) / 60];
		double v = value[i] * (factor ? factor[i] : 1);
		struct threshold_known k = { NAN, h->median,
			fmax(v < h->median ? h->below : h->above, j->min_mad) };
		bool breach = threshold_breached(&j->limit, v, &k);
		bool holds = breach || (open && threshold_holds(&j->limit, &j->clear, v, &k));

		bad = breach ? bad + 1 : 0;
		good = holds ? 0 : good + 1;
		if (!open && bad > j->for_min) {
			open = true;
			r.opened++;
			if (r.first < 0)
				r.first = i;
		} else if (open && good > j->for_min) {
			open = false;
		}
		r.opened_minutes += open;
		if (open)
			r.last = i;
	}
	return r;
}

static struct baseline_hour hours[JUDGE * 24];

static void
learn(int64_t since)
{
	for (int64_t day = LEARN; day < DAYS; day++)
		(void)baseline_make(points, history_at(day * 1440, since), BEGIN + day * DAY,
		    hours + (day - LEARN) * 24);
}

static struct judge
judge_of(const char *text, double min_mad, int for_min)
{
	struct judge j = { .min_mad = min_mad, .for_min = for_min };
	struct err e = { 0 };

	if (threshold_parse(text, &j.limit, &e) < 0) {
		fprintf(stderr, "anomaly: %s\n", e.msg);
		exit(1);
	}
	return j;
}

static int
rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* When there is at least a quarter of the most of that week. */
static int64_t
busy_minute(int week)
{
	double most = 0;
	int64_t at;

	for (size_t i = 0; i < 7 * 24 - 3; i++)
		most = fmax(most, hours[(size_t)week * 7 * 24 + i].median);
	do
		at = (LEARN + week * 7) * 1440 + (int64_t)(dice() * (7 * 1440 - 130));
	while (hours[(at - LEARN * 1440) / 60].median < most / 4);
	return at;
}

/* One fault in each of the four weeks. */
static void
try_fault(const struct judge *j, const struct fault *f, const struct verdict *without, int *tried,
    int *seen, double *delays)
{
	static double factor[N];

	for (int week = 0; week < JUDGE / 7; week++) {
		int64_t at = busy_minute(week);
		struct verdict v;

		for (int64_t i = 0; i < N; i++)
			factor[i] = i >= at && i < at + f->minutes ? f->factor : 1;
		v = judge(j, hours, factor);
		(*tried)++;
		/* what it tells beside the fault is told without it too */
		if (v.opened > without->opened || v.opened_minutes > without->opened_minutes + 5) {
			struct verdict only;

			for (int64_t i = 0; i < at; i++)
				factor[i] = NAN; /* does not breach */
			only = judge(j, hours, factor);
			if (only.first >= at && only.first <= at + f->minutes)
				delays[(*seen)++] = (double)(only.first - at);
		}
	}
}

static double
median(double *v, int n)
{
	if (n == 0)
		return NAN;
	qsort(v, (size_t)n, sizeof(*v), rising);
	return v[n / 2];
}

struct rule {
	const char *name, *text;
	double min_mad;
	int for_min;
};
/* Those of tps-anomaly, and of xact-time-anomaly as if the number were a time. */
static const struct rule rules[] = {
	{ "number, info", "outside 6 mad", 2.5, 10 },
	{ "number, warning", "< 0.05 x usual and < -4 mad", 2.5, 10 },
	{ "time, info", "> 6 mad and > 2 x usual", 2.5, 10 },
	{ "time, warning", "> 6 mad and > 5 x usual", 2.5, 10 },
};

struct tally {
	int falsely, series;
	int tried[ARRAY_SIZE(faults)], seen[ARRAY_SIZE(faults)];
	double delays[ARRAY_SIZE(faults)][SERIES * 4];
};

/* One series more. */
static void
count(struct tally *t, const struct judge *j)
{
	struct verdict without = judge(j, hours, NULL);

	t->series++;
	t->falsely += without.opened;
	for (size_t f = 0; f < ARRAY_SIZE(faults); f++)
		try_fault(j, &faults[f], &without, &t->tried[f], &t->seen[f], t->delays[f]);
}

static void
print(const char *name, const struct rule *r, struct tally *t)
{
	printf("%-30s %-15s %8.3f", name, r->name, t->falsely / (t->series * JUDGE / 7.0));
	for (size_t f = 0; f < ARRAY_SIZE(faults); f++)
		if (t->seen[f] == 0)
			printf("       -");
		else
			printf(" %3.0f%%/%2.0f", 100.0 * t->seen[f] / t->tried[f],
			    median(t->delays[f], t->seen[f]));
	putchar('\n');
}

static void
run_shape(const struct shape *s)
{
	static struct tally tallies[ARRAY_SIZE(rules)];

	memset(tallies, 0, sizeof(tallies));
	for (int k = 0; k < SERIES; k++) {
		seed = (uint64_t)k * 1000003 + 4711;
		make(s);
		learn(0);
		for (size_t r = 0; r < ARRAY_SIZE(rules); r++) {
			struct judge j =
			    judge_of(rules[r].text, rules[r].min_mad, rules[r].for_min);

			count(&tallies[r], &j);
		}
	}
	for (size_t r = 0; r < ARRAY_SIZE(rules); r++)
		print(s->name, &rules[r], &tallies[r]);
}

/* ---- what changes for good ---- */

/* Days until it is not told any more, the longest of some series; -1: it was never told. */
static double
days_until_usual(const struct shape *s, const struct judge *j, int weeks, double factor)
{
	double most = -1;

	for (int k = 0; k < SERIES / 3; k++) {
		struct verdict v;

		seed = (uint64_t)k * 1000003 + 4711;
		make(s);
		for (int64_t i = LEARN * 1440; i < N; i++)
			value[i] *= factor;
		learn((LEARN - weeks * 7) * 1440);
		v = judge(j, hours, NULL);
		if (v.first >= 0)
			most = fmax(most, (double)(v.last - LEARN * 1440) / 1440);
	}
	return most;
}

static void
run_lasting(const struct shape *s)
{
	for (size_t r = 0; r < 2; r++) {
		struct judge j = judge_of(rules[r].text, rules[r].min_mad, rules[r].for_min);

		for (int weeks = 2; weeks <= 8; weeks *= 2) {
			printf("%-26s %d weeks  %-15s", s->name, weeks, rules[r].name);
			for (size_t f = 0; f < ARRAY_SIZE(faults); f++) {
				double days = days_until_usual(s, &j, weeks, faults[f].factor);

				if (days < 0)
					printf("       -");
				else if (days > JUDGE - 1)
					printf("     >%2d", JUDGE);
				else
					printf(" %7.1f", days);
			}
			putchar('\n');
		}
	}
}

static void
print_head(const char *what)
{
	printf("%-46s %8s", "", what);
	for (size_t f = 0; f < ARRAY_SIZE(faults); f++)
		printf(" x%-6g", faults[f].factor);
	putchar('\n');
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int64_t i = 0; i < N; i++) {
		time_t t = (time_t)(BEGIN + i * MINUTE);

		localtime_r(&t, &clock_of[i]);
	}
	print_head("false/wk");
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		run_shape(&shapes[i]);
	putchar('\n');
	print_head("days");
	run_lasting(&shapes[0]);
	run_lasting(&shapes[2]);
	return 0;
}
