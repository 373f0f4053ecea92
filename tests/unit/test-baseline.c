/* What is usual at an hour of the week. */
#include "base/base.h"
#include "history/baseline.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define DAY  INT64_C(86400)
#define HOUR INT64_C(3600)
#define NOW  INT64_C(1700000000) /* Tuesday 2023-11-14 22:13:20 UTC */

static struct history_point points[20000];
static size_t npoints;

static double
noise(int64_t i)
{
	uint32_t x = (uint32_t)i * 2654435761u + 12345u;

	x ^= x >> 15;
	x *= 2246822519u;
	x ^= x >> 13;
	return (double)x / (double)UINT32_MAX * 2 - 1;
}

typedef double (*shape_fn)(int64_t at_s, const struct tm *);

/* From so many days before now to now, a point each step; NaN is a gap. */
static void
fill(int64_t now_s, int days, int64_t step_s, shape_fn fn)
{
	npoints = 0;
	for (int64_t at = (now_s - days * DAY) / step_s * step_s; at <= now_s; at += step_s) {
		time_t t = (time_t)at;
		struct tm tm;
		double v;

		localtime_r(&t, &tm);
		v = fn(at, &tm);
		if (!isnan(v))
			points[npoints++] = (struct history_point){ .at_s = at, .value = v };
	}
}

static double
flat(int64_t at, const struct tm *tm)
{
	(void)at;
	(void)tm;
	return 100;
}

static double
noisy(int64_t at, const struct tm *tm)
{
	(void)tm;
	return 100 + 20 * noise(at);
}

/* Busy by day from Monday to Friday; Mondays at 3 a job. */
static double
office(int64_t at, const struct tm *tm)
{
	bool work = tm->tm_wday >= 1 && tm->tm_wday <= 5 && tm->tm_hour >= 8 && tm->tm_hour < 18;

	if (tm->tm_wday == 1 && tm->tm_hour == 3)
		return 5000;
	return (work ? 1000 : 50) * (1 + 0.02 * noise(at));
}

static void
near(double got, double want, double off)
{
	if (!(fabs(got - want) <= off))
		fail_msg("%g, not %g +- %g", got, want, off);
}

static struct baseline_hour
at_hour(int64_t now_s, int ahead)
{
	static struct baseline_hour hours[BASELINE_HOURS];

	baseline_make(points, npoints, now_s, hours);
	assert_true(hours[ahead].begin_s == baseline_hour_begin(now_s) + ahead * HOUR);
	return hours[ahead];
}

static void
test_flat(void **state)
{
	struct baseline_hour h;
	(void)state;

	fill(NOW, 56, 300, flat);
	h = at_hour(NOW, 0);
	assert_true(h.by_week && h.days == 8);
	near(h.median, 100, 0);
	near(h.above, 5, 1e-9); /* never varied: 5 % of it all the same */
	near(h.below, 5, 1e-9);
	fill(NOW, 56, 300, noisy);
	h = at_hour(NOW, 5);
	near(h.median, 100, 4);
	near(h.above, 15, 3); /* even over 80 to 120: half of it is within 10 */
	near(h.below, 15, 3);
}

static void
test_first_weeks(void **state)
{
	struct baseline_hour hours[BASELINE_HOURS];
	(void)state;

	assert_int_equal(baseline_make(points, 0, NOW, hours), 0);
	assert_true(isnan(hours[0].median));
	fill(NOW, 13, 300, office);
	assert_int_equal(baseline_make(points, npoints, NOW, hours), 0);
	fill(NOW, 15, 300, office);
	assert_int_equal(baseline_make(points, npoints, NOW, hours), BASELINE_HOURS);
	assert_false(hours[0].by_week); /* Wednesday at 10 */
	near(hours[12].median, 1000, 20);
	fill(NOW, 23, 300, office);
	assert_int_equal(baseline_make(points, npoints, NOW, hours), BASELINE_HOURS);
	assert_true(hours[12].by_week && hours[12].days == 3);
}

static void
test_week(void **state)
{
	int64_t saturday = NOW + 3 * DAY + 12 * HOUR; /* 10:13 */
	int64_t monday = NOW + 5 * DAY + 4 * HOUR;    /* 02:13 */
	struct baseline_hour h;
	(void)state;

	fill(saturday, 30, 300, office);
	h = at_hour(saturday, 0);
	near(h.median, 50, 1);
	near(h.above, 2.5, 1); /* not of Friday's thousand */
	fill(monday, 30, 300, office);
	h = at_hour(monday, 1);
	near(h.median, 5000, 50); /* of five weeks, one is not whole */
	/* The second time that the job runs there are no three Mondays yet: the other days say 50,
	 * but the job is as usual as they are. */
	fill(monday, 16, 300, office);
	h = at_hour(monday, 1);
	assert_false(h.by_week);
	near(h.median, 50, 1);
	near(h.above, 4950, 10);
	h = at_hour(monday, 0);
	assert_true(h.above < 10);
}

/* Each hour begins with five minutes of a job. */
static double
bursts(int64_t at, const struct tm *tm)
{
	return tm->tm_min < 5 ? 1000 : 100 + noise(at);
}

static double
with_outage(int64_t at, const struct tm *tm)
{
	(void)tm;
	if (at > NOW - 14 * DAY && at < NOW - 14 * DAY + 8 * HOUR)
		return 0;
	return 1000 + 20 * noise(at);
}

static double
with_gaps(int64_t at, const struct tm *tm)
{
	if (tm->tm_min >= 30 || (at > NOW - 22 * DAY && at < NOW - 20 * DAY))
		return NAN;
	return 100;
}

static void
test_robust(void **state)
{
	struct baseline_hour h;
	(void)state;

	fill(NOW, 30, 300, bursts);
	h = at_hour(NOW, 3);
	near(h.median, 100, 1);
	near(h.above, 900.0 / BASELINE_REACH, 2); /* 4 of these are above 1000 */
	near(h.below, 5, 1);
	fill(NOW, 30, 300, with_outage);
	h = at_hour(NOW, 2);
	near(h.median, 1000, 20);
	assert_true(h.below < 60);
	fill(NOW, 56, 300, with_gaps);
	h = at_hour(NOW, 0);
	near(h.median, 100, 0);
	assert_int_equal(h.days, 7);
}

/* Down for the last three days. */
static double
down_now(int64_t at, const struct tm *tm)
{
	(void)tm;
	return at > NOW - 3 * DAY ? 0 : 1000;
}

static void
test_does_not_learn_the_outage(void **state)
{
	struct baseline_hour h;
	(void)state;

	fill(NOW, 56, 300, down_now);
	h = at_hour(NOW, 0);
	near(h.median, 1000, 0);
	near(h.below, 50, 1e-9);
	/* Nor where the other days of the week must do: what the last day says does not count. */
	fill(NOW, 16, 300, down_now);
	h = at_hour(NOW, 0);
	assert_false(h.by_week);
	near(h.median, 1000, 0);
}

/* Averages of an hour from long ago count as much as 12 of 5 minutes. */
static void
test_levels(void **state)
{
	struct baseline_hour h;
	size_t kept = 0;
	(void)state;

	fill(NOW, 56, 300, flat);
	for (size_t i = 0; i < npoints; i++) {
		struct history_point p = points[i];

		if (p.at_s >= NOW - 20 * DAY)
			points[kept++] = p;
		else if (p.at_s % HOUR == 0) {
			p.value = p.at_s % DAY / HOUR == 22 ? 200 : 100;
			points[kept++] = p;
		}
	}
	npoints = kept;
	h = at_hour(NOW, 0); /* 5 weeks of 200, 2 of 100 */
	near(h.median, 200, 0);
	near(h.above, 10, 1e-9);
}

static double
growing(int64_t at, const struct tm *tm)
{
	double weeks = (double)(at - NOW) / (7.0 * 86400);

	(void)tm;
	if (weeks > -3 && weeks < -2)
		return 20; /* a week of holidays */
	return 1000 * pow(1.05, weeks) * (1 + 0.02 * noise(at));
}

/* What was usual weeks ago is more by now. */
static void
test_growth(void **state)
{
	struct baseline_hour h;
	(void)state;

	fill(NOW, 56, 300, growing);
	h = at_hour(NOW, 3);
	near(h.median, 1000, 25);
	assert_true(h.above < 60 && h.below < 60);
	fill(NOW, 20, 300, growing); /* two weeks and a half have no slope */
	h = at_hour(NOW, 0);
	assert_true(isnan(h.median) || h.median < 1000);
}

/* People come at 9 by their clock, also after it was set. */
static void
test_summer_time(void **state)
{
	int64_t after =
	    INT64_C(1698652800); /* Monday 2023-10-30 09:00 CET, a day after the change */
	char name[BASELINE_NAME_SIZE];
	(void)state;

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	fill(after, 50, 300, office);
	near(at_hour(after, 0).median, 1000, 20);
	near(at_hour(after - 2 * HOUR, 0).median, 50, 2);  /* 7 o'clock */
	near(at_hour(after - HOUR, 0).median, 1000, 20);   /* 8 */
	near(at_hour(after + 10 * HOUR, 0).median, 50, 2); /* 19 */
	baseline_hour_name(after + 700, true, name);
	assert_string_equal(name, "Mondays at 09:00");
	baseline_hour_name(after + 700, false, name);
	assert_string_equal(name, "weekdays at 09:00");
	setenv("TZ", "IST-5:30", 1);
	tzset();
	assert_true(baseline_hour_begin(NOW) == NOW - 2600); /* 03:43:20 */
	setenv("TZ", "UTC", 1);
	tzset();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flat),
		cmocka_unit_test(test_first_weeks),
		cmocka_unit_test(test_week),
		cmocka_unit_test(test_robust),
		cmocka_unit_test(test_does_not_learn_the_outage),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_summer_time),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
