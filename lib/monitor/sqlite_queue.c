/* Who waits for a worker of SQLite files. */
#include "monitor/sqlite_queue.h"

void
sqlite_queue_join(struct sqlite_queue *q, struct sqlite_turn *t)
{
	*t = (struct sqlite_turn){ .prev = q->last, .waits = true };
	if (q->last)
		q->last->next = t;
	else
		q->first = t;
	q->last = t;
}

void
sqlite_queue_leave(struct sqlite_queue *q, struct sqlite_turn *t)
{
	if (!t->waits)
		return;
	if (t->prev)
		t->prev->next = t->next;
	else
		q->first = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else
		q->last = t->prev;
	t->waits = false;
}

struct sqlite_turn *
sqlite_queue_take(struct sqlite_queue *q)
{
	struct sqlite_turn *t = q->first;

	if (t)
		sqlite_queue_leave(q, t);
	return t;
}
