/* Rows of the last run under changed settings: what eval says again, and what that does to findings. */
#include "base/clock.h"
#include "base/snapshot.h"
#include "base/str.h"
#include "check/rows.h"
#include "finding/finding.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define T0 (1000 * USEC_PER_SEC)

struct bench {
	struct check *check;
	struct settings *settings;
	struct series *series;
	struct rows *rows;
	struct findings *findings;
	struct str seen;
};

static void
on_transition(const struct transition *t, void *arg)
{
	struct bench *b = arg;
	static const char kinds[] = { [TRANSITION_OPENED] = '+',
		[TRANSITION_CHANGED] = '>',
		[TRANSITION_RESOLVED] = '-',
		[TRANSITION_FLAPPING] = '~',
		[TRANSITION_STABLE] = '=' };

	str_addf(&b->seen, "%s%c%d ", t->finding->key, kinds[t->kind], (int)t->to);
}

static void
bench_init(struct bench *b, const char *kind, const char *more)
{
	_cleanup_free_ char *text =
	    xasprintf("-- id: x\n-- title: T\n-- engine: postgresql\n-- probe: performance\n"
	              "-- kind: %s\n%s\nSELECT 1",
	        kind, more);
	struct err e = { 0 };

	*b = (struct bench){ .series = series_new() };
	if (check_parse(text, "f", &b->check, &e) < 0)
		fail_msg("%s", e.msg);
	b->settings = settings_new(b->check, 50);
	b->findings = findings_new(on_transition, b);
}

static void
bench_done(struct bench *b)
{
	findings_free(b->findings);
	rows_free(b->rows);
	settings_free(b->settings);
	series_free(b->series);
	check_free(b->check);
	str_done(&b->seen);
}

static bool
is_tracked(const void *arg, const char *key)
{
	const struct bench *b = arg;

	return findings_tracked(b->findings, "s", "x", key);
}

static void
apply(struct bench *b, const struct result *r, int64_t now_us, bool again, int64_t sampled_us)
{
	struct run run = { .settings = b->settings,
		.scope = "s",
		.server = "s",
		.database = "s",
		.result = r,
		.now_us = now_us,
		.wall_us = now_us,
		.interval_us = 3600 * USEC_PER_SEC,
		.again = again,
		.sampled_us = sampled_us };
	struct applied applied;

	findings_apply(b->findings, &run, &applied);
}

/* rows: "object value [at]" by commas. */
static void
run_rows(struct bench *b, const char *rows, int64_t now_us)
{
	static const char *const names[] = { "object", "value", "at" };
	_cleanup_strv_ char **list = strv_split_commas(rows);
	struct eval_context ctx = { .series = b->series,
		.now_us = now_us,
		.wall_us = now_us,
		.server_start = 1,
		.tracked = is_tracked,
		.tracked_arg = b,
		.remember = true };
	struct eval *e = eval_new(b->settings, &ctx);
	struct result r = { 0 };

	eval_columns(e, 3, names);
	for (size_t i = 0; list && list[i]; i++) {
		char object[40], value[40], at[40] = "1";
		size_t lengths[3];

		assert_true(sscanf(list[i], "%39s %39s %39s", object, value, at) >= 2);
		lengths[0] = strlen(object);
		lengths[1] = strlen(value);
		lengths[2] = strlen(at);
		eval_row(e, (const char *[]){ object, value, at }, lengths);
	}
	eval_finish(e, NULL, &r);
	eval_free(e);
	apply(b, &r, now_us, false, 0);
	rows_free(b->rows);
	b->rows = TAKE_PTR(r.rows);
	result_done(&r);
}

static void
set(struct bench *b, const char *key, const char *value)
{
	struct err e = { 0 };

	if (settings_set(b->settings, key, value, &e) < 0)
		fail_msg("%s", e.msg);
}

static enum result_state
judge_again(struct bench *b, int64_t now_us, int64_t sampled_us)
{
	struct eval_context ctx = {
		.series = b->series, .server_start = NAN, .tracked = is_tracked, .tracked_arg = b
	};
	struct result r = { 0 };
	enum result_state state;

	eval_again(b->rows, b->settings, &ctx, &r);
	state = r.state;
	apply(b, &r, now_us, true, sampled_us);
	result_done(&r);
	return state;
}

static void
expect(struct bench *b, const char *seen)
{
	assert_string_equal(str_text(&b->seen), seen);
	str_reset(&b->seen);
	str_add(&b->seen, "");
}

static void
test_up_and_down(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "gauge", "-- warning: >= 80\n-- critical: >= 95\n-- for: 0s");
	run_rows(&b, "a 70, b 20", T0);
	expect(&b, "");
	set(&b, "warning", ">= 60");
	assert_int_equal(judge_again(&b, T0, T0), RESULT_COMPLETE);
	expect(&b, "a+2 ");
	set(&b, "critical", ">= 65");
	judge_again(&b, T0, T0);
	expect(&b, "a>3 ");
	set(&b, "critical", ">= 95");
	judge_again(&b, T0, T0);
	expect(&b, "a>2 ");
	set(&b, "ignore", "a");
	set(&b, "warning", ">= 10");
	judge_again(&b, T0, T0);
	expect(&b, "b+2 a-0 ");
	set(&b, "warning", ">= 500");
	judge_again(&b, T0, T0);
	expect(&b, "b-0 ");
	bench_done(&b);
}

/* However often settings are read, a sample counts once, from when it was taken. */
static void
test_for_counts_samples(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "gauge", "-- warning: >= 80\n-- for: 60s");
	run_rows(&b, "a 70", T0);
	set(&b, "warning", ">= 60");
	for (int i = 0; i < 5; i++)
		judge_again(&b, T0 + (100 + i) * USEC_PER_SEC, T0);
	expect(&b, "");
	assert_int_equal(findings_status(b.findings, "s", "x"), CHECK_PENDING);
	run_rows(&b, "a 70", T0 + 110 * USEC_PER_SEC);
	expect(&b, "a+2 ");
	/* good once as the world moved: a reload does not stand for the second look */
	run_rows(&b, "a 1", T0 + 120 * USEC_PER_SEC);
	set(&b, "warning", ">= 61");
	judge_again(&b, T0 + 121 * USEC_PER_SEC, T0 + 120 * USEC_PER_SEC);
	expect(&b, "");
	bench_done(&b);
}

static void
test_growth_is_remembered(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "rate", "-- warning: >= 50\n-- for: 0s");
	run_rows(&b, "a 100 10", T0);
	run_rows(&b, "a 300 20", T0 + 10 * USEC_PER_SEC); /* 20 a second */
	expect(&b, "");
	set(&b, "warning", ">= 19");
	judge_again(&b, T0, T0);
	expect(&b, "a+2 ");
	run_rows(
	    &b, "a 310 30", T0 + 20 * USEC_PER_SEC); /* counters were not touched: 1 a second */
	run_rows(&b, "a 320 40", T0 + 30 * USEC_PER_SEC);
	expect(&b, "a-0 ");
	bench_done(&b);
}

/* The worst are kept; where others may breach too, nothing is taken for whole. */
static void
test_many_rows(void **state)
{
	_cleanup_str_ struct str rows = { 0 };
	struct bench b;

	(void)state;
	bench_init(&b, "gauge", "-- warning: >= 5000\n-- for: 0s");
	for (int i = 0; i < 1000; i++)
		str_addf(&rows, "%so%d %d", i ? ", " : "", i, i);
	run_rows(&b, str_text(&rows), T0);
	assert_true(rows_count(b.rows) <= ROWS_MAX);
	set(&b, "warning", ">= 998");
	assert_int_equal(judge_again(&b, T0, T0), RESULT_COMPLETE);
	assert_int_equal(findings_count(b.findings, "s", SEVERITY_WARNING), 2);
	set(&b, "warning", ">= 10");
	assert_int_equal(judge_again(&b, T0, T0), RESULT_TRUNCATED);
	assert_true(findings_count(b.findings, "s", SEVERITY_WARNING) > 2);
	set(&b, "warning", ">= 5000");
	assert_int_equal(judge_again(&b, T0, T0), RESULT_COMPLETE);
	assert_int_equal(findings_count(b.findings, "s", SEVERITY_WARNING), 0);
	bench_done(&b);
}

static void
test_limits_without_rows(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, "gauge", "-- critical: >= 5\n-- for: 0s");
	run_rows(&b, "a 7, b 8", T0);
	expect(&b, "b+3 a+3 ");
	b.settings->cap = SEVERITY_WARNING;
	findings_limit(b.findings, "s", b.settings, T0, T0);
	set(&b, "ignore", "b");
	findings_limit(b.findings, "s", b.settings, T0, T0);
	assert_non_null(strstr(str_text(&b.seen), "a>2"));
	assert_non_null(strstr(str_text(&b.seen), "b-0"));
	bench_done(&b);
}

static void
test_settings_are_compared(void **state)
{
	static const struct {
		const char *key, *value;
		bool alike, params;
	} table[] = {
		{ "warning", ">= 81", false, true },
		{ "clear", "< 3", false, true },
		{ "for", "7s", false, true },
		{ "ignore", "a", false, true },
		{ "severity", "info", false, true },
		{ "max_findings", "3", false, true },
		{ "enabled", "no", false, true },
		{ "param.p", "2", true, false },
		{ "interval", "1h", true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct bench b;
		struct settings *before;

		bench_init(&b, "gauge", "-- default: on\n-- warning: >= 80\n-- param.p: 1");
		before = settings_copy(b.settings);
		assert_true(settings_judge_alike(before, b.settings));
		set(&b, table[i].key, table[i].value);
		if (settings_judge_alike(before, b.settings) != table[i].alike ||
		    settings_same_params(before, b.settings) != table[i].params)
			fail_msg("%s", table[i].key);
		settings_free(before);
		bench_done(&b);
	}
}

static void
test_snapshot(void **state)
{
	struct snapshot *s = snapshot_new();
	const struct snapshot_item *i;
	const char *key;
	size_t iter = 0;

	(void)state;
	assert_null(snapshot_get(s, "file", "a"));
	snapshot_put(s, "file", "a", 0, "x\0y", 3, NULL);
	snapshot_append(s, "file a", "z", 1);
	snapshot_put(s, "file", "b", -EACCES, NULL, 0, "why");
	i = snapshot_get(s, "file", "a");
	assert_int_equal(i->len, 4);
	assert_memory_equal(i->bytes, "x\0yz", 5);
	assert_int_equal(snapshot_get(s, "file", "b")->code, -EACCES);
	assert_string_equal(snapshot_next(s, &iter, &key)->why, "");
	assert_string_equal(key, "file a");
	assert_string_equal(snapshot_next(s, &iter, &key)->why, "why");
	assert_null(snapshot_next(s, &iter, &key));
	snapshot_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_up_and_down),
		cmocka_unit_test(test_for_counts_samples),
		cmocka_unit_test(test_growth_is_remembered),
		cmocka_unit_test(test_many_rows),
		cmocka_unit_test(test_limits_without_rows),
		cmocka_unit_test(test_settings_are_compared),
		cmocka_unit_test(test_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
