/* The calls that do something: a run now, for which the caller may wait, and acknowledging. */
#include "base/clock.h"
#include "base/unit.h"
#include "daemon/api_private.h"
#include "daemon/api_socket.h"

#define WAITS_MAX   16U
#define WAIT_MAX_US (60 * USEC_PER_SEC)

/* Somebody waits for a run to end. */
struct wait {
	TAILQ_ENTRY(wait) entry;
	struct api *api;              /* borrowed */
	struct http_request *request; /* replied to when the wait ends */
	struct event *timer;
	uint64_t run;
};

static void
wait_free(struct wait *w)
{
	TAILQ_REMOVE(&w->api->waits, w, entry);
	w->api->nwaits--;
	if (w->timer)
		event_free(w->timer);
	free(w);
}

/* The run goes on; who waited gets its id. */
static void
wait_end(struct wait *w, int code, json_t *take_answer)
{
	struct http_request *r = w->request;

	wait_free(w);
	api_reply(r, code, NULL, take_answer);
}

static json_t *
run_json(uint64_t run)
{
	return json_pack("{s:I}", "run", (json_int_t)run);
}

static void
on_run_done(json_t *result, void *arg)
{
	struct wait *w = arg;

	api_changed(w->api);
	wait_end(w, 200, json_incref(result));
}

static void
wait_give_up(struct wait *w)
{
	uint64_t run = w->run;

	monitor_run_forget(w->api->monitor, on_run_done, w);
	wait_end(w, 202, run_json(run));
}

static void
on_wait_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	wait_give_up(arg);
}

static void
on_waiter_gone(struct http_request *r)
{
	wait_give_up(http_request_arg(r));
}

/* 0 or more microseconds, or -1 and an answer. */
static int64_t
parse_wait(struct http_request *r, const char *text)
{
	struct err e = { 0 };
	int64_t us = 0;

	if (!text)
		return 0;
	if (duration_parse(text, &us, &e) < 0) {
		http_reply_error(r, 400, NULL, "wait: %s", e.msg);
		return -1;
	}
	if (us < 0 || us > WAIT_MAX_US) {
		http_reply_error(r, 400, NULL, "wait: at most 60s");
		return -1;
	}
	return us;
}

static void
run_and_wait(
    struct api *api, struct http_request *r, const char *name, enum probe probe, int64_t us)
{
	struct wait *w = NULL;
	struct timeval tv = { us / USEC_PER_SEC, us % USEC_PER_SEC };
	uint64_t run = 0;
	int code;

	if (us > 0 && api->nwaits >= WAITS_MAX) {
		http_reply_error(
		    r, 429, API_RETRY_AFTER, "%u calls wait for a run already", WAITS_MAX);
		return;
	}
	if (us > 0) {
		w = xcalloc(1, sizeof(*w));
		w->api = api;
		w->request = r;
		w->timer = evtimer_new(api->base, on_wait_timeout, w);
		TAILQ_INSERT_TAIL(&api->waits, w, entry);
		api->nwaits++;
		http_request_set_arg(r, w, on_waiter_gone);
	}
	code = monitor_run(api->monitor, name, probe, &run, w ? on_run_done : NULL, w);
	if (code < 0) {
		if (w)
			wait_free(w);
		http_request_set_arg(r, NULL, NULL);
		if (code == -ENOENT)
			api_reply_no_database(r, name);
		else if (code == -EINVAL)
			http_reply_error(
			    r, 404, NULL, "%.100s has no probe %s", name, probe_names[probe]);
		else
			http_reply_error(
			    r, 503, API_RETRY_AFTER, "cannot run it now: %s", strerror(-code));
		return;
	}
	if (!w) {
		api_reply(r, 202, NULL, run_json(run));
		return;
	}
	w->run = run;
	event_add(w->timer, &tv);
}

void
api_post_run(struct api *api, struct http_request *r, const struct api_request *q)
{
	int64_t us = parse_wait(r, api_request_get(q, "wait"));
	enum probe probe;

	if (us < 0)
		return;
	if (probe_parse(q->segments[4], &probe) < 0) {
		http_reply_error(r, 404, NULL, "%.100s is no probe", q->segments[4]);
		return;
	}
	run_and_wait(api, r, q->segments[2], probe, us);
}

void
api_post_ack(struct api *api, struct http_request *r, const struct api_request *q)
{
	char who[PEER_NAME_SIZE];
	int code;

	peer_name(http_request_socket(r), who);
	code = monitor_ack(api->monitor, q->segments[2], who);

	if (code == -ENOENT) {
		http_reply_error(r, 404, NULL, "no finding of the id %.100s", q->segments[2]);
		return;
	}
	api_changed(api);
	/* Acknowledged twice is acknowledged. */
	api_reply(r, 200, NULL, json_pack("{s:s, s:b}", "id", q->segments[2], "acknowledged", 1));
}

void
api_waits_end(struct api *api)
{
	struct wait *w;

	while ((w = TAILQ_FIRST(&api->waits))) {
		monitor_run_forget(api->monitor, on_run_done, w);
		wait_free(w);
	}
}
