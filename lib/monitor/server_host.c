/*
 * What a server of this host stands on: asked of the server where its data are, and of a worker what
 * file systems that is.  Only over its Unix socket, where the kernel says whose process answers.
 */
#include "base/clock.h"
#include "base/log.h"
#include "host/host.h"
#include "monitor/server_impl.h"
#include "report/report.h"
#include <math.h>
#include <sys/socket.h>

#define HOST_INTERVAL_US (60 * USEC_PER_SEC)
#define HOST_LOOK_US     (3 * USEC_PER_SEC)
/* Older facts say nothing of now. */
#define HOST_MAX_AGE_US (3 * HOST_INTERVAL_US)

/* pg_settings leaves the row out for a role that may not see it; current_setting() would fail. */
static const char where_sql[] =
    "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory'";

const char *
server_host_facts(const struct server *s)
{
	if (!s->host.facts || clock_now_us() - s->host.facts_us > HOST_MAX_AGE_US)
		return NULL;
	return s->host.facts;
}

static void
set_known(struct server *s, bool known)
{
	if (s->facts.host == known)
		return;
	s->facts.host = known;
	s->facts_generation++;
	for (size_t i = 0; i < s->ndbs; i++)
		server_tell_head(s->dbs[i]);
}

static void
take_facts(struct server *s, char *take)
{
	free(s->host.facts);
	s->host.facts = take;
	s->host.facts_us = clock_now_us();
	set_known(s, take != NULL);
}

/* What waits for the first look goes on. */
static void
let_go(struct server *s)
{
	s->host.holds = false;
	server_home_pump(s);
}

static void
on_answer(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct server *s = arg;
	json_t *o = type == HOST_ANSWER ? json_loadb(payload, len, 0, NULL) : NULL;
	const char *reason = json_string_value(json_object_get(o, "reason"));

	if (o && !reason)
		take_facts(s, xstrndup(payload, len));
	else
		take_facts(s, NULL);
	if (reason)
		log_debug("server %s: its disks are not seen: %s", s->scope.name, reason);
	json_decref(o);
}

static void
on_end(enum worker_end end, const struct err *err, void *arg)
{
	struct server *s = arg;

	if (end == WORKER_CANCELLED)
		return; /* the server may be gone */
	s->host.job = NULL;
	if (end != WORKER_DONE)
		log_debug("server %s: its disks do not answer: %s", s->scope.name,
		    err ? err->msg : "too late");
	set_known(s, server_host_facts(s) != NULL);
	let_go(s);
}

/* The kernel knows the process behind a Unix socket; none: it is of another PID namespace. */
static int
peer_uid(const struct server *s, uid_t *ret)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (!s->plan || !pg_plan_is_local(s->plan) || pg_session_socket(s->home) < 0 ||
	    getsockopt(pg_session_socket(s->home), SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
	    len != sizeof(cred) || cred.pid == 0)
		return -ENOTSUP;
	*ret = cred.uid;
	return 0;
}

static void
look(struct server *s)
{
	_cleanup_free_ char *job = NULL;
	uid_t uid;

	s->host.looked_us = clock_now_us();
	if (!s->host.directory || isnan(s->start) || peer_uid(s, &uid) < 0) {
		take_facts(s, NULL);
		let_go(s);
		return;
	}
	job = host_job(s->host.directory, uid, s->start);
	if (worker_submit(s->m->host, HOST_JOB, job, strlen(job), HOST_LOOK_US, HOST_INTERVAL_US,
	        on_answer, on_end, s, &s->host.job) < 0)
		let_go(s);
}

static bool
on_where(const char *const *cells, const size_t *lengths, void *arg)
{
	struct server *s = arg;

	(void)lengths;
	free(s->host.directory);
	s->host.directory = xstrdup(cells[0]);
	return false;
}

static void
on_where_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct server *s = arg;

	(void)duration_us;
	s->host.asking = false;
	if (f || s->host.job)
		let_go(s);
	else
		look(s);
	server_home_pump(s); /* it sends nothing while something is in flight */
}

static const struct pg_request_callbacks where_callbacks = { NULL, on_where, on_where_done };

void
server_host_begin(struct server *s)
{
	struct pg_statement st = { .sql = where_sql };
	uid_t uid;

	s->host.looked_us = clock_now_us();
	if (s->pooled || s->host.asking || peer_uid(s, &uid) < 0)
		return;
	free(TAKE_PTR(s->host.directory));
	if (pg_session_request(
	        s->home, &st, server_timeout_us(s) + USEC_PER_SEC, &where_callbacks, s) < 0)
		return;
	s->host.asking = true;
	/* Who looks once has no next turn at which the facts would be there. */
	s->host.holds = s->m->options.one_shot;
}

void
server_host_tick(struct server *s)
{
	if (s->host.job || s->host.asking || clock_now_us() - s->host.looked_us < HOST_INTERVAL_US)
		return;
	look(s);
}

bool
server_host_is_busy(const struct server *s)
{
	return s->host.asking || s->host.job;
}

void
server_host_done(struct server *s)
{
	if (s->host.job)
		worker_cancel(s->host.job);
	free(s->host.directory);
	free(s->host.facts);
	s->host = (struct server_host){ 0 };
}
