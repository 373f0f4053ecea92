/* Progress of scrub checks: what comes next, what is forgotten, what survives a restart. */
#include "base/clock.h"
#include "monitor/scrub.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* after the four that cmocka.h itself forgets */
#include <cmocka.h>

#define DAY (86400 * USEC_PER_SEC)

static const struct scrub_pace daily = { DAY, DAY };

static void
list(struct scrub *s, size_t n)
{
	scrub_list_begin(s);
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *key = xasprintf("item%zu", i);

		scrub_list_add(s, key, key, "SELECT 1", (double)(n - i));
	}
	scrub_list_end(s);
}

static void
test_smallest_first_then_oldest(void **state)
{
	struct scrub *s = scrub_new(NULL);
	struct scrub_item *it;

	(void)state;
	list(s, 3);
	for (int i = 2; i >= 0; i--) {
		_cleanup_free_ char *key = xasprintf("item%d", i);

		it = scrub_next(s, 1000 + i, &daily, 10, SCRUB_BY_ANY);
		assert_string_equal(it->key, key);
		scrub_item_done(it, 1000 - i, 0, false);
	}
	assert_null(scrub_next(s, 1000, &daily, 10, SCRUB_BY_ANY));
	it = scrub_next(s, 2 * DAY, &daily, 2 * DAY, SCRUB_BY_ANY);
	assert_string_equal(it->key, "item2"); /* done at 998: longest ago */
	scrub_free(s);
}

static void
test_a_list_that_is_on_its_way_takes_nothing_away(void **state)
{
	struct scrub *s = scrub_new(NULL);
	struct scrub_summary sum;

	(void)state;
	list(s, 3);
	scrub_list_begin(s); /* and its statement fails */
	scrub_list_add(s, "item1", "item1", "SELECT 1", 2);
	scrub_summarise(s, &sum);
	assert_int_equal(sum.items, 3);
	scrub_list_begin(s);
	scrub_list_add(s, "item1", "item1", "SELECT 1", 2);
	scrub_list_end(s);
	scrub_summarise(s, &sum);
	assert_int_equal(sum.items, 1);
	scrub_free(s);
}

static void
test_what_was_dropped_is_no_failure(void **state)
{
	struct scrub *s = scrub_new(NULL);
	struct scrub_summary sum;

	(void)state;
	for (int i = 0; i < 9; i++) {
		struct scrub_item *it;

		list(s, 1);
		it = scrub_next(s, 100 + i, &daily, 50 + i, SCRUB_BY_ANY);
		assert_int_equal(
		    scrub_item_gone(it), i < 8); /* listed so often, it should be there */
		scrub_summarise(s, &sum);
		assert_int_equal(sum.items, i < 8 ? 0 : 1);
		assert_int_equal(sum.failed, 0);
	}
	scrub_item_done(scrub_get(s, "item0"), 200, 0, false);
	assert_true(scrub_item_gone(scrub_get(s, "item0")));
	scrub_free(s);
}

static void
test_a_failing_item_stops_nothing(void **state)
{
	struct scrub *s = scrub_new(NULL);
	struct scrub_summary sum;
	struct scrub_item *it;

	(void)state;
	list(s, 2);
	it = scrub_next(s, 100, &daily, 50, SCRUB_BY_ANY);
	scrub_item_failed(it, 100, "locked", false, 5, 100);
	it = scrub_next(s, 101, &daily, 50, SCRUB_BY_ANY);
	assert_string_equal(it->key, "item0");
	scrub_item_done(it, 101, 0, false);
	assert_null(scrub_next(s, 102, &daily, 50, SCRUB_BY_ANY)); /* this pass is over */
	scrub_summarise(s, &sum);
	assert_int_equal(sum.items, 2);
	assert_int_equal(sum.done, 1);
	assert_int_equal(sum.failed, 1);
	assert_string_equal(sum.why, "locked");
	assert_string_equal(scrub_next(s, 200, &daily, 150, SCRUB_BY_ANY)->key,
	    "item1"); /* the next pass tries it again */
	scrub_free(s);
}

static void
test_what_does_not_fit_gets_more_time(void **state)
{
	struct scrub *s = scrub_new(NULL);
	struct scrub_item *it;

	(void)state;
	list(s, 1);
	it = scrub_get(s, "item0");
	scrub_item_failed(it, 1, "timeout", true, 5, 18);
	assert_int_equal(it->timeout_us, 10);
	scrub_item_failed(it, 2, "timeout", true, 5, 18);
	assert_int_equal(it->timeout_us, 18);
	scrub_free(s);
}

static void
test_dear_items_come_rarely(void **state)
{
	static const struct scrub_pace pace = { 3600 * USEC_PER_SEC, DAY };
	struct scrub *s = scrub_new(NULL);

	(void)state;
	assert_int_equal(scrub_interval_us(&pace, 10000), 3600 * USEC_PER_SEC);
	assert_int_equal(scrub_interval_us(&pace, 10 * USEC_PER_SEC), 10000 * USEC_PER_SEC);
	assert_int_equal(scrub_interval_us(&pace, 3600 * USEC_PER_SEC), DAY);
	list(s, 1);
	scrub_item_done(scrub_get(s, "item0"), 1000, 10 * USEC_PER_SEC, false);
	assert_null(scrub_next(s, 1000 + 9999 * USEC_PER_SEC, &pace, DAY, SCRUB_BY_ANY));
	assert_non_null(scrub_next(s, 1000 + 10000 * USEC_PER_SEC, &pace, DAY, SCRUB_BY_ANY));
	scrub_free(s);
}

static void
test_gone_items_are_forgotten(void **state)
{
	struct scrub *s = scrub_new(NULL);

	(void)state;
	list(s, 3);
	list(s, 1);
	assert_non_null(scrub_get(s, "item0"));
	assert_null(scrub_get(s, "item2"));
	scrub_free(s);
}

static void
test_progress_survives(void **state)
{
	struct scrub *s = scrub_new(NULL), *t = scrub_new(NULL);
	_cleanup_free_ char *json = NULL;

	(void)state;
	list(s, 2);
	scrub_item_done(scrub_get(s, "item1"), 5 * DAY, 0, false);
	json = scrub_save(s);
	scrub_load(t, json);
	list(t, 2);
	assert_string_equal(
	    scrub_next(t, 5 * DAY + 1, &daily, 5 * DAY, SCRUB_BY_ANY)->key, "item0");
	assert_int_equal(scrub_get(t, "item1")->done_wall_us, 5 * DAY);
	scrub_load(t, "[not an object");
	scrub_free(s);
	scrub_free(t);
}

static void
test_what_may_not_be_read_names_its_grants(void **state)
{
	static const char both[] = "GRANT SELECT ON a TO us; GRANT SELECT ON b TO us;";
	struct scrub *s = scrub_new(NULL);
	struct scrub_summary sum;

	(void)state;
	scrub_list_begin(s);
	scrub_list_add(s, "open", "open", "SELECT 1", 1);
	scrub_list_deny(s, "a", "public.a", "GRANT SELECT ON a TO us;");
	scrub_list_deny(s, "b", "public.b", "GRANT SELECT ON b TO us;");
	scrub_list_deny(s, "b2", "public.b2", "GRANT SELECT ON b TO us;");
	scrub_list_end(s);
	scrub_item_done(scrub_next(s, 100, &daily, 50, SCRUB_BY_ANY), 100, 0, false);
	assert_null(
	    scrub_next(s, 101, &daily, 50, SCRUB_BY_ANY)); /* what is denied is never tried */
	scrub_summarise(s, &sum);
	assert_int_equal(sum.items, 4);
	assert_int_equal(sum.done, 1);
	assert_int_equal(sum.denied, 3);
	assert_int_equal(sum.lost, 0);
	{
		_cleanup_free_ char *grants = scrub_grants(s);

		assert_string_equal(grants, both);
	}
	/* Granted: looked at; taken away again: lost, which is not the same as never had. */
	scrub_list_begin(s);
	scrub_list_add(s, "a", "public.a", "SELECT 1", 1);
	scrub_list_end(s);
	scrub_item_done(scrub_next(s, 200, &daily, 150, SCRUB_BY_ANY), 200, 0, false);
	assert_null(scrub_grants(s));
	scrub_list_begin(s);
	scrub_list_deny(s, "a", "public.a", "GRANT SELECT ON a TO us;");
	scrub_list_end(s);
	scrub_summarise(s, &sum);
	assert_int_equal(sum.denied, 1);
	assert_int_equal(sum.lost, 1);
	scrub_free(s);
}

/* ---- in parts ---- */

static void
list_one(struct scrub *s, const char *sql)
{
	scrub_list_begin(s);
	scrub_list_add(s, "big", "big", sql, 1e9);
	scrub_list_slices(s, "big", "{}", 100);
	scrub_list_end(s);
}

static void
test_parts_go_on_over_a_restart(void **state)
{
	struct scrub *s = scrub_new(NULL), *t = scrub_new(NULL);
	_cleanup_free_ char *json = NULL;
	struct scrub_item *it;

	(void)state;
	list_one(s, "SELECT 1");
	it = scrub_next(s, 100, &daily, 50, SCRUB_BY_ANY);
	assert_string_equal(it->start, "{}");
	scrub_item_advance(it, "{\"at\":7}", 1000, 500);
	it->told = 3;
	assert_ptr_equal(
	    scrub_next(s, 101, &daily, 50, SCRUB_BY_ANY), it); /* the same pass goes on */
	json = scrub_save(s);
	scrub_load(t, json);
	list_one(t, "SELECT 1");
	it = scrub_get(t, "big");
	assert_string_equal(it->resume, "{\"at\":7}");
	assert_int_equal(it->spent_us, 1000);
	assert_true(it->told == 3 && it->amount == 50);
	scrub_item_done(it, 5 * DAY, 500, false);
	assert_null(it->resume);
	assert_int_equal(it->duration_us, 1500); /* of the whole pass */
	assert_null(scrub_next(t, 5 * DAY + 1, &daily, 5 * DAY + 1, SCRUB_BY_ANY));
	scrub_free(s);
	scrub_free(t);
}

static void
test_another_statement_begins_anew(void **state)
{
	struct scrub *s = scrub_new(NULL);

	(void)state;
	list_one(s, "SELECT 1");
	scrub_item_advance(scrub_get(s, "big"), "{\"at\":7}", 1000, 500);
	list_one(s, "SELECT 1");
	assert_non_null(scrub_get(s, "big")->resume);
	list_one(s, "SELECT 2");
	assert_null(scrub_get(s, "big")->resume);
	scrub_item_advance(scrub_get(s, "big"), "{\"at\":7}", 1000, 500);
	scrub_list_begin(s);
	scrub_list_add(s, "big", "big", "SELECT 2", 1e9); /* one statement now */
	scrub_list_end(s);
	assert_null(scrub_get(s, "big")->resume);
	scrub_free(s);
}

static void
test_parts_take_as_long_as_wanted(void **state)
{
	struct scrub *s = scrub_new(NULL);
	struct scrub_item *it;

	(void)state;
	list_one(s, "SELECT 1");
	it = scrub_get(s, "big");
	scrub_item_advance(it, "a", 10, 100);
	assert_true(it->amount == 200);
	scrub_item_advance(it, "b", 70, 100);
	assert_true(it->amount == 200);
	scrub_item_advance(it, "c", 200, 100);
	assert_true(it->amount == 100);
	assert_true(scrub_item_shrink(it, 1000));
	assert_true(it->amount == 12);
	assert_true(scrub_item_shrink(it, 1000) && it->amount == 1);
	assert_false(scrub_item_shrink(it, 1000)); /* no smaller: it has failed */
	assert_string_equal(it->resume, "c");
	for (int i = 0; i < 100; i++)
		scrub_item_advance(it, "d", 0, 100);
	assert_true(it->amount == 100 * 1024);
	scrub_free(s);
}

static void
test_what_takes_days_and_the_rest_take_turns(void **state)
{
	struct scrub *s = scrub_new(NULL);
	size_t big = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		scrub_list_begin(s);
		scrub_list_add(s, "big", "big", "SELECT 1", 1e9);
		scrub_list_slices(s, "big", "{}", 100);
		scrub_list_add(s, "small", "small", "SELECT 2", 1);
		scrub_list_end(s);
		if (i == 0)
			scrub_item_advance(scrub_get(s, "big"), "x", 1, 1);
		big += streq(scrub_next(s, 100, &daily, 50, SCRUB_BY_ANY)->key, "big");
	}
	assert_int_equal(big, 2);
	scrub_free(s);
}

static void
test_each_of_many_has_its_turn(void **state)
{
	struct scrub *s = scrub_new(NULL);
	struct scrub_item *it;
	double last = 0;
	size_t n = 0, parts = 0;

	(void)state;
	for (int pass = 0; pass < 2; pass++) {
		scrub_list_begin(s);
		scrub_list_add(s, "small", "small", "SELECT 1", 0);
		scrub_list_slices(s, "small", "{}", 1);
		for (size_t i = 0; i < 3000; i++) {
			_cleanup_free_ char *key = xasprintf("item%zu", i);

			scrub_list_add(s, key, key, "SELECT 1", (double)(1 + i * 7919 % 3000));
		}
		scrub_list_end(s);
	}
	/* In this pass what was begun comes after the others: it steps aside after its first part. */
	while ((it = scrub_next(s, 100, &daily, 50, SCRUB_BY_ANY))) {
		if (streq(it->key, "small")) {
			assert_int_equal(n, parts == 0 ? 0 : 3000);
			if (++parts < 3)
				scrub_item_advance(it, parts == 1 ? "a" : "b", 1, 1);
			else
				scrub_item_done(it, 100, 1, false);
			continue;
		}
		assert_true(it->cost >= last);
		last = it->cost;
		scrub_item_done(it, 100, 1, false);
		n++;
	}
	assert_int_equal(n, 3000);
	assert_int_equal(parts, 3);
	scrub_free(s);
}

static void
test_what_a_pass_keeps_begins_the_next(void **state)
{
	struct scrub *s = scrub_new(NULL), *t = scrub_new(NULL);
	_cleanup_free_ char *json = NULL, *again = NULL;
	struct scrub_summary sum;
	struct scrub_item *it;

	(void)state;
	list_one(s, "SELECT 1");
	it = scrub_get(s, "big");
	scrub_item_keep(it, "{\"n\":7}");
	scrub_item_done(it, 5 * DAY, 500, false);
	scrub_summarise(s, &sum);
	assert_int_equal(sum.waiting, 1); /* there was nothing to compare with */
	json = scrub_save(s);
	scrub_load(t, json);
	again = scrub_save(t); /* before anything is listed */
	assert_non_null(strstr(again, "{\\\"n\\\":7}"));
	list_one(t, "SELECT 2"); /* what was kept is no place in the statement */
	it = scrub_get(t, "big");
	assert_string_equal(it->kept, "{\"n\":7}");
	scrub_item_keep(it, "{\"n\":8}");
	scrub_summarise(t, &sum);
	assert_int_equal(sum.waiting, 0);
	scrub_item_keep(it, NULL);
	assert_null(it->kept);
	scrub_free(s);
	scrub_free(t);
}

static void
test_what_took_all_the_time_is_not_tried_at_each_turn(void **state)
{
	static const struct scrub_pace asked = { 0, 0 };
	struct scrub *s = scrub_new(NULL), *t = scrub_new(NULL);
	_cleanup_free_ char *json = NULL;

	(void)state;
	list(s, 1);
	scrub_item_failed(scrub_get(s, "item0"), 100, "timeout", true, 18, 18);
	assert_null(scrub_next(s, 200, &daily, 150, SCRUB_BY_ANY));
	assert_non_null(scrub_next(s, 200, &asked, 150, SCRUB_BY_ANY)); /* somebody wants to know */
	json = scrub_save(s);
	scrub_load(t, json);
	list(t, 1);
	assert_null(scrub_next(t, 200, &daily, 150, SCRUB_BY_ANY));
	assert_non_null(scrub_next(t, 100 + DAY, &daily, 150, SCRUB_BY_ANY));
	scrub_free(s);
	scrub_free(t);
}

static void
test_what_is_late_is_named_largest_first(void **state)
{
	struct scrub *s = scrub_new(NULL);
	int64_t wall = clock_wall_us();
	const char *why;
	json_t *late, *largest;

	(void)state;
	list(s, 8); /* item0 is the largest */
	for (size_t i = 0; i < 8; i++) {
		_cleanup_free_ char *key = xasprintf("item%zu", i);

		scrub_get(s, key)->listed_wall_us = wall - 9 * DAY;
	}
	scrub_item_done(scrub_get(s, "item1"), wall - DAY, 0, false);
	scrub_item_done(scrub_get(s, "item2"), wall - 8 * DAY, 0, false);
	scrub_item_failed(scrub_get(s, "item0"), wall, "timeout", false, 1, 1);
	late = scrub_late(s, wall, 7 * DAY, "busy");
	assert_int_equal(json_integer_value(json_object_get(late, "objects")), 8);
	assert_int_equal(json_integer_value(json_object_get(late, "late")), 7);
	assert_true(
	    json_real_value(json_object_get(late, "late_bytes")) == 8 + 6 + 5 + 4 + 3 + 2 + 1);
	assert_int_equal(json_integer_value(json_object_get(late, "age")), 9 * 86400);
	largest = json_object_get(late, "largest");
	assert_int_equal(json_array_size(largest), 5);
	assert_int_equal(json_unpack(largest, "[{s:s}]", "why", &why), 0);
	assert_string_equal(why, "timeout");
	assert_int_equal(json_unpack(json_array_get(largest, 1), "{s:s}", "why", &why), 0);
	assert_string_equal(why, "busy");
	json_decref(late);
	late = scrub_late(s, wall, 30 * DAY, "busy");
	assert_int_equal(json_integer_value(json_object_get(late, "late")), 0);
	json_decref(late);
	scrub_free(s);
}

static void
test_progress_of_a_former_version_is_read(void **state)
{
	struct scrub *s = scrub_new(NULL);

	(void)state;
	scrub_load(s, "{\"item0\":[5,6],\"item1\":\"x\",\"item2\":{\"done\":\"no\"}}");
	list(s, 3);
	assert_int_equal(scrub_get(s, "item0")->done_wall_us, 5);
	assert_int_equal(scrub_get(s, "item0")->duration_us, 6);
	assert_int_equal(scrub_get(s, "item2")->done_wall_us, 0);
	scrub_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smallest_first_then_oldest),
		cmocka_unit_test(test_a_list_that_is_on_its_way_takes_nothing_away),
		cmocka_unit_test(test_what_was_dropped_is_no_failure),
		cmocka_unit_test(test_a_failing_item_stops_nothing),
		cmocka_unit_test(test_what_does_not_fit_gets_more_time),
		cmocka_unit_test(test_dear_items_come_rarely),
		cmocka_unit_test(test_gone_items_are_forgotten),
		cmocka_unit_test(test_progress_survives),
		cmocka_unit_test(test_what_may_not_be_read_names_its_grants),
		cmocka_unit_test(test_parts_go_on_over_a_restart),
		cmocka_unit_test(test_another_statement_begins_anew),
		cmocka_unit_test(test_parts_take_as_long_as_wanted),
		cmocka_unit_test(test_what_takes_days_and_the_rest_take_turns),
		cmocka_unit_test(test_each_of_many_has_its_turn),
		cmocka_unit_test(test_what_a_pass_keeps_begins_the_next),
		cmocka_unit_test(test_what_took_all_the_time_is_not_tried_at_each_turn),
		cmocka_unit_test(test_what_is_late_is_named_largest_first),
		cmocka_unit_test(test_progress_of_a_former_version_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
