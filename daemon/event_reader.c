/* Reading the log of events in order, from now or from before. */
#include "daemon/event_reader.h"
#include "base/clock.h"

/* The store could not be read, or has not written yet what we miss. */
#define AGAIN_US (5 * USEC_PER_SEC)

static bool
take(struct event_reader *r, uint64_t sequence, const json_t *entry)
{
	if (!r->ops->take(sequence, entry, r->arg))
		return false;
	r->taken = sequence;
	r->counting = true;
	return true;
}

void
event_reader_live(struct event_reader *r, uint64_t sequence, const json_t *entry)
{
	if (sequence <= r->seen)
		return;
	r->seen = sequence;
	if (!r->behind && !take(r, sequence, entry))
		r->behind = true;
}

void
event_reader_turn(struct event_reader *r)
{
	int64_t now = clock_now_us();

	if (!r->behind || r->asking || !r->ops->has_room(r->arg))
		return;
	if (now < r->again_us) {
		r->ops->wait(r->again_us - now, r->arg);
		return;
	}
	r->asking = true;
	r->full = false;
	r->rows = 0;
	r->ops->ask(r->taken, r->arg);
}

void
event_reader_row(struct event_reader *r, uint64_t sequence, const json_t *entry)
{
	r->rows++;
	if (r->full || sequence <= r->taken)
		return;
	/* The store keeps only so many that nobody was told of. */
	if (r->counting && sequence > r->taken + 1)
		r->ops->lost(sequence - r->taken - 1, r->arg);
	if (take(r, sequence, entry))
		return;
	r->taken = MAX(r->taken, sequence - 1);
	r->full = true;
}

void
event_reader_end(struct event_reader *r, bool ok, bool all)
{
	r->asking = false;
	if (!ok || (r->rows == 0 && !all)) {
		r->again_us = clock_now_us() + AGAIN_US;
	} else if (r->rows == 0) {
		/* These never came to the disk, which the store has said. */
		if (r->counting && r->seen > r->taken)
			r->ops->lost(r->seen - r->taken, r->arg);
		r->taken = MAX(r->taken, r->seen);
	}
	r->behind = r->taken < r->seen;
	if (r->behind)
		r->ops->wait(0, r->arg);
}
