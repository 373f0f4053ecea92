/*
 * The home session of a server: name resolution, connecting by the rules of retry, and the runs
 * that it carries, each behind a head row.
 */
#include "base/clock.h"
#include "base/log.h"
#include "monitor/server_impl.h"
#include <stdio.h>

#define PLAN_MAX_AGE_US (60 * USEC_PER_SEC)
#define ACQUAINTANCE_US (10 * USEC_PER_SEC)
#define RESOLVE_US      (5 * USEC_PER_SEC)

static void server_identify(struct server *);
static void home_run_part(struct server *);

/* ---- queues ---- */

void
server_queue_add(struct part **q, struct part *p, bool front)
{
	while (!front && *q)
		q = &(*q)->next;
	p->next = *q;
	*q = p;
}

static void
fail_all(struct server *s, const char *why)
{
	struct part *p, *q = TAKE_PTR(s->home_queue);

	while ((p = q)) {
		q = p->next;
		server_part_unreachable(s, p, why);
	}
	for (size_t i = 0; i < s->ndbs; i++) {
		q = TAKE_PTR(s->dbs[i]->visit_parts);
		while ((p = q)) {
			q = p->next;
			server_part_unreachable(s, p, why);
		}
	}
}

/* ---- connecting ---- */

static void
settle(struct server *s)
{
	if (s->settled)
		return;
	s->settled = true;
	monitor_check_finished(s->m);
}

static void
tell_down(struct server *s)
{
	bool news = !s->down;

	s->down = true;
	s->link = LINK_NONE;
	settle(s);
	if (news) {
		log_debug("server %s: unreachable: %s: %s", s->scope.name,
		    pg_cause_names[s->failure.cause], s->failure.err.msg);
		server_speak_now(s);
	}
	fail_all(s, s->failure.err.msg);
}

void
server_retry_in(struct server *s, int64_t us)
{
	struct timeval tv = { us / USEC_PER_SEC, us % USEC_PER_SEC };

	evtimer_add(s->retry, &tv);
}

bool
server_needs_no_second(enum pg_cause c)
{
	return c == PG_CAUSE_AUTH || c == PG_CAUSE_FULL || c == PG_CAUSE_NO_DATABASE ||
	       c == PG_CAUSE_SETTINGS || c == PG_CAUSE_STRANGER;
}

/* What waits for the home session of a database that has it no more is a visit. */
static void
leave_home(struct server *s, struct database *d)
{
	struct part *p, *q = TAKE_PTR(s->home_queue);

	while ((p = q)) {
		q = p->next;
		server_queue_add(
		    p->task->scope == &d->scope ? &d->visit_parts : &s->home_queue, p, false);
	}
}

/* The home database is gone: another one may carry the session. */
static bool
choose_other_home(struct server *s)
{
	struct database *old = s->home_db, *next = NULL;
	size_t at = 0;
	bool hope;

	old->unreachable = true;
	while (s->dbs[at] != old)
		at++;
	for (size_t i = 1; i < s->ndbs && (!next || next->unreachable); i++) {
		struct database *d = s->dbs[(at + i) % s->ndbs];

		if (!next || !d->unreachable)
			next = d;
	}
	if (!next)
		return false;
	log_info("server %s: home session moves from %s to %s", s->scope.name, old->scope.name,
	    next->scope.name);
	if (!old->is_template)
		server_judge_reach(old, &s->failure);
	leave_home(s, old);
	hope = !next->unreachable; /* else it is tried with the next turn */
	s->home_db = next;
	return hope;
}

bool
server_may_be_full_of_us(const struct server *s, enum pg_cause cause)
{
	return cause == PG_CAUSE_FULL && (s->m->nservers > 1 || s->merged) &&
	       !s->m->options.one_shot && clock_now_us() - s->met_us < ACQUAINTANCE_US;
}

static void
home_failed(struct server *s, const struct pg_failure *f)
{
	bool kept = s->home && pg_session_state(s->home) == PG_UNANSWERED;

	s->failure = *f;
	s->failures++;
	s->link = LINK_NONE;
	reload_wake(s->m);
	if (!server_has_home(s))
		return;
	if (s->renew) { /* it says nothing of where we go now */
		server_retry_in(s, 0);
		return;
	}
	if (f->cause == PG_CAUSE_NO_DATABASE && choose_other_home(s)) {
		server_retry_in(s, 0);
		return;
	}
	if (!s->down && server_may_be_full_of_us(s, f->cause)) {
		server_retry_in(s, SERVER_RETRY_US);
		return;
	}
	if (s->down || server_needs_no_second(f->cause) || s->failures >= SERVER_FAILURES_TO_TELL ||
	    s->m->options.one_shot) {
		tell_down(s);
		return;
	}
	server_retry_in(s, s->failures == 1 && !kept ? 0 : SERVER_RETRY_US);
}

void
server_on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	if (s->link != LINK_NONE || server_renew(s))
		return;
	/* The attempt that was never answered is still the attempt: a second look is enough. */
	if (s->home && pg_session_state(s->home) == PG_UNANSWERED) {
		tell_down(s);
		return;
	}
	server_home_connect(s);
}

static void
home_up(struct server *s)
{
	bool was_down = s->down;

	s->link = LINK_UP;
	s->failures = 0;
	s->down = false;
	s->m->merge_due = true;
	if (server_renew(s)) /* it is of a database that has left */
		return;
	if (!s->home_db->datname)
		s->home_db->datname = xstrdup(s->facts.datname);
	server_take_restored_name(s);
	server_statements_restore(s);
	server_saw_head(s);
	server_database_reached(s->home_db);
	scope_ask_again(&s->scope);
	for (size_t i = 0; i < s->ndbs; i++)
		if (!s->dbs[i]->is_template)
			scope_ask_again(&s->dbs[i]->scope);
	settle(s);
	if (was_down) {
		log_debug("server %s: reachable again", s->scope.name);
		s->fresh_down = false;
		s->fresh_failures = 0;
		s->speak_again = true;
		server_speak_now(s);
	}
	server_list_databases(s);
	server_host_begin(s);
	server_home_pump(s);
	server_visits_pump(s);
}

static void
on_head_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct server *s = arg;

	(void)duration_us;
	if (!server_has_home(s)) {
		s->link = LINK_UP; /* of use again when a database comes */
		reload_wake(s->m);
		return;
	}
	if (f && pg_failure_reason(f) == REASON_PRIVILEGE && !s->no_control) {
		s->no_control = true;
		s->link = LINK_CONNECTING;
		server_identify(s);
		return;
	}
	if (f || !server_head_take(s)) {
		/* A session that is alive but cannot answer this is of no use: it counts as a
		 * failure. */
		if (pg_session_state(s->home) == PG_READY) {
			struct pg_failure why = f ? *f : s->failure;

			server_home_close(s, &why);
		}
		return;
	}
	if (s->link == LINK_IDENTIFYING) {
		home_up(s);
		return;
	}
	server_saw_head(s);
	home_run_part(s);
}

static const struct pg_request_callbacks head_callbacks = { NULL, server_head_on_row,
	on_head_done };

static void
server_identify(struct server *s)
{
	struct pg_failure f = { .cause = PG_CAUSE_OTHER };

	s->link = LINK_IDENTIFYING;
	s->pooled = pg_session_is_pooled(s->home);
	if (server_head_ask(s, &head_callbacks) >= 0)
		return;
	err_set(&f.err, -EIO, "the first statement could not be sent");
	home_failed(s, &f);
}

void
server_note_fresh(struct server *s, const struct pg_session *session)
{
	s->fresh_us = clock_now_us();
	s->fresh_timing = *pg_session_timing(session);
	s->fresh_count++;
	s->fresh_failures = 0;
	if (s->fresh_down) {
		s->fresh_down = false;
		log_debug("server %s: takes new connections again", s->scope.name);
		s->speak_again = true;
		server_speak_now(s);
	}
}

static void
on_home_connect(struct pg_session *session, const struct pg_failure *f, void *arg)
{
	struct server *s = arg;

	(void)session;
	if (f) {
		home_failed(s, f);
		return;
	}
	server_note_fresh(s, s->home);
	server_identify(s);
}

static void
on_home_lost(struct pg_session *session, const struct pg_failure *f, void *arg)
{
	struct server *s = arg;

	(void)session;
	log_debug("server %s: home session lost: %s", s->scope.name, f->err.msg);
	home_failed(s, f);
}

static void
on_home_closed(struct pg_session *session, void *arg)
{
	struct server *s = arg;
	struct pg_failure f = s->failure;

	(void)session;
	s->link = LINK_NONE;
	if (s->renew)
		server_renewed(s);
	if (!server_has_home(s))
		reload_wake(s->m);
	else if (s->closing_failed)
		home_failed(s, &f);
	else
		server_home_connect(s);
}

void
server_home_close(struct server *s, const struct pg_failure *why)
{
	s->closing_failed = why != NULL;
	if (why)
		s->failure = *why;
	s->link = LINK_CONNECTING; /* nobody else does, until the server has let go of it */
	pg_session_close(s->home);
}

static const struct pg_session_callbacks home_callbacks = { on_home_connect, on_home_lost,
	on_home_closed };

struct pg_session *
server_session_new(
    struct server *s, const struct pg_session_callbacks *cb, bool keep_prepared, void *arg)
{
	const struct conf_database *c = s->scope.conf;
	struct pg_session_options o = { .statement_timeout_us = c->timeout_us,
		.lock_timeout_us = 100 * USEC_PER_MSEC,
		.keep_prepared = keep_prepared,
		.echo = c->echo,
		.name = s->scope.name };

	return pg_session_new(s->m->base, &o, cb, arg);
}

static void
home_attempt(struct server *s)
{
	struct pg_failure f = { .cause = PG_CAUSE_OTHER };

	if (!s->home)
		s->home = server_session_new(s, &home_callbacks, true, s);
	s->link = LINK_CONNECTING;
	if (pg_session_connect(s->home, s->plan, s->home_db->datname, server_timeout_us(s)) >= 0)
		return;
	err_set(&f.err, -EBUSY, "the former session is still closing");
	home_failed(s, &f);
}

/* ---- name resolution ---- */

static void
on_resolve_answer(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct server *s = arg;
	struct pg_plan *plan = NULL;
	struct pg_failure f = { .cause = PG_CAUSE_DNS };

	if (type != RESOLVE_ANSWER || s->outdated)
		return;
	if (resolve_answer(payload, len, &plan, &f.err) < 0) {
		if (f.err.code != -EADDRNOTAVAIL)
			f.cause = PG_CAUSE_OTHER; /* the DSN, its service or its files */
		s->failure = f;
		return;
	}
	if (pg_plan_note(plan) && !s->plan)
		log_warning("server %s: %s", s->scope.name, pg_plan_note(plan));
	pg_plan_unref(s->plan);
	s->plan = plan;
	s->plan_us = clock_now_us();
}

static void
on_resolve_end(enum worker_end end, const struct err *err, void *arg)
{
	struct server *s = arg;
	struct pg_failure f = { .cause = PG_CAUSE_DNS };
	bool outdated;

	if (end == WORKER_CANCELLED)
		return; /* we may be gone */
	s->resolving = NULL;
	outdated = s->outdated;
	s->outdated = false;
	reload_wake(s->m);
	if (s->link != LINK_RESOLVING)
		return;
	s->link = LINK_NONE;
	if (!server_has_home(s))
		return;
	if (outdated) { /* it was about another DSN */
		server_retry_in(s, 0);
		return;
	}
	/* A plan that once worked is better than none while names do not resolve. */
	if (s->plan) {
		home_attempt(s);
		return;
	}
	if (end == WORKER_TIMEOUT)
		err_set(&f.err, -ETIMEDOUT, "the name was not resolved in time");
	else if (end != WORKER_DONE)
		f.err = err ? *err : f.err;
	else
		f = s->failure;
	home_failed(s, &f);
}

void
server_home_connect(struct server *s)
{
	_cleanup_free_ char *job = NULL;
	struct pg_plan *local = NULL;

	if (s->link != LINK_NONE || !server_has_home(s) || !s->started ||
	    (s->home && pg_session_state(s->home) != PG_DOWN))
		return;
	if (s->plan && clock_now_us() - s->plan_us < PLAN_MAX_AGE_US) {
		home_attempt(s);
		return;
	}
	if (pg_plan_local(s->home_db->conf->dsn, &local, NULL) >= 0) {
		pg_plan_unref(s->plan);
		s->plan = local;
		s->plan_us = clock_now_us();
		home_attempt(s);
		return;
	}
	s->link = LINK_RESOLVING;
	if (s->resolving)
		return; /* the plan is being refreshed: its answer serves */
	job = resolve_job(s->home_db->conf->dsn);
	if (worker_submit(s->m->resolve, RESOLVE_JOB, job, strlen(job),
	        MIN(RESOLVE_US, server_timeout_us(s)), 0, on_resolve_answer, on_resolve_end, s,
	        &s->resolving) < 0) {
		struct pg_failure f = { .cause = PG_CAUSE_OTHER };

		s->link = LINK_NONE;
		err_set(&f.err, -EAGAIN, "too many names wait to be resolved");
		home_failed(s, &f);
	}
}

void
server_refresh_plan(struct server *s)
{
	_cleanup_free_ char *job = NULL;

	if (s->resolving || !s->plan || pg_plan_is_local(s->plan) ||
	    clock_now_us() - s->plan_us < PLAN_MAX_AGE_US)
		return;
	job = resolve_job(s->home_db->conf->dsn);
	s->plan_us = clock_now_us(); /* one attempt a minute */
	if (worker_submit(s->m->resolve, RESOLVE_JOB, job, strlen(job),
	        MIN(RESOLVE_US, server_timeout_us(s)), 0, on_resolve_answer, on_resolve_end, s,
	        &s->resolving) < 0)
		log_debug("server %s: the plan is not refreshed: the queue is full", s->scope.name);
}

/* ---- runs ---- */

int64_t
server_part_deadline_us(const struct server *s, const struct part *p)
{
	int64_t interval = s->scope.conf->interval_us[p->task->probe];

	return clock_now_us() + MIN(interval, 3 * server_timeout_us(s));
}

static void
on_home_run_end(const struct pg_failure *f, void *arg)
{
	struct server *s = arg;

	s->home_run = NULL;
	reload_wake(s->m);
	if (!f)
		server_home_pump(s);
}

static void
home_run_part(struct server *s)
{
	struct part *p = s->home_queue;
	struct database *d;
	struct pg_run_job job = { .session = s->home,
		.server_start = s->start,
		.pooled = s->pooled,
		.timeout_us = server_timeout_us(s),
		.session_check = server_judge_session,
		.on_end = on_home_run_end,
		.arg = s,
		.facts_sql = s->facts_sql,
		.statements = &s->statements };

	if (!p || s->home_run)
		return;
	s->home_queue = p->next;
	p->next = NULL;
	d = p->task->scope->is_server ? NULL : p->task->scope->owner;
	/* Scrubs are here where the home session is the only one. */
	job.no_data_role = server_no_data_role(s, d ? d : s->home_db);
	job.part = p;
	job.deadline_us = server_part_deadline_us(s, p);
	job.facts = d ? &d->facts : &s->facts;
	job.generation = d ? &d->facts_generation : &s->facts_generation;
	job.facts_us = d ? &d->facts_us : &s->facts_us;
	if (!d)
		job.facts_sql = server_facts_sql(s);
	server_scrub_job(s, &job);
	s->home_run = pg_run_new(&job);
	pg_run_start(s->home_run);
}

/* Every cycle begins with the head row: it is the pre-ping, and nothing of it is ever assumed. */
void
server_home_pump(struct server *s)
{
	if (server_renew(s) || s->home_run || s->host.holds || s->joining)
		return;
	if (!s->home_queue) {
		server_evidence_home(s);
		return;
	}
	if (s->link == LINK_UP) {
		if (pg_session_in_flight(s->home) > 0)
			return;
		if (server_head_holds_for(s, s->home_queue) ||
		    server_head_ask(s, &head_callbacks) < 0)
			home_run_part(s);
		return;
	}
	if (s->down && s->link == LINK_NONE)
		fail_all(s, s->failure.err.msg);
}

bool
server_is_asked_in_vain(struct server *s, struct part *p)
{
	const struct task *told_by = &s->scope.tasks[PROBE_CONNECTIVITY];

	if (!s->down || s->link != LINK_NONE)
		return false;
	/* Each turn of the server's connectivity probe tries once; without it, each turn of any. */
	if (p->task == told_by || !told_by->used)
		server_home_connect(s);
	if (s->link != LINK_NONE)
		return false;
	server_part_unreachable(s, p, s->failure.err.msg);
	return true;
}

void
server_home_add(struct server *s, struct part *p)
{
	if (server_is_asked_in_vain(s, p))
		return;
	server_queue_add(&s->home_queue, p, p->task->probe == PROBE_CONNECTIVITY);
	server_home_pump(s);
}
