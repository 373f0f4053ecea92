#pragma once
#include "monitor/sched.h"
#include <event2/event.h>
/*
 * Who has the one worker that reads whole files: one file at a time, until its owner leaves, so that
 * each is finished before the next begins.  What is expected to be short goes first; who waits long
 * enough goes before any newcomer.
 */
#define LANE_UNKNOWN (-1)
#define LANE_PENALTY_US                                                                            \
	INT64_C(600000000) /* the longest that newcomers may go before one who waits */

struct lane_ticket {
	struct sched_task wait;
	int64_t joined_us;
	bool known, quits;
};
struct lane;
/* From the loop, never from inside a call of ours: the ticket's turn has come, or it had quit. */
typedef void (*lane_turn_fn)(struct lane_ticket *);
/* patience_us: how long one of unknown size waits for its size to be told though the lane is free. */
struct lane *lane_new(struct event_base *, int64_t patience_us, lane_turn_fn) _must_check_;
struct lane *lane_free(struct lane *); /* tickets may leave afterwards, with lane NULL */
void lane_join(struct lane *, struct lane_ticket *, int64_t now_us, int64_t bytes);
void lane_tell(struct lane *, struct lane_ticket *, int64_t bytes); /* if it waits */
/* Out of turn, and without having the lane, the next turn of the loop is its.  If it waits. */
void lane_quit(struct lane *, struct lane_ticket *);
void lane_leave(struct lane *, struct lane_ticket *); /* waiting, at its turn, or neither */
bool lane_is_empty(const struct lane *);
/* Where a ticket stands: the smallest is next. */
int64_t lane_order_us(int64_t joined_us, int64_t bytes);
