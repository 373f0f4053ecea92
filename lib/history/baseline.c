/* What is usual at an hour of the week. */
#include "history/baseline.h"
#include "base/trend.h"
#include <math.h>
#include <stdio.h>
#include <time.h>

#define HOUR_S      INT64_C(3600)
#define WEEK_S      (INT64_C(7) * 86400)
#define WEEKS       8
#define WEEK_LEAST  100 /* points that make a week: four days of hours */
#define GROWTH_MOST 0.1 /* of a logarithm: about 10 % a week */

struct slot {
	double v;
	int hour; /* of the week, 0 to 167 */
	int day;  /* grows with the date */
};
struct weighed {
	double v, weight;
};
struct past {
	struct slot *v; /* by time */
	size_t n;
	double level; /* median of all of it */
	struct weighed *some;
	double *days; /* one value a day */
};
/* What one hour is compared with. */
struct hour_view {
	double median, above, below;
	double high, low; /* second most extreme day */
	unsigned days;
};

static struct tm
local(int64_t at_s)
{
	time_t t = (time_t)at_s;
	struct tm tm = { 0 };

	localtime_r(&t, &tm);
	return tm;
}

int64_t
baseline_hour_begin(int64_t at_s)
{
	struct tm tm = local(at_s);

	return at_s - tm.tm_min * 60 - tm.tm_sec;
}

static int
hour_of_week(const struct tm *tm)
{
	return tm->tm_wday * 24 + tm->tm_hour;
}

static bool
is_weekend(int hour)
{
	return hour < 24 || hour >= 6 * 24;
}

void
baseline_hour_name(int64_t at_s, bool by_week, char ret[static BASELINE_NAME_SIZE])
{
	static const char *const days[] = { "Sundays", "Mondays", "Tuesdays", "Wednesdays",
		"Thursdays", "Fridays", "Saturdays" };
	struct tm tm = local(at_s);

	snprintf(ret, BASELINE_NAME_SIZE, "%s at %02d:00",
	    by_week                         ? days[tm.tm_wday % 7]
	    : is_weekend(hour_of_week(&tm)) ? "weekends"
	                                    : "weekdays",
	    tm.tm_hour);
}

/* ---- medians, each day counting alike ---- */

static int
by_value(const void *a, const void *b)
{
	const struct weighed *x = a, *y = b;

	return (x->v > y->v) - (x->v < y->v);
}

static double
weighed_median(struct weighed *v, size_t n)
{
	double all = 0, sum = 0;

	qsort(v, n, sizeof(*v), by_value);
	for (size_t i = 0; i < n; i++)
		all += v[i].weight;
	for (size_t i = 0; i < n; i++) {
		sum += v[i].weight;
		if (sum * 2 > all * (1 + 1e-9))
			return v[i].v;
		/* exactly half of it: between this one and the next */
		if (sum * 2 >= all * (1 - 1e-9) && i + 1 < n)
			return (v[i].v + v[i + 1].v) / 2;
	}
	return n > 0 ? v[n - 1].v : NAN;
}

static double
weighed_mad(struct weighed *v, size_t n, double median)
{
	for (size_t i = 0; i < n; i++)
		v[i].v = fabs(v[i].v - median);
	return BASELINE_SCALE * weighed_median(v, n);
}

static int
rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* ---- one hour ---- */

static bool
is_wanted(const struct slot *s, int hour, bool by_week)
{
	if (by_week)
		return s->hour == hour;
	return s->hour % 24 == hour % 24 && is_weekend(s->hour) == is_weekend(hour);
}

/* Takes the points of that hour, weighed, and the most extreme of each day on one side. */
static unsigned
take_days(struct past *p, int hour, bool by_week, double sign, size_t *ret_n)
{
	size_t n = 0, first = 0;
	unsigned days = 0;
	int day = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct slot *s = &p->v[i];

		if (!is_wanted(s, hour, by_week))
			continue;
		if (n == first || s->day != day) {
			for (size_t k = first; k < n; k++)
				p->some[k].weight = 1.0 / (double)(n - first);
			first = n;
			day = s->day;
			p->days[days++] = s->v;
		} else if (s->v * sign > p->days[days - 1] * sign) {
			p->days[days - 1] = s->v;
		}
		p->some[n++] = (struct weighed){ s->v, 1 };
	}
	for (size_t k = first; k < n; k++)
		p->some[k].weight = 1.0 / (double)(n - first);
	qsort(p->days, days, sizeof(p->days[0]), rising);
	*ret_n = n;
	return days;
}

static bool
view_hour(struct past *p, int hour, bool by_week, unsigned least_days, struct hour_view *ret)
{
	struct hour_view v = { 0 };
	size_t n;

	v.days = take_days(p, hour, by_week, -1, &n);
	if (v.days == 0 || v.days < least_days)
		return false;
	v.low = p->days[MIN(v.days - 1, 1u)];
	(void)take_days(p, hour, by_week, 1, &n);
	v.high = p->days[v.days < 2 ? 0 : v.days - 2];
	v.median = weighed_median(p->some, n);
	v.above = v.below = weighed_mad(p->some, n, v.median);
	*ret = v;
	return true;
}

static void
make_hour(struct past *p, struct baseline_hour *ret)
{
	struct tm tm = local(ret->begin_s);
	int hour = hour_of_week(&tm);
	struct hour_view v, same;
	double least;

	ret->median = NAN;
	ret->by_week = view_hour(p, hour, true, BASELINE_WEEKS, &v);
	if (!ret->by_week) {
		if (!view_hour(p, hour, false, BASELINE_DAYS, &v))
			return;
		/* A job of this weekday is as usual as what the other days do. */
		if (view_hour(p, hour, true, 1, &same)) {
			v.above = MAX(v.above, same.median - v.median);
			v.below = MAX(v.below, v.median - same.median);
			v.high = MAX(v.high, same.high);
			v.low = MIN(v.low, same.low);
		}
	}
	least = BASELINE_FLOOR * MAX(fabs(v.median), fabs(p->level));
	ret->median = v.median;
	ret->above = MAX(MAX(v.above, least), (v.high - v.median) / BASELINE_REACH);
	ret->below = MAX(MAX(v.below, least), (v.median - v.low) / BASELINE_REACH);
	ret->days = v.days;
}

/* ---- growth ---- */

/*
 * How much more there is each week: the median of the slopes between the levels of all pairs of weeks,
 * which a holiday or a week that was broken does not move.  1 where there are less than four.
 */
static double
growth_of(const struct history_point *points, size_t n, int64_t now_s)
{
	double level[WEEKS], at[WEEKS], slopes[WEEKS * WEEKS];
	double *v = xcalloc(n + 1, sizeof(*v)), slope;
	size_t weeks = 0, pairs = 0, i = 0;

	for (int week = WEEKS; week-- > 0;) {
		int64_t end_s = now_s - BASELINE_FRESH_S - week * WEEK_S;
		size_t k = 0;

		for (; i < n && points[i].at_s < end_s; i++)
			if (isfinite(points[i].value) && points[i].at_s >= end_s - WEEK_S)
				v[k++] = points[i].value;
		if (k < WEEK_LEAST)
			continue;
		at[weeks] = -week;
		level[weeks] = median_of(v, k);
		weeks += level[weeks] > 0;
	}
	free(v);
	for (size_t a = 0; a < weeks; a++)
		for (size_t b = a + 1; b < weeks; b++)
			slopes[pairs++] = log(level[b] / level[a]) / (at[b] - at[a]);
	if (weeks < 4)
		return 1;
	slope = median_of(slopes, pairs);
	return exp(MAX(MIN(slope, GROWTH_MOST), -GROWTH_MOST));
}

static void
take_past(struct past *p, const struct history_point *points, size_t n, int64_t now_s)
{
	double *all = xcalloc(n + 1, sizeof(*all)), growth = growth_of(points, n, now_s);

	p->v = xcalloc(n + 1, sizeof(*p->v));
	p->some = xcalloc(n + 1, sizeof(*p->some));
	p->days = xcalloc(n + 1, sizeof(*p->days));
	for (size_t i = 0; i < n; i++) {
		double age = (double)(now_s - points[i].at_s) / (double)WEEK_S;
		struct tm tm;

		if (!isfinite(points[i].value) || points[i].at_s > now_s - BASELINE_FRESH_S ||
		    points[i].at_s < now_s - BASELINE_PAST_S)
			continue;
		tm = local(points[i].at_s);
		all[p->n] = points[i].value * pow(growth, age);
		p->v[p->n] =
		    (struct slot){ all[p->n], hour_of_week(&tm), tm.tm_year * 366 + tm.tm_yday };
		p->n++;
	}
	p->level = median_of(all, p->n);
	free(all);
}

size_t
baseline_make(const struct history_point *points, size_t n, int64_t now_s,
    struct baseline_hour ret[static BASELINE_HOURS])
{
	int64_t begin_s = baseline_hour_begin(now_s);
	struct past p = { 0 };
	size_t known = 0;

	for (size_t i = 0; i < BASELINE_HOURS; i++)
		ret[i] = (struct baseline_hour){ .begin_s = begin_s + (int64_t)i * HOUR_S,
			.median = NAN };
	if (n == 0 || points[0].at_s > now_s - BASELINE_LEAST_S)
		return 0;
	take_past(&p, points, n, now_s);
	for (size_t i = 0; i < BASELINE_HOURS && p.n > 0; i++) {
		make_hour(&p, &ret[i]);
		known += !isnan(ret[i].median);
	}
	free(p.v);
	free(p.some);
	free(p.days);
	return known;
}
