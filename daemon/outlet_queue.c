/* The queue before a place to tell, and who gives way when it is full. */
#include "daemon/outlet_queue.h"

void
outlet_queue_init(struct outlet_queue *q)
{
	*q = (struct outlet_queue){ 0 };
	TAILQ_INIT(&q->list);
}

static void
take_out(struct outlet_queue *q, struct outlet_entry *e)
{
	TAILQ_REMOVE(&q->list, e, link);
	q->n--;
	q->bytes -= e->len;
	free(e->bytes);
	free(e);
}

void
outlet_queue_done(struct outlet_queue *q)
{
	while (!TAILQ_EMPTY(&q->list))
		take_out(q, TAILQ_FIRST(&q->list));
}

static bool
has_room(const struct outlet_queue *q, size_t len)
{
	return q->n < OUTLET_QUEUE_MAX && q->bytes + len <= OUTLET_QUEUE_BYTES;
}

static bool
drop_oldest(struct outlet_queue *q)
{
	struct outlet_entry *e;
	size_t i = 0;

	TAILQ_FOREACH (e, &q->list, link) {
		if (i++ < q->nsent || e->sequence > 0)
			continue;
		take_out(q, e);
		q->dropped++;
		return true;
	}
	return false;
}

bool
outlet_queue_add(struct outlet_queue *q, uint64_t sequence, const char *bytes, size_t len)
{
	struct outlet_entry *e;

	while (!has_room(q, len))
		if (len > OUTLET_QUEUE_BYTES || !drop_oldest(q)) {
			q->dropped += sequence == 0;
			return false;
		}
	e = xcalloc(1, sizeof(*e));
	e->sequence = sequence;
	e->len = len;
	e->bytes = xcalloc(1, len + 1);
	memcpy(e->bytes, bytes, len);
	TAILQ_INSERT_TAIL(&q->list, e, link);
	q->n++;
	q->bytes += len;
	return true;
}

uint64_t
outlet_queue_pop(struct outlet_queue *q)
{
	struct outlet_entry *e = TAILQ_FIRST(&q->list);
	uint64_t sequence;

	assert(e);
	sequence = e->sequence;
	take_out(q, e);
	q->nsent -= q->nsent > 0;
	return sequence;
}

bool
outlet_queue_is_low(const struct outlet_queue *q)
{
	return q->n <= OUTLET_QUEUE_MAX / 2 && q->bytes <= OUTLET_QUEUE_BYTES / 2;
}
