/*
 * /v1/findings/ID/evidence: what stood behind a finding, whose rows the store has (GET), and what
 * stands there now, for which its server is asked (POST).
 */
#include "base/clock.h"
#include "daemon/api_private.h"
#include "daemon/event_log.h"
#include "daemon/store.h"
#include "report/report.h"

#define WAITS_MAX 16U
#define WAIT_US   (15 * USEC_PER_SEC)

/* Somebody who waits for the store, or for a server. */
struct evidence_wait {
	TAILQ_ENTRY(evidence_wait) entry;
	struct api *api; /* borrowed */
	struct http_request *request;
	struct store_read *read; /* NULL: it is a server that is asked */
	struct event *timer;
	json_t *answer;
};

static struct evidence_wait *
wait_new(struct api *api, struct http_request *r, json_t *take_answer)
{
	struct evidence_wait *w = xcalloc(1, sizeof(*w));

	w->api = api;
	w->request = r;
	w->answer = take_answer;
	TAILQ_INSERT_TAIL(&api->evidence_waits, w, entry);
	return w;
}

static void
wait_free(struct evidence_wait *w)
{
	TAILQ_REMOVE(&w->api->evidence_waits, w, entry);
	if (w->timer)
		event_free(w->timer);
	json_decref(w->answer);
	free(w);
}

static void
wait_end(struct evidence_wait *w)
{
	struct http_request *r = w->request;
	json_t *answer = json_incref(w->answer);

	wait_free(w);
	api_reply(r, 200, NULL, answer);
}

/* Rows of a look, as the monitor made them, into what tells of it. */
static void
fill(json_t *look, const char *rows)
{
	json_t *o = json_loads(rows, 0, NULL);

	json_object_update_existing(look, o);
	json_decref(o);
}

/* ---- then ---- */

static void
on_row(uint64_t place, const char *json, void *arg)
{
	const struct evidence_wait *w = arg;

	fill(json_array_get(json_object_get(w->answer, "then"), place), json);
}

static const char *
why_no_rows(bool ok, bool all)
{
	if (!ok)
		return "its rows cannot be read now";
	if (!all)
		return "its rows are not in the state yet, which cannot be written now";
	return "its rows are not in the state any more";
}

static void
on_end(bool ok, bool all, void *arg)
{
	struct evidence_wait *w = arg;
	json_t *look;
	size_t i;

	json_array_foreach (json_object_get(w->answer, "then"), i, look)
		if (json_is_null(json_object_get(look, "rows")) &&
		    json_is_null(json_object_get(look, "error")))
			json_object_set_new(look, "error", json_string(why_no_rows(ok, all)));
	wait_end(w);
}

static void nobody_waits(struct http_request *);

void
api_get_evidence(struct api *api, struct http_request *r, const struct api_request *q)
{
	_cleanup_strv_ char **keys = NULL;
	json_t *answer = monitor_evidence(api->monitor, q->segments[2], &keys);
	struct evidence_wait *w;

	if (!answer) {
		http_reply_error(
		    r, 404, NULL, "no evidence of a finding of the id %.100s", q->segments[2]);
		return;
	}
	if (!api->events) {
		json_decref(answer);
		http_reply_error(r, 503, API_RETRY_AFTER, "the state is not read yet");
		return;
	}
	w = wait_new(api, r, answer);
	w->read = store_read_rows(
	    event_log_store(api->events), MONITOR_EVIDENCE_ROWS, keys, on_row, on_end, w);
	if (!w->read) {
		wait_free(w);
		http_reply_error(r, 503, API_RETRY_AFTER, "too many ask at once");
		return;
	}
	http_request_set_arg(r, w, nobody_waits);
}

/* ---- now ---- */

static void
tell_now(struct evidence_wait *w, const char *rows, const char *why, int64_t wall_us)
{
	json_t *look = json_object_get(w->answer, "now");

	json_object_set_new(look, "at", report_time(wall_us));
	json_object_set_new(look, "taken_at", report_time(rows ? wall_us : 0));
	json_object_set_new(look, "error", report_string(why));
	if (rows)
		fill(look, rows);
	wait_end(w);
}

static void
on_now(const char *rows, const char *why, int64_t wall_us, void *arg)
{
	tell_now(arg, rows, why, wall_us);
}

static void
on_late(evutil_socket_t fd, short what, void *arg)
{
	struct evidence_wait *w = arg;

	(void)fd;
	(void)what;
	monitor_evidence_forget(w->api->monitor, on_now, w);
	tell_now(w, NULL, "not taken: the server gave no answer in time", clock_wall_us());
}

static void
nobody_waits(struct http_request *r)
{
	struct evidence_wait *w = http_request_arg(r);

	if (w->read)
		store_read_cancel(w->read);
	else
		monitor_evidence_forget(w->api->monitor, on_now, w);
	wait_free(w);
	http_reply_error(r, 503, NULL, "nobody waits for it");
}

static unsigned
count_waits(const struct api *api)
{
	const struct evidence_wait *w;
	unsigned n = 0;

	TAILQ_FOREACH (w, &api->evidence_waits, entry)
		n += !w->read;
	return n;
}

void
api_post_evidence(struct api *api, struct http_request *r, const struct api_request *q)
{
	const struct timeval tv = { .tv_sec = WAIT_US / USEC_PER_SEC };
	const char *id = q->segments[2], *why = NULL;
	const struct finding *f;
	struct evidence_wait *w;
	int code;

	if (count_waits(api) >= WAITS_MAX) {
		http_reply_error(
		    r, 429, API_RETRY_AFTER, "%u calls wait for evidence already", WAITS_MAX);
		return;
	}
	f = findings_get(monitor_findings_raw(api->monitor), id);
	w = wait_new(api, r,
	    json_pack("{s:s,s:s?,s:n,s:{s:s,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:b,s:n}}", "finding", id,
	        "check", f ? f->check : NULL, "then", "now", "moment", "now", "at", "severity",
	        "value", "unit", "taken_at", "columns", "rows", "truncated", 0, "error"));
	code = monitor_evidence_now(api->monitor, id, on_now, w, &why);
	if (code == -ENOENT || code == -EINVAL) {
		wait_free(w);
		http_reply_error(r, 404, NULL,
		    code == -ENOENT ? "no finding of the id %.100s"
		                    : "the check of the finding %.100s shows no evidence here",
		    id);
		return;
	}
	if (code < 0) {
		tell_now(w, NULL, why, clock_wall_us());
		return;
	}
	w->timer = evtimer_new(api->base, on_late, w);
	event_add(w->timer, &tv);
	http_request_set_arg(r, w, nobody_waits);
}

void
api_evidence_end(struct api *api)
{
	struct evidence_wait *w;

	while ((w = TAILQ_FIRST(&api->evidence_waits))) {
		if (w->read)
			store_read_cancel(w->read);
		else
			monitor_evidence_forget(api->monitor, on_now, w);
		wait_free(w);
	}
}
