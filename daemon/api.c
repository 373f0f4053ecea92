/*
 * The API: which call is answered by which view of the monitor, with what may be asked and by
 * whom.
 */
#include "daemon/api.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "daemon/api_request.h"
#include "daemon/api_socket.h"
#include "daemon/api_tcp.h"
#include "daemon/http.h"
#include "daemon/metrics_page.h"
#include "daemon/process_metrics.h"
#include "report/report.h"

#include <stdio.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define CACHE_ENTRIES 8
#define CACHE_MIN_US  (200 * USEC_PER_MSEC)
#define CACHE_MAX_US  (5 * USEC_PER_SEC)
#define CACHE_SHARE   20 /* at most 1/20 of the time goes into making one answer again and again */
#define WAITS_MAX     16U
#define WAIT_MAX_US   (60 * USEC_PER_SEC)
#define LIMIT_DEFAULT 1000
#define LIMIT_MAX     10000
#define RETRY_AFTER   "Retry-After: 1\r\n"

/* Somebody waits for a run to end. */
struct wait {
	TAILQ_ENTRY(wait) entry;
	struct api *api;              /* borrowed */
	struct http_request *request; /* replied to when the wait ends */
	struct event *timer;
	uint64_t run;
};

struct cached {
	char *target;
	struct http_body *body;
	int64_t until_us;
};

struct api {
	struct event_base *base; /* borrowed, as the next two */
	struct monitor *monitor;
	const struct conf *conf;
	struct http_server *http;
	struct api_tcp *tcp; /* NULL: not listening there */
	struct metrics_page *metrics;
	void (*more_metrics)(struct exposition *, void *arg); /* of our owner; or NULL */
	void *more_metrics_arg;
	char *path; /* of the socket, when the file is ours to remove */
	dev_t device;
	ino_t inode;
	bool has_admin;
	gid_t admin_gid;
	void (*queues_fn)(void *, struct api_queues *);
	void *queues_arg;
	struct cached cache[CACHE_ENTRIES];
	TAILQ_HEAD(, wait) waits;
	unsigned nwaits;
};

/* ---- answers ---- */

static struct http_body *
body_of(json_t *take)
{
	char *text = report_dump(take);

	json_decref(take);
	return http_body_new(text, strlen(text));
}

static void
reply(struct http_request *r, int code, const char *extra, json_t *take)
{
	http_reply(r, code, "application/json", extra, body_of(take));
}

static struct cached *
cache_slot(struct api *api, const char *target)
{
	struct cached *oldest = &api->cache[0];

	for (size_t i = 0; i < CACHE_ENTRIES; i++) {
		struct cached *c = &api->cache[i];

		if (c->target && streq(c->target, target))
			return c;
		if (c->until_us < oldest->until_us)
			oldest = c;
	}
	return oldest;
}

static void
cached_done(struct cached *c)
{
	free(c->target);
	http_body_unref(c->body);
	*c = (struct cached){ 0 };
}

/* True when a fresh answer to the same words was there. */
static bool
reply_cached(struct api *api, struct http_request *r)
{
	struct cached *c = cache_slot(api, http_request_target(r));

	if (!c->target || !streq(c->target, http_request_target(r)) ||
	    clock_now_us() >= c->until_us)
		return false;
	http_reply(r, 200, "application/json", NULL, http_body_ref(c->body));
	return true;
}

/* An answer that many ask for: made once and kept for a moment, longer the dearer it was. */
static void
reply_and_keep(struct api *api, struct http_request *r, int64_t began_us, json_t *take)
{
	struct cached *c = cache_slot(api, http_request_target(r));
	struct http_body *body = body_of(take);
	int64_t now = clock_now_us();

	cached_done(c);
	c->target = xstrdup(http_request_target(r));
	c->body = http_body_ref(body);
	c->until_us = now + MIN(MAX((now - began_us) * CACHE_SHARE, CACHE_MIN_US), CACHE_MAX_US);
	http_reply(r, 200, "application/json", NULL, body);
}

void
api_changed(struct api *api)
{
	for (size_t i = 0; i < CACHE_ENTRIES; i++)
		cached_done(&api->cache[i]);
}

void
api_set_queues(struct api *api, void (*get_fn)(void *, struct api_queues *), void *arg)
{
	api->queues_fn = get_fn;
	api->queues_arg = arg;
}

static json_t *
status_json(const struct api *api)
{
	json_t *o = monitor_status(api->monitor), *daemon = json_object_get(o, "daemon");
	struct api_queues queues = { 0 };

	if (api->queues_fn)
		api->queues_fn(api->queues_arg, &queues);
	json_object_set_new(daemon, "store_queued", json_integer((json_int_t)queues.store));
	json_object_set_new(daemon, "outlet_queued", json_integer((json_int_t)queues.outlets));
	return o;
}

static void
no_such_database(struct http_request *r, const char *name)
{
	http_reply_error(r, 404, NULL, "no database of the name %.100s", name);
}

/* ---- handlers: reading ---- */

static void
get_status(struct api *api, struct http_request *r, const struct api_request *q)
{
	int64_t began = clock_now_us();

	(void)q;
	if (!reply_cached(api, r))
		reply_and_keep(api, r, began, status_json(api));
}

static void
get_database(struct api *api, struct http_request *r, const struct api_request *q)
{
	json_t *o = monitor_database(api->monitor, q->segments[2]);

	if (o)
		reply(r, 200, NULL, o);
	else
		no_such_database(r, q->segments[2]);
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

static void
get_health(struct api *api, struct http_request *r, const struct api_request *q)
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
		no_such_database(r, q->segments[2]);
	else
		reply(r, code, code == 503 ? RETRY_AFTER : NULL, o ? o : json_object());
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

static bool
parse_limit(struct http_request *r, const char *text, size_t *ret)
{
	char *end = NULL;
	long n;

	if (!text)
		return true;
	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || *text == '\0' || *end || n < 1 || n > LIMIT_MAX) {
		http_reply_error(r, 400, NULL, "limit: 1 to %d", LIMIT_MAX);
		return false;
	}
	*ret = (size_t)n;
	return true;
}

/* A name that nothing watched has is no "nothing found": a script with a slip in it must notice. */
static bool
are_known(struct api *api, struct http_request *r, const struct finding_filter *f)
{
	if (f->database && *f->database && !monitor_has_database(api->monitor, f->database))
		no_such_database(r, f->database);
	else if (f->server && *f->server && !monitor_has_server(api->monitor, f->server))
		http_reply_error(r, 404, NULL, "no server of the name %.100s", f->server);
	else
		return true;
	return false;
}

static void
get_findings(struct api *api, struct http_request *r, const struct api_request *q)
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
	    !parse_limit(r, api_request_get(q, "limit"), &f.limit))
		return;
	f.state = f.state ? f.state : "open";
	if (reply_cached(api, r))
		return;
	o = monitor_findings(api->monitor, &f);
	if (!o)
		http_reply_error(r, 400, NULL, "cursor: not one that this call gave");
	else if (json_array_size(json_object_get(o, "findings")) == 0 && !are_known(api, r, &f))
		json_decref(o);
	else
		reply_and_keep(api, r, began, o);
}

static void
get_checks(struct api *api, struct http_request *r, const struct api_request *q)
{
	int64_t began = clock_now_us();

	(void)q;
	if (!reply_cached(api, r))
		reply_and_keep(api, r, began, monitor_checks(api->monitor, NULL));
}

static void
get_check(struct api *api, struct http_request *r, const struct api_request *q)
{
	json_t *o = monitor_checks(api->monitor, q->segments[2]);

	if (json_array_size(json_object_get(o, "checks")) > 0) {
		reply(r, 200, NULL, o);
		return;
	}
	json_decref(o);
	http_reply_error(r, 404, NULL, "no check of the id %.100s", q->segments[2]);
}

static void
get_healthz(struct api *api, struct http_request *r, const struct api_request *q)
{
	(void)api;
	(void)q;
	reply(r, 200, NULL, json_pack("{s:s}", "status", "ok"));
}

static void
get_readyz(struct api *api, struct http_request *r, const struct api_request *q)
{
	bool ready = monitor_is_ready(api->monitor);
	size_t done = 0, all = 0;

	(void)q;
	monitor_progress(api->monitor, &done, &all);
	reply(r, ready ? 200 : 503, ready ? NULL : RETRY_AFTER,
	    json_pack("{s:b, s:I, s:I}", "ready", ready, "first_round_done", (json_int_t)done,
	        "first_round_total", (json_int_t)all));
}

static void
get_metrics(struct api *api, struct http_request *r, const struct api_request *q)
{
	(void)q;
	metrics_page_serve(api->metrics, r);
}

/* ---- what the API tells of itself ---- */

static void
own_metrics(struct exposition *e, void *arg)
{
	const struct api *api = arg;
	struct http_stats s = http_server_stats(api->http);

	api_tcp_add_stats(api->tcp, &s);
	process_metrics_add(e);
	family_add(exposition_family(
	               e, FAMILY_GAUGE, "dbhealth_api_clients", "Connections to the API now."),
	    "", (double)s.connections);
	family_add(exposition_family(
	               e, FAMILY_COUNTER, "dbhealth_api_requests", "Requests that came whole."),
	    "", (double)s.requests);
	family_add(exposition_family(e, FAMILY_COUNTER, "dbhealth_api_requests_refused",
	               "What came and was no request, or too large."),
	    "", (double)s.refused);
	family_add(exposition_family(e, FAMILY_COUNTER, "dbhealth_api_timeouts",
	               "Clients cut because they asked or read too slowly."),
	    "", (double)s.timeouts);
	family_add(exposition_family(e, FAMILY_COUNTER, "dbhealth_api_full",
	               "Times that no further client was let in: max_clients, or descriptors."),
	    "", (double)s.full);
	if (api->more_metrics)
		api->more_metrics(e, api->more_metrics_arg);
}

/* ---- handlers: writing ---- */

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
	reply(r, code, NULL, take_answer);
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
		http_reply_error(r, 429, RETRY_AFTER, "%u calls wait for a run already", WAITS_MAX);
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
			no_such_database(r, name);
		else if (code == -EINVAL)
			http_reply_error(
			    r, 404, NULL, "%.100s has no probe %s", name, probe_names[probe]);
		else
			http_reply_error(
			    r, 503, RETRY_AFTER, "cannot run it now: %s", strerror(-code));
		return;
	}
	if (!w) {
		reply(r, 202, NULL, run_json(run));
		return;
	}
	w->run = run;
	event_add(w->timer, &tv);
}

static void
post_run(struct api *api, struct http_request *r, const struct api_request *q)
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

static void
post_ack(struct api *api, struct http_request *r, const struct api_request *q)
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
	reply(r, 200, NULL, json_pack("{s:s, s:b}", "id", q->segments[2], "acknowledged", 1));
}

/* ---- routes ---- */

static const struct route {
	const char *method, *path; /* `*` is one segment, looked up by the handler */
	void (*handle)(struct api *, struct http_request *, const struct api_request *);
	enum { READS, WRITES, READS_OPENLY /* over TCP too, without listen_api */ } right;
	const char *keys[8]; /* of the query */
} routes[] = {
	{ "GET", "v1/status", get_status, READS, { NULL } },
	{ "GET", "v1/databases/*", get_database, READS, { NULL } },
	{ "GET", "v1/databases/*/health", get_health, READS_OPENLY, { "probes", "role" } },
	{ "GET", "v1/findings", get_findings, READS,
	    { "server", "database", "probe", "check", "severity", "state", "limit", "cursor" } },
	{ "GET", "v1/checks", get_checks, READS, { NULL } },
	{ "GET", "v1/checks/*", get_check, READS, { NULL } },
	{ "POST", "v1/databases/*/probes/*/run", post_run, WRITES, { "wait" } },
	{ "POST", "v1/findings/*/ack", post_ack, WRITES, { NULL } },
	{ "GET", "metrics", get_metrics, READS_OPENLY, { NULL } },
	{ "GET", "healthz", get_healthz, READS_OPENLY, { NULL } },
	{ "GET", "readyz", get_readyz, READS_OPENLY, { NULL } },
};

static bool
route_has_key(const struct route *route, const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(route->keys) && route->keys[i]; i++)
		if (streq(route->keys[i], key))
			return true;
	return false;
}

/* The route of path and method, HEAD being a GET whose body is not sent; NULL and the methods that the path knows ("" none). */
static const struct route *
find_route(const struct api_request *q, const char *method, struct str *allowed)
{
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		bool gets;

		if (!api_request_matches(q, routes[i].path))
			continue;
		gets = streq(routes[i].method, "GET");
		if (streq(routes[i].method, method) || (gets && streq(method, "HEAD")))
			return &routes[i];
		str_addf(allowed, "%s%s%s", allowed->len ? ", " : "", routes[i].method,
		    gets ? ", HEAD" : "");
	}
	return NULL;
}

/* False when the request was answered: the client has no right to the call. */
static bool
may_call(const struct api *api, struct http_request *r, const struct route *route, bool tcp)
{
	if (tcp && route->right == WRITES) {
		http_reply_error(r, 403, NULL, "nothing is written over TCP; use the Unix socket");
		return false;
	}
	if (tcp && route->right == READS && !api->conf->daemon.listen_api) {
		http_reply_error(r, 403, NULL,
		    "only /metrics and health are served over TCP; set listen_api = yes for more");
		return false;
	}
	if (route->right == WRITES &&
	    !peer_may_write(http_request_socket(r), api->has_admin ? &api->admin_gid : NULL)) {
		http_reply_error(r, 403, NULL,
		    "writing needs root, the daemon's user or a member of "
		    "admin_group");
		return false;
	}
	return true;
}

static bool
knows_keys(struct http_request *r, const struct route *route, const struct api_request *q)
{
	for (size_t i = 0; i < q->nkeys; i++) {
		if (route_has_key(route, q->keys[i].name))
			continue;
		http_reply_error(r, 400, NULL, "unknown query key %.100s", q->keys[i].name);
		return false;
	}
	return true;
}

static void
dispatch(struct api *api, struct http_request *r, const struct api_request *q, bool tcp)
{
	_cleanup_str_ struct str allowed = { 0 };
	const struct route *route = find_route(q, http_request_method(r), &allowed);

	if (!route && allowed.len > 0) {
		_cleanup_free_ char *allow = xasprintf("Allow: %s\r\n", str_text(&allowed));

		http_reply_error(
		    r, 405, allow, "%.40s is not allowed here", http_request_method(r));
		return;
	}
	if (!route) {
		http_reply_error(r, 404, NULL, "no such call");
		return;
	}
	if (may_call(api, r, route, tcp) && knows_keys(r, route, q))
		route->handle(api, r, q);
}

static void
answer(struct api *api, struct http_request *r, bool tcp)
{
	struct api_request q = { 0 };
	struct err e = { 0 };

	if (api_request_parse(http_request_target(r), &q, &e) < 0)
		http_reply_error(r, 400, NULL, "%s", e.msg);
	else
		dispatch(api, r, &q, tcp);
	api_request_done(&q);
}

static void
on_request(struct http_request *r, void *arg)
{
	answer(arg, r, false);
}

static void
on_tcp_request(struct http_request *r, void *arg)
{
	struct api *api = arg;

	if (api_tcp_is_for_us(api->tcp, r))
		answer(api, r, true);
}

/* ---- life ---- */

/* max_clients, but never the last quarter of the descriptors, nor what else we need. */
static unsigned
client_limit(const struct conf *conf)
{
	struct rlimit l = { 0 };
	int64_t most = conf->daemon.max_clients, room;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur != RLIM_INFINITY &&
	    l.rlim_cur < 1 << 24) {
		room = (int64_t)l.rlim_cur - (int64_t)l.rlim_cur / 4 - 16;
		most = MIN(most, room);
	}
	return (unsigned)MIN(MAX(most, (int64_t)1), (int64_t)100000);
}

static int
find_admin(struct api *api, const struct conf *conf, struct err *e)
{
	const char *name = conf->daemon.admin_group;

	api->has_admin = false;
	if (!name || !*name)
		return 0;
	if (api_group_find(name, &api->admin_gid) < 0)
		return err_set(e, -ENOENT, "admin_group: no group %s", name);
	api->has_admin = true;
	return 0;
}

static void
remember_file(struct api *api, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return;
	api->path = xstrdup(path);
	api->device = st.st_dev;
	api->inode = st.st_ino;
}

int
api_new(struct event_base *base, struct monitor *monitor, const struct conf *conf,
    int take_listen_fd, struct api **ret, struct err *e)
{
	struct http_limits limits = http_limits_default;
	_cleanup_close_ int fd = take_listen_fd;
	struct api *api = xcalloc(1, sizeof(*api));
	bool made = take_listen_fd < 0;
	int r;

	api->base = base;
	api->monitor = monitor;
	api->conf = conf;
	TAILQ_INIT(&api->waits);
	api->metrics = metrics_page_new(base, monitor, own_metrics, api);
	limits.clients = client_limit(conf);
	r = find_admin(api, conf, e);
	if (r == 0 && made)
		r = api_listen(conf, &fd, e);
	if (r == 0 && made)
		remember_file(api, conf->daemon.socket);
	if (r == 0)
		r = http_server_new(base, TAKE_FD(fd), &limits, on_request, api, &api->http, e);
	if (r == 0)
		r = api_tcp_new(base, conf, &limits, on_tcp_request, api, &api->tcp, e);
	if (r < 0) {
		api_free(api);
		return r;
	}
	*ret = api;
	return 0;
}

struct api *
api_free(struct api *api)
{
	struct wait *w;
	struct stat st;

	if (!api)
		return NULL;
	while ((w = TAILQ_FIRST(&api->waits))) {
		monitor_run_forget(api->monitor, on_run_done, w);
		wait_free(w);
	}
	http_server_free(api->http);
	api_tcp_free(api->tcp);
	metrics_page_free(api->metrics);
	api_changed(api);
	if (api->path && lstat(api->path, &st) == 0 && st.st_dev == api->device &&
	    st.st_ino == api->inode)
		unlink(api->path);
	free(api->path);
	free(api);
	return NULL;
}

void
api_set_conf(struct api *api, const struct conf *conf)
{
	struct err e = { 0 };

	api->conf = conf;
	http_server_set_clients(api->http, client_limit(conf));
	api_tcp_set_conf(api->tcp, conf, client_limit(conf));
	metrics_page_anew(api->metrics);
	if (find_admin(api, conf, &e) < 0)
		log_warning("%s; only root and our own user may write", e.msg);
	api_changed(api);
}

void
api_add_metrics(struct api *api, void (*more)(struct exposition *, void *arg), void *arg)
{
	api->more_metrics = more;
	api->more_metrics_arg = arg;
}

void
api_pause(struct api *api)
{
	http_server_pause(api->http);
	api_tcp_pause(api->tcp);
}
