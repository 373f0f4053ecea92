#pragma once
#include "base/base.h"
/*
 * When what is due.  Pure: the clock is passed in.  Tasks are embedded by their owners; the heap
 * only borrows them.
 */
struct sched_task {
	int64_t due_us;
	size_t index; /* place in the heap + 1; 0: not scheduled */
};
struct sched {
	struct sched_task **v;
	size_t n, cap;
};
#define SCHED_NEVER INT64_MAX
void sched_done(struct sched *);
/* Schedules or moves; SCHED_NEVER removes. */
void sched_set(struct sched *, struct sched_task *, int64_t due_us);
void sched_remove(struct sched *, struct sched_task *);
int64_t sched_next_us(const struct sched *); /* SCHED_NEVER when empty */
/* How long the earliest task waits already to be taken out; 0: none is due. */
int64_t sched_overdue_us(const struct sched *, int64_t now_us);
/* The earliest task that is due, taken out, or NULL. */
struct sched_task *sched_pop(struct sched *, int64_t now_us);

/*
 * First runs come soon but not at once: the i-th of n within a window that grows with n and never
 * exceeds the interval.
 */
int64_t sched_first_us(int64_t start_us, int64_t interval_us, size_t i, size_t n);
/*
 * Afterwards each has its own slot in the interval: start + (i/n + k) * interval, the first after
 * now.  No drift; slots that passed meanwhile are counted in *skipped (may be NULL).
 */
int64_t sched_slot_us(int64_t start_us, int64_t interval_us, size_t i, size_t n,
    int64_t last_due_us, int64_t now_us, uint64_t *skipped);
