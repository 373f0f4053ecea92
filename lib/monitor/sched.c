/*
 * A binary heap of due times, and the arithmetic that spreads runs over their intervals.
 */
#include "monitor/sched.h"
#include "base/clock.h"

/* What one first run may cost on average before the next one starts. */
#define FIRST_STEP_US   (20 * USEC_PER_MSEC)
#define FIRST_WINDOW_US (500 * USEC_PER_MSEC)

void
sched_done(struct sched *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->v[i]->index = 0;
	free(s->v);
	*s = (struct sched){ 0 };
}

static void
place(struct sched *s, size_t i, struct sched_task *t)
{
	s->v[i] = t;
	t->index = i + 1;
}

static void
sift_up(struct sched *s, size_t i)
{
	struct sched_task *t = s->v[i];

	while (i > 0 && s->v[(i - 1) / 2]->due_us > t->due_us) {
		place(s, i, s->v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(s, i, t);
}

static void
sift_down(struct sched *s, size_t i)
{
	struct sched_task *t = s->v[i];

	for (size_t child; (child = 2 * i + 1) < s->n; i = child) {
		if (child + 1 < s->n && s->v[child + 1]->due_us < s->v[child]->due_us)
			child++;
		if (s->v[child]->due_us >= t->due_us)
			break;
		place(s, i, s->v[child]);
	}
	place(s, i, t);
}

void
sched_remove(struct sched *s, struct sched_task *t)
{
	size_t i = t->index;

	if (i == 0)
		return;
	i--;
	assert(i < s->n && s->v[i] == t);
	t->index = 0;
	s->n--;
	if (i == s->n)
		return;
	place(s, i, s->v[s->n]);
	sift_down(s, i);
	sift_up(s, s->v[i]->index - 1);
}

void
sched_set(struct sched *s, struct sched_task *t, int64_t due_us)
{
	sched_remove(s, t);
	t->due_us = due_us;
	if (due_us == SCHED_NEVER)
		return;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->v = xreallocarray(s->v, s->cap, sizeof(struct sched_task *));
	}
	place(s, s->n, t);
	s->n++;
	sift_up(s, s->n - 1);
}

int64_t
sched_next_us(const struct sched *s)
{
	return s->n ? s->v[0]->due_us : SCHED_NEVER;
}

int64_t
sched_overdue_us(const struct sched *s, int64_t now_us)
{
	return s->n ? MAX(now_us - s->v[0]->due_us, 0) : 0;
}

struct sched_task *
sched_pop(struct sched *s, int64_t now_us)
{
	struct sched_task *t;

	if (s->n == 0 || s->v[0]->due_us > now_us)
		return NULL;
	t = s->v[0];
	sched_remove(s, t);
	return t;
}

static int64_t
part_of(int64_t whole_us, size_t i, size_t n)
{
	return n == 0 ? 0 : (int64_t)((double)whole_us * (double)(i % n) / (double)n);
}

int64_t
sched_first_us(int64_t start_us, int64_t interval_us, size_t i, size_t n)
{
	int64_t window = MIN(interval_us, FIRST_WINDOW_US + (int64_t)n * FIRST_STEP_US);

	return start_us + part_of(window, i, n);
}

int64_t
sched_slot_us(int64_t start_us, int64_t interval_us, size_t i, size_t n, int64_t last_due_us,
    int64_t now_us, uint64_t *skipped)
{
	int64_t slot = start_us + part_of(interval_us, i, n), passed;

	assert(interval_us > 0);
	if (slot <= now_us)
		slot += ((now_us - slot) / interval_us + 1) * interval_us;
	/* Each whole interval between the slot that ran and the next one is a run that was missed.
	 */
	passed = (slot - last_due_us - 1) / interval_us;
	if (skipped && passed > 0 && last_due_us > 0)
		*skipped += (uint64_t)passed;
	return slot;
}
