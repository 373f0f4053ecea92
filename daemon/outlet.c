/* The queues before the places to tell, and how each of them wants an entry. */
#include "daemon/outlet.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "daemon/store_wire.h"
#include <jansson.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/stat.h>

#define JOB_BYTES ((size_t)64 << 10)
#define RETRY_US  USEC_PER_SEC
/* Who does not read is waited for: a writer killed in the middle of a line would leave half of it. */
#define WRITE_US (INT64_C(30) * 86400 * USEC_PER_SEC)

struct outlet_type {
	const char *name; /* of the cursor in the store */
	uint32_t job;
	void (*render)(struct str *, const json_t *, bool under_journald);
};

/* ---- how it looks ---- */

static const char *
field(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

/* Under journald the stream itself has time and priority: "<4>" is how a line says the latter. */
static void
render_text(struct str *out, const json_t *o, bool under_journald)
{
	_cleanup_free_ char *safe = show_text(field(o, "MESSAGE"));
	char stamp[CLOCK_RFC3339_SIZE];

	if (under_journald) {
		str_addf(out, "<%s>%s\n", field(o, "PRIORITY"), safe);
		return;
	}
	clock_rfc3339(strtoll(field(o, ENTRY_TIME), NULL, 10), stamp);
	str_addf(out, "%s %s\n", stamp, safe);
}

static void
render_json(struct str *out, const json_t *o, bool under_journald)
{
	_cleanup_free_ char *text = json_dumps(o, JSON_COMPACT);

	(void)under_journald;
	str_addf(out, "%s\n", text ? text : "{}");
}

static void
render_fields(struct str *out, const json_t *o, bool under_journald)
{
	_cleanup_str_ struct str fields = { 0 };
	const char *name;
	json_t *value;
	uint32_t size;

	(void)under_journald;
	json_object_foreach ((json_t *)(uintptr_t)o, name, value) {
		_cleanup_free_ char *pair = NULL;

		/* journald's own */
		if (*name == '_')
			continue;
		pair = xasprintf("%s=%s", name, json_string_value(value));
		wire_add(&fields, pair);
	}
	size = (uint32_t)fields.len;
	str_addn(out, (const char *)&size, sizeof(size));
	str_addn(out, str_text(&fields), fields.len);
}

const char *const outlet_format_names[OUTLET_FORMAT_N] = { "journal", "text", "json" };

static const struct outlet_type types[OUTLET_FORMAT_N] = {
	[OUTLET_JOURNAL] = { "journal", OUTLET_SEND, render_fields },
	[OUTLET_TEXT] = { "stderr", OUTLET_WRITE, render_text },
	[OUTLET_JSON] = { "stderr", OUTLET_WRITE, render_json },
};

/* ---- queue ---- */

struct entry {
	TAILQ_ENTRY(entry) link;
	uint64_t sequence; /* of a transition; 0: of something else */
	size_t len;
	char *bytes;
};
TAILQ_HEAD(entry_list, entry);

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
	struct entry_list queue; /* the first nsent are with the worker */
	size_t nqueue, bytes, nsent, dropped;
	uint64_t dropped_ever;
	uint64_t seen;      /* newest transition that was queued, passed over or dropped */
	uint64_t delivered; /* what on_delivered has been told */
};

static void
set_turn(struct outlets *o, int64_t after_us)
{
	struct timeval tv = { .tv_sec = after_us / USEC_PER_SEC,
		.tv_usec = after_us % USEC_PER_SEC };

	if (!o->job && !event_pending(o->turn, EV_TIMEOUT, NULL))
		event_add(o->turn, &tv);
}

static void
enqueue(struct outlets *o, uint64_t sequence, const json_t *entry)
{
	_cleanup_str_ struct str bytes = { 0 };
	struct entry *e;

	o->type->render(&bytes, entry, o->under_journald);
	o->seen = MAX(o->seen, sequence);
	if (o->nqueue >= OUTLET_QUEUE_MAX || o->bytes + bytes.len > OUTLET_QUEUE_BYTES) {
		o->dropped++;
		o->dropped_ever++;
		return;
	}
	e = xcalloc(1, sizeof(*e));
	e->sequence = sequence;
	e->len = bytes.len;
	e->bytes = str_take(&bytes);
	TAILQ_INSERT_TAIL(&o->queue, e, link);
	o->nqueue++;
	o->bytes += e->len;
	set_turn(o, 0);
}

static void
enqueue_text(struct outlets *o, uint64_t sequence, const char *json)
{
	json_t *entry = json_loads(json, 0, NULL);

	if (entry)
		enqueue(o, sequence, entry);
	json_decref(entry);
}

static void
say_dropped(struct outlets *o)
{
	_cleanup_free_ char *json = NULL;
	size_t n = o->dropped;

	if (n == 0 || o->nqueue > OUTLET_QUEUE_MAX / 2 || o->bytes > OUTLET_QUEUE_BYTES / 2)
		return;
	o->dropped = 0;
	json = entry_note(ENTRY_DROPPED, NULL, n,
	    "%zu entries were dropped: %s was not read for a while; see dbhealth findings", n,
	    o->type->name);
	enqueue_text(o, 0, json);
}

static void
report_delivered(struct outlets *o, uint64_t sequence)
{
	/* passed over or dropped: with nothing left before it, that is as good as told */
	if (o->nqueue == 0)
		sequence = MAX(sequence, o->seen);
	if (sequence <= o->delivered)
		return;
	o->delivered = sequence;
	o->on.on_delivered(o->type->name, sequence, o->arg);
}

static void
on_sent(enum worker_end end, const struct err *err, void *arg)
{
	struct outlets *o = arg;
	struct entry *e, *next;
	uint64_t sequence = 0;

	(void)err;
	o->job = NULL;
	if (end == WORKER_CANCELLED)
		return;
	if (end != WORKER_DONE) {
		o->nsent = 0;
		set_turn(o, RETRY_US);
		return;
	}
	for (e = TAILQ_FIRST(&o->queue); e && o->nsent > 0; e = next, o->nsent--) {
		next = TAILQ_NEXT(e, link);
		sequence = MAX(sequence, e->sequence);
		TAILQ_REMOVE(&o->queue, e, link);
		o->nqueue--;
		o->bytes -= e->len;
		free(e->bytes);
		free(e);
	}
	report_delivered(o, sequence);
	say_dropped(o);
	if (o->nqueue > 0)
		set_turn(o, 0);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct outlets *o = arg;
	_cleanup_str_ struct str payload = { 0 };
	struct entry *e;
	int r;

	(void)fd;
	(void)what;
	if (o->job)
		return;
	o->nsent = 0;
	TAILQ_FOREACH (e, &o->queue, link) {
		if (o->nsent > 0 && payload.len + e->len > JOB_BYTES)
			break;
		str_addn(&payload, e->bytes, e->len);
		o->nsent++;
	}
	if (o->nsent == 0) {
		report_delivered(o, 0);
		return;
	}
	r = worker_submit(
	    o->pool, o->type->job, payload.s, payload.len, WRITE_US, 0, NULL, on_sent, o, &o->job);
	if (r < 0) {
		o->job = NULL;
		o->nsent = 0;
		set_turn(o, RETRY_US);
	}
}

/* ---- public ---- */

int
outlet_format_parse(const char *s, enum outlet_format *ret)
{
	for (int i = 0; i < OUTLET_FORMAT_N; i++)
		if (streq(s, outlet_format_names[i])) {
			*ret = (enum outlet_format)i;
			return 0;
		}
	return -EINVAL;
}

static bool
stderr_is_journald(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	_cleanup_free_ char *is = NULL;
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	is = xasprintf("%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	return streq(is, stream);
}

enum outlet_format
outlet_format_default(void)
{
	return stderr_is_journald() ? OUTLET_JOURNAL : OUTLET_TEXT;
}

char *const *
outlet_names(enum outlet_format format)
{
	static char journal[] = "journal", stream[] = "stderr";
	static char *const names[OUTLET_FORMAT_N][2] = { { journal }, { stream }, { stream } };

	return names[format];
}

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
	o->type = &types[format];
	o->on = *on;
	o->arg = arg;
	o->pool = pool;
	o->under_journald = stderr_is_journald();
	o->turn = evtimer_new(base, on_turn, o);
	TAILQ_INIT(&o->queue);
	outlets_set_level(o, journal_level);
	*ret = o;
	return 0;
}

struct outlets *
outlets_free(struct outlets *o)
{
	struct entry *e;

	if (!o)
		return NULL;
	worker_pool_free(o->pool);
	event_free(o->turn);
	while ((e = TAILQ_FIRST(&o->queue))) {
		TAILQ_REMOVE(&o->queue, e, link);
		free(e->bytes);
		free(e);
	}
	free(o);
	return NULL;
}

/* info findings are never told singly, whatever the level. */
void
outlets_set_level(struct outlets *o, enum severity journal_level)
{
	o->level = MAX(journal_level, SEVERITY_WARNING);
}

static enum severity
entry_severity(const json_t *entry, const char *name)
{
	enum severity severity = SEVERITY_NONE;

	severity_parse(field(entry, name), &severity);
	return severity;
}

void
outlets_event(struct outlets *o, uint64_t sequence, const char *json)
{
	json_t *entry;

	if (sequence <= o->on.cursor(o->type->name, o->arg))
		return;
	entry = json_loads(json, 0, NULL);
	if (entry && (entry_severity(entry, "DBHEALTH_SEVERITY") >= o->level ||
	                 entry_severity(entry, "DBHEALTH_PREVIOUS_SEVERITY") >= o->level))
		enqueue(o, sequence, entry);
	o->seen = MAX(o->seen, sequence);
	set_turn(o, 0);
	json_decref(entry);
}

void
outlets_say(struct outlets *o, char *take_json)
{
	enqueue_text(o, 0, take_json);
	free(take_json);
}

void
outlets_log(enum log_level level, const char *line, void *outlets)
{
	outlets_say(outlets, entry_log(level, line));
}

size_t
outlets_queued(const struct outlets *o)
{
	return o->nqueue;
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

struct outlet_stats
outlets_stats(const struct outlets *o)
{
	return (struct outlet_stats){ o->type->name, o->nqueue, o->dropped_ever };
}

int
outlets_flush(struct outlets *o, int64_t deadline_us)
{
	int64_t left_us = MAX(deadline_us - clock_now_us(), 0);
	struct timeval tv = { .tv_sec = left_us / USEC_PER_SEC, .tv_usec = left_us % USEC_PER_SEC };
	bool over = false;
	struct event *timer = evtimer_new(o->base, on_deadline, &over);

	event_add(timer, &tv);
	while (!over && (o->nqueue > 0 || event_pending(o->turn, EV_TIMEOUT, NULL)))
		if (event_base_loop(o->base, EVLOOP_ONCE) != 0)
			break;
	event_free(timer);
	return o->nqueue == 0 ? 0 : -ETIMEDOUT;
}
