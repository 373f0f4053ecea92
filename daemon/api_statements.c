/* The statements of a database that take most, with the texts of those that are shown. */
#include "daemon/api_private.h"

#define LIMIT_DEFAULT 20
#define LIMIT_MAX     100
#define WAITS_MAX     16U

/* Somebody waits for texts. */
struct statements_wait {
	TAILQ_ENTRY(statements_wait) entry;
	struct api *api;              /* borrowed */
	struct http_request *request; /* replied to when the answer is there */
};

static void
wait_free(struct statements_wait *w)
{
	TAILQ_REMOVE(&w->api->statements_waits, w, entry);
	w->api->nstatements_waits--;
	free(w);
}

static void
on_statements(json_t *answer, void *arg)
{
	struct statements_wait *w = arg;
	struct http_request *r = w->request;

	wait_free(w);
	api_reply(r, 200, NULL, json_incref(answer));
}

static void
on_asker_gone(struct http_request *r)
{
	struct statements_wait *w = http_request_arg(r);

	monitor_statements_forget(w->api->monitor, w);
	wait_free(w);
	http_reply_error(r, 503, NULL, "nobody waits for it");
}

void
api_get_statements(struct api *api, struct http_request *r, const struct api_request *q)
{
	const char *by = api_request_get(q, "by");
	struct statements_wait *w;
	size_t limit = LIMIT_DEFAULT;
	int e;

	if (!api_parse_limit(r, q, LIMIT_MAX, &limit))
		return;
	if (api->nstatements_waits >= WAITS_MAX) {
		http_reply_error(
		    r, 429, API_RETRY_AFTER, "%u calls wait for statements already", WAITS_MAX);
		return;
	}
	w = xcalloc(1, sizeof(*w));
	w->api = api;
	w->request = r;
	TAILQ_INSERT_TAIL(&api->statements_waits, w, entry);
	api->nstatements_waits++;
	http_request_set_arg(r, w, on_asker_gone);
	e = monitor_statements(
	    api->monitor, q->segments[2], by ? by : "time", limit, on_statements, w);
	if (e >= 0)
		return;
	wait_free(w);
	http_request_set_arg(r, NULL, NULL);
	if (e == -ENOENT)
		api_reply_no_database(r, q->segments[2]);
	else if (e == -EINVAL)
		http_reply_error(r, 400, NULL, "by: time, calls or io");
	else
		http_reply_error(r, 404, NULL, "%.100s is no PostgreSQL database", q->segments[2]);
}

void
api_statements_end(struct api *api)
{
	struct statements_wait *w;

	while ((w = TAILQ_FIRST(&api->statements_waits))) {
		monitor_statements_forget(api->monitor, w);
		wait_free(w);
	}
}
