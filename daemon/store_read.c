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

/* What comes is told once all of it has come: a reader that dies in between is asked again. */
static void
keep_loading(struct store *s, uint32_t type, const char *payload, size_t len)
{
	uint32_t head[2] = { type, (uint32_t)len };

	str_addn(&s->loading, (const char *)head, sizeof(head));
	str_addn(&s->loading, payload, len);
}

static void
tell_loaded(struct store *s)
{
	_cleanup_str_ struct str all = s->loading;
	uint32_t head[2];

	s->loading = (struct str){ 0 };
	for (size_t at = 0; at + sizeof(head) <= all.len; at += head[1]) {
		_cleanup_free_ char *a = NULL, *b = NULL, *c = NULL;
		struct wire w;

		memcpy(head, all.s + at, sizeof(head));
		at += sizeof(head);
		w = (struct wire){ all.s + at, head[1] };
		a = wire_take(&w);
		b = wire_take(&w);
		c = wire_take(&w);
		if (!a || !b || !c)
			continue;
		if (head[0] == STORE_ROW)
			s->on.on_row(a, b, c, s->arg);
		else if (head[0] == STORE_CURSOR)
			take_cursor(s, a, b);
		else
			s->on.on_event(strtoull(a, NULL, 10), b, s->arg);
	}
}

static void
on_read_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct store *s = arg;
	struct wire w = { payload, len };
	_cleanup_free_ char *text = NULL;

	if (type == STORE_MOVED) {
		store_take_moved(s, payload, len);
	} else if (type == STORE_ROW || type == STORE_CURSOR || type == STORE_EVENT) {
		keep_loading(s, type, payload, len);
	} else if (type == STORE_FAILED && !s->moved) {
		text = wire_take(&w);
		store_set_trouble(s, text ? text : "no reason given");
	} else if (type == STORE_READ_END) {
		text = wire_take(&w);
		s->last = text ? strtoull(text, NULL, 10) : 0;
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
	/* Moved aside: there is a new one.  A reader that died: once more, from the beginning. */
	if (!ok && (s->moved || end == WORKER_CRASHED) && s->reads < 2) {
		str_reset(&s->loading);
		store_set_turn(s, 0);
		return;
	}
	if (!ok) {
		if (!s->trouble)
			store_set_trouble(s, err ? err->msg : "the store's worker gave no answer");
	} else {
		store_clear_trouble(s);
	}
	/* Also what could be read before it failed. */
	tell_loaded(s);
	/* Numbers that no earlier life can have used. */
	if (!ok || s->new_life)
		s->last = MAX(s->last, (uint64_t)MAX(clock_wall_us(), 0) / 1000);
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

/* ---- events again ---- */

static void
read_free(struct store *s, struct store_read *r)
{
	TAILQ_REMOVE(&s->reads_asked, r, link);
	s->nreads_asked--;
	str_done(&r->words);
	free(r);
}

void
store_reads_free(struct store *s)
{
	while (!TAILQ_EMPTY(&s->reads_asked))
		read_free(s, TAILQ_FIRST(&s->reads_asked));
}

static void
on_again_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct store *s = arg;
	struct store_read *r = TAILQ_FIRST(&s->reads_asked);
	struct wire w = { payload, len };
	_cleanup_free_ char *sequence = NULL, *json = NULL;

	if (type == STORE_MOVED)
		store_take_moved(s, payload, len);
	else if (type == STORE_READ_END)
		s->read_ok = true;
	if (type != STORE_EVENT || !r->on_event)
		return;
	sequence = wire_take(&w);
	json = wire_take(&w);
	if (sequence && json)
		r->on_event(strtoull(sequence, NULL, 10), json, r->arg);
}

/* What was given before is on disk: its batch is the one written last, or an earlier one. */
static bool
has_earlier(const struct store *s, const struct store_read *r)
{
	return r->after <= s->batch - (s->parts != NULL);
}

static void
on_again_end(enum worker_end end, const struct err *err, void *arg)
{
	struct store *s = arg;
	struct store_read *r = TAILQ_FIRST(&s->reads_asked);
	store_again_end_fn on_end = r->on_event ? r->on_end : NULL;
	bool ok = end == WORKER_DONE && s->read_ok;
	void *on_arg = r->arg;
	bool all = has_earlier(s, r);

	(void)err;
	s->job = NULL;
	if (end == WORKER_CANCELLED)
		return;
	s->reading = false;
	read_free(s, r);
	if (on_end)
		on_end(ok, all, on_arg);
	store_set_turn(s, s->parts ? s->retry_us : 0);
}

void
store_again_begin(struct store *s)
{
	_cleanup_str_ struct str frame = { 0 };
	struct store_read *first = TAILQ_FIRST(&s->reads_asked);
	struct err e;
	int r;

	if (!first || s->reading || s->job || !s->loaded)
		return;
	if (!first->on_event) {
		read_free(s, first);
		store_again_begin(s);
		return;
	}
	/* What was given before comes first, unless that cannot be written now. */
	if (!has_earlier(s, first) && !s->trouble) {
		store_set_turn(s, 0);
		return;
	}
	s->reading = true;
	s->read_ok = false;
	wire_add(&frame, s->dir);
	wire_add(&frame, s->outlets);
	str_addn(&frame, first->words.s, first->words.len);
	r = worker_submit(s->pool, first->type, frame.s, frame.len, READ_US, 0, on_again_message,
	    on_again_end, s, &s->job);
	if (r >= 0)
		return;
	s->job = NULL;
	err_set(&e, r, "%s", strerror(-r));
	on_again_end(WORKER_FAILED, &e, s);
}

static struct store_read *
read_add(
    struct store *s, uint32_t type, store_again_fn on_event, store_again_end_fn on_end, void *arg)
{
	struct store_read *r = xcalloc(1, sizeof(*r));

	r->type = type;
	r->after = s->batch + (store_queued(s) > s->nparts);
	r->on_event = on_event;
	r->on_end = on_end;
	r->arg = arg;
	TAILQ_INSERT_TAIL(&s->reads_asked, r, link);
	s->nreads_asked++;
	if (!s->job && s->loaded)
		store_set_turn(s, 0);
	return r;
}

static struct store_read *
read_new(struct store *s, const struct store_query *q, store_again_fn on_event,
    store_again_end_fn on_end, void *arg)
{
	struct store_read *r = read_add(s, STORE_AGAIN, on_event, on_end, arg);

	wire_add_int(&r->words, (int64_t)q->after);
	wire_add_int(&r->words, q->since_us);
	wire_add_int(&r->words, q->until_us);
	wire_add(&r->words, q->database ? q->database : "");
	wire_add(&r->words, q->server ? q->server : "");
	wire_add(&r->words, q->check ? q->check : "");
	wire_add(&r->words, q->finding ? q->finding : "");
	wire_add(&r->words, q->kind ? q->kind : "");
	wire_add_int(&r->words, q->newest);
	wire_add_int(&r->words,
	    (int64_t)MIN(q->limit ? q->limit : STORE_AGAIN_MAX, (size_t)STORE_AGAIN_MAX));
	return r;
}

struct store_read *
store_read_rows(struct store *s, const char *kind, char *const *keys, store_again_fn on_row,
    store_again_end_fn on_end, void *arg)
{
	struct store_read *r;

	if (s->nreads_asked >= STORE_READS_MAX)
		return NULL;
	r = read_add(s, STORE_FETCH, on_row, on_end, arg);
	wire_add(&r->words, kind);
	for (size_t i = 0; keys && keys[i]; i++)
		wire_add(&r->words, keys[i]);
	return r;
}

struct store_read *
store_read_events(struct store *s, const struct store_query *q, store_again_fn on_event,
    store_again_end_fn on_end, void *arg)
{
	if (s->nreads_asked >= STORE_READS_MAX)
		return NULL;
	return read_new(s, q, on_event, on_end, arg);
}

void
store_read_cancel(struct store_read *r)
{
	r->on_event = NULL;
}

void
store_read_again(
    struct store *s, uint64_t after, store_again_fn on_event, store_again_end_fn on_end, void *arg)
{
	(void)read_new(s, &(struct store_query){ .after = after }, on_event, on_end, arg);
}
