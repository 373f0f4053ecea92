/* lib/monitor: what of a finding is kept when, how much of it, and what the store is told. */
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "monitor/evidence.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants the four above before it */
#include <cmocka.h>

#define MINUTE (60 * USEC_PER_SEC)
#define START  (INT64_C(1700000000) * USEC_PER_SEC)

/* A store that remembers what it was told. */
struct stage {
	struct map *rows; /* "KIND KEY" -> JSON */
	struct findings *findings;
	struct evidence *book;
};

static void
put(const char *kind, const char *key, const char *json, void *arg)
{
	struct stage *s = arg;
	_cleanup_free_ char *name = xasprintf("%s %s", kind, key);

	free(json ? map_put(s->rows, name, xstrdup(json)) : map_remove(s->rows, name));
}

static void
ignore(const struct transition *t, void *arg)
{
	(void)t;
	(void)arg;
}

static int
setup(void **state)
{
	struct stage *s = xcalloc(1, sizeof(*s));

	s->rows = map_new();
	s->findings = findings_new(ignore, NULL);
	s->book = evidence_new(s->findings, put, s);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct stage *s = *state;

	evidence_free(s->book);
	findings_free(s->findings);
	map_free(s->rows, free);
	free(s);
	return 0;
}

static struct finding
finding(const char *id, enum severity severity, double value)
{
	struct finding f = { .state = FINDING_OPEN,
		.severity = severity,
		.has_value = true,
		.value = value,
		.unit = UNIT_SECONDS,
		.since_wall_us = START };

	snprintf(f.id, sizeof(f.id), "%s", id);
	return f;
}

/* A look of so many bytes for one finding. */
static void
take(struct stage *s, const char *id, size_t bytes, int64_t wall_us)
{
	_cleanup_free_ char *json = xcalloc(1, bytes + 1);
	struct evidence_plate *p;

	memset(json, '1', bytes);
	p = evidence_plate_new(s->book, json, wall_us);
	evidence_settle(s->book, id, p, NULL);
	evidence_plate_unref(s->book, p);
}

/* "opened+ worse- ": moments in order, + with rows, - without. */
static char *
moments(const struct stage *s, const char *id)
{
	_cleanup_strv_ char **keys = NULL;
	_cleanup_str_ struct str out = { 0 };
	json_t *list = evidence_json(s->book, id, &keys), *o;
	size_t i;

	json_array_foreach (list, i, o)
		str_addf(&out, "%s%s ", json_string_value(json_object_get(o, "moment")),
		    *keys[i] ? "+" : "-");
	json_decref(list);
	return str_take(&out);
}

#define assert_moments(s, id, want)                                                                \
	do {                                                                                       \
		_cleanup_free_ char *got_ = moments(s, id);                                        \
		assert_string_equal(got_, want);                                                   \
	} while (0)

static void
test_moments(void **state)
{
	struct stage *s = *state;
	struct finding f = finding("a", SEVERITY_WARNING, 10);

	f.state = FINDING_PENDING;
	assert_false(evidence_look(s->book, &f, false, START));
	f.state = FINDING_OPEN;
	assert_true(evidence_look(s->book, &f, false, START));
	assert_true(evidence_waits(s->book, "a"));
	assert_moments(s, "a", "opened- ");
	take(s, "a", 100, START);
	assert_false(evidence_waits(s->book, "a"));
	assert_moments(s, "a", "opened+ ");
	f.value = 14;
	assert_false(evidence_look(s->book, &f, false, START + 10 * MINUTE)); /* no half more */
	f.value = 16;
	assert_false(evidence_look(s->book, &f, false, START + MINUTE)); /* too soon */
	f.severity = SEVERITY_CRITICAL;
	assert_true(evidence_look(s->book, &f, false, START + MINUTE));
	take(s, "a", 200, START + MINUTE);
	f.severity = SEVERITY_WARNING;
	assert_false(evidence_look(s->book, &f, false, START + 10 * MINUTE));
	f.severity = SEVERITY_CRITICAL; /* once only */
	assert_false(evidence_look(s->book, &f, false, START + 10 * MINUTE));
	f.value = 24;
	assert_true(evidence_look(s->book, &f, false, START + 10 * MINUTE));
	take(s, "a", 300, START + 10 * MINUTE);
	assert_moments(s, "a", "opened+ worse+ peak+ ");
	assert_int_equal(evidence_bytes(s->book), 600);
	/* The peak of before is worth more than why there is no newer one. */
	f.value = 100;
	assert_true(evidence_look(s->book, &f, false, START + 20 * MINUTE));
	evidence_settle(s->book, "a", NULL, "not taken: a test");
	assert_moments(s, "a", "opened+ worse+ peak+ ");
	assert_int_equal(evidence_bytes(s->book), 600);
	assert_int_equal(map_size(s->rows), 4);
	/* It opens again: the worst of the last time stays. */
	f.since_wall_us += 60 * MINUTE;
	f.severity = SEVERITY_WARNING;
	f.value = 5;
	assert_true(evidence_look(s->book, &f, false, START + 60 * MINUTE));
	evidence_settle(s->book, "a", NULL, "not taken: a test");
	assert_moments(s, "a", "before+ opened- ");
	assert_int_equal(evidence_bytes(s->book), 200);
	evidence_forget(s->book, "a");
	assert_int_equal(evidence_bytes(s->book), 0);
	assert_int_equal(map_size(s->rows), 0);
}

static void
test_lower_is_worse(void **state)
{
	struct stage *s = *state;
	struct finding f = finding("a", SEVERITY_WARNING, 9);

	assert_true(evidence_look(s->book, &f, true, START));
	take(s, "a", 10, START);
	f.value = 90;
	assert_false(evidence_look(s->book, &f, true, START + 10 * MINUTE));
	f.value = 6;
	assert_true(evidence_look(s->book, &f, true, START + 10 * MINUTE));
	f.has_value = false;
	take(s, "a", 10, START);
	assert_false(evidence_look(s->book, &f, true, START + 20 * MINUTE));
}

static void
test_findings_share_a_look(void **state)
{
	struct stage *s = *state;
	struct evidence_plate *p = evidence_plate_new(s->book, "{\"rows\":[]}", START);

	for (int i = 0; i < 500; i++) {
		struct finding f = finding("", SEVERITY_WARNING, 1);

		snprintf(f.id, sizeof(f.id), "%04d", i);
		assert_true(evidence_look(s->book, &f, false, START));
		evidence_settle(s->book, f.id, p, NULL);
	}
	evidence_plate_unref(s->book, p);
	assert_int_equal(evidence_bytes(s->book), 11);
	assert_int_equal(map_size(s->rows), 501);
	for (int i = 0; i < 500; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%04d", i);
		assert_int_equal(evidence_bytes(s->book), 11);
		evidence_forget(s->book, id);
	}
	assert_int_equal(evidence_bytes(s->book), 0);
	assert_int_equal(map_size(s->rows), 0);
}

static void
test_kept_over_a_restart(void **state)
{
	struct stage *s = *state;
	struct finding f = finding("a", SEVERITY_WARNING, 10), g = finding("b", SEVERITY_INFO, 1);
	struct evidence_plate *p = evidence_plate_new(s->book, "12345", START);
	json_t *before, *after;
	_cleanup_strv_ char **keys = NULL, **again = NULL;
	const char *name;
	size_t iter = 0;
	void *json;

	evidence_look(s->book, &f, false, START);
	evidence_look(s->book, &g, false, START);
	evidence_settle(s->book, "a", p, NULL);
	evidence_settle(s->book, "b", p, NULL);
	evidence_plate_unref(s->book, p);
	f.severity = SEVERITY_CRITICAL;
	f.value = NAN;
	f.has_value = false;
	evidence_look(s->book, &f, false, START + MINUTE);
	evidence_settle(s->book, "a", NULL, "not taken: \"it\"");
	before = evidence_json(s->book, "a", &keys);
	evidence_free(s->book);
	s->book = evidence_new(s->findings, put, s);
	while (map_next(s->rows, &iter, &name, &json))
		if (str_starts(name, EVIDENCE_KIND " "))
			evidence_load(s->book, name + strlen(EVIDENCE_KIND) + 1, json);
	evidence_load(s->book, "c", "{");
	evidence_load(s->book, "d", "{\"shots\":[{\"moment\":99},{\"moment\":-1}]}");
	after = evidence_json(s->book, "a", &again);
	assert_true(json_equal(before, after));
	assert_string_equal(keys[0], again[0]);
	assert_int_equal(evidence_bytes(s->book), 5);
	assert_false(evidence_look(s->book, &f, false, START + 2 * MINUTE));
	json_decref(before);
	json_decref(after);
	/* No finding has any of these ids. */
	evidence_retain(s->book);
	assert_int_equal(evidence_bytes(s->book), 0);
	assert_int_equal(map_size(s->rows), 0);
}

static void
test_all_of_it_is_bounded(void **state)
{
	struct stage *s = *state;
	const size_t each = (size_t)1 << 20, n = EVIDENCE_ALL_BYTES / each;

	for (size_t i = 0; i < n + 8; i++) {
		struct finding f = finding("", SEVERITY_WARNING, 1);

		snprintf(f.id, sizeof(f.id), "%04zu", i);
		evidence_look(s->book, &f, false, START);
		take(s, f.id, each, START + (int64_t)i);
		assert_true(evidence_bytes(s->book) <= EVIDENCE_ALL_BYTES);
	}
	assert_int_equal(evidence_bytes(s->book), EVIDENCE_ALL_BYTES);
	assert_moments(s, "0007", "opened- ");
	assert_moments(s, "0008", "opened+ ");
}

/* ---- rows ---- */

static json_t *
rows_of(const struct evidence_rows *r)
{
	_cleanup_free_ char *text = evidence_rows_json(r);
	json_t *o = json_loads(text, 0, NULL);

	assert_true(strlen(text) <= EVIDENCE_MAX_BYTES + 64);
	assert_non_null(o);
	return o;
}

static const char *
at(const json_t *o, size_t row, size_t column)
{
	return json_string_value(
	    json_array_get(json_array_get(json_object_get(o, "rows"), row), column));
}

static void
test_rows_are_redacted(void **state)
{
	const char *names[] = { "pid", "last_query", "note\xff", "state" };
	const char *cells[] = { "12", "SELECT 'secret' FROM t -- secret", "Password secret", NULL };
	size_t lengths[4];
	struct evidence_rows *r = evidence_rows_new();
	json_t *o;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		lengths[i] = cells[i] ? strlen(cells[i]) : 0;
	evidence_rows_columns(r, 4, names);
	assert_true(evidence_rows_add(r, cells, lengths));
	o = rows_of(r);
	assert_string_equal(at(o, 0, 0), "12");
	assert_string_equal(at(o, 0, 1), "SELECT ? FROM t");
	assert_string_equal(at(o, 0, 2), "Password ...");
	assert_null(at(o, 0, 3));
	assert_true(json_is_false(json_object_get(o, "truncated")));
	json_decref(o);
	evidence_rows_free(r);
}

static void
test_rows_are_bounded(void **state)
{
	static const struct {
		size_t ncells, len;
		const char *fill;
	} t[] = { { 1, 1, "x" }, { 24, 5000, "x" }, { 40, 5000, "\x01" }, { 3, 300, "\"" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct evidence_rows *r = evidence_rows_new();
		const char *names[40], *cells[40];
		size_t lengths[40], n = 0;
		char *cell = xcalloc(1, t[i].len + 1);
		json_t *o;

		memset(cell, *t[i].fill, t[i].len);
		for (size_t k = 0; k < 40; k++) {
			names[k] = "a column";
			cells[k] = cell;
			lengths[k] = t[i].len;
		}
		evidence_rows_columns(r, t[i].ncells, names);
		while (evidence_rows_add(r, cells, lengths))
			assert_true(++n <= EVIDENCE_MAX_ROWS);
		assert_false(evidence_rows_add(r, cells, lengths));
		o = rows_of(r);
		assert_int_equal(json_array_size(json_object_get(o, "rows")), n);
		assert_true(json_is_true(json_object_get(o, "truncated")));
		if (n > 0)
			assert_true(strlen(at(o, 0, 0)) <= EVIDENCE_CELL_BYTES);
		json_decref(o);
		free(cell);
		evidence_rows_free(r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_moments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lower_is_worse, setup, teardown),
		cmocka_unit_test_setup_teardown(test_findings_share_a_look, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept_over_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_of_it_is_bounded, setup, teardown),
		cmocka_unit_test(test_rows_are_redacted),
		cmocka_unit_test(test_rows_are_bounded),
	};

	return cmocka_run_group_tests_name("evidence", tests, NULL, NULL);
}
