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

/* The baseline of a row also stands for the median; the mad is a tenth of it. */
static struct threshold_known
known(double baseline)
{
	return (struct threshold_known){ baseline, baseline, fabs(baseline) / 10 };
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
		{ "> 4 mad", 141, 100, true },
		{ "> 4 mad", 140, 100, false },
		{ ">= 4 mad", 140, 100, true },
		{ "> 4mad", 20, 100, false },
		{ "< -4 mad", 59, 100, true },
		{ "< -4 mad", 60, 100, false },
		{ "< -4 mad", 200, 100, false },
		{ "<= -4 mad", 60, 100, true },
		{ "outside 4 mad", 59, 100, true },
		{ "outside 4 mad", 60, 100, false },
		{ "outside 4 mad", 140, 100, false },
		{ "outside 4 mad", 141, 100, true },
		{ "> 4 mad", 1e9, NAN, false },
		{ "outside 4 mad", 0, NAN, false },
		{ "> 4 mad", 5, 0, false }, /* a mad of 0 is none */
		{ "> 4 mad and > 500ms", 0.4, 0.01, false },
		{ "> 4 mad and > 500ms", 0.6, 0.01, true },
		{ "> 4 mad and > 500ms else > 3s", 0.6, NAN, false },
		{ "> 4 mad and > 500ms else > 3s", 3.1, NAN, true },
		{ "> 10 and outside 4 mad", 9, 1, false },
		{ "> 10 and outside 4 mad", 11, 1, true },
		{ "> 4 mad", NAN, 100, false },
		{ "< 0.1 x usual", 9.9, 100, true },
		{ "< 0.1 x usual", 10, 100, false },
		{ "< 0.1 x usual", 1, NAN, false },
		{ "< 0.1 x usual and < -4 mad", 9, 100, true },
		{ "> 4 x usual and > 64MB else > 1GB", 70 * 1048576.0, 15 * 1048576.0, true },
		{ "> 4 x usual and > 64MB else > 1GB", 70 * 1048576.0, NAN, false },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct threshold t = parse(cases[i].text);
		struct threshold_known k = known(cases[i].baseline);

		if (threshold_breached(&t, cases[i].value, &k) != cases[i].breached)
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
		{ "> 4 mad", "", 137, 100, true },
		{ "> 4 mad", "", 135, 100, false },
		{ "< -4 mad", "", 63, 100, true },
		{ "< -4 mad", "", 65, 100, false },
		{ "outside 4 mad", "", 63, 100, true },
		{ "outside 4 mad", "", 137, 100, true },
		{ "outside 4 mad", "", 65, 100, false },
		{ "> 4 mad", "< 130", 131, 100, true },
		{ "> 4 mad", "< 130", 129, 100, false },
		{ "> 4 mad", "", 1000, NAN, false },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct threshold limit = parse(cases[i].limit), clear = parse(cases[i].clear);
		struct threshold_known k = known(cases[i].baseline);

		if (threshold_holds(&limit, &clear, cases[i].value, &k) != cases[i].holds)
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
		{ ">4mad and >500ms", "> 4 mad and > 0.5", NAN },
		{ "outside 4.5 mad else >= 3", "outside 4.5 mad else >= 3", 3 },
		{ "<-4 mad", "< -4 mad", NAN },
		{ "<0.1*usual", "< 0.1 x usual", NAN },
		{ "eta<14d", "eta < 1209600", 1209600 },
		{ " eta  <= 90min and eta > 0", "eta <= 5400 and eta > 0", 5400 },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct threshold t = parse(cases[i].text), u;
		_cleanup_free_ char *text = threshold_text(&t, UNIT_COUNT);
		double v = threshold_value(&t, &THRESHOLD_KNOWN_NONE);

		assert_string_equal(text, cases[i].again);
		u = parse(text);
		assert_memory_equal(&t, &u, sizeof(t));
		assert_true(isnan(cases[i].value) ? isnan(v) : v == cases[i].value);
	}
	static const struct {
		const char *text, *again;
		enum unit unit;
	} written[] = {
		{ ">= 0.8", ">= 80%", UNIT_RATIO },
		{ "eta < 1209600", "eta < 14d", UNIT_SECONDS },
		{ "> 0.5 and > 5 x baseline", "> 500ms and > 5 x baseline", UNIT_SECONDS },
		{ "> 68719476736", "> 64GB", UNIT_BYTES },
		{ "> 1000", "> 1000B", UNIT_BYTES },
		{ "> 4 mad and > 90", "> 4 mad and > 90s", UNIT_SECONDS },
		{ "< -3", "< -3", UNIT_SECONDS },
		{ ">= 1e300", ">= 1e+300", UNIT_BYTES },
		{ ">= 0.123456789", ">= 0.123456789", UNIT_RATIO },
	};
	for (size_t i = 0; i < ARRAY_SIZE(written); i++) {
		struct threshold t = parse(written[i].text), u;
		_cleanup_free_ char *text = threshold_text(&t, written[i].unit);

		assert_string_equal(text, written[i].again);
		u = parse(text);
		assert_memory_equal(&t, &u, sizeof(t));
	}
	{
		struct threshold t = parse("> 5 x baseline and > 64MB"), none = { 0 };
		struct threshold mad = parse("> 4 mad");
		struct threshold_known k = known(3);
		_cleanup_free_ char *people = threshold_format(&t, UNIT_BYTES);
		_cleanup_free_ char *empty = threshold_text(&none, UNIT_COUNT);

		assert_string_equal(people, "> 5 x baseline and > 64 MB");
		assert_string_equal(empty, "");
		assert_true(threshold_value(&t, &k) == 15.0);
		assert_true(fabs(threshold_value(&mad, &k) - 4.2) < 1e-9);
		assert_true(isnan(threshold_value(&none, &k)));
	}
}

static void
test_refused(void **state)
{
	static const char *const texts[] = { "", "80%", "> ", "> x", ">= 0.8 and",
		"> 1 and > 2 and > 3", "> 1 else > 2", "> 1 x baseline else > 2 x baseline",
		"> x baseline", "> nan", "> inf", "=> 1", "> 1 or > 2", "and > 1", "else > 1",
		"> 5 min ago", "> mad", "> -4 mad", "< 4 mad", "> 0 mad", "= 4 mad",
		"outside -4 mad", "outside 4", "> 4 mad else > 5 mad", "> 4 nomad", "> 4 usual",
		"outside 4 x usual", "> 1 x usual else > 2 x usual", "eta", "eta 14d", "eta <",
		"etas < 14d", "eta eta < 14d", "< eta", "eta < 14 days ago" };
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

static struct check *
check_of_history(void)
{
	struct check *c = NULL;
	struct err e = { 0 };

	if (check_parse(
	        "-- id: full-soon\n-- title: t\n-- engine: postgresql\n-- probe: performance\n"
	        "-- kind: gauge\n-- unit: seconds\n-- source: history\n-- of: fill\n"
	        "-- limit: 90%\n-- warning: eta < 7d\n",
	        "f", &c, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(c->source, SOURCE_HISTORY);
	assert_string_equal(c->of, "fill");
	assert_true(c->limit == 0.9 && !c->limit_column);
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

/* Remaining time is asked only of a check that knows it. */
static void
test_eta(void **state)
{
	_cleanup_(check_freep) struct check *gauge = check_of(LIMITS), *c = NULL;
	static const char *const keys[] = { "info", "warning", "critical", "clear" };
	struct settings *s = settings_new(gauge, 50);
	struct threshold t = parse("eta < 14d"), plain = parse("< 14d"),
	                 usual = parse("> 5 x usual"), more = parse("> 5");
	_cleanup_free_ char *people = threshold_format(&t, UNIT_SECONDS);
	struct err e = { 0 };
	(void)state;

	assert_true(threshold_asks_eta(&t) && !threshold_asks_eta(&plain));
	assert_true(threshold_equal(&t, &plain)); /* of remaining time both say the same */
	assert_false(threshold_equal(&usual, &more));
	assert_true(threshold_breached(&t, 13.9 * 86400, &THRESHOLD_KNOWN_NONE));
	assert_false(threshold_breached(&t, 14 * 86400, &THRESHOLD_KNOWN_NONE));
	assert_true(
	    threshold_holds(&t, &(struct threshold){ 0 }, 15 * 86400, &THRESHOLD_KNOWN_NONE));
	assert_false(
	    threshold_holds(&t, &(struct threshold){ 0 }, 16 * 86400, &THRESHOLD_KNOWN_NONE));
	assert_string_equal(people, "< 14 d");

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_free_ char *said = xasprintf("%s: %s", keys[i], THRESHOLD_ETA_ONLY);

		assert_true(settings_set(s, keys[i], "eta < 14d", &e) < 0);
		assert_string_equal(e.msg, said);
	}
	assert_true(s->warning.set && s->warning.term[0].value == 10); /* as it was */
	assert_int_equal(settings_set(s, "warning", "none", &e), 0);
	assert_false(s->warning.set);
	settings_free(s);

	assert_true(
	    check_parse("-- id: a-b\n-- title: t\n-- engine: postgresql\n-- probe: performance\n"
	                "-- kind: gauge\n-- unit: seconds\n-- warning: eta < 1d\nSELECT 1 AS value",
	        "f", &c, &e) < 0);
	assert_string_equal(e.msg, "f:1: " THRESHOLD_ETA_ONLY);
	c = check_of_history();
	s = settings_new(c, 50);
	assert_int_equal(settings_set(s, "warning", "eta < 14d", &e), 0);
	assert_true(threshold_asks_eta(&s->warning) && s->warning.term[0].value == 14 * 86400);
	assert_int_equal(settings_set(s, "critical", "< 1h", &e), 0);
	assert_int_equal(settings_set(s, "critical", "none", &e), 0);
	assert_false(s->critical.set);
	assert_true(settings_set(s, "warning", "eta > tomorrow", &e) < 0);
	assert_true(s->warning.term[0].value == 14 * 86400);
	settings_free(s);
}

/* What a head of source history needs, and other heads must not have. */
static void
test_history_head(void **state)
{
	static const struct {
		const char *lines, *message;
	} cases[] = {
		{ "-- source: history\n-- kind: gauge\n-- unit: seconds\n-- limit: 1\n",
		    "needs `of: CHECK`" },
		{ "-- source: history\n-- kind: gauge\n-- unit: seconds\n-- of: a-b\n",
		    "`limit: VALUE`" },
		{ "-- source: history\n-- kind: gauge\n-- of: a-b\n-- limit: 1\n", "unit seconds" },
		{ "-- source: history\n-- kind: gauge\n-- unit: seconds\n-- of: a-b\n-- limit: "
		  "much\n",
		    "much" },
		{ "-- kind: gauge\n-- of: a-b\n", "only for source history" },
		{ "-- kind: gauge\n-- limit: 5\n", "only for source history" },
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool history = str_starts(cases[i].lines, "-- source");
		_cleanup_free_ char *text = xasprintf(
		    "-- id: x-soon\n-- title: t\n-- engine: postgresql\n-- probe: performance\n%s"
		    "-- warning: < 5%s",
		    cases[i].lines, history ? "\n" : "\nSELECT 1 AS value");
		struct check *c = NULL;
		struct err e = { 0 };

		if (check_parse(text, "f", &c, &e) >= 0)
			fail_msg("accepted: %s", cases[i].lines);
		if (!strstr(e.msg, cases[i].message))
			fail_msg("%s: %s", cases[i].lines, e.msg);
	}
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
		cmocka_unit_test(test_settings_refused), cmocka_unit_test(test_eta),
		cmocka_unit_test(test_history_head), cmocka_unit_test(test_param_text) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
