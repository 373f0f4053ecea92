/*
 * The loop's side of the outlets: what is told waits in a queue, goes to the worker a job at a
 * time, and a place that was away is brought up to date from the store.
 */
#include "base/clock.h"
#include "daemon/event_reader.h"
#include "daemon/outlet_private.h"
#include "daemon/outlet_queue.h"
#include "daemon/told.h"
#include <stdio.h>

#define JOB_BYTES ((size_t)64 << 10)
#define RETRY_US  USEC_PER_SEC
/* Who does not read is waited for: a writer killed in the middle of a line would leave half of it. */
#define WRITE_US (INT64_C(30) * 86400 * USEC_PER_SEC)

struct outlets {
	struct event_base *base; /* borrowed */
	const struct outlet_type *type;
	struct outlet_callbacks on;
	void *arg;
	enum severity level;
	bool under_journald;
	struct worker_pool *pool;
	struct worker_job *job; /* borrowed; NULL: none runs */
	struct event *turn;
	int64_t turn_us; /* when it is set to */
	struct outlet_queue queue;
	uint64_t told;              /* newest transition that the worker has told */
	uint64_t delivered;         /* what on_delivered has been told */
	struct event_reader reader; /* behind: some found no room, and are taken from the store */
	uint64_t dropped;           /* those that were said */
};

static void
set_turn(struct outlets *o, int64_t after_us)
{
	struct timeval tv = { .tv_sec = after_us / USEC_PER_SEC,
		.tv_usec = after_us % USEC_PER_SEC };
	int64_t at_us = clock_now_us() + after_us;

	if (event_pending(o->turn, EV_TIMEOUT, NULL) && o->turn_us <= at_us)
		return;
	o->turn_us = at_us;
	event_add(o->turn, &tv);
}

/* ---- into the queue ---- */

static bool
enqueue(struct outlets *o, uint64_t sequence, const json_t *entry)
{
	_cleanup_str_ struct str bytes = { 0 };
	bool added;

	o->type->render(&bytes, entry, o->under_journald);
	added = outlet_queue_add(&o->queue, sequence, str_text(&bytes), bytes.len);
	set_turn(o, 0);
	return added;
}

static bool
take_event(uint64_t sequence, const json_t *entry, void *arg)
{
	struct outlets *o = arg;

	return !entry || !entry_is_told(entry, o->level) || enqueue(o, sequence, entry);
}

static bool
has_room(void *arg)
{
	const struct outlets *o = arg;

	return outlet_queue_is_low(&o->queue);
}

static void
on_lost(uint64_t n, void *arg)
{
	struct outlets *o = arg;

	o->queue.dropped += (size_t)n;
}

static void
ask_store(uint64_t after, void *arg)
{
	struct outlets *o = arg;

	o->on.again(o->type->name, after, o->arg);
}

static void
wait_turn(int64_t us, void *arg)
{
	set_turn(arg, us);
}

static const struct event_reader_ops reader_ops = { take_event, has_room, on_lost, ask_store,
	wait_turn };

void
outlets_event(struct outlets *o, uint64_t sequence, const char *json)
{
	uint64_t cursor = o->on.cursor(o->type->name, o->arg);
	json_t *entry;

	if (sequence <= cursor)
		return;
	o->reader.taken = MAX(o->reader.taken, cursor);
	entry = json_loads(json, 0, NULL);
	event_reader_live(&o->reader, sequence, entry);
	json_decref(entry);
	set_turn(o, 0);
}

void
outlets_say(struct outlets *o, char *take_json)
{
	json_t *entry = json_loads(take_json, 0, NULL);

	if (entry)
		enqueue(o, 0, entry);
	json_decref(entry);
	free(take_json);
}

void
outlets_log(enum log_level level, const char *line, void *outlets)
{
	outlets_say(outlets, entry_log(level, line));
}

/* ---- from the store, late ---- */

void
outlets_again(struct outlets *o, uint64_t sequence, const char *json)
{
	json_t *entry = json_loads(json, 0, NULL);

	event_reader_row(&o->reader, sequence, entry);
	json_decref(entry);
}

void
outlets_again_end(struct outlets *o, bool ok, bool all)
{
	event_reader_end(&o->reader, ok, all);
	set_turn(o, 0);
}

/* ---- to the worker ---- */

static void
say_dropped(struct outlets *o)
{
	size_t n = o->queue.dropped;

	if (n == 0 || !outlet_queue_is_low(&o->queue))
		return;
	o->queue.dropped = 0;
	o->dropped += n;
	outlets_say(o, entry_note(ENTRY_DROPPED, NULL, n,
	                   "entries dropped: %zu; %s took none for a while; what is open: dbhealth "
	                   "findings",
	                   n, o->type->said));
}

static void
report_delivered(struct outlets *o)
{
	/* passed over: with nothing left before it, that is as good as told */
	if (o->queue.n == 0)
		o->told = MAX(o->told, o->reader.taken);
	if (o->told <= o->delivered)
		return;
	o->delivered = o->told;
	o->on.on_delivered(o->type->name, o->told, o->arg);
}

static void
on_told(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct outlets *o = arg;
	uint64_t sequence;

	(void)payload;
	(void)len;
	if (type != OUTLET_TOLD || o->queue.nsent == 0)
		return;
	sequence = outlet_queue_pop(&o->queue);
	o->told = MAX(o->told, sequence);
}

static void
on_sent(enum worker_end end, const struct err *err, void *arg)
{
	struct outlets *o = arg;

	(void)err;
	o->job = NULL;
	if (end == WORKER_CANCELLED)
		return;
	o->queue.nsent = 0;
	report_delivered(o);
	if (end != WORKER_DONE) {
		set_turn(o, RETRY_US);
		return;
	}
	say_dropped(o);
	event_reader_turn(&o->reader);
	if (o->queue.n > 0)
		set_turn(o, 0);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct outlets *o = arg;
	_cleanup_str_ struct str payload = { 0 };
	struct outlet_entry *e;

	(void)fd;
	(void)what;
	event_reader_turn(&o->reader);
	if (o->job)
		return;
	TAILQ_FOREACH (e, &o->queue.list, link) {
		uint32_t len = (uint32_t)e->len;

		if (o->queue.nsent > 0 && payload.len + e->len > JOB_BYTES)
			break;
		str_addn(&payload, (const char *)&len, sizeof(len));
		str_addn(&payload, e->bytes, e->len);
		o->queue.nsent++;
	}
	if (o->queue.nsent == 0) {
		report_delivered(o);
		say_dropped(o);
		return;
	}
	if (worker_submit(o->pool, o->type->job, payload.s, payload.len, WRITE_US, 0, on_told,
	        on_sent, o, &o->job) < 0) {
		o->job = NULL;
		o->queue.nsent = 0;
		set_turn(o, RETRY_US);
	}
}

/* ---- life ---- */

int
outlets_new(struct event_base *base, enum outlet_format format, enum severity journal_level,
    const struct outlet_callbacks *on, void *arg, struct outlets **ret, struct err *e)
{
	const struct worker_limits limits = { .processes = 1, .queue = 1, .keep = true };
	struct worker_pool *pool;
	struct outlets *o;
	int r = worker_pool_new(base, journal_role.name, &limits, &pool, e);

	if (r < 0)
		return r;
	o = xcalloc(1, sizeof(*o));
	o->base = base;
	o->type = &outlet_types[format];
	o->on = *on;
	o->arg = arg;
	o->pool = pool;
	o->under_journald = outlet_is_journald();
	o->turn = evtimer_new(base, on_turn, o);
	o->level = journal_level;
	o->reader = (struct event_reader){ .ops = &reader_ops, .arg = o };
	outlet_queue_init(&o->queue);
	*ret = o;
	return 0;
}

struct outlets *
outlets_free(struct outlets *o)
{
	if (!o)
		return NULL;
	worker_pool_free(o->pool);
	event_free(o->turn);
	outlet_queue_done(&o->queue);
	free(o);
	return NULL;
}

void
outlets_set_level(struct outlets *o, enum severity journal_level)
{
	o->level = journal_level;
}

size_t
outlets_queued(const struct outlets *o)
{
	return o->queue.n;
}

struct outlet_stats
outlets_stats(const struct outlets *o)
{
	return (struct outlet_stats){ o->type->name, o->queue.n, o->dropped + o->queue.dropped };
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* What the store has still to give is not waited for: the next life tells it. */
int
outlets_flush(struct outlets *o, int64_t deadline_us)
{
	int64_t left_us = MAX(deadline_us - clock_now_us(), 0);
	struct timeval tv = { .tv_sec = left_us / USEC_PER_SEC, .tv_usec = left_us % USEC_PER_SEC };
	bool over = false;
	struct event *timer = evtimer_new(o->base, on_deadline, &over);

	event_add(timer, &tv);
	while (!over && (o->queue.n > 0 || o->job ||
	                    (!o->reader.behind && event_pending(o->turn, EV_TIMEOUT, NULL))))
		if (event_base_loop(o->base, EVLOOP_ONCE) != 0)
			break;
	event_free(timer);
	report_delivered(o);
	return o->queue.n == 0 ? 0 : -ETIMEDOUT;
}
