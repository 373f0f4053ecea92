/* Slopes, jumps, the time until a limit. */
#include "base/trend.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after the four that cmocka.h itself forgets */
#include <cmocka.h>

#define HOUR 3600.0
#define N    200

/* A noise that is the same at every run: -1 to 1. */
static double
noise(unsigned i)
{
	uint32_t x = i * 2654435761u + 12345u;

	x ^= x >> 15;
	x *= 2246822519u;
	x ^= x >> 13;
	return (double)x / (double)UINT32_MAX * 2 - 1;
}

static void
fill(struct trend_point *p, size_t n, double (*of)(double hour, unsigned i))
{
	for (size_t i = 0; i < n; i++)
		p[i] = (struct trend_point){ 1e9 + (double)i * HOUR, of((double)i, (unsigned)i) };
}

static double
linear(double h, unsigned i)
{
	return 10 + h * 0.5 + noise(i);
}

static double
flat(double h, unsigned i)
{
	(void)h;
	return 50 + noise(i);
}

/* One point in five is anything. */
static double
outliers(double h, unsigned i)
{
	return i % 5 == 2 ? 4000 * noise(i) : 10 + h * 0.5;
}

static double
purged(double h, unsigned i)
{
	return (h < 120 ? 10 + h * 0.5 : h * 0.5 - 55) + 0.1 * noise(i);
}

static double
rotated(double h, unsigned i)
{
	return 20 + fmod(h, 24) + 0.1 * noise(i);
}

static void
test_slope(void **state)
{
	static const struct {
		const char *name;
		double (*of)(double, unsigned);
		double slope_h, within;
	} cases[] = {
		{ "linear", linear, 0.5, 0.01 },
		{ "flat", flat, 0, 0.005 },
		{ "outliers", outliers, 0.5, 0.001 },
		{ "purged", purged, 0.5, 0.01 },
		{ "rotated", rotated, 0, 0.03 },
	};
	struct trend_point p[N];
	struct trend t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fill(p, N, cases[i].of);
		assert_int_equal(trend_fit(p, N, &t), 0);
		if (!(fabs(t.slope * HOUR - cases[i].slope_h) <= cases[i].within))
			fail_msg("%s: slope %g an hour", cases[i].name, t.slope * HOUR);
		assert_true(t.low <= t.slope && t.slope <= t.high);
	}
}

static void
test_eta(void **state)
{
	struct trend_point p[N];
	struct trend t;
	double eta;

	(void)state;
	fill(p, N, linear);
	assert_int_equal(trend_fit(p, N, &t), 0);
	eta = trend_eta(&t, 200, true, 10) / HOUR; /* it is near 109.5 */
	assert_true(eta > 170 && eta < 192);
	assert_true(isinf(trend_eta(&t, 0, false, 10)));
	assert_true(isinf(trend_eta(&t, 2000, true, 10))); /* too far */
	assert_true(trend_eta(&t, 100, true, 10) == 0);    /* it is there */
	fill(p, N, flat);
	assert_int_equal(trend_fit(p, N, &t), 0);
	assert_true(isinf(trend_eta(&t, 60, true, 1e9)));
	assert_true(isinf(trend_eta(&t, 40, false, 1e9)));
}

/* Behind a jump only what is after it counts. */
static void
test_jump(void **state)
{
	struct trend_point p[N];
	struct trend t;

	(void)state;
	fill(p, N, purged);
	assert_int_equal(trend_fit(p, N, &t), 0);
	assert_true(t.span_s < 80 * HOUR);
	fill(p, N, rotated);
	assert_int_equal(trend_fit(p, N, &t), 0);
	assert_true(t.span_s > 190 * HOUR);
}

static void
test_too_little(void **state)
{
	struct trend_point p[N];
	struct trend t;

	(void)state;
	fill(p, N, linear);
	assert_int_equal(trend_fit(p, TREND_POINTS_MIN - 1, &t), -ENODATA);
	assert_int_equal(trend_fit(p, 0, &t), -ENODATA);
	for (size_t i = 0; i < N; i++)
		p[i].v = NAN;
	assert_int_equal(trend_fit(p, N, &t), -ENODATA);
	fill(p, N, linear);
	for (size_t i = 0; i < N; i++)
		p[i].t = 1e9; /* a clock that stands */
	assert_int_equal(trend_fit(p, N, &t), -ENODATA);
}

/* More points than are looked at in pairs: the same answer. */
static void
test_many(void **state)
{
	static struct trend_point p[5000];
	struct trend t;

	(void)state;
	fill(p, ARRAY_SIZE(p), linear);
	p[1000].v = INFINITY;
	assert_int_equal(trend_fit(p, ARRAY_SIZE(p), &t), 0);
	assert_true(fabs(t.slope * HOUR - 0.5) < 0.01);
	assert_true(t.n <= TREND_POINTS_MAX);
}

static void
test_median(void **state)
{
	double v[] = { 9, 1, 5, 7, 3 }, one[] = { 4 };

	(void)state;
	assert_true(median_of(v, 5) == 5);
	assert_true(mad_of(v, 5, 5) == 2);
	assert_true(median_of(one, 1) == 4);
	assert_true(isnan(median_of(one, 0)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slope),
		cmocka_unit_test(test_eta),
		cmocka_unit_test(test_jump),
		cmocka_unit_test(test_too_little),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_median),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
