/* Rows in, judged samples out: every kind, what cannot be judged, and results of any size. */
#include "base/str.h"
#include "check/eval.h"
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define WALL      INT64_C(1700000000000000)
#define MAX_CELLS 10

/* One check with what it remembers; runs are texts: columns, then rows, `|` between cells, lines
 * between rows, `~` for NULL. */
struct bench {
	struct check *check;
	struct settings *settings;
	struct series *series;
	struct result result;
	double server_start;
	int64_t wall_us;
	const char *item;
	char **tracked;
	const struct usual *usual;
	bool all_wanted; /* eval_row never refused */
};

static void
bench_init(struct bench *b, const char *kind, const char *more)
{
	_cleanup_free_ char *text = xasprintf(
	    "-- id: x\n-- title: The title\n-- engine: postgresql\n-- probe: performance\n"
	    "-- kind: %s\n%s%sSELECT 1",
	    kind, more, *more ? "\n" : "");
	struct err e = { 0 };

	*b = (struct bench){ .server_start = 1000, .wall_us = WALL, .series = series_new() };
	if (check_parse(text, "f", &b->check, &e) < 0)
		fail_msg("%s", e.msg);
	b->settings = settings_new(b->check, 50);
}

static void
bench_done(struct bench *b)
{
	result_done(&b->result);
	settings_free(b->settings);
	series_free(b->series);
	check_free(b->check);
	strv_free(b->tracked);
}

static bool
is_tracked(const void *arg, const char *key)
{
	return strv_has((char *const *)arg, key);
}

static bool
tell_usual(const void *arg, const char *object, int64_t wall_us, double value, struct usual *ret)
{
	(void)wall_us;
	(void)value;
	if (!streq(object, "known"))
		return false;
	*ret = *(const struct usual *)arg;
	return true;
}

static struct eval *
begin(struct bench *b)
{
	struct eval_context ctx = { .series = b->series,
		.wall_us = b->wall_us,
		.server_start = b->server_start,
		.item = b->item,
		.tracked = b->tracked ? is_tracked : NULL,
		.tracked_arg = b->tracked,
		.usual = b->usual ? tell_usual : NULL,
		.usual_arg = b->usual };

	return eval_new(b->settings, &ctx);
}

static size_t
split(char *line, char separator, const char **cells)
{
	size_t n = 0;

	for (char *next = line; next; n++) {
		assert_true(n < MAX_CELLS);
		cells[n] = next;
		next = strchr(next, separator);
		if (next)
			*next++ = '\0';
	}
	return n;
}

static void
feed(struct bench *b, struct eval *e, const char *text)
{
	_cleanup_free_ char *copy = xstrdup(text);
	bool first = true;

	b->all_wanted = true;
	for (char *line = copy, *next; line; line = next, first = false) {
		const char *cells[MAX_CELLS];
		size_t lengths[MAX_CELLS], n;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		n = split(line, '|', cells);
		for (size_t i = 0; i < n; i++) {
			lengths[i] = strlen(cells[i]);
			if (!first && streq(cells[i], "~"))
				cells[i] = NULL;
		}
		if (first)
			eval_columns(e, n, cells);
		else
			b->all_wanted = eval_row(e, cells, lengths) && b->all_wanted;
	}
}

/* A whole run, then what came of it as text: "STATE reason: KEY severity value, ..." */
static char *
run_with(struct bench *b, const char *text, const struct result *why)
{
	static const char *const states[] = { "unknown", "complete", "truncated", "waiting" };
	struct eval *e = begin(b);
	_cleanup_str_ struct str out = { 0 };

	feed(b, e, text);
	result_done(&b->result);
	eval_finish(e, why, &b->result);
	eval_free(e);
	b->wall_us += 30 * 1000000;
	str_addf(&out, "%s", states[b->result.state]);
	if (b->result.state == RESULT_UNKNOWN)
		str_addf(&out, " %s: %s", reason_names[b->result.reason], b->result.text);
	for (size_t i = 0; i < b->result.nsamples; i++) {
		const struct sample *s = b->result.samples[i];

		str_addf(&out, ", %s %s", s->key, severity_names[s->severity]);
		if (s->has_value)
			str_addf(&out, " %g", s->value);
		if (s->holds != (s->severity != SEVERITY_NONE))
			str_addf(&out, " %s", s->holds ? "holds" : "does not hold");
	}
	return str_take(&out);
}

static void
expect(struct bench *b, const char *text, const char *expected)
{
	_cleanup_free_ char *got = run_with(b, text, NULL);

	assert_string_equal(got, expected);
}

static void
track(struct bench *b, const char *key)
{
	strv_add(&b->tracked, key);
}

static void
set(struct bench *b, const char *key, const char *value)
{
	struct err e = { 0 };

	if (settings_set(b->settings, key, value, &e) < 0)
		fail_msg("%s", e.msg);
}

static void
test_gauge(void **state)
{
	struct bench b;
	(void)state;

	bench_init(&b, "gauge", "-- info: > 1\n-- warning: > 10\n-- critical: > 100");
	expect(&b, "object|value\na|1\nb|11\nc|101.5\nd|2e0",
	    "complete, c critical 101.5, b warning 11, d info 2");
	assert_int_equal(b.result.nrows, 4);
	assert_int_equal(b.result.nbreaching, 3);
	assert_true(b.result.has_value && b.result.value == 101.5);
	assert_string_equal(b.result.value_object, "c");
	assert_int_equal(b.result.nvalues, 4);
	assert_true(b.result.values[3].value == 1 && isnan(b.result.values[3].counter));
	expect(&b, "value\n11", "complete,  warning 11");
	expect(&b, "object|value", "complete");
	assert_false(b.result.has_value);

	/* What is tracked comes back, also when it is good; it holds until 10 % below the lowest. */
	track(&b, "a"), track(&b, "b"), track(&b, "gone");
	expect(&b, "object|value\na|0.95\nb|0.85\nc|0", "complete, a none 0.95 holds, b none 0.85");
	/* two rows of one key: the worse */
	expect(&b, "object|value|key\nx|11|k\ny|200|k\nz|12|k\na|5|a\na|4|a",
	    "complete, k critical 200, a info 5");
	assert_string_equal(b.result.samples[0]->object, "y");
	assert_int_equal(b.result.nbreaching, 2);
	bench_done(&b);
}

static void
test_less_is_worse(void **state)
{
	struct bench b;
	(void)state;

	bench_init(&b, "gauge", "-- warning: < 5\n-- critical: < 1\n-- clear: > 20");
	set(&b, "max_findings", "2");
	track(&b, "e"), track(&b, "f");
	expect(&b, "object|value\na|4\nb|0.5\nc|3\nd|7\ne|19\nf|21",
	    "complete, b critical 0.5, c warning 3, e none 19 holds, f none 21");
	assert_string_equal(b.result.value_object, "b");
	assert_int_equal(b.result.nbreaching, 3);
	bench_done(&b);
}

static void
test_not_a_value(void **state)
{
	static const char *const cells[] = { "~", "", "NaN", "nan", "inf", "-Infinity", "Infinity",
		"1x", "0x10", "t", " 1", "1e999", "--1", "." };
	struct bench b;
	(void)state;

	bench_init(&b, "gauge", "-- warning: < 5");
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		_cleanup_free_ char *rows = xasprintf("object|value\na|%s", cells[i]);
		_cleanup_free_ char *got = run_with(&b, rows, NULL);

		assert_string_equal(
		    got, i == 0 ? "unknown no_value: value is NULL for a"
		                : "unknown no_value: value is not a finite number for a");
		assert_false(b.result.has_value);
	}
	{ /* a long name is shortened between two characters, not within one */
		_cleanup_free_ char *rows = xasprintf("object|value\na%0100d|~", 0), *got = NULL;

		for (char *c = strchr(rows, '0'); *c == '0'; c += 2)
			memcpy(c, "\xc3\xa9", 2);
		got = run_with(&b, rows, NULL);
		assert_string_equal(got + strlen(got) - 5, "\xc3\xa9...");
	}
	/* what can be judged is, the rest makes it unknown */
	expect(&b, "object|value\na|1\nb|~\nc|~\nd|2",
	    "unknown no_value: value is NULL for b and 1 more of 4 rows, a warning 1, d warning 2");
	expect(&b, "object\na", "unknown no_value: the query returned no column value");
	assert_false(b.all_wanted);
	expect(&b, "object|VALUE\na|1", "unknown no_value: the query returned no column value");
	bench_done(&b);

	bench_init(&b, "finding", "-- warning: > 5");
	expect(&b, "object|value\na|~", "unknown no_value: value is NULL for a");
	expect(&b, "object\na", "unknown no_value: the query returned no column value");
	bench_done(&b);
	bench_init(&b, "event", "");
	expect(&b, "object|value\na|~", "unknown no_value: value is NULL for a");
	bench_done(&b);
	bench_init(&b, "rate", "-- warning: > 5");
	expect(&b, "object|value\na|1", "unknown no_value: the query returned no column at");
	expect(&b, "object|value|at\na|1|~", "unknown no_value: at is NULL for a");
	bench_done(&b);
	bench_init(&b, "ratio", "-- warning: > 5");
	expect(&b, "object|part\na|1", "unknown no_value: the query returned no column whole");
	bench_done(&b);
}

static void
test_rights(void **state)
{
	struct bench b;
	(void)state;

	bench_init(&b, "gauge", "-- warning: > 5");
	expect(&b,
	    "object|value|grant\na|9|~\nb|~|GRANT x TO y;\nc|~|GRANT x TO y;\nd|~|GRANT z TO y;",
	    "unknown privilege: a right is missing for b and 2 more of 4 rows, a warning 9");
	assert_string_equal(b.result.grant, "GRANT x TO y; GRANT z TO y;");
	/* a value counts, whatever grant says; an empty grant says nothing */
	expect(&b, "object|value|grant\na|9|GRANT x", "complete, a warning 9");
	expect(&b, "object|value|grant\na|~|", "unknown no_value: value is NULL for a");
	bench_done(&b);
	bench_init(&b, "finding", "");
	expect(&b, "object|grant\na|GRANT x TO y;\nb|~",
	    "unknown privilege: a right is missing for a, b warning");
	bench_done(&b);
}

static void
test_severity(void **state)
{
	struct bench b;
	(void)state;

	bench_init(&b, "finding", "-- severity: info");
	expect(&b, "object|severity|value\na|critical|1\nb|~|~\nc|Warning|x\nd|none|2",
	    "complete, a critical 1, c warning, b info");
	expect(&b, "object|severity\na|error",
	    "unknown no_value: severity is none of none, info, warning, critical for a");
	expect(&b, "what\nx", "complete,  info");
	assert_string_equal(sample_label(b.result.samples[0], "what"), "x");
	bench_done(&b);

	/* a gauge whose SQL decides: NULL is fine and nothing is invented */
	bench_init(&b, "gauge", "");
	track(&b, "b");
	expect(&b, "object|value|severity\na|1|warning\nb|2|~\nc|3|none",
	    "complete, a warning 1, b none 2");
	bench_done(&b);

	bench_init(&b, "gauge", "-- warning: > 5\n-- critical: > 10");
	set(&b, "severity", "info");
	expect(&b, "object|value\na|7\nb|11\nc|1", "complete, b info 11, a info 7");
	b.settings->force = SEVERITY_CRITICAL;
	b.settings->cap = SEVERITY_WARNING;
	expect(&b, "object|value\na|7\nb|11\nc|1", "complete, b warning 11, a warning 7");
	bench_done(&b);
}

static void
test_ignore(void **state)
{
	struct bench b;
	(void)state;

	bench_init(&b, "gauge", "-- warning: > 5");
	set(&b, "ignore", "public.old_*, tmp.?");
	track(&b, "public.old_a");
	expect(&b, "object|value\npublic.old_a|9\npublic.older|9\ntmp.x|~\ntmp.xx|9",
	    "complete, public.older warning 9, tmp.xx warning 9");
	bench_done(&b);
}

static void
test_rate(void **state)
{
	struct bench b;
	(void)state;

	bench_init(&b, "rate", "-- warning: >= 5");
	expect(&b, "object|value|at|reset\na|100|1000|7", "waiting");
	assert_false(b.result.has_value);
	assert_true(b.result.values[0].counter == 100 && isnan(b.result.values[0].value));
	expect(&b, "object|value|at|reset\na|150|1010|7", "complete, a warning 5");
	expect(&b, "object|value|at|reset\na|160|1020|7", "complete");
	assert_true(b.result.value == 1.0);
	/* the counter falls: no value, an open finding stays */
	track(&b, "a");
	expect(&b, "object|value|at|reset\na|90|1030|7", "waiting, a none holds");
	expect(&b, "object|value|at|reset\na|190|1040|7", "complete, a warning 10");
	/* statistics reset; the counter may already be larger */
	expect(&b, "object|value|at|reset\na|990|1050|8", "waiting, a none holds");
	expect(&b, "object|value|at|reset\na|991|1060|8", "complete, a none 0.1");
	/* restart of the server */
	b.server_start = 1065;
	expect(&b, "object|value|at|reset\na|2000|1070|8", "waiting, a none holds");
	expect(&b, "object|value|at|reset\na|2100|1080|8", "complete, a warning 10");
	/* the clock stands still: the past stays, and the next run is right */
	expect(&b, "object|value|at|reset\na|2150|1080|8", "waiting, a none holds");
	expect(&b, "object|value|at|reset\na|2200|1090|8", "complete, a warning 10");
	/* the clock goes back: a new beginning */
	expect(&b, "object|value|at|reset\na|2300|1000|8", "waiting, a none holds");
	expect(&b, "object|value|at|reset\na|2310|1010|8", "complete, a none 1");
	/* one row of two has no past yet: judged without it */
	expect(&b, "object|value|at|reset\na|2400|1020|8\nb|5|1020|8", "complete, a warning 9");
	/* absent from a whole run: forgotten */
	expect(&b, "object|value|at|reset\nb|5|1030|8", "complete");
	expect(&b, "object|value|at|reset\na|2500|1040|8\nb|5|1040|8", "complete, a none holds");
	/* a key twice: both against the same past, the worse one kept */
	expect(&b, "object|value|at|reset\na|2520|1050|8\na|2600|1050|8\nb|5|1050|8",
	    "complete, a warning 10");
	bench_done(&b);
}

static void
test_window(void **state)
{
	struct bench b;
	(void)state;

	bench_init(&b, "rate", "-- warning: >= 5\n-- window: 5min");
	expect(&b, "value|at\n10|0", "waiting");
	expect(&b, "value|at\n13|60", "complete");
	assert_true(b.result.value == 3.0);
	expect(&b, "value|at\n13|120", "complete");
	assert_true(b.result.value == 3.0);
	expect(&b, "value|at\n15|180", "complete,  warning 5");
	/* a reset makes no increment, what was counted stays in its window */
	expect(&b, "value|at\n4|240", "waiting");
	expect(&b, "value|at\n5|300", "complete,  warning 6");
	expect(&b, "value|at\n5|360", "complete");
	assert_true(b.result.value == 3.0); /* the three at 60 are five minutes old */
	/* a pause of ten windows: only the window's share of 100 */
	expect(&b, "value|at\n105|3360", "complete,  warning 10");
	bench_done(&b);
}

static void
test_ratio(void **state)
{
	struct bench b;
	(void)state;

	bench_init(&b, "ratio", "-- warning: < 0.9\n-- param.min_whole: 100");
	track(&b, "");
	expect(&b, "part|whole\n1000|2000", "waiting,  none holds");
	expect(&b, "part|whole\n1080|2100", "complete,  warning 0.8");
	assert_true(b.result.samples[0]->part == 80 && b.result.samples[0]->whole == 100);
	/* too little happened: good, without a value */
	expect(&b, "part|whole\n1080|2199", "complete,  none");
	assert_false(b.result.has_value);
	expect(&b, "part|whole\n1080|2199", "complete,  none");
	/* 0.95 is over 0.9, but not yet a tenth over it */
	expect(&b, "part|whole\n1175|2299", "complete,  none 0.95 holds");
	expect(&b, "part|whole\n1275|2399", "complete,  none 1");
	/* either counter falls */
	expect(&b, "part|whole\n1200|2599", "waiting,  none holds");
	expect(&b, "part|whole\n1300|2500", "waiting,  none holds");
	set(&b, "param.min_whole", "1000");
	expect(&b, "part|whole\n1310|2900", "complete,  none");
	bench_done(&b);
	bench_init(&b, "ratio", "-- warning: < 0.9");
	expect(&b, "part|whole\n0|0", "waiting");
	expect(&b, "part|whole\n0|0", "complete"); /* nothing by nothing is no number */
	expect(&b, "part|whole\n0|1", "complete,  warning 0");
	bench_done(&b);
}

static void
test_baseline(void **state)
{
	struct bench b;
	(void)state;

	bench_init(
	    &b, "gauge", "-- warning: > 5 x baseline and > 500ms else > 3s\n-- unit: seconds");
	expect(&b, "value\n2", "complete");
	expect(&b, "value\n4", "complete,  warning 4");
	for (int i = 0; i < 18; i++)
		expect(&b, "value\n0.2", "complete");
	expect(&b, "value\n2", "complete,  warning 2"); /* 20 values: the median counts now */
	expect(&b, "value\n0.6", "complete");
	expect(&b, "value\n3.1", "complete,  warning 3.1");
	bench_done(&b);
}

static void
test_usual(void **state)
{
	struct usual usual = { .median = 2310.4, .mad = 180, .hour = "Mondays at 10:00" };
	char *text;
	struct bench b;
	(void)state;

	bench_init(&b, "gauge",
	    "-- info: outside 4 mad and > 10 else > 9000\n"
	    "-- message: {value}/s; {hour} usually {usual:count} +- {mad:count}");
	expect(&b, "object|value\nknown|412", "complete"); /* nobody tells what is usual */
	expect(&b, "object|value\nknown|9001", "complete, known info 9001");
	b.usual = &usual;
	expect(&b, "object|value\nknown|3030", "complete");
	expect(&b, "object|value\nknown|9", "complete");
	expect(&b, "object|value\nnew|412", "complete"); /* not known of this one */
	expect(&b, "object|value\nknown|412", "complete, known info 412");
	text = message_render(NULL, b.settings, b.result.samples[0]);
	assert_string_equal(text, "412/s; Mondays at 10:00 usually 2,310 +- 180");
	free(text);
	bench_done(&b);

	/* Without an else there is no verdict as long as nothing is known, nor an end of what is open. */
	bench_init(&b, "gauge", "-- info: outside 4 mad\n-- param.min_mad: 400");
	expect(&b, "object|value\nknown|412", "waiting");
	b.usual = &usual;
	expect(&b, "object|value\nnew|412", "waiting");
	expect(
	    &b, "object|value\nnew|412\nknown|800", "complete"); /* 400 is the least that counts */
	expect(&b, "object|value\nknown|3911", "complete, known info 3911");
	bench_done(&b);
}

static void
test_cut_off(void **state)
{
	struct result why = { .reason = REASON_TIMEOUT, .text = "timeout after 5 s" };
	struct bench b;
	char *got;
	(void)state;

	bench_init(&b, "gauge", "-- warning: > 5");
	got = run_with(&b, "object|value\na|7", &why);
	assert_string_equal(got, "truncated, a warning 7");
	assert_int_equal(b.result.reason, REASON_TIMEOUT);
	assert_string_equal(b.result.text, "timeout after 5 s");
	free(got);
	got = run_with(&b, "object|value", &why);
	assert_string_equal(got, "unknown timeout: timeout after 5 s");
	free(got);
	{
		struct eval *e = begin(&b);

		result_done(&b.result);
		eval_finish(e, NULL, &b.result);
		assert_int_equal(b.result.state, RESULT_UNKNOWN);
		assert_string_equal(b.result.text, "the query returned no columns");
		eval_free(e);
	}
	bench_done(&b);

	/* a run that was cut off forgets no counter */
	bench_init(&b, "rate", "-- warning: > 5");
	expect(&b, "object|value|at\na|1|0\nb|1|0", "waiting");
	free(run_with(&b, "object|value|at\na|2|10", &why));
	expect(&b, "object|value|at\na|2|20\nb|201|20", "complete, b warning 10");
	bench_done(&b);
}

static void
test_rows_cap(void **state)
{
	static const char *const names[] = { "object", "value" };
	struct bench b;
	(void)state;

	bench_init(&b, "gauge", "-- warning: > 5");
	for (int user = 0; user < 2; user++) {
		size_t max = user ? EVAL_USER_MAX_ROWS : EVAL_MAX_ROWS, i;
		struct eval *e;

		b.check->user = user;
		e = begin(&b);
		eval_columns(e, 2, names);
		for (i = 0; i < max + 5; i++) {
			char key[32], value[32];
			const char *cells[] = { key, value };
			size_t lengths[2];

			/* The worst come in the middle and at the very end. */
			lengths[0] = (size_t)snprintf(key, sizeof(key), "k%zu", i);
			lengths[1] = (size_t)snprintf(value, sizeof(value), "%zu",
			    i == 5000      ? 11 * max
			    : i == max - 1 ? 10 * max
			                   : i);
			if (!eval_row(e, cells, lengths))
				break;
		}
		assert_true(i == max);
		result_done(&b.result);
		eval_finish(e, NULL, &b.result);
		eval_free(e);
		assert_int_equal(b.result.state, RESULT_TRUNCATED);
		assert_true(b.result.nrows == max);
		assert_true(b.result.nbreaching >= max - 6);
		assert_int_equal(b.result.nsamples, 50);
		assert_string_equal(b.result.samples[0]->key, "k5000");
		assert_true(b.result.samples[1]->value == 10.0 * (double)max);
		for (size_t k = 2; k < 50; k++)
			assert_true(b.result.samples[k]->value == (double)(max - k));
	}
	bench_done(&b);
}

static void
test_bytes_cap(void **state)
{
	static const char *const names[] = { "object", "value", "detail", "remedy", "note" };
	_cleanup_free_ char *big = xcalloc(1, 100001);
	_cleanup_free_ char *other = NULL;
	const char *cells[] = { big, "9", big, big, big };
	size_t lengths[] = { 100000, 1, 100000, 5000, 100000 }, rows;
	struct bench b;
	struct eval *e;
	(void)state;

	memset(big, 'x', 100000);
	bench_init(&b, "gauge", "-- warning: > 5\n-- remedy.1: do | sql | none");
	e = begin(&b);
	eval_columns(e, 5, names);
	for (rows = 0; eval_row(e, cells, lengths); rows++)
		;
	assert_true(rows == EVAL_MAX_BYTES / 305001);
	/* The same start and another end: two keys, not one. */
	eval_finish(e, NULL, &b.result);
	eval_free(e);
	assert_int_equal(b.result.state, RESULT_TRUNCATED);
	assert_int_equal(b.result.nsamples, 1);
	assert_true(strlen(b.result.samples[0]->detail) == 4096);
	assert_true(strlen(sample_label(b.result.samples[0], "note")) == 4096);
	assert_null(b.result.samples[0]->remedies[0]); /* half a statement is none */
	other = xstrdup(b.result.samples[0]->key);
	assert_true(strlen(other) <= 4096);
	big[99999] = 'y';
	e = begin(&b);
	eval_columns(e, 5, names);
	assert_true(eval_row(e, cells, lengths));
	result_done(&b.result);
	eval_finish(e, NULL, &b.result);
	eval_free(e);
	assert_string_not_equal(b.result.samples[0]->key, other);
	bench_done(&b);
}

/* 200,000 rows, most of them breaching, some tracked: the heap and the tracked ones are all there is. */
static void
test_memory_is_bounded(void **state)
{
	static const char *const names[] = { "object", "value", "detail" };
	struct bench b;
	struct eval *e;
	struct mallinfo2 before, after;
	(void)state;

	bench_init(&b, "finding", "-- warning: > 1");
	track(&b, "k3"), track(&b, "k100000"), track(&b, "k0");
	e = begin(&b);
	eval_columns(e, 3, names);
	before = mallinfo2();
	for (size_t i = 0; i < EVAL_MAX_ROWS; i++) {
		char key[32], value[32];
		const char *cells[] = { key, value, "0123456789012345678901234567890123456789" };
		size_t lengths[] = { 0, 0, 40 };

		lengths[0] = (size_t)snprintf(key, sizeof(key), "k%zu", i);
		lengths[1] = (size_t)snprintf(value, sizeof(value), "%zu", (i * 7919) % 200003);
		assert_true(eval_row(e, cells, lengths));
	}
	after = mallinfo2();
	/* A sanitizer's allocator reports nothing here; the counts below hold in any build. */
	assert_true(after.uordblks < before.uordblks + (256 << 10));
	eval_finish(e, NULL, &b.result);
	eval_free(e);
	assert_int_equal(b.result.state, RESULT_COMPLETE);
	assert_int_equal(b.result.nsamples, 53);
	assert_true(b.result.samples[0]->value == 200002 && b.result.samples[49]->value >= 199000);
	assert_string_equal(b.result.samples[52]->key, "k0");
	assert_int_equal(b.result.samples[52]->severity, SEVERITY_NONE);
	bench_done(&b);
}

static void
test_columns(void **state)
{
	struct bench b;
	const struct sample *s;
	(void)state;

	bench_init(&b, "finding",
	    "-- remedy.1: look | look | none\n-- remedy.2: do | sql | lock\n-- remedy.3: more | "
	    "sql | lock\n"
	    "-- remedy.2.text: DROP INDEX {object};\n-- remedy.3.text: SELECT '{note}'");
	b.item = "item 1";
	expect(&b,
	    "object|key|detail|remedy|remedy_3|note|empty|remedy_9\npublic.i|7/x|some|SELECT "
	    "1;|SELECT 3;|n|~|r",
	    "complete, 7/x warning");
	s = b.result.samples[0];
	assert_string_equal(s->object, "public.i");
	assert_string_equal(s->item, "item 1");
	assert_string_equal(s->detail, "some");
	assert_string_equal(s->remedies[0], "SELECT 1;");
	assert_string_equal(s->remedies[1], "DROP INDEX public.i;");
	assert_string_equal(s->remedies[2], "SELECT 3;");
	assert_null(s->remedies[3]);
	assert_int_equal(s->nlabels, 2);
	assert_string_equal(sample_label(s, "remedy_9"), "r");
	assert_null(sample_label(s, "empty"));
	{
		struct sample *copy = sample_copy(s);

		assert_string_equal(sample_label(copy, "note"), "n");
		assert_string_equal(copy->remedies[2], "SELECT 3;");
		sample_free(copy);
	}
	/* bytes of a peer */
	{
		static const char *const names[] = { "object", "detail" };
		const char *cells[] = { "a\xff"
			                "b",
			"x\0y" };
		size_t lengths[] = { 3, 3 };
		struct eval *e = begin(&b);

		eval_columns(e, 2, names);
		assert_true(eval_row(e, cells, lengths));
		result_done(&b.result);
		eval_finish(e, NULL, &b.result);
		eval_free(e);
		assert_string_equal(b.result.samples[0]->key, "a\xef\xbf\xbd"
		                                              "b");
		assert_string_equal(b.result.samples[0]->detail, "x\xef\xbf\xbdy");
	}
	bench_done(&b);
}

static void
test_messages(void **state)
{
	static const char *const cases[][2] = {
		{ "{object} has {value}, over {warning} or {critical}",
		    "public.t {value} has 84 GB, over 64 MB or none" },
		{ "{detail}", "{object}" },
		{ "{label}: {missing} {other:bytes} {other:seconds} {other}",
		    "{{object}}: unknown 2 MB 24 d 7 h 2097152" },
		{ "{{object}}", "{public.t {value}}" },
		{ "{} { } {Object} {object {a-b} {x:furlong} }",
		    "{} { } {Object} {object {a-b} {x:furlong} }" },
		{ "{eta} {severity} {min_rows}", "3 h 10 min warning 10,000" },
		{ "100% %s %n", "100% %s %n" },
		{ "", "" },
	};
	struct bench b;
	struct label labels[] = { { (char *)"label", (char *)"{{object}}" },
		{ (char *)"other", (char *)"2097152" }, { (char *)"eta", (char *)"11400" },
		{ (char *)"object", (char *)"shadow" } };
	struct sample s = { .object = (char *)"public.t {value}",
		.key = (char *)"k",
		.detail = (char *)"{object}",
		.has_value = true,
		.value = 84.0 * (1 << 30),
		.severity = SEVERITY_WARNING,
		.labels = labels,
		.nlabels = ARRAY_SIZE(labels) };
	(void)state;

	bench_init(&b, "gauge", "-- unit: bytes\n-- warning: > 64MB\n-- param.min_rows: 10,000");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = message_render(cases[i][0], b.settings, &s);

		assert_string_equal(text, cases[i][1]);
	}
	{
		_cleanup_free_ char *with_detail = message_render(NULL, b.settings, &s),
		                    *with_value = NULL, *bare = NULL;

		s.detail = NULL;
		with_value = message_render(NULL, b.settings, &s);
		s.has_value = false;
		bare = message_render(NULL, b.settings, &s);
		assert_string_equal(with_detail, "The title: {object}");
		assert_string_equal(with_value, "The title: 84 GB");
		assert_string_equal(bare, "The title");
	}
	bench_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_gauge),
		cmocka_unit_test(test_less_is_worse), cmocka_unit_test(test_not_a_value),
		cmocka_unit_test(test_rights), cmocka_unit_test(test_severity),
		cmocka_unit_test(test_ignore), cmocka_unit_test(test_rate),
		cmocka_unit_test(test_window), cmocka_unit_test(test_ratio),
		cmocka_unit_test(test_baseline), cmocka_unit_test(test_usual),
		cmocka_unit_test(test_cut_off), cmocka_unit_test(test_rows_cap),
		cmocka_unit_test(test_bytes_cap), cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_columns), cmocka_unit_test(test_messages) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
