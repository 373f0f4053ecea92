/* What scrubbing may take from a server: a share of the time, and nothing while it is busy. */
#include "base/clock.h"
#include "monitor/allowance.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* after the four that cmocka.h itself forgets */
#include <cmocka.h>

#define SEC USEC_PER_SEC

static void
test_a_share_of_the_time_is_not_exceeded(void **state)
{
	struct allowance a = { 0 };
	int64_t now = 1000 * SEC, worked = 0;

	(void)state;
	allowance_set(&a, 0.05, 15 * SEC);
	while (now < 100000 * SEC) {
		if (!allowance_is_left(&a, now)) {
			now += allowance_wait_us(&a, now);
			continue;
		}
		now += 4 * SEC;
		worked += 4 * SEC;
		allowance_spend(&a, now, 4 * SEC);
	}
	assert_in_range(worked / SEC, 4900, 5100);
}

static void
test_a_burst_goes_first_and_an_overdraft_is_paid_back(void **state)
{
	struct allowance a = { 0 };

	(void)state;
	allowance_set(&a, 0.1, 10 * SEC);
	assert_true(allowance_is_left(&a, SEC));
	assert_int_equal(allowance_wait_us(&a, SEC), 0);
	allowance_spend(&a, SEC, 110 * SEC); /* one statement that could not be divided */
	assert_false(allowance_is_left(&a, SEC));
	assert_int_equal(allowance_wait_us(&a, SEC), 1050 * SEC);
	assert_false(allowance_is_left(&a, 1000 * SEC));
	assert_true(allowance_is_left(&a, 1002 * SEC));
	assert_true(allowance_is_left(&a, 900000 * SEC));
	allowance_spend(&a, 900000 * SEC, 10 * SEC); /* no more than the burst was saved up */
	assert_false(allowance_is_left(&a, 900000 * SEC));
}

/* clang-format off */
#define BOTH { 8, 20000 }
/* clang-format on */

static void
test_what_is_busy(void **state)
{
	static const struct {
		struct load before, now;
		struct load_limits limits;
		const char *says;
	} t[] = {
		{ { 0 }, { 10, 8, 1000, 10, 0 }, BOTH, NULL },
		{ { 0 }, { 10, 9, 1000, 10, 0 }, BOTH, "9 sessions are active, the limit is 8" },
		{ { 0 }, { 10, 99, 1000, 10, 0 }, { 0, 0 }, NULL },
		/* no look before this one, too few reads, not measured, counters set to 0 meanwhile */
		{ { 0 }, { 10, 1, 1000, 1e9, 0 }, BOTH, NULL },
		{ { 5, 0, 990, 0, 0 }, { 10, 1, 1000, 1e9, 0 }, BOTH, NULL },
		{ { 5, 0, 0, NAN, 0 }, { 10, 1, 1000, NAN, 0 }, BOTH, NULL },
		{ { 5, 0, 0, 0, 7 }, { 10, 1, 1000, 1e9, 8 }, BOTH, NULL },
		{ { 5, 0, 0, 0, 0 }, { 10, 1, 1000, 19e3, 0 }, BOTH, NULL },
		{ { 5, 0, 0, 0, 0 }, { 10, 1, 1000, 21e3, 0 }, BOTH,
		    "a read takes 21.0 ms, the limit is 20.0 ms" },
		{ { 5, 0, 0, 0, 0 }, { 5 + 121 * SEC, 1, 1000, 21e3, 0 }, BOTH, NULL },
		{ { 5, 0, 0, 0, 0 }, { 10, 1, 1000, 21e3, 0 }, { 8, 0 }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *says = load_busy(&t[i].before, &t[i].now, &t[i].limits);

		if (t[i].says)
			assert_string_equal(says, t[i].says);
		else
			assert_null(says);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_share_of_the_time_is_not_exceeded),
		cmocka_unit_test(test_a_burst_goes_first_and_an_overdraft_is_paid_back),
		cmocka_unit_test(test_what_is_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
