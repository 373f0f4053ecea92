/* What a check remembers between runs, and as text. */
#include "base/str.h"
#include "check/series.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define S(n) ((int64_t)(1700000000 + (n)) * 1000000)

static void
test_baseline(void **state)
{
	_cleanup_(series_freep) struct series *s = series_new();
	(void)state;

	assert_true(isnan(series_baseline(s, "a")));
	for (int i = 0; i < BASELINE_MIN - 1; i++)
		series_add(s, "a", S(i), i);
	assert_true(isnan(series_baseline(s, "a")));
	series_add(s, "a", S(BASELINE_MIN), 1e6); /* one wild value moves a median little */
	assert_true(series_baseline(s, "a") == 9.5);
	series_add(s, "a", S(BASELINE_MIN), 7); /* the same second: the first stays */
	series_add(s, "a", S(50), NAN);
	series_add(s, "a", S(51), 1e300);
	assert_true(series_baseline(s, "a") == 9.5);
	assert_true(isnan(series_baseline(s, "b")));
	for (int i = 0; i < 1000; i++)
		series_add(s, "a", S(100 + i), 5);
	assert_true(series_baseline(s, "a") == 5.0);
}

static void
test_points(void **state)
{
	_cleanup_(series_freep) struct series *s = series_new();
	struct series_point points[SERIES_KEEP];
	(void)state;

	assert_int_equal(series_points(s, "a", points), 0);
	for (int i = 0; i < SERIES_KEEP + 30; i++)
		series_add(s, "a", S(10 * i), i);
	assert_int_equal(series_points(s, "a", points), SERIES_KEEP);
	for (int i = 0; i < SERIES_KEEP; i++) {
		assert_true(points[i].wall_us == S(10 * (i + 30)));
		assert_true(points[i].value == i + 30);
	}
}

static void
test_objects(void **state)
{
	_cleanup_(series_freep) struct series *s = series_new();
	(void)state;

	for (int i = 0; i < SERIES_OBJECTS + 5; i++) {
		_cleanup_free_ char *name = xasprintf("o%d", i);

		series_add(s, name, S(0), 1);
	}
	assert_true(series_has(s, "o0") && series_has(s, "o19") && !series_has(s, "o20"));
	/* in the next run o7 is not there: its place is free */
	for (int i = 0; i < SERIES_OBJECTS; i++) {
		_cleanup_free_ char *name = xasprintf("o%d", i);

		if (i != 7)
			series_add(s, name, S(1), 1);
	}
	series_add(s, "new", S(1), 1);
	series_add(s, "newer", S(1), 1);
	assert_true(series_has(s, "new") && !series_has(s, "o7") && !series_has(s, "newer"));
	assert_string_equal(series_object(s, 7), "new");
	assert_null(series_object(s, SERIES_OBJECTS));
}

static void
test_counters(void **state)
{
	_cleanup_(series_freep) struct series *s = series_new();
	struct counter c = { .value = 1, .whole = 2, .at_s = 3, .epoch = "e" };
	(void)state;

	assert_null(series_counter(s, "a"));
	assert_true(series_set_counter(s, "a", &c));
	assert_true(series_set_counter(s, "b", &c));
	series_forget_missing(s);
	assert_true(series_set_counter(s, "b", &c));
	series_forget_missing(s);
	assert_null(series_counter(s, "a"));
	assert_string_equal(series_counter(s, "b")->epoch, "e");
	for (int i = 1; i < SERIES_COUNTERS; i++) {
		_cleanup_free_ char *name = xasprintf("k%d", i);

		assert_true(series_set_counter(s, name, &c));
	}
	assert_false(series_set_counter(s, "one more", &c));
	assert_true(series_set_counter(s, "b", &c));
}

static void
test_window(void **state)
{
	_cleanup_(series_freep) struct series *s = series_new();
	struct counter c = { .value = 1 };
	_cleanup_free_ char *text = NULL;
	(void)state;

	series_add_increment(s, "a", 0, 1, 300); /* no such counter: nothing to hang it on */
	assert_true(series_set_counter(s, "a", &c));
	for (int at = 0; at <= 100000; at++)
		series_add_increment(s, "a", at, 1, 300);
	/* about a hundred steps of three seconds, so the edge is that coarse */
	assert_true(fabs(series_window_sum(s, "a", 100000, 300) - 300) <= 3);
	assert_true(series_window_sum(s, "a", 200000, 300) == 0.0);
	text = series_save(s);
	assert_true(strlen(text) < 3000);
}

static void
test_round_trip(void **state)
{
	_cleanup_(series_freep) struct series *s = series_new(), *t = NULL;
	struct counter c = {
		.value = 9007199254740993.0, .whole = NAN, .at_s = 1700000000.123456, .epoch = "1/2"
	};
	struct series_point points[SERIES_KEEP], again[SERIES_KEEP];
	_cleanup_free_ char *text = NULL, *second = NULL;
	(void)state;

	assert_false(series_dirty(s));
	for (int i = 0; i < SERIES_KEEP + 7; i++)
		series_add(s, "public.\"a\"\n\xc3\xa9", S(60 * i), 0.1 * i);
	series_add(s, "", S(1), -1e-7);
	assert_true(series_set_counter(s, "k\"1", &c));
	series_add_increment(s, "k\"1", 10, 2.5, 300);
	series_add_increment(s, "k\"1", 70, 3, 300);
	c.whole = 5;
	c.at_s = NAN;
	assert_true(series_set_counter(s, "k2", &c));
	assert_true(series_dirty(s));
	text = series_save(s);
	assert_false(series_dirty(s));

	t = series_load(text);
	assert_non_null(t);
	assert_false(series_dirty(t));
	second = series_save(t);
	assert_string_equal(text, second);
	assert_int_equal(series_points(s, series_object(s, 0), points), SERIES_KEEP);
	assert_int_equal(series_points(t, series_object(s, 0), again), SERIES_KEEP);
	assert_memory_equal(points, again, sizeof(points));
	assert_true(series_counter(t, "k\"1")->value == 9007199254740993.0);
	assert_true(series_counter(t, "k\"1")->at_s == 1700000000.123456);
	assert_true(
	    isnan(series_counter(t, "k\"1")->whole) && isnan(series_counter(t, "k2")->at_s));
	assert_true(series_window_sum(t, "k\"1", 100, 300) == 5.5);
	/* what the next whole run does not bring is forgotten, as without the restart */
	assert_true(series_set_counter(t, "k2", &c));
	series_forget_missing(t);
	assert_null(series_counter(t, "k\"1"));
	assert_non_null(series_counter(t, "k2"));
}

static void
test_bad_text(void **state)
{
	static const char *const refused[] = { "", "{", "[]", "null", "{}", "{\"v\":2}",
		"{\"v\":\"1\"}", "{\"v\":1,\"v\":1}", "\xff" };
	static const char *const harmless[] = {
		"{\"v\":1}", "{\"v\":1,\"values\":[],\"counters\":7}",
		"{\"v\":1,\"values\":{\"a\":{},\"b\":[1,[],[1],[\"x\",2],[-5,1],[1e30,1],["
		"1700000000,\"x\"]]}}",
		"{\"v\":1,\"counters\":{\"a\":1,\"b\":[],\"c\":[null,1,1,\"e\",[]],\"d\":[1,1,1,7,["
		"]]}}",
		"{\"v\":1,\"counters\":{\"e\":[1,1,1,"
		"\"0123456789012345678901234567890123456789012345678901234567890123456789\",[]]}}"
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_null(series_load(refused[i]));
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		_cleanup_(series_freep) struct series *s = series_load(harmless[i]);
		_cleanup_free_ char *text = NULL;

		assert_non_null(s);
		text = series_save(s);
		assert_string_equal(text, "{\"counters\":{},\"v\":1,\"values\":{}}");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_baseline),
		cmocka_unit_test(test_points), cmocka_unit_test(test_objects),
		cmocka_unit_test(test_counters), cmocka_unit_test(test_window),
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_bad_text) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
