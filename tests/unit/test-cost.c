/* The budget of a check: when it runs less often, by how much, and when it has its interval back. */
#include "base/clock.h"
#include "base/str.h"
#include "monitor/cost.h"
#include "monitor/internal.h"
#include "report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS INT64_C(1000)

const struct worker_role *const worker_roles[] = { NULL };

struct world {
	struct monitor m;
	struct database d;
	struct check check;
	struct settings settings;
	struct checkup c;
};

static void
world_init(struct world *w, int64_t interval_us, double budget)
{
	static char id[] = "slow";

	*w = (struct world){ .check = { .id = id, .engine = ENGINE_SQLITE, .kind = KIND_FINDING } };
	w->m.files_ledger = ledger_new();
	w->d.monitor = &w->m;
	w->d.scope = (struct scope){ .monitor = &w->m, .owner = &w->d, .name = id };
	w->settings = (struct settings){ .check = &w->check, .enabled = true, .budget = budget };
	w->c = (struct checkup){ .scope = &w->d.scope,
		.check = &w->check,
		.settings = &w->settings,
		.interval_us = interval_us };
}

static void
world_done(struct world *w)
{
	ledger_free(w->m.files_ledger);
	free(w->c.spent);
}

static void
run(struct world *w, int64_t ms)
{
	cost_add(&w->c, &(struct cost_run){ .server_us = ms * MS, .rows = 2, .bytes = 10 });
}

static void
test_three_in_a_row_double_the_interval_until_the_share_is_kept(void **state)
{
	static const struct {
		int64_t interval_s, ms;
		double budget;
		int64_t expect_s;
	} rows[] = {
		{ 30, 999, 0.01, 30 },   /* what is so quick is free */
		{ 30, 2300, 0.01, 240 }, /* 2.3 s of 240 s */
		{ 30, 1100, 0.01, 120 },
		{ 30, 60000, 0.01, 480 }, /* 16 times at most */
		{ 900, 8900, 0.01, 900 }, /* a share of a long interval */
		{ 900, 9100, 0.01, 1800 },
		{ 30, 20000, 0, 30 }, /* none */
		{ 30, 20000, 1, 30 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world w;

		world_init(&w, rows[i].interval_s * USEC_PER_SEC, rows[i].budget);
		run(&w, rows[i].ms);
		run(&w, rows[i].ms);
		assert_false(cost_is_spaced(&w.c));
		run(&w, rows[i].ms);
		assert_int_equal(
		    cost_interval_us(&w.c, w.c.interval_us), rows[i].expect_s * USEC_PER_SEC);
		world_done(&w);
	}
}

static void
test_one_quick_run_among_slow_ones_begins_anew(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 30 * USEC_PER_SEC, 0.01);
	for (int i = 0; i < 20; i++) {
		run(&w, 5000);
		run(&w, 5000);
		run(&w, i % 2 ? 10 : 900);
		assert_false(cost_is_spaced(&w.c));
	}
	world_done(&w);
}

static void
test_it_comes_back_after_two_that_are_well_under(void **state)
{
	struct world w;
	_cleanup_free_ char *text = NULL;

	(void)state;
	world_init(&w, 30 * USEC_PER_SEC, 0.01);
	for (int i = 0; i < 3; i++)
		run(&w, 2300);
	text = cost_text(&w.c);
	assert_string_equal(text, "takes 2.3 s of each 30 s: now every 4 min");
	run(&w, 900); /* under, not well under */
	run(&w, 900);
	run(&w, 100);
	assert_true(cost_is_spaced(&w.c));
	run(&w, 100);
	assert_false(cost_is_spaced(&w.c));
	assert_null(cost_text(&w.c));
	world_done(&w);
}

static void
test_what_a_former_life_knew(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 30 * USEC_PER_SEC, 0.01);
	cost_restore(&w.c, 5, 1); /* more than there is */
	assert_false(cost_is_spaced(&w.c));
	cost_restore(&w.c, 3, 2300000);
	assert_int_equal(cost_interval_us(&w.c, w.c.interval_us), 240 * USEC_PER_SEC);
	run(&w, 2300);
	assert_int_equal(cost_interval_us(&w.c, w.c.interval_us), 240 * USEC_PER_SEC);
	run(&w, 10);
	run(&w, 10);
	assert_false(cost_is_spaced(&w.c));
	world_done(&w);
}

static void
test_sums_and_words(void **state)
{
	struct world w;
	json_t *o, *list;
	_cleanup_free_ char *text = NULL;

	(void)state;
	world_init(&w, 30 * USEC_PER_SEC, 0.01);
	run(&w, 300);
	run(&w, 100);
	cost_add_client(&w.c, 5 * MS);
	o = cost_json(&w.c);
	assert_int_equal(json_integer_value(json_object_get(o, "runs")), 2);
	assert_float_equal(json_number_value(json_object_get(o, "server_ms")), 400, 0.001);
	assert_float_equal(json_number_value(json_object_get(o, "server_ms_max")), 300, 0.001);
	assert_float_equal(json_number_value(json_object_get(o, "client_ms")), 5, 0.001);
	assert_int_equal(json_integer_value(json_object_get(o, "rows")), 4);
	json_decref(o);
	list = json_pack("[{s:s, s:o}]", "server", "", "checks", ledger_json(w.m.files_ledger, 10));
	text = report_cost_text(list, NULL, 5);
	assert_string_equal(text,
	    "\nCOST of checks on SQLite files, the dearest since the start\n"
	    "  a run of                       runs server ms  own ms  rows  bytes     budget\n"
	    "  slow                              2       200    2.50     2     10       20 %\n");
	json_decref(list);
	world_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_in_a_row_double_the_interval_until_the_share_is_kept),
		cmocka_unit_test(test_one_quick_run_among_slow_ones_begins_anew),
		cmocka_unit_test(test_it_comes_back_after_two_that_are_well_under),
		cmocka_unit_test(test_what_a_former_life_knew),
		cmocka_unit_test(test_sums_and_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
