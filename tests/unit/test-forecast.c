/* What is foreseen of made-up pasts, and of which nothing is. */
#include "history/forecast.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after the four that cmocka.h itself forgets */
#include <cmocka.h>

#define BEGIN_S INT64_C(1700000000)
#define DAYS    30
#define HOURS   (DAYS * 24)
#define CLOSE   (2 * 24 * 12)
#define DAY_H   24.0

/* h hours after the past began; noise: -1 to 1, the same at every run. */
typedef double (*past_fn)(double h, double noise);

static double
noise_of(int64_t i)
{
	uint32_t x = (uint32_t)i * 2654435761u + 12345u;

	x ^= x >> 15;
	x *= 2246822519u;
	x ^= x >> 13;
	return (double)x / (double)UINT32_MAX * 2 - 1;
}

struct past {
	struct history_point hours[HOURS], close[CLOSE];
	size_t nhours, nclose;
	int64_t until_s;
	double now;
};

static void
make_past(past_fn of, double days, struct past *ret)
{
	int64_t until_s = BEGIN_S + (int64_t)(days * 86400);

	*ret = (struct past){ .until_s = until_s };
	for (int64_t at = BEGIN_S; at < until_s && ret->nhours < HOURS; at += FORECAST_STEP_S)
		ret->hours[ret->nhours++] = (struct history_point){ .at_s = at,
			.value = of((double)(at - BEGIN_S) / 3600, noise_of(at / 300)) };
	for (int64_t at = MAX(BEGIN_S, until_s - FORECAST_FINE_S);
	     at < until_s && ret->nclose < CLOSE; at += FORECAST_CLOSE_S)
		ret->close[ret->nclose++] = (struct history_point){ .at_s = at,
			.value = of((double)(at - BEGIN_S) / 3600, noise_of(at / 300)) };
	ret->now = ret->close[ret->nclose - 1].value;
}

static double
hours_left(const struct past *p, double limit)
{
	struct forecast f;

	forecast_make(p->hours, p->nhours, p->close, p->nclose, &f);
	assert_true(f.n <= FORECAST_SPANS);
	for (size_t i = 0; i < f.n; i++) {
		const struct forecast_slope *s = &f.slopes[i];

		assert_true(s->low <= s->slope && s->slope <= s->high && s->reach_s > 0);
		assert_true(isfinite(s->reach_s) && s->low * s->high > 0);
	}
	return forecast_eta(&f, p->now, limit, NULL) / 3600;
}

/* ---- pasts; the limit is 1, or 0 of what falls ---- */

static double
flat(double h, double noise)
{
	(void)h;
	return 0.9 + 0.01 * noise;
}

static double
constant(double h, double noise)
{
	(void)h;
	(void)noise;
	return 0.9;
}

static double
linear(double h, double noise)
{
	return 0.1 + 0.03 * h / DAY_H + 0.005 * noise;
}

static double
falling(double h, double noise)
{
	return 0.9 - 0.03 * h / DAY_H + 0.005 * noise;
}

static double
linear_daily(double h, double noise)
{
	return linear(h, noise) + 0.04 * sin(2 * M_PI * h / DAY_H);
}

static double
daily(double h, double noise)
{
	return 0.6 + 0.35 * sin(2 * M_PI * h / DAY_H) + 0.005 * noise;
}

/* Idle on its first two days, then five busy ones. */
static double
weekly(double h, double noise)
{
	double day = fmod(h / DAY_H + 5, 7);

	return 0.5 + (day < 5 ? 0.1 + 0.2 * sin(2 * M_PI * h / DAY_H) : 0) + 0.005 * noise;
}

static double
rotated(double h, double noise)
{
	return 0.45 + 0.5 * fmod(h / DAY_H + 4.8, 6.4) / 6.4 + 0.003 * noise;
}

/* 0.35 of it is removed on the tenth day. */
static double
purged(double h, double noise)
{
	return 0.2 + 0.055 * h / DAY_H - (h > 10 * DAY_H ? 0.35 : 0) + 0.003 * noise;
}

static double
jumped(double h, double noise)
{
	return 0.3 + (h > 300 ? 0.6 : 0) + 0.003 * noise;
}

/* A jump within a slow rise: the time that is left is that of the rise. */
static double
jumped_linear(double h, double noise)
{
	return 0.1 + 0.02 * h / DAY_H + (h > 300 ? 0.3 : 0) + 0.003 * noise;
}

static double
stopped(double h, double noise)
{
	return 0.3 + 0.04 * fmin(h / DAY_H, 15) + 0.003 * noise;
}

/* Flat but for the last 12 hours of 20 days. */
static double
leak(double h, double noise)
{
	return 0.4 + fmax(0, h - 468) * 0.04 + 0.003 * noise;
}

/* The same after three days. */
static double
early_leak(double h, double noise)
{
	return 0.4 + fmax(0, h - 60) * 0.04 + 0.003 * noise;
}

static double
half_known(double h, double noise)
{
	return (int)h % 2 ? NAN : linear(h, noise);
}

static double
unknown(double h, double noise)
{
	(void)h;
	(void)noise;
	return NAN;
}

static double
endless(double h, double noise)
{
	return (int)h % 5 == 1 ? INFINITY : linear(h, noise);
}

static void
test_pasts(void **state)
{
	static const struct {
		const char *name;
		past_fn of;
		double days, limit;
		double least_h, most_h; /* INFINITY: nothing is foreseen */
	} cases[] = {
		{ "flat", flat, 20, 1, INFINITY, INFINITY },
		{ "constant", constant, 20, 1, INFINITY, INFINITY },
		{ "linear", linear, 20, 1, 225, 255 },
		{ "linear, the other limit", linear, 20, 0, INFINITY, INFINITY },
		{ "linear, far away", linear, 20, 1000, INFINITY, INFINITY },
		{ "linear, 16 days", linear, 16, 1, 316, 356 },
		{ "linear, 9 days: too far for so short a past", linear, 9, 1, INFINITY, INFINITY },
		{ "linear, 9 days, near", linear, 9, 0.45, 56, 72 },
		{ "linear, a week: the first of many rotations?", linear, 7, 0.4, INFINITY,
		    INFINITY },
		{ "linear, less than a day", linear, 0.9, 0.13, INFINITY, INFINITY },
		{ "falling", falling, 20, 0, 225, 255 },
		{ "falling, the other limit", falling, 20, 1, INFINITY, INFINITY },
		{ "linear with a season", linear_daily, 20, 1, 190, 290 },
		{ "daily", daily, 20, 1, INFINITY, INFINITY },
		{ "daily, its first rise", daily, 1.2, 1, INFINITY, INFINITY },
		{ "weekly, its first Monday", weekly, 2.2, 1, INFINITY, INFINITY },
		{ "weekly", weekly, 16.2, 1, INFINITY, INFINITY },
		{ "purged, a week later", purged, 17, 1, 84, 104 },
		{ "jumped", jumped, 14, 1, INFINITY, INFINITY },
		{ "jumped, hours ago", jumped, 12.8, 1, INFINITY, INFINITY },
		{ "jumped, linear", jumped_linear, 20, 0.9, 90, 130 },
		{ "stopped", stopped, 22, 1, INFINITY, INFINITY },
		{ "a leak", leak, 20, 1, 2, 4.5 },
		{ "a leak in the first week", early_leak, 3, 1, 2, 4.5 },
		{ "the same, no third of the way", early_leak, 2.75, 1, INFINITY, INFINITY },
		{ "half unknown", half_known, 20, 1, 380, 420 },
		{ "unknown", unknown, 20, 1, INFINITY, INFINITY },
		{ "not finite", endless, 20, 1, 225, 255 },
	};
	static struct past p;
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		double left;

		make_past(cases[i].of, cases[i].days, &p);
		if (isnan(p.now))
			p.now = 0.5; /* its newest sample */
		left = hours_left(&p, cases[i].limit);
		if (!(left >= cases[i].least_h && left <= cases[i].most_h))
			fail_msg("%s: %g h are left", cases[i].name, left);
	}
}

/* Whenever one looks: from the first day on, through the cycles that nobody has seen come back. */
static void
test_never(void **state)
{
	static const struct {
		const char *name;
		past_fn of;
	} cases[] = { { "rotated", rotated }, { "daily", daily }, { "weekly", weekly },
		{ "flat", flat }, { "jumped", jumped } };
	static struct past p;
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (unsigned quarter = 2; quarter < 4 * DAYS; quarter += 5) {
			double left, days = quarter / 4.0;

			make_past(cases[i].of, days, &p);
			left = hours_left(&p, 1);
			if (left < 7 * DAY_H)
				fail_msg(
				    "%s, after %g days: %g h are left", cases[i].name, days, left);
		}
}

/* What grows is foreseen, and from then on at every look. */
static void
test_always(void **state)
{
	static struct past p;
	bool seen = false;
	(void)state;

	for (unsigned half = 30; half < 59; half++) {
		double left, days = half / 2.0, true_h = (0.9 / 0.03 - days) * DAY_H;

		make_past(linear, days, &p);
		left = hours_left(&p, 1);
		seen = seen || isfinite(left);
		if (seen && fabs(left - true_h) > 0.1 * true_h + 6)
			fail_msg("after %g days: %g h, not %g", days, left, true_h);
	}
	assert_true(seen);
}

/* ---- clocks ---- */

static void
shift(struct history_point *p, size_t n, int64_t from_s, int64_t by_s)
{
	for (size_t i = 0; i < n; i++)
		if (p[i].at_s >= from_s)
			p[i].at_s += by_s;
}

static void
test_clock(void **state)
{
	static struct past p;
	struct forecast f;
	double left;
	(void)state;

	/* Ahead by 4 days, 12 days ago: a hole; what is since then is enough. */
	make_past(linear, 20, &p);
	shift(p.hours, p.nhours, BEGIN_S + INT64_C(8) * 86400, INT64_C(4) * 86400);
	shift(p.close, p.nclose, 0, INT64_C(4) * 86400);
	left = hours_left(&p, 1);
	assert_true(left > 225 && left < 255);

	/* Hours ago: of a rise before it nothing is known. */
	make_past(linear, 20, &p);
	shift(p.hours, p.nhours, p.until_s - 3 * 3600, INT64_C(4) * 86400);
	shift(p.close, p.nclose, p.until_s - 3 * 3600, INT64_C(4) * 86400);
	forecast_make(p.hours, p.nhours, p.close, p.nclose, &f);
	for (size_t i = 0; i < f.n; i++)
		assert_true(f.slopes[i].span_s > 6 * DAY_H * 3600);

	/* Back by 30 days; a clock that stands; nothing at all. */
	make_past(linear, 20, &p);
	shift(p.hours, p.nhours, BEGIN_S + INT64_C(19) * 86400, INT64_C(-30) * 86400);
	shift(p.close, p.nclose, 0, INT64_C(-30) * 86400);
	assert_true(isinf(hours_left(&p, 1)));
	make_past(linear, 20, &p);
	for (size_t i = 0; i < p.nhours; i++)
		p.hours[i].at_s = BEGIN_S;
	for (size_t i = 0; i < p.nclose; i++)
		p.close[i].at_s = BEGIN_S;
	assert_true(isinf(hours_left(&p, 1)));
	forecast_make(NULL, 0, NULL, 0, &f);
	assert_true(f.n == 0 && isnan(f.last));
	assert_true(isinf(forecast_eta(&f, 0.5, 1, NULL)));
	forecast_make(p.hours, 1, p.close, 1, &f);
	assert_true(f.n == 0 && f.last == p.close[0].value);
}

static void
test_eta(void **state)
{
	const struct forecast f = { .n = 2,
		.slopes = { { .slope = 2, .reach_s = 10 }, { .slope = 0.5, .reach_s = 100 } } };
	const struct forecast_slope *by = NULL;
	(void)state;

	assert_true(forecast_eta(&f, 0, 10, &by) == 5 && by == &f.slopes[0]);
	/* too far for the short one */
	assert_true(forecast_eta(&f, 0, 30, &by) == 60 && by == &f.slopes[1]);
	by = NULL;
	assert_true(isinf(forecast_eta(&f, 0, 60, &by)) && !by);
	assert_true(isinf(forecast_eta(&f, 20, 10, &by)) && !by); /* away from it, or behind it */
	assert_true(forecast_eta(&f, 10, 10, &by) == 0);
	assert_true(isinf(forecast_eta(&f, NAN, 10, NULL)));
	assert_true(isinf(forecast_eta(&f, 0, NAN, NULL)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_pasts),
		cmocka_unit_test(test_never), cmocka_unit_test(test_always),
		cmocka_unit_test(test_clock), cmocka_unit_test(test_eta) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
