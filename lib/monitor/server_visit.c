/*
 * Visits: databases in turn over the connections that the budget leaves beside the home session,
 * and the fresh connection that proves that the server still takes new ones.
 */
#include "base/clock.h"
#include "base/log.h"
#include "monitor/server_impl.h"
#include <stdio.h>

#define MAX_VISITS     64 /* over all servers */
#define BUDGET_TO_WARN 4

void
server_visitors_new(struct server *s)
{
	const struct conf_database *c = s->scope.conf;
	size_t total = (size_t)(c->pool_size + c->max_overflow);

	if (total > BUDGET_TO_WARN)
		log_warning(
		    "%s: pool_size + max_overflow = %zu: up to so many connections to one server",
		    c->name, total);
	s->nvisitors = total > 1 ? total - 1 : 0;
	s->nwarm = c->pool_size > 1 ? (size_t)c->pool_size - 1 : 0;
	s->visitors = xcalloc(s->nvisitors + 1, sizeof(*s->visitors));
	for (size_t i = 0; i < s->nvisitors; i++)
		s->visitors[i].server = s;
}

void
server_database_reached(struct database *d)
{
	_cleanup_free_ char *reach = xasprintf("%s/", d->scope.name);

	/* It may be known as unreachable from before a restart. */
	if (!d->unreachable && findings_status(d->monitor->findings, reach, "conn-up") == CHECK_OK)
		return;
	d->unreachable = false;
	free(TAKE_PTR(d->unreachable_text));
	server_judge_reach(d, NULL);
	scope_ask_again(&d->scope);
}

static void
database_unreachable(struct database *d, const struct pg_failure *f)
{
	struct part *p, *q = TAKE_PTR(d->visit_parts);

	if (d->dynamic && f->cause == PG_CAUSE_NO_DATABASE) {
		d->server->list_us = 1; /* dropped, most likely: the list will tell, at once */
	} else {
		d->unreachable = true;
		free(d->unreachable_text);
		d->unreachable_text = xstrdup(f->err.msg);
		server_judge_reach(d, f);
	}
	while ((p = q)) {
		q = p->next;
		scope_part_end(p, REASON_CONNECTION, f->err.msg);
	}
}

static void
fail_visits(struct server *s, const char *why)
{
	for (size_t i = 0; i < s->ndbs; i++) {
		struct part *p, *q = TAKE_PTR(s->dbs[i]->visit_parts);

		while ((p = q)) {
			q = p->next;
			scope_part_end(p, REASON_CONNECTION, why);
		}
	}
}

static void
visitor_release(struct visitor *v)
{
	if (v->busy) {
		v->server->m->visits--;
		if (v->db)
			v->db->visiting = false;
	}
	v->busy = false;
	v->db = NULL;
}

static void
visitor_close(struct visitor *v)
{
	visitor_release(v);
	if (v->session)
		pg_session_close(v->session);
}

static void
visit_end(struct visitor *v, bool keep)
{
	struct server *s = v->server;
	size_t warm = 0;

	s->visit_ended_us = clock_now_us();
	for (size_t i = 0; i < s->nvisitors; i++)
		warm += &s->visitors[i] != v && s->visitors[i].db != NULL;
	if (keep && v->db && !v->db->leaving && !s->refit && !s->leaving && warm < s->nwarm &&
	    pg_session_state(v->session) == PG_READY) {
		s->m->visits--;
		v->db->visiting = false;
		v->busy = false;
		v->used_us = clock_now_us();
	} else {
		visitor_close(v);
	}
	server_visits_pump(s);
	reload_wake(s->m);
}

static void visit_run(struct visitor *);

static void
on_visit_run_end(const struct pg_failure *f, void *arg)
{
	struct visitor *v = arg;

	v->run = NULL;
	if (!f)
		visit_run(v);
}

static bool
part_is_foreign(const struct part *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (check_is_foreign(p->taken[i]->check))
			return true;
	return false;
}

/* A session that others wait for is not kept from them for long, the only one least of all. */
static int64_t
scrub_budget(const struct server *s)
{
	if (s->m->options.one_shot)
		return MAX(0, s->m->started_us + s->m->options.budget_us - clock_now_us());
	if (s->nvisitors == 0)
		return MIN(server_timeout_us(s) / 2, s->scope.conf->scrub_slice_us);
	return MIN(3 * server_timeout_us(s), s->scope.conf->scrub_slice_us);
}

/* The longest that one statement of a scrub may take. */
static int64_t
scrub_max(const struct server *s)
{
	if (s->nvisitors == 0)
		return server_timeout_us(s);
	if (s->ndbs > 1 && s->nvisitors < 2)
		return 3 * server_timeout_us(s);
	return MAX(server_timeout_us(s), s->scope.conf->scrub_slice_us);
}

static struct scrub_keeper *
keeper_of(struct server *s)
{
	const struct conf_database *c = s->scope.conf;

	if (s->m->options.one_shot)
		return NULL;
	allowance_set(&s->keeper.allowance, (double)c->scrub_share / 100, scrub_budget(s));
	s->keeper.limits = (struct load_limits){ .active = (double)c->scrub_max_active,
		.read_us = c->scrub_max_read_us };
	return &s->keeper;
}

void
server_scrub_job(struct server *s, struct pg_run_job *job)
{
	job->scrub_budget_us = scrub_budget(s);
	job->scrub_max_us = scrub_max(s);
	job->keeper = keeper_of(s);
}

/* What is left for the data role waits for a visit of its own. */
static void
on_hand_over(struct part *p, void *arg)
{
	struct visitor *v = arg;

	server_queue_add(&v->db->visit_parts, p, false);
}

/* The first that this visit may run: what monitors and what the data role does share no session. */
static struct part *
take_part(const struct visitor *v)
{
	for (struct part **at = &v->db->visit_parts; *at; at = &(*at)->next) {
		struct part *p = *at;

		if (p->as_data != (v->data_role != NULL))
			continue;
		*at = p->next;
		p->next = NULL;
		return p;
	}
	return NULL;
}

static void
visit_run(struct visitor *v)
{
	struct server *s = v->server;
	struct database *d = v->db;
	struct part *p = s->refit ? NULL : take_part(v);
	struct pg_run_job job = { .session = v->session,
		.server_start = s->start,
		.pooled = s->pooled,
		.timeout_us = server_timeout_us(s),
		.on_end = on_visit_run_end,
		.arg = v,
		.facts_sql = s->facts_sql,
		.statements = &s->statements };
	bool server_part;

	if (!p) {
		if (s->refit || !server_evidence_visit(v))
			visit_end(v, !v->tainted);
		return;
	}
	server_part = p->task->scope == &s->scope;
	v->tainted |= part_is_foreign(p);
	job.part = p;
	job.deadline_us = server_part_deadline_us(s, p);
	job.facts = server_part ? &s->facts : &d->facts;
	job.generation = server_part ? &s->facts_generation : &d->facts_generation;
	job.facts_us = server_part ? &s->facts_us : &d->facts_us;
	if (server_part)
		job.facts_sql = server_facts_sql(s);
	server_scrub_job(s, &job);
	job.data_role = v->data_role;
	job.monitor_login = s->facts.login;
	job.no_data_role = server_no_data_role(s, d);
	job.hand_over = v->data_role || job.no_data_role ? NULL : on_hand_over;
	v->run = pg_run_new(&job);
	pg_run_start(v->run);
}

void
server_visit_go_on(struct visitor *v)
{
	visit_run(v);
}

static void
fresh_tell_down(struct server *s)
{
	if (!s->fresh_down) {
		s->fresh_down = true;
		log_debug("server %s: takes no new connection: %s: %s", s->scope.name,
		    pg_cause_names[s->fresh_failure.cause], s->fresh_failure.err.msg);
		server_speak_now(s);
	}
	s->fresh_retry_us = 0;
	fail_visits(s, s->fresh_failure.err.msg);
}

static bool
is_of_one_database(const struct server *s, const struct pg_failure *f)
{
	if (f->cause == PG_CAUSE_NO_DATABASE)
		return true;
	/* The kept session proves that the role may log in: the refusal is this database's. */
	return f->cause == PG_CAUSE_AUTH && s->link == LINK_UP && s->ndbs > 1;
}

static void
visit_failed(struct visitor *v, const struct pg_failure *f)
{
	struct server *s = v->server;
	struct database *d = v->db;
	bool was_busy = v->busy;

	visitor_release(v);
	reload_wake(s->m);
	if (d && was_busy)
		server_evidence_fail(d, "not taken: there was no connection for it");
	if (v->data_role) {
		if (d && was_busy)
			server_data_failed(d, f);
		server_visits_pump(s);
		return;
	}
	if (s->leaving || s->refit || (d && d->leaving)) {
		server_visits_pump(s); /* what waits is asked over another session, or not at all */
		return;
	}
	if (d && is_of_one_database(s, f)) {
		s->fresh_us = clock_now_us(); /* the server itself answered */
		database_unreachable(d, f);
		server_visits_pump(s);
		return;
	}
	if (!was_busy && !s->fresh_down)
		return;
	if (!s->fresh_down && server_may_be_full_of_us(s, f->cause)) {
		s->fresh_retry_us = clock_now_us() + SERVER_RETRY_US;
		return;
	}
	s->fresh_failure = *f;
	s->fresh_failures++;
	if (s->fresh_down || server_needs_no_second(f->cause) ||
	    s->fresh_failures >= SERVER_FAILURES_TO_TELL) {
		fresh_tell_down(s);
		return;
	}
	s->fresh_retry_us = clock_now_us() + (s->fresh_failures == 1 ? 0 : SERVER_RETRY_US);
	if (s->fresh_failures == 1 && pg_session_state(v->session) == PG_DOWN) {
		s->fresh_retry_us = 0;
		s->fresh_wanted = true;
		server_visits_pump(s);
	}
}

static void
on_visit_connect(struct pg_session *session, const struct pg_failure *f, void *arg)
{
	struct visitor *v = arg;

	(void)session;
	if (f) {
		visit_failed(v, f);
		return;
	}
	if (!v->data_role)
		server_note_fresh(v->server, v->session);
	if (!v->busy) { /* the kept attempt: answered long after its visit was given up */
		visitor_close(v);
		return;
	}
	if (!v->data_role && !v->db->leaving && (v->db->datname || v->db == v->server->home_db))
		server_database_reached(v->db);
	visit_run(v);
	server_visits_pump(v->server); /* the next attempt may begin */
}

static void
on_visit_lost(struct pg_session *session, const struct pg_failure *f, void *arg)
{
	struct visitor *v = arg;

	(void)session;
	(void)f;
	visitor_release(v);
	server_visits_pump(v->server);
	reload_wake(v->server->m);
}

static void
on_visit_closed(struct pg_session *session, void *arg)
{
	struct visitor *v = arg;

	(void)session;
	server_visits_pump(v->server);
	reload_wake(v->server->m);
}

static const struct pg_session_callbacks visit_callbacks = { on_visit_connect, on_visit_lost,
	on_visit_closed };

static bool
is_connecting(const struct visitor *v)
{
	enum pg_session_state state = v->session ? pg_session_state(v->session) : PG_DOWN;

	return state == PG_CONNECTING || state == PG_SETUP || state == PG_UNANSWERED;
}

/* One attempt at a time: with that of the home session never more than two without an answer. */
static bool
any_connecting(const struct server *s)
{
	for (size_t i = 0; i < s->nvisitors; i++)
		if (is_connecting(&s->visitors[i]))
			return true;
	return false;
}

/* Without work only a new connection will do: it is to prove that the server takes one. */
static struct visitor *
visitor_for(struct server *s, const struct database *d, bool as_data)
{
	struct visitor *oldest = NULL;

	bool work = d->visit_parts || server_evidence_waits(d);

	for (size_t i = 0; work && !as_data && i < s->nvisitors; i++)
		if (!s->visitors[i].busy && s->visitors[i].db == d)
			return &s->visitors[i];
	if (any_connecting(s))
		return NULL;
	for (size_t i = 0; i < s->nvisitors; i++) {
		struct visitor *v = &s->visitors[i];

		if (!v->busy && (!v->session || pg_session_state(v->session) == PG_DOWN))
			return v;
		if (!v->busy && v->db && (!oldest || v->used_us < oldest->used_us))
			oldest = v;
	}
	if (oldest)
		visitor_close(oldest); /* its place is free when the server has let go of it */
	return NULL;
}

static void
visit_begin(struct visitor *v, struct database *d, bool as_data)
{
	struct server *s = v->server;
	const char *dbname = d->datname;
	struct pg_plan *plan = s->plan;
	struct pg_failure f = { .cause = PG_CAUSE_OTHER };

	bool warm = v->db == d && v->session && pg_session_state(v->session) == PG_READY;

	v->data_role = NULL;
	if (as_data) {
		plan = server_data_plan(s, d, &v->data_role);
		/* Its own default would be the name of the role. */
		dbname = dbname ? dbname : pg_plan_dbname(s->plan);
	} else if (!warm)
		s->fresh_wanted = false;
	s->m->visits++;
	v->busy = true;
	v->tainted = as_data;
	d->visiting = true;
	if (warm) {
		visit_run(v);
		return;
	}
	v->db = d;
	if (!v->session)
		v->session = server_session_new(s, &visit_callbacks, false, v);
	if (pg_session_connect(v->session, plan, dbname, server_timeout_us(s)) >= 0)
		return;
	err_set(&f.err, -EBUSY, "the former session is still closing");
	visit_failed(v, &f);
}

/* When the part that waits should be through: until its checks are due again. */
static int64_t
wanted_by(const struct part *parts)
{
	int64_t first = INT64_MAX;

	for (const struct part *p = parts; p; p = p->next)
		for (size_t i = 0; i < p->n; i++)
			first = MIN(first, p->queued_us + p->taken[i]->interval_us);
	return first;
}

/* Who must be back first goes first: the schema of many databases keeps no look at locks waiting. */
static struct database *
next_to_visit(struct server *s)
{
	struct database *best = NULL;
	int64_t best_us = INT64_MAX;

	for (size_t i = 0; i < s->ndbs; i++) {
		struct database *d = s->dbs[i];
		int64_t by_us;

		if (d->visiting || (!d->visit_parts && !server_evidence_waits(d)) ||
		    (d->visit_parts && d->visit_parts->as_data && !server_data_is_ready(s, d)))
			continue;
		by_us = wanted_by(d->visit_parts);
		if (!best || by_us < best_us) {
			best = d;
			best_us = by_us;
		}
	}
	return best;
}

void
server_visits_pump(struct server *s)
{
	if (s->link != LINK_UP || s->pumping || s->refit || s->joining || !server_has_home(s) ||
	    !s->plan)
		return;
	s->pumping = true;
	for (;;) {
		struct database *d = next_to_visit(s);
		struct visitor *v;
		bool as_data;

		if (s->fresh_down && d && (!s->fresh_wanted || any_connecting(s))) {
			fail_visits(s, s->fresh_failure.err.msg);
			break;
		}
		if (s->fresh_retry_us > 0)
			break; /* the next attempt waits its second */
		if (!d && s->fresh_wanted && !s->home_db->visiting)
			d = s->home_db;
		if (!d || s->m->visits >= MAX_VISITS)
			break;
		as_data = d->visit_parts && d->visit_parts->as_data;
		v = visitor_for(s, d, as_data);
		if (!v)
			break;
		visit_begin(v, d, as_data);
	}
	s->pumping = false;
}

void
server_visit_add(struct database *d, struct part *p)
{
	if (server_is_asked_in_vain(d->server, p))
		return;
	server_queue_add(&d->visit_parts, p, false);
	server_visits_pump(d->server);
}

/* Only where nothing moves: a long queue of many databases is none that waits in vain. */
static void
expire_waiting(struct server *s)
{
	int64_t limit = clock_now_us() - s->scope.conf->pool_timeout_us;

	if (s->visit_ended_us > limit)
		return;
	for (size_t i = 0; i < s->ndbs; i++) {
		struct database *d = s->dbs[i];

		while (!d->visiting && d->visit_parts && d->visit_parts->queued_us < limit) {
			struct part *p = d->visit_parts;

			d->visit_parts = p->next;
			scope_part_end(p, REASON_BUDGET,
			    "no connection of the budget became free within pool_timeout");
		}
	}
}

void
server_visits_forget(struct database *d)
{
	struct server *s = d->server;

	for (size_t i = 0; i < s->nvisitors; i++) {
		struct visitor *v = &s->visitors[i];

		if (v->db != d)
			continue;
		if (v->busy)
			v->tainted = true; /* this visit is its last */
		else
			visitor_close(v);
	}
}

bool
server_visitors_close(struct server *s)
{
	bool all = true;

	for (size_t i = 0; i < s->nvisitors; i++) {
		struct visitor *v = &s->visitors[i];

		if (!v->busy)
			visitor_close(v);
		all = all && !v->busy && (!v->session || pg_session_state(v->session) == PG_DOWN);
	}
	return all;
}

void
server_visits_tick(struct server *s)
{
	int64_t now = clock_now_us();

	if (now - s->fresh_us >= s->scope.conf->reconnect_us && !s->fresh_down)
		s->fresh_wanted = s->nvisitors > 0;
	if (s->fresh_retry_us > 0 && now >= s->fresh_retry_us) {
		s->fresh_retry_us = 0;
		if (any_connecting(
		        s)) /* the attempt that was never answered is still the attempt */
			fresh_tell_down(s);
		else
			s->fresh_wanted = true;
	}
	expire_waiting(s);
	server_visits_pump(s);
}
