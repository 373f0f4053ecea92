/* Thresholds and what the configuration may change of a check. */
#include "base/clock.h"
#include "base/str.h"
#include "check/settings.h"
#include "check/threshold.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct threshold
parse(const char *text)
{
	struct threshold t = { 0 };
	struct err e = { 0 };

	if (*text && threshold_parse(text, &t, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	return t;
}

static void
test_breached(void **state)
{
	static const struct {
		const char *text;
		double value, baseline;
		bool breached;
	} cases[] = {
		{ ">= 80%", 0.8, NAN, true },
		{ ">= 80%", 0.79, NAN, false },
		{ "> 0.8", 0.8, NAN, false },
		{ "< 5min", 299.9, NAN, true },
		{ "< 5min", 300, NAN, false },
		{ "<= 5min", 300, NAN, true },
		{ "> 10GB", 10737418241.0, NAN, true },
		{ "> 10GB", 10737418240.0, NAN, false },
		{ "= 0", 0, NAN, true },
		{ "!= 0", 0, NAN, false },
		{ "!= 0", 1, NAN, true },
		{ "<0.5", 0.1, NAN, true },
		{ "> 1 and < 5", 3, NAN, true },
		{ "> 1 and < 5", 5, NAN, false },
		{ "> 5 x baseline", 6, 1, true },
		{ "> 5 x baseline", 5, 1, false },
		{ "> 5 x baseline", 1e9, NAN, false },
		{ "> 5 x baseline and > 500ms else > 3s", 0.4, 0.01, false },
		{ "> 5 x baseline and > 500ms else > 3s", 0.6, 0.01, true },
		{ "> 5 x baseline and > 500ms else > 3s", 0.6, NAN, false },
		{ "> 5 x baseline and > 500ms else > 3s", 3.1, NAN, true },
		{ ">= 1", NAN, NAN, false },
		{ "< 1", NAN, 1, false },
		{ "!= 1", NAN, 1, false },
		{ "", 5, 5, false },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct threshold t = parse(cases[i].text);

		if (threshold_breached(&t, cases[i].value, cases[i].baseline) != cases[i].breached)
			fail_msg("%s with %g, baseline %g", cases[i].text, cases[i].value,
			    cases[i].baseline);
	}
}

static void
test_holds(void **state)
{
	static const struct {
		const char *limit, *clear;
		double value, baseline;
		bool holds;
	} cases[] = {
		{ ">= 0.8", "", 0.8, NAN, true },
		{ ">= 0.8", "", 0.73, NAN, true },
		{ ">= 0.8", "", 0.71, NAN, false },
		{ "< 100", "", 105, NAN, true },
		{ "< 100", "", 111, NAN, false },
		{ "< -100", "", -95, NAN, true },
		{ "< -100", "", -89, NAN, false },
		{ "> 0", "", 0, NAN, false },
		{ "!= 0", "", 0, NAN, false },
		{ ">= 0.8", "< 0.5", 0.6, NAN, true },
		{ ">= 0.8", "< 0.5", 0.4, NAN, false },
		{ ">= 0.8", "< 0.9", 0.85, NAN, true }, /* it still breaches */
		{ "> 5 x baseline else > 3s", "", 4.6, 1, true },
		{ "> 5 x baseline else > 3s", "", 4.4, 1, false },
		{ "> 5 x baseline else > 3s", "", 2.8, NAN, true },
		{ "> 5 x baseline else > 3s", "", 2.6, NAN, false },
		{ "> 5 x baseline", "", 100, NAN, false },
		{ ">= 0.8", "", NAN, NAN, false },
		{ ">= 0.8", "< 0.5", NAN, NAN, false },
		{ "", "", 1, NAN, false },
		{ "", "< 0", 1, NAN, false },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct threshold limit = parse(cases[i].limit), clear = parse(cases[i].clear);

		if (threshold_holds(&limit, &clear, cases[i].value, cases[i].baseline) !=
		    cases[i].holds)
			fail_msg(
			    "%s, clear %s with %g", cases[i].limit, cases[i].clear, cases[i].value);
	}
}

static void
test_text(void **state)
{
	static const struct {
		const char *text, *again;
		double value;
	} cases[] = {
		{ ">=80%", ">= 0.8", 0.8 },
		{ "< 5min", "< 300", 300 },
		{ "> 5 x baseline and > 500ms else > 3s", "> 5 x baseline and > 0.5 else > 3", 3 },
		{ ">5*baseline", "> 5 x baseline", NAN },
		{ "<> 1e9", "!= 1000000000", 1e9 },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct threshold t = parse(cases[i].text), u;
		_cleanup_free_ char *text = threshold_text(&t);
		double v = threshold_value(&t, NAN);

		assert_string_equal(text, cases[i].again);
		u = parse(text);
		assert_memory_equal(&t, &u, sizeof(t));
		assert_true(isnan(cases[i].value) ? isnan(v) : v == cases[i].value);
	}
	{
		struct threshold t = parse("> 5 x baseline and > 64MB"), none = { 0 };
		_cleanup_free_ char *people = threshold_format(&t, UNIT_BYTES);
		_cleanup_free_ char *empty = threshold_text(&none);

		assert_string_equal(people, "> 5 x baseline and > 64 MB");
		assert_string_equal(empty, "");
		assert_true(threshold_value(&t, 3) == 15.0);
		assert_true(isnan(threshold_value(&none, 3)));
	}
}

static void
test_refused(void **state)
{
	static const char *const texts[] = { "", "80%", "> ", "> x", ">= 0.8 and",
		"> 1 and > 2 and > 3", "> 1 else > 2", "> 1 x baseline else > 2 x baseline",
		"> x baseline", "> nan", "> inf", "=> 1", "> 1 or > 2", "and > 1", "else > 1",
		"> 5 min ago" };
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct threshold t = { .set = true, .term = { { .value = 7 } } };
		struct err e = { 0 };

		if (threshold_parse(texts[i], &t, &e) >= 0)
			fail_msg("accepted: %s", texts[i]);
		assert_true(e.code < 0 && e.msg[0] && t.term[0].value == 7);
	}
}

static struct check *
check_of(const char *more)
{
	_cleanup_free_ char *text = xasprintf(
	    "-- id: xact-idle\n-- title: t\n-- engine: postgresql\n-- probe: performance\n"
	    "%s\nSELECT 1 AS value",
	    more);
	struct check *c = NULL;
	struct err e = { 0 };

	if (check_parse(text, "f", &c, &e) < 0)
		fail_msg("%s", e.msg);
	return c;
}

#define LIMITS                                                                                     \
	"-- kind: gauge\n-- warning: > 10\n-- for: 5min\n-- interval: 1min\n-- param.min_rows: "   \
	"1000\n"                                                                                   \
	"-- param.after: 10min\n-- param.who: root"

static void
test_settings(void **state)
{
	_cleanup_(check_freep) struct check *c = check_of(LIMITS);
	struct settings *s = settings_new(c, 50), *copy;
	static const char *const keys[][2] = { { "warning", "> 20" }, { "critical", "> 30" },
		{ "clear", "< 5" }, { "info", "> 1" }, { "for", "1min, 2min" },
		{ "interval", "10s" }, { "severity", "info" }, { "max_findings", "7" },
		{ "enabled", "No" }, { "ignore", "public.old_*, tmp.*" },
		{ "param.min_rows", "5" } };
	(void)state;

	assert_true(s->enabled && s->cap == SEVERITY_CRITICAL && s->force == SEVERITY_NONE);
	assert_true(s->clear_for_us == 300 * USEC_PER_SEC);
	assert_true(settings_interval_us(s, 30 * USEC_PER_SEC) == 60 * USEC_PER_SEC);
	assert_true(settings_interval_us(s, 90 * USEC_PER_SEC) == 90 * USEC_PER_SEC);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct err e = { 0 };

		if (settings_set(s, keys[i][0], keys[i][1], &e) < 0)
			fail_msg("%s: %s", keys[i][0], e.msg);
	}
	assert_true(
	    s->warning.term[0].value == 20 && s->critical.set && s->clear.set && s->info.set);
	assert_true(s->for_us[SEVERITY_WARNING] == 60 * USEC_PER_SEC);
	assert_true(s->for_us[SEVERITY_CRITICAL] == 120 * USEC_PER_SEC);
	assert_true(s->clear_for_us == 60 * USEC_PER_SEC); /* follows `for` */
	assert_int_equal(settings_set(s, "clear_for", "7min", NULL), 0);
	assert_int_equal(settings_set(s, "for", "0s", NULL), 0);
	assert_true(s->clear_for_us == 7 * 60 * USEC_PER_SEC && s->for_us[SEVERITY_CRITICAL] == 0);
	assert_true(settings_interval_us(s, 90 * USEC_PER_SEC) == 10 * USEC_PER_SEC);
	assert_int_equal(s->force, SEVERITY_INFO);
	assert_int_equal(s->max_findings, 7);
	assert_false(s->enabled);
	assert_string_equal(s->disabled_reason, "switched off by configuration");
	assert_string_equal(s->ignore[1], "tmp.*");
	assert_int_equal(settings_set(s, "critical", "none", NULL), 0);
	assert_false(s->critical.set);

	copy = settings_copy(s);
	settings_free(s);
	assert_string_equal(check_param_get(copy->params, copy->nparams, "min_rows"), "5");
	assert_string_equal(check_param_get(c->params, c->nparams, "min_rows"), "1000");
	assert_int_equal(settings_set(copy, "enabled", "on", NULL), 0);
	assert_true(copy->enabled && !copy->disabled_reason);
	settings_free(copy);
}

static void
test_settings_refused(void **state)
{
	_cleanup_(check_freep) struct check *c = check_of(LIMITS);
	_cleanup_(check_freep) struct check *by_sql =
	    check_of("-- kind: gauge\n-- param.warning_after: 10min\n-- param.critical_after: 1h");
	_cleanup_(check_freep) struct check *bare = check_of("-- kind: finding");
	static const struct {
		const char *key, *value, *message;
	} cases[] = {
		{ "warnign", "> 1", "unknown key; did you mean warning?" },
		{ "zzzzzzzz", "red", "unknown key" },
		{ "warning", "1",
		    "\"1\": a threshold is a comparison and a value, as in >= 80% or < 5min" },
		{ "interval", "10ms", "10ms is less than 1s" },
		{ "hold", "1d", "only for kind event; xact-idle is a gauge" },
		{ "severity", "bad", "\"bad\" is none of info, warning, critical" },
		{ "max_findings", "0", "\"0\" is not a number from 1 to 100000" },
		{ "max_findings", "-1", "\"-1\" is not a number from 1 to 100000" },
		{ "enabled", "perhaps", "\"perhaps\" is neither yes nor no" },
		{ "ignore", " , ", "no pattern" },
		{ "param.min_row", "1", "unknown param; did you mean param.min_rows?" },
		{ "param.min_rows", "many", NULL },
	};
	struct settings *s = settings_new(c, 50);
	struct err e = { 0 };
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		e = (struct err){ 0 };
		assert_true(settings_set(s, cases[i].key, cases[i].value, &e) < 0);
		if (cases[i].message)
			assert_string_equal(e.msg, cases[i].message);
		assert_true(e.msg[0]);
	}
	assert_int_equal(settings_set(s, "param.who", "anybody", NULL), 0);
	settings_free(s);

	s = settings_new(by_sql, 50);
	e = (struct err){ 0 };
	assert_true(settings_set(s, "warning", "> 1", &e) < 0);
	assert_string_equal(e.msg, "warning: xact-idle decides the severity itself; set "
	                           "param.warning_after, param.critical_after instead");
	settings_free(s);
	s = settings_new(bare, 50);
	assert_true(settings_set(s, "critical", "> 1", &e) < 0);
	assert_string_equal(e.msg,
	    "critical: xact-idle decides the severity itself; set severity = or enabled = instead");
	settings_free(s);
}

static void
test_param_text(void **state)
{
	static const char *const cases[][2] = { { "5min", "300" }, { "250ms", "0.25" },
		{ "10MB", "10485760" }, { "80%", "0.8" }, { "1000", "1000" }, { "0.5", "0.5" },
		{ "1e9", "1e9" }, { "-1", "-1" }, { "public.users", "public.users" }, { "", "" },
		{ "7d", "604800" }, { "3TB", "3298534883328" }, { "inf", "inf" }, { "nan", "nan" },
		{ "33%", "0.33" } };
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = check_param_text(cases[i][0]);

		assert_string_equal(text, cases[i][1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_breached),
		cmocka_unit_test(test_holds), cmocka_unit_test(test_text),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_settings),
		cmocka_unit_test(test_settings_refused), cmocka_unit_test(test_param_text) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
