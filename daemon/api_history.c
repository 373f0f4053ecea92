/* `GET /v1/history`: a question to a reader of the history; the caller waits for its answer. */
#include "base/clock.h"
#include "base/unit.h"
#include "daemon/api_private.h"
#include "daemon/recorder.h"
#include "history/history.h"

#define SINCE_S  INT64_C(86400)
#define POINTS   500 /* about so many where no step is asked for */
#define STEP_MAX (INT64_C(366) * 86400)

struct history_wait {
	TAILQ_ENTRY(history_wait) entry;
	struct api *api;              /* borrowed */
	struct http_request *request; /* replied to by the answer */
	struct recorder_question *question;
	bool known; /* a database of now, or a check: no answer is an empty one */
	char *database, *check, *object;
};

static void
wait_free(struct history_wait *w)
{
	TAILQ_REMOVE(&w->api->history_waits, w, entry);
	free(w->database);
	free(w->check);
	free(w->object);
	free(w);
}

static void
reply_unknown(struct http_request *r, const struct history_wait *w)
{
	if (w->object)
		http_reply_error(r, 404, NULL, "no history of %.100s of %.100s on %.100s",
		    w->object, w->check, w->database);
	else
		http_reply_error(
		    r, 404, NULL, "no history of %.100s on %.100s", w->check, w->database);
}

static void
on_answer(char *take_body, size_t len, bool known, const struct err *err, void *arg)
{
	struct history_wait *w = arg;
	struct http_request *r = w->request;

	if (!take_body)
		http_reply_error(
		    r, 503, API_RETRY_AFTER, "the history cannot be read: %s", err->msg);
	else if (!known && !w->known)
		reply_unknown(r, w);
	else
		http_reply(
		    r, 200, "application/json", NULL, http_body_new(TAKE_PTR(take_body), len));
	free(take_body);
	wait_free(w);
}

static void
on_asker_gone(struct http_request *r)
{
	struct history_wait *w = http_request_arg(r);

	recorder_forget(w->question);
	wait_free(w);
	http_reply_error(r, 503, NULL, "nobody waits for it");
}

/* A time ("2026-03-01T09:12:00Z"), or how long ago ("7d").  False: an answer was given. */
static bool
parse_time(struct http_request *r, const char *key, const char *text, int64_t now_s, int64_t *ret)
{
	struct err e = { 0 };
	int64_t us;

	if (!text)
		return true;
	if (clock_rfc3339_parse(text, &us) >= 0) {
		*ret = us / USEC_PER_SEC;
		return true;
	}
	if (duration_parse(text, &us, &e) >= 0 && us >= 0) {
		*ret = now_s - us / USEC_PER_SEC;
		return true;
	}
	http_reply_error(r, 400, NULL,
	    "%s: %.100s is neither a time such as 2026-03-01T09:12:00Z nor how long ago, such as "
	    "7d",
	    key, text);
	return false;
}

/* Round steps: every answer has about as many points. */
static int64_t
step_of(int64_t range_s)
{
	static const int64_t steps[] = { 10, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600,
		12 * 3600 };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (range_s / steps[i] <= POINTS)
			return steps[i];
	return 86400;
}

static bool
parse_step(struct http_request *r, const char *text, int64_t range_s, int64_t *ret)
{
	struct err e = { 0 };
	int64_t us;

	*ret = step_of(range_s);
	if (!text)
		return true;
	if (duration_parse(text, &us, &e) < 0) {
		http_reply_error(r, 400, NULL, "step: %s", e.msg);
		return false;
	}
	if (us < 0 || us > STEP_MAX * USEC_PER_SEC || us % USEC_PER_SEC != 0) {
		http_reply_error(
		    r, 400, NULL, "step: whole seconds, at most 366d; 0 for each sample");
		return false;
	}
	*ret = us / USEC_PER_SEC;
	if (*ret > 0 && range_s / *ret >= HISTORY_POINTS_MAX) {
		http_reply_error(r, 400, NULL, "step: %s would give more than %d points", text,
		    HISTORY_POINTS_MAX);
		return false;
	}
	return true;
}

static bool
parse_query(struct http_request *r, const struct api_request *q, struct history_query *ret)
{
	int64_t now_s = clock_wall_us() / USEC_PER_SEC;

	ret->scope = api_request_get(q, "database");
	ret->check = api_request_get(q, "check");
	ret->object = api_request_get(q, "object");
	if (!ret->scope || !*ret->scope || !ret->check || !*ret->check) {
		http_reply_error(r, 400, NULL, "database and check: which?");
		return false;
	}
	ret->to_s = now_s;
	ret->from_s = now_s - SINCE_S;
	if (!parse_time(r, "until", api_request_get(q, "until"), now_s, &ret->to_s) ||
	    !parse_time(r, "since", api_request_get(q, "since"), now_s, &ret->from_s))
		return false;
	if (ret->from_s >= ret->to_s) {
		http_reply_error(r, 400, NULL, "since: is not before until");
		return false;
	}
	return parse_step(r, api_request_get(q, "step"), ret->to_s - ret->from_s, &ret->step_s);
}

static bool
is_known(const struct api *api, const struct history_query *q)
{
	json_t *o;
	bool known = monitor_has_database(api->monitor, q->scope) ||
	             monitor_has_server(api->monitor, q->scope);

	if (!known || q->object)
		return false;
	o = monitor_checks(api->monitor, q->check);
	known = json_array_size(json_object_get(o, "checks")) > 0;
	json_decref(o);
	return known;
}

void
api_get_history(struct api *api, struct http_request *r, const struct api_request *q)
{
	struct history_query ask = { 0 };
	struct history_wait *w;
	int code;

	if (!parse_query(r, q, &ask))
		return;
	w = xcalloc(1, sizeof(*w));
	w->api = api;
	w->request = r;
	w->known = is_known(api, &ask);
	w->database = xstrdup(ask.scope);
	w->check = xstrdup(ask.check);
	ask.scope = monitor_scope_of(api->monitor, ask.scope, ask.check);
	w->object = xstrdup(ask.object);
	TAILQ_INSERT_TAIL(&api->history_waits, w, entry);
	code = recorder_ask(api->recorder, &ask, on_answer, w, &w->question);
	if (code < 0) {
		wait_free(w);
		http_reply_error(r, 503, API_RETRY_AFTER, "the history cannot be asked now: %s",
		    strerror(-code));
		return;
	}
	http_request_set_arg(r, w, on_asker_gone);
}

void
api_history_end(struct api *api)
{
	struct history_wait *w;

	while ((w = TAILQ_FIRST(&api->history_waits))) {
		recorder_forget(w->question);
		wait_free(w);
	}
}
