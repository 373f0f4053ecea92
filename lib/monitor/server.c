/*
 * One PostgreSQL server: which databases are behind it, and who carries which work.  The rules: a
 * failed or lost connect is tried again at once and after a second before it is told; an attempt
 * that was never answered is kept, not repeated; everything waits in queues here, never in the
 * server's backlog.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "monitor/cost.h"
#include "monitor/scope_impl.h"
#include "monitor/server_impl.h"
#include "report/report.h"
#include <math.h>
#include <stdio.h>

/* ---- names and small views ---- */

struct scope *
server_scope(struct server *s)
{
	return &s->scope;
}

const struct facts *
server_facts(const struct server *s)
{
	return &s->facts;
}

const char *
server_name(const struct server *s)
{
	return s->scope.name;
}

const char *
server_version(const struct server *s)
{
	return s->version;
}

size_t
server_ndatabases(const struct server *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->ndbs; i++)
		n += !s->dbs[i]->is_template;
	return n;
}

int64_t
server_answer_us(const struct server *s)
{
	return s->fresh_count ? s->fresh_timing.query_us : -1;
}

bool
server_settled(const struct server *s)
{
	return s->settled;
}

bool
server_is_down(const struct server *s)
{
	return s->down || s->fresh_down;
}

static bool
is_open(const struct pg_session *session)
{
	return session && pg_session_state(session) != PG_DOWN;
}

size_t
server_connections(const struct server *s)
{
	size_t n = is_open(s->home);

	for (size_t i = 0; i < s->nvisitors; i++)
		n += is_open(s->visitors[i].session);
	return n;
}

struct ledger *
server_ledger(const struct server *s)
{
	return s->ledger;
}

json_t *
server_json(const struct server *s)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", report_string(s->scope.name));
	json_object_set_new(o, "version", report_string(s->version));
	json_object_set_new(o, "role", report_string(fact_role_text(s->facts.role)));
	json_object_set_new(o, "flavour", report_string(s->version ? s->facts.flavour : NULL));
	json_object_set_new(o, "databases", json_integer((json_int_t)server_ndatabases(s)));
	return o;
}

/* ---- who carries which work ---- */
bool
server_is_home_database(const struct server *s, const struct database *d)
{
	return d == s->home_db || (s->link == LINK_UP && d->datname && s->facts.datname &&
	                              streq(d->datname, s->facts.datname));
}

static bool
is_for_visitor(const struct checkup *c)
{
	return c->check->kind == KIND_SCRUB || check_is_foreign(c->check);
}

static void
server_run(struct scope *scope, struct part *p)
{
	struct server *s = scope->owner;
	struct part *visit = s->nvisitors > 0 && s->home_db ? part_split(p, is_for_visitor) : NULL;

	if (s->fresh_down && p->task->probe == PROBE_CONNECTIVITY)
		s->fresh_wanted = true;
	if (visit)
		server_visit_add(s->home_db, visit);
	server_home_add(s, p);
}
static const struct scope_ops server_ops = { server_run };

void
server_database_run(struct database *d, struct part *p)
{
	struct server *s = d->server;
	struct part *visit;

	if (!server_is_home_database(s, d)) {
		server_visit_add(d, p);
		return;
	}
	visit = s->nvisitors > 0 ? part_split(p, is_for_visitor) : NULL;
	if (visit)
		server_visit_add(d, visit);
	server_home_add(s, p);
}

static void
database_run(struct scope *scope, struct part *p)
{
	struct database *d = scope->owner;
	struct part *held = migrations_hold(d, p);

	if (held)
		server_database_run(d, held);
	if (p->n > 0)
		server_database_run(d, p);
	else
		scope_part_end(p, REASON_BUDGET, NULL);
}
const struct scope_ops pg_database_ops = { database_run };

/* ---- once a second ---- */

void
server_heartbeat(struct server *s)
{
	const struct conf_database *c = s->scope.conf;

	if (s->link != LINK_UP || !server_has_home(s))
		return;
	if (c->pool_recycle_us > 0 && pg_session_age_us(s->home) > c->pool_recycle_us &&
	    !s->home_run && pg_session_in_flight(s->home) == 0) {
		server_home_close(s, NULL);
		return;
	}
	if (s->speak_again) {
		s->speak_again = false;
		server_speak_now(s);
	}
	server_statements_save(s, false);
	server_refresh_plan(s);
	server_list_databases(s);
	server_host_tick(s);
	server_visits_tick(s);
	server_home_pump(s);
}

/* ---- making, attaching, merging ---- */

static struct server *
server_new(struct monitor *m, struct database *d, char *take_endpoint)
{
	struct server *s = xcalloc(1, sizeof(*s));
	const struct conf_database *c = d->conf;

	s->m = m;
	s->endpoint = take_endpoint;
	s->start = NAN;
	s->met_us = clock_now_us();
	s->facts.engine = ENGINE_POSTGRESQL;
	s->facts.flavour = xstrdup("community");
	s->ledger = ledger_new();
	s->facts_sql = pg_facts_sql(d->scope.rules->catalogue);
	statement_watch_init(&s->statements);
	s->retry = evtimer_new(m->base, server_on_retry, s);
	assert(s->retry);
	scope_init(&s->scope, m, d->scope.rules, c->server ? c->server : c->name, true, c,
	    &server_ops, s, d->scope.slot, d->scope.nslots);
	server_visitors_new(s);
	m->servers = xreallocarray(m->servers, m->nservers + 1, sizeof(struct server *));
	m->servers[m->nservers++] = s;
	return s;
}

void
server_add(struct server *s, struct database *d)
{
	s->dbs = xreallocarray(s->dbs, s->ndbs + 1, sizeof(struct database *));
	s->dbs[s->ndbs++] = d;
	d->server = s;
	if (!s->home_db) {
		s->home_db = d;
		s->renew = s->started;
	}
	d->facts.engine = ENGINE_POSTGRESQL;
	if (!d->facts.flavour)
		d->facts.flavour = xstrdup("community");
	if (s->link == LINK_UP)
		server_tell_head(d);
}

int
server_attach(struct monitor *m, struct database *d, struct err *err)
{
	char *endpoint = NULL, *datname = NULL;
	int r = dsn_split(d->conf->dsn, &endpoint, &datname, err);

	if (r < 0)
		return r;
	if (d->datname)
		free(datname);
	else
		d->datname = datname;
	for (size_t i = 0; i < m->nservers; i++)
		if (streq(m->servers[i]->endpoint, endpoint)) {
			free(endpoint);
			server_add(m->servers[i], d);
			return 0;
		}
	server_add(server_new(m, d, endpoint), d);
	return 0;
}

void
server_take_out(struct database *d)
{
	struct server *s = d->server;
	size_t kept = 0;

	assert(s);
	server_visits_forget(d);
	for (size_t i = 0; i < s->ndbs; i++)
		if (s->dbs[i] != d)
			s->dbs[kept++] = s->dbs[i];
	s->ndbs = kept;
}

void
server_detach(struct database *d)
{
	if (d->server)
		server_statements_leave(d);
	server_take_out(d);
	d->server = NULL;
}

void
server_start(struct server *s)
{
	s->started = true;
	scope_start(&s->scope);
	server_retry_in(s, 0);
}

struct server *
server_free(struct server *s)
{
	struct part *p;

	if (!s)
		return NULL;
	event_free(s->retry);
	pg_session_free(s->home);
	server_host_done(s);
	if (s->home_run)
		pg_run_abort(s->home_run, "stopped");
	for (size_t i = 0; i < s->nvisitors; i++) {
		pg_session_free(s->visitors[i].session);
		if (s->visitors[i].run)
			pg_run_abort(s->visitors[i].run, "stopped");
	}
	server_evidence_done(s);
	while ((p = s->home_queue)) {
		s->home_queue = p->next;
		scope_part_end(p, REASON_CONNECTION, "stopped");
	}
	for (size_t i = 0; i < s->ndbs; i++) {
		migrations_forget(s->dbs[i]);
		while ((p = s->dbs[i]->visit_parts)) {
			s->dbs[i]->visit_parts = p->next;
			scope_part_end(p, REASON_CONNECTION, "stopped");
		}
	}
	for (size_t i = 0; i < s->ndbs; i++)
		s->dbs[i]->server = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(s->head); i++)
		free(s->head[i]);
	scope_done(&s->scope);
	facts_done(&s->facts);
	server_statements_done(s);
	pg_plan_unref(s->plan);
	server_data_done(s);
	strv_free(s->listed);
	strv_free(s->list_tells);
	free(s->visitors);
	free(s->dbs);
	free(s->endpoint);
	free(s->sysid);
	free(s->start_text);
	free(s->version);
	free(s->identity);
	free(s->facts_sql);
	server_past_done(s);
	free(s->loaded);
	ledger_free(s->ledger);
	free(s);
	return NULL;
}

static bool
is_idle(const struct server *s)
{
	if (s->home_run || s->resolving || s->listing || s->nleaving > 0 ||
	    server_data_is_busy(s) || server_host_is_busy(s) || pg_session_in_flight(s->home) > 0)
		return false;
	for (size_t i = 0; i < s->nvisitors; i++)
		if (s->visitors[i].busy)
			return false;
	return true;
}

bool
server_same(const struct server *a, const struct server *b)
{
	if (a->link != LINK_UP || b->link != LINK_UP || a->pooled || b->pooled || !a->sysid ||
	    !b->sysid || a->renew || b->renew)
		return false;
	return streq(a->identity, b->identity) && streq(a->start_text, b->start_text) &&
	       streq(a->facts.login, b->facts.login);
}

void
server_stay(struct server *s)
{
	s->joining = false;
}

bool
server_merge(struct server *a, struct server *b)
{
	struct part *waiting, *p;

	b->joining = !is_idle(b);
	if (b->joining)
		return false;
	log_info("server %s is the same as %s", b->scope.name, a->scope.name);
	/* Check by check: a database may have the name of its server. */
	for (size_t i = 0; i < b->scope.ncheckups; i++)
		findings_drop(a->m->findings, b->scope.name, b->scope.checkups[i]->check->id, true,
		    clock_wall_us());
	scope_forget_past(&b->scope); /* else a later start tells by that name what a has told */
	server_save_name(a);
	server_drop_own_parts(b);
	waiting = TAKE_PTR(b->home_queue);
	a->merged = true;
	a->met_us = clock_now_us();
	while (b->ndbs > 0) {
		struct database *d = b->dbs[0];

		server_detach(d);
		if (!d->datname)
			d->datname = xstrdup(b->facts.datname);
		server_add(a, d);
	}
	while ((p = waiting)) {
		waiting = p->next;
		server_database_run(p->task->scope->owner, p);
	}
	/* who has a section of his own is known anew: listed, but long ago */
	a->list_us = a->list_us > 0 || b->list_us > 0 ? 1 : 0;
	return true;
}
