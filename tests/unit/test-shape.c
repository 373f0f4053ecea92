/* Shapes: comparing, words, overlays, the store. */
#include "base/str.h"
#include "check/shape.h"
#include "monitor/drift.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
/* after the four that cmocka.h itself forgets */
#include <cmocka.h>

static struct shape *
shape_of(const char *const (*rows)[3])
{
	struct shape *s = shape_new();
	struct err e = { 0 };

	for (; (*rows)[1]; rows++)
		assert_int_equal(shape_add(s, (*rows)[0], (*rows)[1], (*rows)[2],
		                     (*rows)[2] ? strlen((*rows)[2]) : 0, &e),
		    0);
	return s;
}

static char *
words(const struct shape *a, const struct shape *b, bool across, const char *there)
{
	struct shape_words *w = shape_words_new(5, there);

	shape_compare(a, b, across, shape_words_add, w);
	return shape_words_end(w);
}

#define ROWS(...) ((const char *const[][3]){ __VA_ARGS__, { NULL, NULL, NULL } })

static void
test_words(void **state)
{
	static const struct {
		const char *a, *b, *within, *across;
	} cases[] = {
		{ "{}", "{}", "", "" },
		{ "{\"column a\":\"int\"}", "{\"column a\":\"bigint\"}",
		    "table t: column a changed from int to bigint",
		    "table t: column a is int in x, bigint here" },
		{ "{\"check c\":\"~11\"}", "{\"check c\":\"~22\"}", "table t: check c changed",
		    "" },
		{ "{\"check c\":\"~11\"}", "{\"check c\":\" not valid~11\"}",
		    "table t: check c changed", "table t: check c differs" },
		{ "{\"a\":\"x #0123456789 y\"}", "{\"a\":\"x #9876543210 y\"}",
		    "table t: a changed", "table t: a differs" },
		{ "{\"a\":\"1\",\"b\":\"2\"}", "{\"b\":\"2\",\"c\":\"3\"}",
		    "table t: a removed; c added", "table t: a only in x; c only here" },
		{ "{\"a\":\"1\",\"definition\":\"2\"}", "{\"a\":\"2\",\"definition\":\"3\"}",
		    "table t: a changed from 1 to 2", "table t: a is 1 in x, 2 here" },
		{ "{\"definition\":\"2\"}", "{\"definition\":\"3\",\"definition [2]\":\"4\"}",
		    "table t: definition changed", "table t: definition differs" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct shape *a = shape_of(ROWS({ "table", "t", cases[i].a }));
		struct shape *b = shape_of(ROWS({ "table", "t", cases[i].b }));
		_cleanup_free_ char *within = words(a, b, false, NULL),
		                    *across = words(a, b, true, "x");

		assert_string_equal(within, cases[i].within);
		assert_string_equal(across, cases[i].across);
		shape_free(a);
		shape_free(b);
	}
}

static void
test_objects(void **state)
{
	struct shape *a = shape_of(ROWS({ "table", "b", NULL }, { "view", "v", "{}" },
	    { "", "n", "{\"x\":\"1\"}" }, { "", "n", "{\"y\":\"2\"}" }));
	struct shape *b = shape_of(
	    ROWS({ "table", "a", NULL }, { "table", "v", "{}" }, { "", "n", "{\"x\":\"1\"}" }));
	_cleanup_free_ char *text = words(a, b, false, NULL);
	struct err e = { 0 };

	(void)state;
	assert_string_equal(
	    text, "table b removed; view v removed; n: y removed; table a added; table v added");
	assert_int_equal(shape_add(a, "", "bad", "[1]", 3, &e), -EINVAL);
	assert_int_equal(shape_add(a, "", "bad", "{", 1, &e), -EINVAL);
	shape_free(a);
	shape_free(b);
}

static void
look(struct drift *d, const char *parts, int64_t wall)
{
	struct shape *s =
	    shape_of(ROWS({ "table", "t", parts }, { "table", "same", "{\"a\":\"b\"}" }));

	assert_true(drift_add_slice(d, s, 1));
	shape_free(s);
	drift_look(d, "home", "how", wall);
}

struct kept {
	char *names[200], *texts[200];
	size_t n;
};

static void
put(const char *piece, const char *json, void *arg)
{
	struct kept *k = arg;
	size_t i = 0;

	while (i < k->n && !streq(k->names[i], piece))
		i++;
	if (i == k->n)
		k->names[k->n++] = xstrdup(piece);
	else
		free(k->texts[i]);
	k->texts[i] = xstrdup(json);
}

static char *
get(const char *piece, void *arg)
{
	const struct kept *k = arg;

	for (size_t i = 0; i < k->n; i++)
		if (streq(k->names[i], piece))
			return xstrdup(k->texts[i]);
	return NULL;
}

static void
test_versions(void **state)
{
	struct drift *d = drift_new(), *again = drift_new();
	struct kept kept = { 0 };
	char parts[60];

	(void)state;
	assert_int_equal(drift_pin(d, 0, "me", 1), -ENOENT);
	for (int i = 1; i <= 30; i++) {
		snprintf(parts, sizeof(parts), "{\"n\":\"%d\"}", i % 7);
		look(d, parts, i);
		drift_save(d, put, &kept);
	}
	assert_int_equal(d->nversions, DRIFT_VERSIONS);
	assert_int_equal(d->versions[0].number, 30);
	assert_string_equal(d->versions[0].words, "table t: n changed from 1 to 2");
	assert_int_equal(drift_pin(d, 10, "me", 1), -ENOENT);
	/* Version 16 was as this one is, though all between was not; 15 was not. */
	assert_int_equal(drift_pin(d, 16, "me", 1), 0);
	assert_int_equal(drift_from_baseline(d, NULL, NULL), 0);
	assert_int_equal(drift_pin(d, 15, "me", 1), 0);
	assert_int_equal(drift_from_baseline(d, NULL, NULL), 1);
	drift_save(d, put, &kept);
	assert_int_equal(drift_load(again, get, &kept), 0);
	assert_int_equal(again->nversions, DRIFT_VERSIONS);
	assert_int_equal(drift_from_baseline(again, NULL, NULL), 1);
	look(again, "{\"n\":\"1\"}", 31);
	assert_int_equal(drift_from_baseline(again, NULL, NULL), 0);
	assert_int_equal(again->versions[0].number, 31);
	drift_save(again, put, &kept);
	drift_forget(again, put, &kept);
	for (size_t i = 0; i < kept.n; i++) {
		assert_null(kept.texts[i]);
		free(kept.names[i]);
	}
	drift_free(d);
	drift_free(again);
}

static void
test_another_look_is_no_change(void **state)
{
	struct drift *d = drift_new();
	struct shape *s;

	(void)state;
	look(d, "{\"n\":\"1~1\"}", 1);
	s = shape_of(ROWS({ "table", "new", "{}" }));
	assert_false(drift_add_slice(d, s, 2));
	assert_true(drift_add_slice(d, s, 2)); /* it is empty now */
	assert_int_equal(drift_look(d, "home", "other how", 2), 0);
	assert_int_equal(d->nversions, 1);
	shape_free(s);
	/* Another database: only what can be compared is. */
	look(d, "{\"n\":\"1~1\"}", 3);
	s = shape_of(
	    ROWS({ "table", "t", "{\"n\":\"1~2\"}" }, { "table", "same", "{\"a\":\"b\"}" }));
	drift_add_slice(d, s, 1);
	assert_int_equal(drift_look(d, "elsewhere", "how", 4), 0);
	shape_free(s);
	drift_free(d);
}

static void
test_what_is_kept_may_be_broken(void **state)
{
	static const char *const heads[] = { "", "{", "[]", "{\"format\":1}",
		"{\"format\":1,\"buckets\":1,\"versions\":[]}", "{\"format\":2,\"buckets\":1}",
		"{\"format\":1,\"buckets\":100000,\"versions\":[{}]}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		struct drift *d = drift_new();
		struct kept kept = { .names = { (char *)"", (char *)"o0" },
			.texts = { (char *)heads[i], (char *)"{\"table t\":{}}" },
			.n = 2 };

		assert_int_equal(drift_load(d, get, &kept), -EINVAL);
		drift_free(d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_another_look_is_no_change),
		cmocka_unit_test(test_what_is_kept_may_be_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
