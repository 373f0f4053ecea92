/* Samples to the writer, batch by batch, and questions to readers. */
#include "daemon/recorder.h"
#include "base/clock.h"
#include "base/str.h"
#include "daemon/history_wire.h"
#include "history/ask.h"
#include "history/history.h"
#include <sys/queue.h>

#define LINGER_US      (5 * USEC_PER_SEC)
#define MAINTAIN_US    (300 * USEC_PER_SEC)
#define BATCH_BYTES    ((size_t)256 << 10)
#define QUEUE_BYTES    ((size_t)8 << 20)
#define RETRY_FIRST_US (5 * USEC_PER_SEC)
#define RETRY_MAX_US   (60 * USEC_PER_SEC)
#define WRITE_US       (30 * USEC_PER_SEC)
#define WORK_US        (600 * USEC_PER_SEC) /* a day of 1,000 databases on a slow disk */
#define READ_US        (10 * USEC_PER_SEC)
#define READERS        2
#define QUESTIONS      16
#define ABOUT          2 /* of them, those of many series */
#define ABOUT_US       (60 * USEC_PER_SEC)

struct batch {
	TAILQ_ENTRY(batch) link;
	struct str bytes;
	uint64_t samples;
	int64_t from_us, to_us; /* wall clock */
};
TAILQ_HEAD(batch_list, batch);

struct recorder {
	struct event_base *base; /* borrowed */
	struct worker_pool *writer, *readers;
	struct worker_job *job; /* borrowed; NULL: none runs */
	struct recorder_callbacks on;
	void *arg;
	char *dir;
	int64_t keep_us, max_bytes;
	struct event *turn;
	struct batch_list batches; /* the last one is being filled, the first one is under way */
	size_t bytes;
	uint64_t written, dropped;
	unsigned about; /* under way */
	bool answered, failed, more, maintaining, flushing, crashed, disorder;
	int64_t maintain_us; /* when it is due, monotonic */
	int64_t filled_us;   /* when the last batch is due to be sent */
	char *trouble;
	int64_t retry_us, retry_at_us;
	/* dropped since the trouble began */
	struct {
		uint64_t samples;
		int64_t from_us, to_us;
	} gap;
};

static void try_next(struct recorder *);

static void
set_turn(struct recorder *rec, int64_t at_us)
{
	int64_t after = MAX(at_us - clock_now_us(), 0);
	struct timeval tv = { .tv_sec = after / USEC_PER_SEC, .tv_usec = after % USEC_PER_SEC };

	event_add(rec->turn, &tv);
}

static void
batch_free(struct recorder *rec, struct batch *b)
{
	TAILQ_REMOVE(&rec->batches, b, link);
	rec->bytes -= b->bytes.len;
	str_done(&b->bytes);
	free(b);
}

/* ---- trouble ---- */

static void
say_gap(struct recorder *rec)
{
	char from[CLOCK_RFC3339_SIZE], to[CLOCK_RFC3339_SIZE];
	_cleanup_free_ char *text = NULL;

	if (rec->gap.samples == 0)
		return;
	clock_rfc3339(rec->gap.from_us, from);
	clock_rfc3339(rec->gap.to_us, to);
	text = xasprintf("history: %llu samples from %s to %s are lost: they found no room while "
	                 "nothing could be written",
	    (unsigned long long)rec->gap.samples, from, to);
	rec->gap.samples = 0;
	rec->on.on_lost(text, rec->arg);
}

static void
set_trouble(struct recorder *rec, const char *why)
{
	bool news = !rec->trouble;

	free(rec->trouble);
	rec->trouble = xstrdup(why);
	rec->retry_us = news ? RETRY_FIRST_US : MIN(rec->retry_us * 2, RETRY_MAX_US);
	rec->retry_at_us = clock_now_us() + rec->retry_us;
	if (news)
		rec->on.on_trouble(rec->trouble, rec->arg);
}

static void
clear_trouble(struct recorder *rec)
{
	rec->crashed = false;
	rec->retry_at_us = 0;
	if (!rec->trouble)
		return;
	free(TAKE_PTR(rec->trouble));
	rec->on.on_trouble(NULL, rec->arg);
	say_gap(rec);
}

/* The oldest go: what comes is worth more than what nobody could write for so long. */
static void
drop_oldest(struct recorder *rec)
{
	struct batch *b = TAILQ_FIRST(&rec->batches);

	if (b && rec->job && !rec->maintaining)
		b = TAILQ_NEXT(b, link);
	if (!b || b == TAILQ_LAST(&rec->batches, batch_list))
		return;
	if (rec->gap.samples == 0)
		rec->gap.from_us = b->from_us;
	rec->gap.samples += b->samples;
	rec->gap.to_us = b->to_us;
	rec->dropped += b->samples;
	batch_free(rec, b);
}

/* Samples are written all the same. */
static void
say_disorder(struct recorder *rec, const char *why)
{
	_cleanup_free_ char *text = NULL;

	if (rec->disorder)
		return;
	rec->disorder = true;
	text = xasprintf("history: what is written cannot be put in order: %s; this is tried again "
	                 "every 5 minutes",
	    why);
	rec->on.on_lost(text, rec->arg);
}

/* ---- jobs of the writer ---- */

static void
on_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct recorder *rec = arg;
	struct wire w = { payload, len };
	_cleanup_free_ char *text = wire_take(&w);

	if (type == HISTORY_LOST) {
		if (text)
			rec->on.on_lost(text, rec->arg);
	} else if (type == HISTORY_DONE) {
		rec->answered = true;
		rec->more = text && streq(text, "1");
	} else if (type == HISTORY_FAILED) {
		rec->answered = rec->failed = true;
		if (rec->maintaining)
			say_disorder(rec, text ? text : "no reason given");
		else
			set_trouble(rec, text ? text : "no reason given");
	}
}

static void
on_end(enum worker_end end, const struct err *err, void *arg)
{
	struct recorder *rec = arg;
	struct batch *b = TAILQ_FIRST(&rec->batches);

	rec->job = NULL;
	if (end == WORKER_CANCELLED) {
		if (rec->flushing)
			set_turn(rec, 0);
		return;
	}
	if (end == WORKER_CRASHED && !rec->crashed) {
		rec->crashed = true; /* once at once: the next one mends what this one left */
	} else if (end != WORKER_DONE || !rec->answered) {
		const char *why = err ? err->msg : "the history's worker gave no answer";

		if (rec->maintaining)
			say_disorder(rec, why);
		else
			set_trouble(rec, why);
	} else if (!rec->failed && rec->maintaining) {
		rec->disorder = false;
	} else if (!rec->failed) {
		clear_trouble(rec);
		rec->written += b->samples;
		batch_free(rec, b);
	}
	if (rec->maintaining)
		rec->maintain_us = clock_now_us() + (rec->more && !rec->failed ? 0 : MAINTAIN_US);
	try_next(rec);
}

static void
submit(struct recorder *rec, uint32_t type, const struct batch *b)
{
	_cleanup_str_ struct str frame = { 0 };
	int r;

	wire_add(&frame, rec->dir);
	wire_add_int(&frame, rec->keep_us / USEC_PER_SEC);
	wire_add_int(&frame, rec->max_bytes);
	if (b)
		str_addn(&frame, b->bytes.s, b->bytes.len);
	rec->answered = rec->failed = rec->more = false;
	rec->maintaining = !b;
	r = worker_submit(rec->writer, type, frame.s, frame.len, b ? WRITE_US : WORK_US, 0,
	    on_message, on_end, rec, &rec->job);
	if (r < 0) {
		rec->job = NULL;
		set_trouble(rec, strerror(-r));
		set_turn(rec, rec->retry_at_us);
	}
}

static bool
is_due(const struct recorder *rec, const struct batch *b, int64_t now)
{
	return b && (b != TAILQ_LAST(&rec->batches, batch_list) || rec->flushing ||
	                now >= rec->filled_us);
}

static void
try_next(struct recorder *rec)
{
	const struct batch *b = TAILQ_FIRST(&rec->batches);
	int64_t now = clock_now_us();

	if (rec->job)
		return;
	if (rec->trouble && now < rec->retry_at_us) {
		set_turn(rec, rec->retry_at_us);
	} else if (is_due(rec, b, now)) {
		/* nothing is added to what is on its way */
		if (b == TAILQ_LAST(&rec->batches, batch_list))
			rec->filled_us = 0;
		submit(rec, HISTORY_RECORD, b);
	} else if (now >= rec->maintain_us && rec->keep_us > 0 && !rec->flushing) {
		submit(rec, HISTORY_MAINTAIN, NULL);
	} else {
		rec->maintain_us = MAX(rec->maintain_us, now + USEC_PER_SEC);
		set_turn(rec, b ? MIN(rec->filled_us, rec->maintain_us) : rec->maintain_us);
	}
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct recorder *rec = arg;

	(void)fd;
	(void)what;
	try_next(rec);
}

/* ---- public ---- */

int
recorder_new(struct event_base *base, const char *state_dir, const struct recorder_callbacks *on,
    void *arg, struct recorder **ret, struct err *e)
{
	const struct worker_limits one = { .processes = 1, .queue = 1, .keep = true };
	const struct worker_limits few = { .processes = READERS, .queue = QUESTIONS };
	struct recorder *rec = xcalloc(1, sizeof(*rec));
	int r;

	TAILQ_INIT(&rec->batches);
	rec->base = base;
	rec->on = *on;
	rec->arg = arg;
	rec->dir = xasprintf("%s/history", state_dir);
	rec->turn = evtimer_new(base, on_turn, rec);
	r = worker_pool_new(base, history_role.name, &one, &rec->writer, e);
	if (r == 0)
		r = worker_pool_new(base, history_read_role.name, &few, &rec->readers, e);
	if (r < 0) {
		recorder_free(rec);
		return r;
	}
	/* What the last life left is put in order once the first samples are there. */
	rec->maintain_us = clock_now_us() + 2 * LINGER_US;
	set_turn(rec, rec->maintain_us);
	*ret = rec;
	return 0;
}

struct recorder *
recorder_free(struct recorder *rec)
{
	struct batch *b;

	if (!rec)
		return NULL;
	worker_pool_free(rec->readers);
	worker_pool_free(rec->writer);
	event_free(rec->turn);
	while ((b = TAILQ_FIRST(&rec->batches)))
		batch_free(rec, b);
	free(rec->trouble);
	free(rec->dir);
	free(rec);
	return NULL;
}

void
recorder_set_limits(struct recorder *rec, int64_t keep_us, int64_t max_bytes)
{
	rec->keep_us = keep_us;
	rec->max_bytes = max_bytes;
}

/* The last batch, unless it is full or on its way. */
static struct batch *
open_batch(struct recorder *rec)
{
	struct batch *b = TAILQ_LAST(&rec->batches, batch_list);

	if (b && rec->filled_us != 0 && b->bytes.len < BATCH_BYTES)
		return b;
	b = xcalloc(1, sizeof(*b));
	TAILQ_INSERT_TAIL(&rec->batches, b, link);
	rec->filled_us = clock_now_us() + LINGER_US;
	if (!rec->job && !rec->trouble)
		set_turn(rec, TAILQ_FIRST(&rec->batches) == b ? rec->filled_us : 0);
	return b;
}

void
recorder_add(struct recorder *rec, const char *scope, const char *check, enum unit unit,
    int64_t wall_us, const struct history_value *v, size_t n)
{
	struct batch *b;
	size_t before;

	if (!rec || rec->keep_us == 0 || n == 0)
		return;
	b = open_batch(rec);
	before = b->bytes.len;
	history_batch_add(&b->bytes, scope, check, unit, wall_us / USEC_PER_SEC, v, n);
	rec->bytes += b->bytes.len - before;
	if (b->bytes.len == before)
		return;
	if (b->samples == 0)
		b->from_us = wall_us;
	b->to_us = wall_us;
	b->samples += n;
	if (rec->bytes > QUEUE_BYTES)
		drop_oldest(rec);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

void
recorder_flush(struct recorder *rec, int64_t deadline_us)
{
	int64_t left_us = MAX(deadline_us - clock_now_us(), 0);
	struct timeval tv = { .tv_sec = left_us / USEC_PER_SEC, .tv_usec = left_us % USEC_PER_SEC };
	bool over = false;
	struct event *timer;

	if (!rec || TAILQ_EMPTY(&rec->batches) || rec->trouble)
		return;
	timer = evtimer_new(rec->base, on_deadline, &over);
	event_add(timer, &tv);
	rec->flushing = true;
	if (rec->maintaining && rec->job)
		worker_cancel(rec->job); /* what it does is done again, from where it was */
	set_turn(rec, 0);
	while (!over && !TAILQ_EMPTY(&rec->batches) && !rec->trouble)
		if (event_base_loop(rec->base, EVLOOP_ONCE) != 0)
			break;
	rec->flushing = false;
	event_free(timer);
}

const char *
recorder_trouble(const struct recorder *rec)
{
	return rec->trouble;
}

size_t
recorder_queued_bytes(const struct recorder *rec)
{
	return rec ? rec->bytes : 0;
}

uint64_t
recorder_written(const struct recorder *rec)
{
	return rec ? rec->written : 0;
}

uint64_t
recorder_dropped(const struct recorder *rec)
{
	return rec ? rec->dropped : 0;
}

/* ---- questions ---- */

struct recorder_question {
	struct recorder *recorder; /* borrowed */
	struct worker_job *job;
	recorder_answer_fn fn; /* NULL: nobody waits any more */
	void *arg;
	struct str body;
	struct err err;
	bool ended, known, about;
};

static void
on_answer(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct recorder_question *q = arg;
	struct wire w = { payload, len };

	if (type == HISTORY_TEXT) {
		str_addn(&q->body, payload, len);
	} else {
		_cleanup_free_ char *text = wire_take(&w);

		if (type == HISTORY_END) {
			q->ended = true;
			q->known = text && streq(text, "1");
		} else if (text) {
			err_set(&q->err, -EIO, "%s", text);
		}
	}
}

static void
on_answer_end(enum worker_end end, const struct err *err, void *arg)
{
	struct recorder_question *q = arg;

	if (q->about)
		q->recorder->about--;
	if (end == WORKER_DONE && q->ended && q->fn) {
		size_t len = q->body.len;

		q->fn(str_take(&q->body), len, q->known, NULL, q->arg);
	} else if (q->fn) {
		if (q->err.code == 0)
			err_set(&q->err, -EIO, "%s", err ? err->msg : "no answer");
		q->fn(NULL, 0, false, &q->err, q->arg);
	}
	str_done(&q->body);
	free(q);
}

static int
send_question(struct recorder *rec, uint32_t type, const struct str *frame, int64_t timeout_us,
    recorder_answer_fn fn, void *arg, struct recorder_question **ret)
{
	struct recorder_question *q = xcalloc(1, sizeof(*q));
	int r;

	q->recorder = rec;
	q->fn = fn;
	q->arg = arg;
	q->about = type == HISTORY_ABOUT;
	r = worker_submit(rec->readers, type, frame->s, frame->len, timeout_us, timeout_us,
	    on_answer, on_answer_end, q, &q->job);
	if (r < 0) {
		free(q);
		return r;
	}
	rec->about += q->about;
	*ret = q;
	return 0;
}

int
recorder_ask(struct recorder *rec, const struct history_query *ask, recorder_answer_fn fn,
    void *arg, struct recorder_question **ret)
{
	_cleanup_str_ struct str frame = { 0 };

	wire_add(&frame, rec->dir);
	wire_add(&frame, ask->scope);
	wire_add(&frame, ask->check);
	wire_add(&frame, ask->object ? "1" : "0");
	wire_add(&frame, ask->object ? ask->object : "");
	wire_add_int(&frame, ask->from_s);
	wire_add_int(&frame, ask->to_s);
	wire_add_int(&frame, ask->step_s);
	return send_question(rec, HISTORY_READ, &frame, READ_US, fn, arg, ret);
}

int
recorder_ask_about(struct recorder *rec, const struct history_ask *ask, recorder_answer_fn fn,
    void *arg, struct recorder_question **ret)
{
	_cleanup_str_ struct str frame = { 0 };

	if (rec->about >= ABOUT)
		return -EAGAIN;
	wire_add(&frame, rec->dir);
	wire_add_int(&frame, ask->kind);
	wire_add(&frame, ask->scope);
	wire_add_int(&frame, ask->now_s);
	for (size_t i = 0; ask->checks[i]; i++)
		wire_add(&frame, ask->checks[i]);
	return send_question(rec, HISTORY_ABOUT, &frame, ABOUT_US, fn, arg, ret);
}

void
recorder_forget(struct recorder_question *q)
{
	q->fn = NULL;
	worker_cancel(q->job);
}
