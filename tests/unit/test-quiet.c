/* The hour in which a database is changed least, learned from a counter. */
#include "base/base.h"
#include "base/clock.h"
#include "monitor/quiet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* after the four that cmocka.h itself forgets */
#include <cmocka.h>

#define MINUTE (60 * USEC_PER_SEC)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define BEGIN  (20000 * DAY) /* a midnight, UTC */

/* A look a minute for so many hours; few is the hour in which a tenth of the usual is written. */
static uint32_t
watch(struct quiet *q, int64_t from_us, int hours, int few, uint32_t counter)
{
	for (int64_t at = from_us; at < from_us + hours * HOUR; at += MINUTE) {
		quiet_note(q, at, counter);
		counter += at / HOUR % 24 == few ? 60 : 600;
	}
	return counter;
}

static void
test_quietest_hour(void **state)
{
	struct quiet q = { 0 };

	(void)state;
	watch(&q, BEGIN, 25, 3, UINT32_MAX - 5000); /* it wraps around meanwhile */
	assert_int_equal(quiet_known(&q), 24);
	assert_int_equal(quiet_next_us(&q, BEGIN + DAY + 2 * HOUR), BEGIN + DAY + 3 * HOUR);
	/* In it at once, unless too little is left of it. */
	assert_int_equal(
	    quiet_next_us(&q, BEGIN + DAY + 3 * HOUR + MINUTE), BEGIN + DAY + 3 * HOUR + MINUTE);
	assert_int_equal(
	    quiet_next_us(&q, BEGIN + DAY + 4 * HOUR - MINUTE), BEGIN + 2 * DAY + 3 * HOUR);
	assert_int_equal(quiet_next_us(&q, BEGIN + DAY + 4 * HOUR), BEGIN + 2 * DAY + 3 * HOUR);
}

static void
test_before_a_day_was_seen(void **state)
{
	struct quiet q = { 0 };

	(void)state;
	assert_int_equal(quiet_next_us(NULL, BEGIN + MINUTE), BEGIN + HOUR);
	watch(&q, BEGIN, 10, 3, 0);
	assert_int_equal(quiet_known(&q), 10);
	assert_int_equal(quiet_next_us(&q, BEGIN + 10 * HOUR + MINUTE), BEGIN + 11 * HOUR);
}

static void
test_habits_change(void **state)
{
	struct quiet q = { 0 };
	uint32_t counter = watch(&q, BEGIN, 10 * 24, 3, 0);

	(void)state;
	watch(&q, BEGIN + 10 * DAY, 30 * 24, 15, counter);
	assert_int_equal(quiet_next_us(&q, BEGIN + 40 * DAY), BEGIN + 40 * DAY + 15 * HOUR);
}

/* What says nothing: a night without us, a clock that was set back, a counter that begins anew. */
static void
test_gaps_say_nothing(void **state)
{
	struct quiet q = { 0 };

	(void)state;
	assert_false(quiet_note(&q, BEGIN, 1000));
	assert_true(quiet_note(&q, BEGIN + 2 * HOUR, 9000));
	quiet_note(&q, BEGIN + HOUR, 9100);
	quiet_note(&q, BEGIN + HOUR + MINUTE, 7);
	assert_int_equal(quiet_known(&q), 0);
	for (unsigned h = 0; h < QUIET_HOURS; h++)
		assert_true(q.seconds[h] == 0 && q.changes[h] == 0);
}

static void
test_over_restarts(void **state)
{
	static const char *const broken[] = { "", "[]", "{\"changes\":[1],\"seconds\":[1]}",
		"{\"changes\":1,\"seconds\":2}" };
	struct quiet q = { 0 }, again = { 0 };
	_cleanup_free_ char *json = NULL, *same = NULL;

	(void)state;
	watch(&q, BEGIN, 30, 3, 0);
	json = quiet_save(&q);
	assert_true(quiet_load(&again, json));
	assert_int_equal(quiet_next_us(&again, BEGIN + 2 * DAY), BEGIN + 2 * DAY + 3 * HOUR);
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
		assert_false(quiet_load(&again, broken[i]));
	same = quiet_save(&again);
	assert_string_equal(same, json);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quietest_hour),
		cmocka_unit_test(test_before_a_day_was_seen),
		cmocka_unit_test(test_habits_change),
		cmocka_unit_test(test_gaps_say_nothing),
		cmocka_unit_test(test_over_restarts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
