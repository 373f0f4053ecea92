/* The lane to the worker that reads whole files: one at a time, short ones first, nobody for ever last. */
#include "base/clock.h"
#include "monitor/lane.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* after the four that cmocka.h itself forgets */
#include <cmocka.h>

#define SEC USEC_PER_SEC
#define KB  INT64_C(1000)
#define MB  (1000 * KB)
#define GB  (1000 * MB)

/* A file with as many jobs as it takes; the fixture writes down in which order files did theirs. */
struct file {
	struct lane_ticket ticket;
	struct stage *stage;
	char name;
	int64_t bytes;
	int jobs;
};
struct stage {
	struct event_base *base;
	struct lane *lane;
	struct file *at_turn;
	char log[200];
	size_t n;
};

static void
on_turn(struct lane_ticket *t)
{
	struct file *f = (struct file *)t; /* its first member */

	f->stage->log[f->stage->n++] = f->name;
	if (t->quits) {
		f->stage->log[f->stage->n++] = '-';
		lane_leave(f->stage->lane, t);
		return;
	}
	assert_null(f->stage->at_turn);
	f->stage->at_turn = f;
}

static struct stage *
stage_new(int64_t patience_us)
{
	struct stage *st = xcalloc(1, sizeof(*st));

	st->base = event_base_new();
	st->lane = lane_new(st->base, patience_us, on_turn);
	return st;
}

static void
stage_free(struct stage *st)
{
	st->lane = lane_free(st->lane);
	event_base_free(st->base);
	free(st);
}

static void
turn(struct stage *st)
{
	event_base_loop(st->base, EVLOOP_NONBLOCK);
}

static void
join(struct stage *st, struct file *f, int64_t now_us)
{
	f->stage = st;
	lane_join(st->lane, &f->ticket, now_us, f->bytes);
}

/* Every job takes turns of the loop, in which another could be let in. */
static void
work(struct stage *st)
{
	for (turn(st); st->at_turn; turn(st)) {
		struct file *f = st->at_turn;

		if (--f->jobs > 0) {
			st->log[st->n++] = f->name;
			continue;
		}
		st->at_turn = NULL;
		lane_leave(st->lane, &f->ticket);
	}
	st->log[st->n] = '\0';
}

static void
test_one_is_finished_before_the_next(void **state)
{
	struct stage *st = stage_new(0);
	struct file f[] = {
		{ .name = 'c', .bytes = 9 * MB, .jobs = 4 },
		{ .name = 'a', .bytes = 8 * KB, .jobs = 3 },
		{ .name = 'd', .bytes = 2 * GB, .jobs = 2 },
		{ .name = 'b', .bytes = 1 * MB, .jobs = 3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(f); i++)
		join(st, &f[i], clock_now_us());
	assert_false(lane_is_empty(st->lane));
	work(st);
	assert_string_equal(st->log, "aaabbbccccdd");
	assert_true(lane_is_empty(st->lane));
	stage_free(st);
}

static void
test_who_has_the_lane_keeps_it(void **state)
{
	struct stage *st = stage_new(0);
	struct file big = { .name = 'B', .bytes = 2 * GB, .jobs = 2 },
	            small = { .name = 's', .bytes = 8 * KB, .jobs = 2 };

	(void)state;
	join(st, &big, clock_now_us());
	turn(st);
	join(st, &small, clock_now_us());
	work(st);
	assert_string_equal(st->log, "BBss");
	stage_free(st);
}

static void
test_small_first_but_not_for_ever(void **state)
{
	(void)state;
	assert_true(lane_order_us(5, 8 * KB) < lane_order_us(0, 8 * MB));
	assert_true(lane_order_us(0, 8 * MB) < lane_order_us(0, 8 * GB));
	/* Equal ones in the order in which they came. */
	assert_true(lane_order_us(1, 8 * KB) < lane_order_us(2, 8 * KB));
	/* Who has waited for the longest penalty goes before every newcomer. */
	assert_true(lane_order_us(0, INT64_MAX) <= lane_order_us(LANE_PENALTY_US, 0));
	assert_true(lane_order_us(0, LANE_UNKNOWN) <= lane_order_us(LANE_PENALTY_US, 0));
	/* A gigabyte waits minutes, not hours. */
	assert_true(lane_order_us(0, 1 * GB) < lane_order_us(300 * SEC, 0));
}

static void
test_size_is_told_while_it_waits(void **state)
{
	struct stage *st = stage_new(3600 * SEC);
	struct file a = { .name = 'a', .bytes = LANE_UNKNOWN, .jobs = 1 },
	            b = { .name = 'b', .bytes = LANE_UNKNOWN, .jobs = 1 },
	            c = { .name = 'c', .bytes = 1 * MB, .jobs = 1 };
	int64_t now = clock_now_us();

	(void)state;
	join(st, &a, now);
	join(st, &b, now);
	work(st);
	assert_string_equal(st->log, ""); /* nobody knows which is small */
	join(st, &c, now);
	lane_tell(st->lane, &b.ticket, 4 * KB);
	work(st);
	assert_string_equal(st->log, "bc");
	lane_tell(st->lane, &b.ticket, 4 * KB); /* does not wait: nothing happens */
	lane_tell(st->lane, &a.ticket, 9 * GB);
	work(st);
	assert_string_equal(st->log, "bca");
	stage_free(st);
}

static void
test_patience_ends(void **state)
{
	struct stage *st = stage_new(1000);
	struct file a = { .name = 'a', .bytes = LANE_UNKNOWN, .jobs = 1 };

	(void)state;
	join(st, &a, clock_now_us());
	while (!st->at_turn)
		event_base_loop(st->base, EVLOOP_ONCE);
	work(st);
	assert_string_equal(st->log, "a");
	stage_free(st);
}

static void
test_who_quits_waits_for_nobody(void **state)
{
	struct stage *st = stage_new(0);
	struct file f[] = {
		{ .name = 'a', .bytes = 1 * KB, .jobs = 2 },
		{ .name = 'b', .bytes = 2 * KB, .jobs = 1 },
		{ .name = 'c', .bytes = 3 * KB, .jobs = 1 },
		{ .name = 'd', .bytes = 4 * KB, .jobs = 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(f); i++)
		join(st, &f[i], clock_now_us());
	turn(st);
	lane_quit(st->lane, &f[1].ticket);
	lane_quit(st->lane, &f[2].ticket);
	lane_quit(st->lane, &f[0].ticket); /* has the lane: its owner ends it */
	turn(st);
	turn(st);
	work(st);
	assert_string_equal(st->log, "ab-c-ad");
	assert_true(lane_is_empty(st->lane));
	stage_free(st);
}

static void
test_leaves_after_the_lane(void **state)
{
	struct stage *st = stage_new(0);
	struct file a = { .name = 'a', .bytes = 1 * KB, .jobs = 1 },
	            b = { .name = 'b', .bytes = 1 * KB, .jobs = 1 };

	(void)state;
	join(st, &a, 1);
	join(st, &b, 2);
	turn(st);
	st->lane = lane_free(st->lane);
	lane_leave(st->lane, &a.ticket);
	lane_leave(st->lane, &b.ticket);
	turn(st);
	assert_string_equal(st->log, "a");
	stage_free(st);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_is_finished_before_the_next),
		cmocka_unit_test(test_who_has_the_lane_keeps_it),
		cmocka_unit_test(test_small_first_but_not_for_ever),
		cmocka_unit_test(test_size_is_told_while_it_waits),
		cmocka_unit_test(test_patience_ends),
		cmocka_unit_test(test_who_quits_waits_for_nobody),
		cmocka_unit_test(test_leaves_after_the_lane),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
