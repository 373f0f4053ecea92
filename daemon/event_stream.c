/* Events as they come to clients that hold the line. */
#include "daemon/event_stream.h"
#include "base/clock.h"
#include "base/str.h"
#include "daemon/event_log.h"
#include "daemon/outlet_entry.h"
#include "report/report.h"
#include <stdio.h>
#include <sys/queue.h>

/*
 * Nobody is given more than so much ahead.  Who is slow gets the rest from the store when there is
 * room again, at its own pace; who takes nothing at all is cut (HTTP_STREAM_STUCK_US).
 */
#define UNREAD_MAX   ((size_t)256 << 10)
#define UNREAD_PAUSE ((size_t)64 << 10)
#define BEAT_US      (15 * USEC_PER_SEC)
#define RETRY_MS     2000

struct stream {
	TAILQ_ENTRY(stream) link;
	struct event_streams *all;    /* borrowed */
	struct http_request *request; /* borrowed */
	struct event_member *member;
	struct event *beat;
	char *database, *server, *check, *finding, *kind; /* NULL: any */
	uint64_t shown; /* the number that the client knows; 0: none yet */
};

struct event_streams {
	struct event_base *base; /* borrowed, as the log */
	struct event_log *log;
	TAILQ_HEAD(, stream) list;
	size_t n;
};

static bool
is_of_database(const struct stream *s, const json_t *entry)
{
	const char *database = entry_field(entry, "DBHEALTH_DATABASE");
	size_t len = strlen(s->database);

	if (!*database)
		return s->server && streq(s->server, entry_field(entry, "DBHEALTH_SERVER"));
	return strncmp(database, s->database, len) == 0 && (!database[len] || database[len] == '/');
}

static bool
is_wanted(const struct stream *s, const json_t *entry)
{
	if (s->database && !is_of_database(s, entry))
		return false;
	if (!s->database && s->server && !streq(s->server, entry_field(entry, "DBHEALTH_SERVER")))
		return false;
	if (s->check && !streq(s->check, entry_field(entry, "DBHEALTH_CHECK")))
		return false;
	if (s->kind && !streq(s->kind, entry_field(entry, "MESSAGE_ID")))
		return false;
	return !s->finding || streq(s->finding, entry_field(entry, "DBHEALTH_FINDING_ID"));
}

/* ---- to the client ---- */

static void
stream_free(struct stream *s)
{
	TAILQ_REMOVE(&s->all->list, s, link);
	s->all->n--;
	event_log_leave(s->member);
	event_free(s->beat);
	free(s->database);
	free(s->server);
	free(s->check);
	free(s->finding);
	free(s->kind);
	free(s);
}

static void
on_gone(struct http_request *r)
{
	stream_free(http_request_arg(r));
}

static void
on_drained(struct http_request *r)
{
	struct stream *s = http_request_arg(r);

	event_log_go_on(s->member);
}

static void
on_beat(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval beat = { .tv_sec = BEAT_US / USEC_PER_SEC };
	struct stream *s = arg;
	uint64_t taken = event_log_taken(s->member);
	char text[48] = ":\n\n";

	(void)fd;
	(void)what;
	/* What was passed over need not be gone through again: an id alone moves the place on. */
	if (taken > s->shown)
		snprintf(text, sizeof(text), "id: %llu\n\n", (unsigned long long)taken);
	s->shown = taken;
	if (http_stream_unread(s->request) < UNREAD_PAUSE)
		http_stream_write(s->request, text, strlen(text));
	event_add(s->beat, &beat);
}

/* ---- from the log ---- */

static bool
has_room(void *arg)
{
	const struct stream *s = arg;

	return http_stream_unread(s->request) < UNREAD_PAUSE;
}

static bool
take(uint64_t sequence, const json_t *entry, void *arg)
{
	struct stream *s = arg;
	_cleanup_str_ struct str text = { 0 };
	_cleanup_free_ char *data = NULL;
	json_t *event;

	if (!is_wanted(s, entry))
		return true;
	event = entry_event_json(entry, sequence);
	data = report_dump(event);
	json_decref(event);
	str_addf(&text, "id: %llu\ndata: %s\n\n", (unsigned long long)sequence, data);
	if (http_stream_unread(s->request) > 0 &&
	    http_stream_unread(s->request) + text.len > UNREAD_MAX)
		return false;
	http_stream_write(s->request, text.s, text.len);
	s->shown = sequence;
	return true;
}

static void
on_lost(uint64_t n, void *arg)
{
	struct stream *s = arg;
	char text[80];

	snprintf(
	    text, sizeof(text), "event: lost\ndata: {\"lost\":%llu}\n\n", (unsigned long long)n);
	http_stream_write(s->request, text, strlen(text));
}

static const struct event_member_ops member_ops = { take, has_room, on_lost };

/* ---- life ---- */

struct event_streams *
event_streams_new(struct event_base *base, struct event_log *log)
{
	struct event_streams *all = xcalloc(1, sizeof(*all));

	all->base = base;
	all->log = log;
	TAILQ_INIT(&all->list);
	return all;
}

struct event_streams *
event_streams_free(struct event_streams *all)
{
	if (all)
		assert(TAILQ_EMPTY(&all->list));
	free(all);
	return NULL;
}

size_t
event_streams_count(const struct event_streams *all)
{
	return all->n;
}

static void
stream_join(struct stream *s, const uint64_t *after, int64_t since_us)
{
	uint64_t last = event_log_last(s->all->log);
	struct event_from from = { .after = last, .since_us = since_us };

	if (after) {
		/* A number that is still to come was of a state that is no more. */
		from.after = *after <= last ? *after : 0;
		from.counting = *after <= last;
	} else if (since_us > 0) {
		from.after = 0;
	}
	s->member = event_log_join(s->all->log, &from, &member_ops, s);
}

void
event_stream_begin(struct event_streams *all, struct http_request *r, const struct event_filter *f,
    const uint64_t *after, int64_t since_us)
{
	struct stream *s = xcalloc(1, sizeof(*s));
	char text[40];

	s->all = all;
	s->request = r;
	s->database = xstrdup(f->database);
	s->server = xstrdup(f->server);
	s->check = xstrdup(f->check);
	s->finding = xstrdup(f->finding);
	s->kind = xstrdup(f->kind);
	s->beat = evtimer_new(all->base, on_beat, s);
	assert(s->beat);
	TAILQ_INSERT_TAIL(&all->list, s, link);
	all->n++;
	http_request_set_arg(r, s, NULL);
	http_stream_begin(r, "text/event-stream", on_gone, on_drained);
	snprintf(text, sizeof(text), "retry: %d\n\n", RETRY_MS);
	http_stream_write(r, text, strlen(text));
	stream_join(s, after, since_us);
	on_beat(-1, 0, s);
}
