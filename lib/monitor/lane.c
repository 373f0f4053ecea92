/*
 * A queue for one place, ordered by when each joined and by what it is expected to take.
 */
#include "monitor/lane.h"
#include "base/clock.h"

/* A file is read at some 50 MB/s when nobody had it in memory; ten times that is waited for. */
#define BYTES_A_US    50
#define PENALTY_TIMES 10

struct lane {
	struct sched waiting;
	struct lane_ticket *holder; /* borrowed */
	struct event *turn;
	int64_t patience_us;
	lane_turn_fn on_turn;
};

int64_t
lane_order_us(int64_t joined_us, int64_t bytes)
{
	int64_t penalty = LANE_PENALTY_US;

	if (bytes >= 0)
		penalty = MIN(penalty, bytes / BYTES_A_US * PENALTY_TIMES);
	return joined_us + penalty;
}

static void
lane_wake(struct lane *l)
{
	event_active(l->turn, EV_TIMEOUT, 0);
}

static struct lane_ticket *
ticket_of(struct sched_task *t)
{
	return t ? (struct lane_ticket *)((char *)t - offsetof(struct lane_ticket, wait)) : NULL;
}

/* All wait that their size be told: the first comes back after its patience. */
static bool
is_too_early(struct lane *l, struct lane_ticket *t)
{
	int64_t left = t->joined_us + l->patience_us - clock_now_us();
	struct timeval tv = { .tv_sec = left / USEC_PER_SEC, .tv_usec = left % USEC_PER_SEC };

	if (t->known || left <= 0)
		return false;
	event_add(l->turn, &tv);
	return true;
}

static void
on_lane_turn(evutil_socket_t fd, short what, void *arg)
{
	struct lane *l = arg;
	struct lane_ticket *t = ticket_of(sched_pop(&l->waiting, INT64_MIN));

	(void)fd;
	(void)what;
	if (t) {
		lane_wake(l); /* there may be more */
		l->on_turn(t);
		return;
	}
	if (l->holder)
		return;
	t = ticket_of(sched_pop(&l->waiting, SCHED_NEVER));
	if (!t)
		return;
	if (is_too_early(l, t)) {
		sched_set(&l->waiting, &t->wait, t->wait.due_us);
		return;
	}
	l->holder = t;
	l->on_turn(t);
}

struct lane *
lane_new(struct event_base *base, int64_t patience_us, lane_turn_fn on_turn)
{
	struct lane *l = xcalloc(1, sizeof(*l));

	l->turn = evtimer_new(base, on_lane_turn, l);
	assert(l->turn);
	l->patience_us = patience_us;
	l->on_turn = on_turn;
	return l;
}

struct lane *
lane_free(struct lane *l)
{
	if (!l)
		return NULL;
	event_free(l->turn);
	sched_done(&l->waiting);
	free(l);
	return NULL;
}

void
lane_join(struct lane *l, struct lane_ticket *t, int64_t now_us, int64_t bytes)
{
	*t = (struct lane_ticket){ .joined_us = now_us, .known = bytes >= 0 };
	sched_set(&l->waiting, &t->wait, lane_order_us(now_us, bytes));
	lane_wake(l);
}

static bool
waits(const struct lane_ticket *t)
{
	return t->wait.index > 0 && !t->quits;
}

void
lane_tell(struct lane *l, struct lane_ticket *t, int64_t bytes)
{
	if (!waits(t) || bytes < 0)
		return;
	t->known = true;
	sched_set(&l->waiting, &t->wait, lane_order_us(t->joined_us, bytes));
	if (!l->holder)
		lane_wake(l);
}

void
lane_quit(struct lane *l, struct lane_ticket *t)
{
	if (!waits(t))
		return;
	t->quits = true;
	sched_set(&l->waiting, &t->wait, INT64_MIN);
	lane_wake(l);
}

void
lane_leave(struct lane *l, struct lane_ticket *t)
{
	if (!l)
		return;
	sched_remove(&l->waiting, &t->wait);
	if (l->holder != t)
		return;
	l->holder = NULL;
	lane_wake(l);
}

bool
lane_is_empty(const struct lane *l)
{
	return !l->holder && sched_next_us(&l->waiting) == SCHED_NEVER;
}
