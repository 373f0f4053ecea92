/* Statements between two looks: what counts as a difference, what is usual, who is new, what is kept. */
#include "base/str.h"
#include "check/statements.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOUR 3600
#define DAY  (24 * HOUR)

static int64_t clock_s = 1700000000;

static struct statement_row
row(int64_t query, double calls, double ms)
{
	return (struct statement_row){ .key = { 10, 5, query, true },
		.now = { .calls = calls, .exec_ms = ms },
		.max_ms = NAN };
}

static void
look(struct statements *t, const char *epoch, const struct statement_row *rows, size_t n)
{
	struct statements_look l = {
		.at_s = (double)clock_s, .wall_s = clock_s, .epoch = epoch, .all = true
	};

	statements_begin(t, &l);
	for (size_t i = 0; i < n; i++)
		statements_take(t, &rows[i]);
	statements_end(t, true);
	clock_s += 300;
}

static const struct statement *
get(const struct statements *t, int64_t query)
{
	return statements_find(t, &(struct statement_key){ 10, 5, query, true });
}

static void
test_differences(void **state)
{
	_cleanup_(statements_freep) struct statements *t = statements_new();
	struct statement_row r[3] = { row(1, 100, 1000), row(2, 10, 10) };
	(void)state;

	look(t, "a", r, 2);
	assert_true(statements_window_s(t) == 0);
	assert_false(get(t, 1)->moved);
	r[0] = row(1, 150, 2000);
	r[2] = row(3, 4, 8); /* was not there: all of it is of this window */
	look(t, "a", r, 3);
	assert_true(statements_window_s(t) == 300);
	assert_true(get(t, 1)->moved && get(t, 1)->delta.calls == 50);
	assert_true(get(t, 1)->delta.exec_ms == 1000);
	assert_false(get(t, 2)->moved); /* it stood still */
	assert_true(get(t, 3)->moved && get(t, 3)->delta.calls == 4);
	assert_true(statements_total(t)->exec_ms == 1008);
}

static void
test_another_life(void **state)
{
	_cleanup_(statements_freep) struct statements *t = statements_new();
	struct statement_row r[2] = { row(1, 100, 1000), row(2, 10, 10) };
	(void)state;

	look(t, "a", r, 2);
	r[0] = row(1, 50, 5000); /* evicted, and made anew: fewer calls */
	r[1] = row(2, 20, 90000);
	r[1].max_ms = 20; /* ten calls cannot have taken 90 s */
	look(t, "a", r, 2);
	assert_false(get(t, 1)->moved);
	assert_false(get(t, 2)->moved);
	r[0] = row(1, 60, 5100);
	look(t, "a", r, 2);
	assert_true(get(t, 1)->moved && get(t, 1)->delta.calls == 10);
	r[0] = row(1, 70, 5200);
	look(t, "b", r, 2); /* the statistics were reset, the server restarted */
	assert_false(get(t, 1)->moved);
	assert_true(statements_window_s(t) == 0);
	/* The entry was made between two looks though its counters rose. */
	r[0] = row(1, 80, 90000);
	r[0].since = (double)clock_s - 10;
	look(t, "b", r, 1);
	assert_true(get(t, 1)->delta.calls == 80);
	/* A look that was cut off compares with nothing, nor does the next. */
	r[0].now.calls = 90;
	statements_begin(
	    t, &(struct statements_look){
	           .at_s = (double)clock_s, .wall_s = clock_s, .epoch = "b", .all = true });
	statements_take(t, &r[0]);
	statements_end(t, false);
	assert_false(get(t, 1)->moved);
	look(t, "b", r, 1);
	assert_true(statements_window_s(t) == 0);
}

/* A call takes ms, ten calls a look, every look for so long. */
static void
live(struct statements *t, struct statement_row *r, double ms, int64_t for_s)
{
	for (int64_t end = clock_s + for_s; clock_s < end;) {
		r->now.calls += 10;
		r->now.exec_ms += 10 * ms;
		look(t, "a", r, 1);
	}
}

static void
test_usual(void **state)
{
	_cleanup_(statements_freep) struct statements *t = statements_new();
	struct statement_row r = row(1, 0, 0);
	(void)state;

	live(t, &r, 10, 6 * HOUR);
	assert_true(isnan(statements_usual_ms(t, get(t, 1), 5)));
	live(t, &r, 10, 2 * DAY);
	assert_true(fabs(statements_usual_ms(t, get(t, 1), 5) - 10) < 0.01);
	/* Half a bad day moves a median little; half a week is the new usual. */
	live(t, &r, 100, DAY / 2);
	assert_true(fabs(statements_usual_ms(t, get(t, 1), 5) - 10) < 0.01);
	live(t, &r, 100, 5 * DAY);
	assert_true(statements_usual_ms(t, get(t, 1), 5) > 99);
	/* After eight days without it nothing is known. */
	r = row(2, 0, 0);
	live(t, &r, 1, 9 * DAY);
	assert_null(get(t, 1));
}

static void
test_new(void **state)
{
	_cleanup_(statements_freep) struct statements *t = statements_new();
	struct statement_row r[64];
	(void)state;

	r[0] = row(1, 0, 0);
	look(t, "a", r, 1);
	r[1] = row(2, 1, 1);
	look(t, "a", r, 2);
	assert_false(statements_is_new(t, get(t, 2), DAY, DAY)); /* we had just begun */
	live(t, r, 1, DAY);
	r[1] = row(3, 1, 1);
	look(t, "a", r, 2);
	assert_true(statements_is_new(t, get(t, 3), DAY, DAY));
	assert_false(statements_is_new(t, get(t, 1), DAY, DAY));
	live(t, r, 1, DAY + HOUR);
	r[1] = row(3, 9, 9);
	look(t, "a", r, 2);
	assert_false(statements_is_new(t, get(t, 3), DAY, DAY));
	/* All ids at once: an upgrade, not sixty releases. */
	for (int i = 0; i < 60; i++)
		r[i] = row(1000 + i, 5, 5);
	look(t, "a", r, 60);
	assert_false(statements_is_new(t, get(t, 1001), DAY, DAY));
}

static void
test_bounded(void **state)
{
	_cleanup_(statements_freep) struct statements *t = statements_new();
	_cleanup_free_ struct statement_row *r = xcalloc(STATEMENTS_ROWS, sizeof(*r));
	(void)state;

	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < STATEMENTS_ROWS; i++)
			r[i] = row((int64_t)round * 7000 * 1000003 + (int64_t)i * 1000003, 5, 5);
		look(t, "a", r, STATEMENTS_ROWS);
		assert_true(statements_count(t) <= STATEMENTS_MAX);
		for (int i = 0; i < STATEMENTS_ROWS; i++)
			assert_non_null(statements_find(t, &r[i].key));
	}
	assert_true(statements_bytes(t) < (size_t)8 << 20);
}

static void
test_kept(void **state)
{
	_cleanup_(statements_freep) struct statements *t = statements_new(), *u = statements_new();
	struct statement_row r = row(-42, 0, 0);
	(void)state;

	live(t, &r, 10, 2 * DAY);
	for (unsigned i = 0; i < STATEMENTS_SHARDS; i++) {
		_cleanup_free_ char *text = statements_save(t, i);

		assert_int_equal(statements_load(u, text), 0);
	}
	assert_non_null(get(u, -42));
	assert_int_equal(statements_began_s(u), statements_began_s(t));
	assert_true(fabs(statements_usual_ms(u, get(u, -42), 5) - 10) < 0.01);
	r.now.calls += 10;
	r.now.exec_ms += 100;
	look(u, "a", &r, 1);
	assert_false(get(u, -42)->moved); /* a restart costs one window */
	r.now.calls += 10;
	r.now.exec_ms += 100;
	look(u, "a", &r, 1);
	assert_true(get(u, -42)->moved && get(u, -42)->delta.calls == 10);
	assert_false(statements_is_new(u, get(u, -42), DAY, DAY));
	assert_int_equal(statements_load(u, "{"), -EINVAL);
	assert_int_equal(statements_load(u, "[]"), -EINVAL);
	assert_int_equal(
	    statements_load(u, "{\"began\":1,\"looked\":2,\"span\":604800,\"bucket\":3,"
	                       "\"statements\":\"1 2 3 1 0 0 99 1 1\\n\"}"),
	    -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_differences),
		cmocka_unit_test(test_another_life), cmocka_unit_test(test_usual),
		cmocka_unit_test(test_new), cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_kept) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
