/* The API: which call is answered by which view of the monitor, and who may make it. */
#include "base/log.h"
#include "base/str.h"
#include "daemon/api_private.h"
#include "daemon/api_socket.h"
#include "daemon/api_tcp.h"
#include "daemon/event_stream.h"
#include "daemon/metrics_page.h"
#include "daemon/process_metrics.h"
#include "daemon/status_page.h"
#include <sys/resource.h>

/* ---- what the API tells of itself ---- */

static void
own_metrics(struct exposition *e, void *arg)
{
	const struct api *api = arg;
	struct http_stats s = http_server_stats(api->http);

	api_tcp_add_stats(api->tcp, &s);
	process_metrics_add(e);
	family_add(exposition_family(e, FAMILY_GAUGE, "dbhealth_api_event_streams",
	               "Clients that listen to events now."),
	    "", api->streams ? (double)event_streams_count(api->streams) : 0);
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
	api_silence_metrics(e, api->monitor);
	if (api->more_metrics)
		api->more_metrics(e, api->more_metrics_arg);
}

/* ---- routes ---- */

static const struct route {
	const char *method, *path; /* `*` is one segment, looked up by the handler */
	void (*handle)(struct api *, struct http_request *, const struct api_request *);
	enum { READS, WRITES, READS_OPENLY /* over TCP too, without listen_api */ } right;
	const char *keys[9]; /* of the query */
} routes[] = {
	{ "GET", "v1/status", api_get_status, READS, { NULL } },
	{ "GET", "v1/databases/*", api_get_database, READS, { NULL } },
	{ "GET", "v1/databases/*/health", api_get_health, READS_OPENLY, { "probes", "role" } },
	{ "GET", "v1/databases/*/baseline", api_get_baseline, READS, { "check" } },
	{ "GET", "v1/databases/*/statements", api_get_statements, READS, { "by", "limit" } },
	{ "POST", "v1/databases/*/baseline", api_post_baseline, WRITES, { "check", "version" } },
	{ "DELETE", "v1/databases/*/baseline", api_delete_baseline, WRITES, { "check" } },
	{ "GET", "v1/findings", api_get_findings, READS,
	    { "server", "database", "probe", "check", "severity", "state", "limit", "cursor" } },
	{ "GET", "v1/findings/*/evidence", api_get_evidence, READS, { NULL } },
	{ "POST", "v1/findings/*/evidence", api_post_evidence, WRITES, { NULL } },
	{ "GET", "v1/events", api_get_events, READS,
	    { "database", "server", "check", "finding", "kind", "since", "until", "after",
	        "limit" } },
	{ "GET", "v1/history", api_get_history, READS,
	    { "database", "check", "object", "since", "until", "step" } },
	{ "GET", "v1/checks", api_get_checks, READS, { NULL } },
	{ "GET", "v1/checks/*", api_get_check, READS, { NULL } },
	{ "POST", "v1/databases/*/probes/*/run", api_post_run, WRITES, { "wait" } },
	{ "POST", "v1/findings/*/ack", api_post_ack, WRITES, { NULL } },
	{ "GET", "v1/cost", api_get_cost, READS, { "server", "limit" } },
	{ "GET", "v1/jobs", api_get_jobs, READS, { NULL } },
	{ "GET", "v1/jobs/*", api_get_job, READS, { NULL } },
	{ "POST", "v1/jobs/*/run", api_post_job_run, WRITES, { NULL } },
	{ "GET", "v1/silences", api_get_silences, READS, { NULL } },
	{ "POST", "v1/silences", api_post_silence, WRITES, { NULL } },
	{ "DELETE", "v1/silences/*", api_delete_silence, WRITES, { NULL } },
	{ "GET", "v1/checklist", api_get_checklist, READS, { NULL } },
	{ "POST", "v1/checklist/*/done", api_post_checklist_done, WRITES, { NULL } },
	{ "DELETE", "v1/checklist/*/done", api_delete_checklist_done, WRITES, { "database" } },
	{ "GET", "v1/accepts", api_get_accepts, READS, { NULL } },
	{ "POST", "v1/accepts", api_post_accept, WRITES, { NULL } },
	{ "DELETE", "v1/accepts/*", api_delete_accept, WRITES, { NULL } },
	{ "GET", "metrics", api_get_metrics, READS_OPENLY, { NULL } },
	{ "GET", "healthz", api_get_healthz, READS_OPENLY, { NULL } },
	{ "GET", "readyz", api_get_readyz, READS_OPENLY, { NULL } },
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
unsigned
api_client_limit(const struct conf *conf)
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
	TAILQ_INIT(&api->event_lists);
	TAILQ_INIT(&api->evidence_waits);
	TAILQ_INIT(&api->history_waits);
	TAILQ_INIT(&api->statements_waits);
	api->metrics = metrics_page_new(base, monitor, own_metrics, api);
	limits.clients = api_client_limit(conf);
	api->status = status_page_new(base, monitor, api_own_status, api);
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
	struct stat st;

	if (!api)
		return NULL;
	api_waits_end(api);
	api_event_lists_end(api);
	api_evidence_end(api);
	api_history_end(api);
	api_statements_end(api);
	http_server_free(api->http);
	api_tcp_free(api->tcp);
	event_streams_free(api->streams);
	metrics_page_free(api->metrics);
	api_changed(api);
	status_page_free(api->status);
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
	http_server_set_clients(api->http, api_client_limit(conf));
	api_tcp_set_conf(api->tcp, conf, api_client_limit(conf));
	metrics_page_anew(api->metrics);
	if (find_admin(api, conf, &e) < 0)
		log_warning("%s; only root and our own user may write", e.msg);
	api_changed(api);
}

void
api_set_recorder(struct api *api, struct recorder *recorder)
{
	api->recorder = recorder;
}

void
api_set_upkeep(struct api *api, struct upkeep *upkeep)
{
	api->upkeep = upkeep;
}

void
api_set_queues(struct api *api, void (*get_fn)(void *, struct api_queues *), void *arg)
{
	api->queues_fn = get_fn;
	api->queues_arg = arg;
}

void
api_add_metrics(struct api *api, void (*more)(struct exposition *, void *arg), void *arg)
{
	api->more_metrics = more;
	api->more_metrics_arg = arg;
}

void
api_set_events(struct api *api, struct event_log *events)
{
	api->events = events;
	api->streams = event_streams_new(api->base, events);
}

void
api_pause(struct api *api)
{
	http_server_pause(api->http);
	api_tcp_pause(api->tcp);
}
