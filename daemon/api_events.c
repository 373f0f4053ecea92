/* GET /v1/events: what happened, as a list, or as it happens to who asks for a stream. */
#include "base/clock.h"
#include "base/unit.h"
#include "daemon/api_private.h"
#include "daemon/event_log.h"
#include "daemon/event_stream.h"
#include "daemon/outlet_entry.h"
#include "daemon/store.h"

#define LIMIT_DEFAULT 100

/* A list that the store is asked for. */
struct event_list {
	TAILQ_ENTRY(event_list) entry;
	struct api *api; /* borrowed */
	struct http_request *request;
	struct store_read *read;
	json_t *events;
	uint64_t last, newest;
	bool known;
	char *database;
};

static void
list_free(struct event_list *l)
{
	TAILQ_REMOVE(&l->api->event_lists, l, entry);
	json_decref(l->events);
	free(l->database);
	free(l);
}

static void
on_row(uint64_t sequence, const char *json, void *arg)
{
	struct event_list *l = arg;
	json_t *entry = json_loads(json, 0, NULL);

	if (entry)
		json_array_append_new(l->events, entry_event_json(entry, sequence));
	l->newest = MAX(l->newest, sequence);
	json_decref(entry);
}

static void
on_end(bool ok, bool all, void *arg)
{
	struct event_list *l = arg;
	struct http_request *r = l->request;
	json_t *o;

	(void)all;
	if (!ok) {
		list_free(l);
		http_reply_error(r, 503, API_RETRY_AFTER, "the state cannot be read now");
		return;
	}
	/* What was watched once may have a history; a name that nothing ever had is a slip. */
	if (!l->known && json_array_size(l->events) == 0) {
		api_reply_no_database(r, l->database);
		list_free(l);
		return;
	}
	o = json_pack(
	    "{s:O, s:I}", "events", l->events, "cursor", (json_int_t)MAX(l->last, l->newest));
	list_free(l);
	api_reply(r, 200, NULL, o);
}

static void
on_list_gone(struct http_request *r)
{
	struct event_list *l = http_request_arg(r);

	store_read_cancel(l->read);
	list_free(l);
	http_reply_error(r, 503, NULL, "nobody waits");
}

void
api_event_lists_end(struct api *api)
{
	struct event_list *l;

	while ((l = TAILQ_FIRST(&api->event_lists))) {
		store_read_cancel(l->read);
		list_free(l);
	}
}

/* What the words of the request mean. */
struct asked {
	struct event_filter filter;
	struct store_query query;
	uint64_t after;
	bool has_after, streams;
};

static bool
parse_number(
    struct http_request *r, const char *key, const char *text, uint64_t most, uint64_t *ret)
{
	char *end = NULL;
	unsigned long long n = 0;

	errno = 0;
	if (text[strspn(text, "0123456789")] == '\0')
		n = strtoull(text, &end, 10);
	if (!end || end == text || errno != 0 || n > most) {
		http_reply_error(
		    r, 400, NULL, "%s: a whole number up to %llu", key, (unsigned long long)most);
		return false;
	}
	*ret = n;
	return true;
}

/* "1h" is so long ago. */
static bool
parse_time(struct http_request *r, const char *key, const char *text, int64_t *ret)
{
	struct err e = { 0 };
	int64_t us = 0;

	if (!text || clock_rfc3339_parse(text, ret) == 0)
		return true;
	if (duration_parse(text, &us, &e) < 0) {
		http_reply_error(r, 400, NULL,
		    "%s: a time like 2026-03-01T09:12:00Z, or how long ago, like 1h", key);
		return false;
	}
	*ret = MAX(clock_wall_us() - us, (int64_t)1);
	return true;
}

static bool
parse_words(struct http_request *r, const struct api_request *q, struct asked *a)
{
	const char *limit = api_request_get(q, "limit"), *after = api_request_get(q, "after");
	const char *last = http_request_last_event_id(r), *kind = api_request_get(q, "kind");
	uint64_t n = LIMIT_DEFAULT;

	a->filter = (struct event_filter){ .database = api_request_get(q, "database"),
		.server = api_request_get(q, "server"),
		.check = api_request_get(q, "check"),
		.finding = api_request_get(q, "finding"),
		.kind = kind ? entry_message_id(kind) : NULL };
	if (kind && !a->filter.kind) {
		http_reply_error(r, 400, NULL,
		    "kind: happened, opened, changed, resolved, unreachable, reachable, unknown, "
		    "summary, event, acknowledged, flapping or stable");
		return false;
	}
	if ((limit && !parse_number(r, "limit", limit, STORE_AGAIN_MAX, &n)) ||
	    (after && !parse_number(r, "after", after, INT64_MAX, &a->after)) ||
	    !parse_time(r, "since", api_request_get(q, "since"), &a->query.since_us) ||
	    !parse_time(r, "until", api_request_get(q, "until"), &a->query.until_us))
		return false;
	if (n == 0) {
		http_reply_error(r, 400, NULL, "limit: 1 to %d", STORE_AGAIN_MAX);
		return false;
	}
	a->has_after = after != NULL;
	/* A client that reconnects by itself keeps its first address: what it read last counts. */
	if (a->streams && last && *last) {
		if (!parse_number(r, "Last-Event-ID", last, INT64_MAX, &a->after))
			return false;
		a->has_after = true;
	}
	a->query.limit = n;
	return true;
}

static bool
wants_stream(const struct http_request *r)
{
	const char *accept = http_request_accept(r);

	return accept && strcasestr(accept, "text/event-stream");
}

static void
begin_list(struct api *api, struct http_request *r, const struct asked *a, bool known)
{
	struct event_list *l = xcalloc(1, sizeof(*l));
	struct store_query query = a->query;

	l->api = api;
	l->request = r;
	l->events = json_array();
	l->last = event_log_last(api->events);
	l->known = known;
	l->database = xstrdup(a->filter.database ? a->filter.database : a->filter.server);
	TAILQ_INSERT_TAIL(&api->event_lists, l, entry);
	query.after = a->after;
	query.newest = !a->has_after;
	query.database = a->filter.database;
	query.server = a->filter.server;
	query.check = a->filter.check;
	query.finding = a->filter.finding;
	query.kind = a->filter.kind;
	l->read = store_read_events(event_log_store(api->events), &query, on_row, on_end, l);
	if (!l->read) {
		list_free(l);
		http_reply_error(r, 503, API_RETRY_AFTER, "too many ask at once");
		return;
	}
	http_request_set_arg(r, l, on_list_gone);
}

static void
begin_stream(struct api *api, struct http_request *r, const struct asked *a, bool known)
{
	size_t most =
	    MIN((size_t)EVENT_STREAMS_MAX, MAX((size_t)api_client_limit(api->conf) / 2, (size_t)1));

	if (!known)
		api_reply_no_database(
		    r, a->filter.database ? a->filter.database : a->filter.server);
	else if (a->query.until_us)
		http_reply_error(r, 400, NULL, "until: a stream has no end");
	else if (streq(http_request_method(r), "HEAD"))
		http_reply(r, 200, "text/event-stream", NULL, http_body_new(xstrdup(""), 0));
	else if (event_streams_count(api->streams) >= most)
		http_reply_error(
		    r, 429, API_RETRY_AFTER, "%zu event streams are open already", most);
	else
		event_stream_begin(api->streams, r, &a->filter, a->has_after ? &a->after : NULL,
		    a->query.since_us);
}

void
api_get_events(struct api *api, struct http_request *r, const struct api_request *q)
{
	struct asked a = { .streams = wants_stream(r) };
	bool known = true;

	if (!parse_words(r, q, &a))
		return;
	if (!api->events) {
		http_reply_error(r, 503, API_RETRY_AFTER, "events are not kept here");
		return;
	}
	if (a.filter.database) {
		known = monitor_has_database(api->monitor, a.filter.database);
		if (!a.filter.server)
			a.filter.server = monitor_server_of(api->monitor, a.filter.database);
	} else if (a.filter.server) {
		known = monitor_has_server(api->monitor, a.filter.server);
	}
	if (a.streams)
		begin_stream(api, r, &a, known);
	else
		begin_list(api, r, &a, known);
}
