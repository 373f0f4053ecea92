/* The loop's side of reading: all there is at the start, and transitions again for a late outlet. */
#include "base/err.h"
#include "daemon/store_private.h"

#define READ_US (60 * USEC_PER_SEC)

static void
take_cursor(struct store *s, const char *outlet, const char *sequence)
{
	struct cursor *c = map_get(s->cursors, outlet);

	if (c)
		c->sequence = strtoull(sequence, NULL, 10);
}

static void
on_read_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct store *s = arg;
	struct wire w = { payload, len };
	_cleanup_free_ char *a = NULL, *b = NULL, *c = NULL;

	if (type == STORE_MOVED) {
		store_take_moved(s, payload, len);
		return;
	}
	a = wire_take(&w);
	b = wire_take(&w);
	c = wire_take(&w);
	if (!a || !b || !c)
		return;
	if (type == STORE_ROW)
		s->on.on_row(a, b, c, s->arg);
	else if (type == STORE_CURSOR)
		take_cursor(s, a, b);
	else if (type == STORE_EVENT)
		s->on.on_event(strtoull(a, NULL, 10), b, s->arg);
	else if (type == STORE_FAILED && !s->moved)
		store_set_trouble(s, a);
	else if (type == STORE_READ_END) {
		s->last = strtoull(a, NULL, 10);
		s->answered = true;
	}
}

static void
on_read_end(enum worker_end end, const struct err *err, void *arg)
{
	struct store *s = arg;
	bool ok = end == WORKER_DONE && s->answered;

	s->job = NULL;
	if (end == WORKER_CANCELLED)
		return;
	if (!ok && s->moved && s->reads < 2) {
		store_set_turn(s, 0);
		return;
	}
	if (!ok) {
		if (!s->trouble)
			store_set_trouble(s, err ? err->msg : "the store's worker gave no answer");
		/* Numbers that no earlier life can have used. */
		s->last = (uint64_t)MAX(clock_wall_us(), 0) / 1000;
	} else {
		store_clear_trouble(s);
	}
	s->loaded = true;
	s->on.on_loaded(s->arg);
	if (store_queued(s) > 0)
		store_set_turn(s, s->trouble ? s->retry_us : 0);
}

void
store_load(struct store *s)
{
	_cleanup_str_ struct str frame = { 0 };
	struct err e;
	int r;

	s->reads++;
	s->answered = s->moved = false;
	wire_add(&frame, s->dir);
	wire_add(&frame, s->outlets);
	r = worker_submit(s->pool, STORE_READ, frame.s, frame.len, READ_US, 0, on_read_message,
	    on_read_end, s, &s->job);
	if (r >= 0)
		return;
	s->job = NULL;
	err_set(&e, r, "%s", strerror(-r));
	on_read_end(WORKER_FAILED, &e, s);
}

/* ---- transitions again ---- */

static void
on_again_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct store *s = arg;
	struct wire w = { payload, len };
	_cleanup_free_ char *sequence = NULL, *json = NULL;

	if (type == STORE_MOVED)
		store_take_moved(s, payload, len);
	else if (type == STORE_READ_END)
		s->again.ok = true;
	if (type != STORE_EVENT)
		return;
	sequence = wire_take(&w);
	json = wire_take(&w);
	if (sequence && json)
		s->again.on_event(strtoull(sequence, NULL, 10), json, s->again.arg);
}

static void
on_again_end(enum worker_end end, const struct err *err, void *arg)
{
	struct store *s = arg;
	store_again_end_fn on_end = s->again.on_end;
	bool ok = end == WORKER_DONE && s->again.ok;

	(void)err;
	s->job = NULL;
	if (end == WORKER_CANCELLED)
		return;
	s->again.on_end = NULL;
	s->again.running = false;
	on_end(ok, !s->parts, s->again.arg);
	store_set_turn(s, s->parts ? s->retry_us : 0);
}

void
store_again_begin(struct store *s)
{
	_cleanup_str_ struct str frame = { 0 };
	struct err e;
	int r;

	if (!s->again.on_end || s->again.running)
		return;
	s->again.running = true;
	s->again.ok = false;
	wire_add(&frame, s->dir);
	wire_add(&frame, s->outlets);
	wire_add_int(&frame, (int64_t)s->again.after);
	r = worker_submit(s->pool, STORE_AGAIN, frame.s, frame.len, READ_US, 0, on_again_message,
	    on_again_end, s, &s->job);
	if (r >= 0)
		return;
	s->job = NULL;
	err_set(&e, r, "%s", strerror(-r));
	on_again_end(WORKER_FAILED, &e, s);
}

void
store_read_again(
    struct store *s, uint64_t after, store_again_fn on_event, store_again_end_fn on_end, void *arg)
{
	assert(!s->again.on_end);
	s->again.after = after;
	s->again.on_event = on_event;
	s->again.on_end = on_end;
	s->again.arg = arg;
	if (!s->job && s->loaded)
		store_set_turn(s, 0);
}
