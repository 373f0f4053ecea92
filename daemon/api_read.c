/* The calls that read: each a view of the monitor, with what may be asked of it. */
#include "base/clock.h"
#include "base/str.h"
#include "daemon/api_private.h"
#include "daemon/losses.h"
#include "daemon/metrics_page.h"
#include "daemon/status_page.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX     10000

json_t *
api_own_status(void *arg)
{
	const struct api *api = arg;
	struct api_queues queues = { 0 };
	json_t *o = json_object();

	if (api->queues_fn)
		api->queues_fn(api->queues_arg, &queues);
	json_object_set_new(o, "store_queued", json_integer((json_int_t)queues.store));
	json_object_set_new(o, "outlet_queued", json_integer((json_int_t)queues.outlets));
	json_object_set_new(o, "state_trouble",
	    queues.state_trouble ? json_string(queues.state_trouble) : json_null());
	json_object_set_new(o, "history_trouble",
	    queues.history_trouble ? json_string(queues.history_trouble) : json_null());
	json_object_set_new(o, "lost", queues.losses ? losses_json(queues.losses) : json_array());
	return o;
}

void
api_get_status(struct api *api, struct http_request *r, const struct api_request *q)
{
	(void)q;
	status_page_serve(api->status, r);
}

void
api_get_database(struct api *api, struct http_request *r, const struct api_request *q)
{
	json_t *o = monitor_database(api->monitor, q->segments[2]);

	if (o)
		api_reply(r, 200, NULL, o);
	else
		api_reply_no_database(r, q->segments[2]);
}

/* "connectivity,performance" as bits; 0 and an answer when one is no probe. */
static unsigned
probe_bits(struct http_request *r, const char *list)
{
	_cleanup_strv_ char **names = strv_split_commas(list);
	unsigned bits = 0;

	for (size_t i = 0; i < strv_len(names); i++) {
		enum probe p;

		if (probe_parse(names[i], &p) < 0) {
			http_reply_error(r, 400, NULL, "probes: %.100s is no probe", names[i]);
			return 0;
		}
		bits |= 1U << p;
	}
	if (bits == 0)
		http_reply_error(r, 400, NULL, "probes: names no probe");
	return bits;
}

void
api_get_health(struct api *api, struct http_request *r, const struct api_request *q)
{
	const char *list = api_request_get(q, "probes"), *role = api_request_get(q, "role");
	unsigned bits = 0;
	json_t *o = NULL;
	int code;

	if (role && !streq(role, "primary") && !streq(role, "standby") && !streq(role, "any")) {
		http_reply_error(r, 400, NULL, "role: primary, standby or any");
		return;
	}
	if (list && (bits = probe_bits(r, list)) == 0)
		return;
	code = monitor_health(
	    api->monitor, q->segments[2], bits, role && streq(role, "any") ? NULL : role, &o);
	if (code == 404)
		api_reply_no_database(r, q->segments[2]);
	else
		api_reply(r, code, code == 503 ? API_RETRY_AFTER : NULL, o ? o : json_object());
}

static bool
is_one_of(
    struct http_request *r, const char *key, const char *value, const char *const *words, size_t n)
{
	_cleanup_str_ struct str known = { 0 };

	for (size_t i = 0; !value || i < n; i++)
		if (!value || streq(words[i], value))
			return true;
	for (size_t i = 0; i < n; i++)
		str_addf(&known, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", words[i]);
	http_reply_error(
	    r, 400, NULL, "%s: %.100s is not known; write %s", key, value, str_text(&known));
	return false;
}

/* A name that nothing watched has is no "nothing found": a script with a slip in it must notice. */
static bool
are_known(struct api *api, struct http_request *r, const struct finding_filter *f)
{
	if (f->database && *f->database && !monitor_has_database(api->monitor, f->database))
		api_reply_no_database(r, f->database);
	else if (f->server && *f->server && !monitor_has_server(api->monitor, f->server))
		http_reply_error(r, 404, NULL, "no server of the name %.100s", f->server);
	else
		return true;
	return false;
}

void
api_get_findings(struct api *api, struct http_request *r, const struct api_request *q)
{
	static const char *const states[] = { "pending", "open", "resolved", "any" };
	struct finding_filter f = { .server = api_request_get(q, "server"),
		.database = api_request_get(q, "database"),
		.probe = api_request_get(q, "probe"),
		.check = api_request_get(q, "check"),
		.severity = api_request_get(q, "severity"),
		.state = api_request_get(q, "state"),
		.cursor = api_request_get(q, "cursor"),
		.limit = LIMIT_DEFAULT };
	int64_t began = clock_now_us();
	json_t *o;

	if (!is_one_of(r, "probe", f.probe, probe_names, PROBE_N) ||
	    !is_one_of(r, "severity", f.severity, severity_names + 1, SEVERITY_N - 1) ||
	    !is_one_of(r, "state", f.state, states, ARRAY_SIZE(states)) ||
	    !api_parse_limit(r, q, LIMIT_MAX, &f.limit))
		return;
	f.state = f.state ? f.state : "open";
	if (api_reply_cached(api, r))
		return;
	o = monitor_findings(api->monitor, &f);
	if (!o)
		http_reply_error(r, 400, NULL, "cursor: not one that this call gave");
	else if (json_array_size(json_object_get(o, "findings")) == 0 && !are_known(api, r, &f))
		json_decref(o);
	else
		api_reply_and_keep(api, r, began, o);
}

void
api_get_cost(struct api *api, struct http_request *r, const struct api_request *q)
{
	const char *server = api_request_get(q, "server");
	size_t limit = 10;

	if (!api_parse_limit(r, q, LIMIT_MAX, &limit))
		return;
	if (server && *server && !monitor_has_server(api->monitor, server)) {
		http_reply_error(r, 404, NULL, "no server of the name %.100s", server);
		return;
	}
	api_reply(r, 200, NULL, monitor_cost(api->monitor, server, limit));
}

void
api_get_checks(struct api *api, struct http_request *r, const struct api_request *q)
{
	int64_t began = clock_now_us();

	(void)q;
	if (!api_reply_cached(api, r))
		api_reply_and_keep(api, r, began, monitor_checks(api->monitor, NULL));
}

void
api_get_check(struct api *api, struct http_request *r, const struct api_request *q)
{
	json_t *o = monitor_checks(api->monitor, q->segments[2]);

	if (json_array_size(json_object_get(o, "checks")) > 0) {
		api_reply(r, 200, NULL, o);
		return;
	}
	json_decref(o);
	http_reply_error(r, 404, NULL, "no check of the id %.100s", q->segments[2]);
}

void
api_get_healthz(struct api *api, struct http_request *r, const struct api_request *q)
{
	(void)api;
	(void)q;
	api_reply(r, 200, NULL, json_pack("{s:s}", "status", "ok"));
}

void
api_get_readyz(struct api *api, struct http_request *r, const struct api_request *q)
{
	bool ready = monitor_is_ready(api->monitor);
	size_t done = 0, all = 0;

	(void)q;
	monitor_progress(api->monitor, &done, &all);
	api_reply(r, ready ? 200 : 503, ready ? NULL : API_RETRY_AFTER,
	    json_pack("{s:b, s:I, s:I}", "ready", ready, "first_round_done", (json_int_t)done,
	        "first_round_total", (json_int_t)all));
}

void
api_get_metrics(struct api *api, struct http_request *r, const struct api_request *q)
{
	(void)q;
	metrics_page_serve(api->metrics, r);
}
