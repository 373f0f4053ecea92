/* The schedule: order, moves, spread, drift and missed slots; no clock, no database. */
#include "base/clock.h"
#include "monitor/sched.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* after the four that cmocka.h itself forgets */
#include <cmocka.h>

#define SEC USEC_PER_SEC

static void
test_order(void **state)
{
	struct sched s = { 0 };
	struct sched_task t[1000] = { 0 };
	uint32_t seed = 7;
	int64_t last = -1;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		seed = seed * 1664525u + 1013904223u;
		sched_set(&s, &t[i], seed % 10000);
	}
	for (size_t i = 0; i < ARRAY_SIZE(t); i += 3) { /* move some, remove others */
		seed = seed * 1664525u + 1013904223u;
		sched_set(&s, &t[i], i % 2 ? SCHED_NEVER : (int64_t)(seed % 10000));
	}
	for (struct sched_task *p; (p = sched_pop(&s, 10000)); n++) {
		assert_true(p->due_us >= last);
		assert_int_equal(p->index, 0);
		last = p->due_us;
	}
	assert_int_equal(n, 1000 - 167);
	assert_int_equal(sched_next_us(&s), SCHED_NEVER);
	sched_done(&s);
}

static void
test_nothing_before_its_time(void **state)
{
	struct sched s = { 0 };
	struct sched_task a = { 0 };

	(void)state;
	sched_set(&s, &a, 100);
	assert_null(sched_pop(&s, 99));
	assert_int_equal(sched_next_us(&s), 100);
	assert_int_equal(sched_overdue_us(&s, 99), 0);
	assert_int_equal(sched_overdue_us(&s, 107), 7);
	assert_ptr_equal(sched_pop(&s, 100), &a);
	assert_int_equal(sched_overdue_us(&s, 107), 0);
	assert_null(sched_pop(&s, 1000));
	sched_done(&s);
}

static void
test_first_runs_are_spread(void **state)
{
	(void)state;
	for (size_t i = 1; i < 1000; i++)
		assert_true(sched_first_us(0, 3600 * SEC, i, 1000) >
		            sched_first_us(0, 3600 * SEC, i - 1, 1000));
	assert_true(sched_first_us(0, 3600 * SEC, 999, 1000) < 60 * SEC);
	assert_true(sched_first_us(0, 2 * SEC, 999, 1000) < 2 * SEC);
	assert_int_equal(sched_first_us(5 * SEC, 10 * SEC, 0, 1), 5 * SEC);
}

static void
test_slots_do_not_drift(void **state)
{
	int64_t due = sched_first_us(0, 10 * SEC, 3, 10);
	uint64_t skipped = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) { /* each run is noticed 0.7 s late */
		int64_t next = sched_slot_us(0, 10 * SEC, 3, 10, due, due + 7 * SEC / 10, &skipped);

		assert_int_equal(next % (10 * SEC), 3 * SEC);
		assert_true(next > due);
		assert_true(next - due <= 10 * SEC);
		due = next;
	}
	assert_int_equal(skipped, 0);
}

static void
test_missed_slots_are_counted(void **state)
{
	uint64_t skipped = 0;

	(void)state;
	/* due at 13 s, looked at again at 64 s: 23, 33, 43, 53, 63 were missed */
	assert_int_equal(sched_slot_us(0, 10 * SEC, 3, 10, 13 * SEC, 64 * SEC, &skipped), 73 * SEC);
	assert_int_equal(skipped, 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_nothing_before_its_time),
		cmocka_unit_test(test_first_runs_are_spread),
		cmocka_unit_test(test_slots_do_not_drift),
		cmocka_unit_test(test_missed_slots_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
