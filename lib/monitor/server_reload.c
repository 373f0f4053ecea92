/*
 * A server under a reload: databases leave it, its sessions are made anew, it goes.  A session is
 * closed only while nothing is asked over it, and no other is opened in its place before the server
 * has let go of it: so the budget of connections holds in the change too.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "monitor/server_impl.h"

const char *
server_endpoint(const struct server *s)
{
	return s->endpoint;
}

bool
server_is_started(const struct server *s)
{
	return s->started;
}

size_t
server_ndbs(const struct server *s)
{
	return s->ndbs;
}

void
server_list_anew(struct server *s)
{
	if (s->list_us > 0)
		s->list_us = 1;
}

/* ---- a database leaves ---- */

/* Parts of the scope, taken off the queue; what stays keeps its order. */
static struct part *
take_parts(struct part **queue, const struct scope *scope)
{
	struct part *p, *q = TAKE_PTR(*queue), *taken = NULL;

	while ((p = q)) {
		q = p->next;
		server_queue_add(p->task->scope == scope ? &taken : queue, p, false);
	}
	return taken;
}

static void
end_parts(struct part *q, const char *why)
{
	struct part *p;

	while ((p = q)) {
		q = p->next;
		scope_part_end(p, REASON_CONNECTION, why);
	}
}

void
server_drop_own_parts(struct server *s)
{
	end_parts(take_parts(&s->home_queue, &s->scope), NULL);
	for (size_t i = 0; i < s->ndbs; i++)
		end_parts(take_parts(&s->dbs[i]->visit_parts, &s->scope), NULL);
}

static struct database *
other_home(const struct server *s)
{
	struct database *best = NULL;

	for (size_t i = 0; i < s->ndbs; i++) {
		struct database *d = s->dbs[i];

		if (!best || (best->unreachable && !d->unreachable) ||
		    (best->dynamic && !d->dynamic && !d->unreachable))
			best = d;
	}
	return best;
}

static void
forget_plan(struct server *s)
{
	pg_plan_unref(s->plan);
	s->plan = NULL;
	s->plan_us = 0;
	s->outdated = s->resolving != NULL;
}

static void
leave_home(struct server *s, struct database *d)
{
	struct database *next = other_home(s);
	struct part *parts = take_parts(&d->visit_parts, &s->scope), *p;

	s->home_db = next;
	if (!next) {
		end_parts(parts, "no database of this server is watched any more");
		return;
	}
	while ((p = parts)) {
		parts = p->next;
		server_queue_add(s->nvisitors > 0 ? &next->visit_parts : &s->home_queue, p, false);
	}
	if (!streq(d->conf->dsn, next->conf->dsn))
		forget_plan(s);
	s->renew = true;
}

void
server_forget(struct database *d)
{
	struct server *s = d->server;

	server_take_out(d);
	s->nleaving++;
	if (s->home_db == d)
		leave_home(s, d);
	end_parts(take_parts(&s->home_queue, &d->scope), NULL);
	end_parts(take_parts(&d->visit_parts, &d->scope), NULL);
	migrations_forget(d);
	server_list_anew(s); /* without a section it may be a member now */
}

void
server_forgotten(struct database *d)
{
	d->server->nleaving--;
	d->server = NULL;
}

/* ---- sessions made anew ---- */

void
server_redirect(struct server *s, char *take_endpoint)
{
	free(s->endpoint);
	s->endpoint = take_endpoint;
	forget_plan(s);
	s->renew = s->refit = true;
	scope_ask_soon(&s->scope);
	s->fresh_failures = 0;
	s->fresh_retry_us = 0;
}

void
server_renewed(struct server *s)
{
	s->renew = false;
	s->home = pg_session_free(s->home); /* other options may apply to the next */
}

bool
server_renew(struct server *s)
{
	enum pg_session_state state = s->home ? pg_session_state(s->home) : PG_DOWN;

	if (!s->renew || !server_has_home(s))
		return false;
	/* Its DSN is to be the new one. */
	if (state == PG_CLOSING || s->home_db->scope.rules != s->m->rules)
		return true;
	if (state == PG_DOWN && s->link == LINK_NONE) {
		server_renewed(s);
		s->failures = 0;
		if (s->started)
			server_retry_in(s, 0);
		return false;
	}
	/* The answer of a resolver or of the head row comes first: it has a deadline. */
	if (s->link == LINK_RESOLVING || s->link == LINK_IDENTIFYING || s->home_run ||
	    pg_session_in_flight(s->home) > 0)
		return true;
	server_home_close(s, NULL);
	return true;
}

void
server_refit(struct server *s)
{
	if (!s->refit || !server_has_home(s) || !server_visitors_close(s))
		return;
	for (size_t i = 0; i < s->nvisitors; i++)
		pg_session_free(s->visitors[i].session);
	free(s->visitors);
	server_visitors_new(s);
	s->refit = false;
	if (s->nvisitors == 0) {
		struct part *p, *q = TAKE_PTR(s->home_db->visit_parts);

		while ((p = q)) {
			q = p->next;
			if (p->as_data)
				scope_part_end(
				    p, REASON_BUDGET, "no connection for data_role is left");
			else
				server_queue_add(&s->home_queue, p, false);
		}
		server_home_pump(s);
	}
	server_visits_pump(s);
}

/* ---- rules ---- */

/* The section whose keys are the server's: the one that was, else the first. */
static struct database *
naming(const struct server *s)
{
	struct database *first = NULL;

	for (size_t i = 0; i < s->ndbs; i++) {
		struct database *d = s->dbs[i];

		if (d->dynamic)
			continue;
		if (streq(d->conf->name, s->scope.conf->name))
			return d;
		if (!first || d->conf < first->conf)
			first = d;
	}
	return first;
}

static const char *
wanted_name(const struct server *s, const struct conf_database *c)
{
	if (c->server)
		return c->server;
	for (size_t i = 0; i < s->ndbs; i++)
		if (streq(s->dbs[i]->conf->name, s->scope.name))
			return s->scope.name;
	return c->name;
}

/* Another name is another identity of what is found: it begins anew, with one summary. */
static void
rename_anew(struct server *s, const char *name)
{
	log_info("server %s is named %s now", s->scope.name, name);
	for (size_t i = 0; i < s->scope.ncheckups; i++)
		findings_drop(s->m->findings, s->scope.name, s->scope.checkups[i]->check->id, true,
		    clock_wall_us());
	scope_forget(&s->scope);
	statement_watch_forget(s->m, s->scope.name);
	scope_rename(&s->scope, name);
	scope_begin_anew(&s->scope);
	if (s->identity)
		server_save_name(s);
}

static bool
same_options(const struct conf_database *a, const struct conf_database *b)
{
	return a->timeout_us == b->timeout_us && a->echo == b->echo;
}

static void
take_facts_sql(struct server *s)
{
	_cleanup_free_ char *sql = pg_facts_sql(s->scope.rules->catalogue);

	if (streq(sql, s->facts_sql))
		return;
	free(s->facts_sql);
	server_past_done(s);
	s->facts_sql = TAKE_PTR(sql);
	/* Old, not unknown: what is known holds until it is read again. */
	s->facts_us = MIN(s->facts_us, 1);
	for (size_t i = 0; i < s->ndbs; i++)
		s->dbs[i]->facts_us = MIN(s->dbs[i]->facts_us, 1);
}

bool
server_take_rules(struct server *s)
{
	const struct conf_database *old = s->scope.conf;
	struct database *d = naming(s);
	bool other_budget, other_options;
	const char *name;

	if (!d || d->scope.rules != s->m->rules)
		return false;
	if (s->scope.rules == s->m->rules)
		return true;
	other_budget =
	    old->pool_size != d->conf->pool_size || old->max_overflow != d->conf->max_overflow;
	other_options = !same_options(old, d->conf);
	name = wanted_name(s, d->conf);
	if (!streq(name, s->scope.name))
		rename_anew(s, name);
	scope_take_rules(&s->scope, s->m->rules, d->conf);
	take_facts_sql(s);
	s->refit |= other_budget || other_options;
	s->renew |= other_options;
	return true;
}

bool
server_settle(struct server *s)
{
	server_renew(s);
	server_refit(s);
	return s->renew || s->refit;
}

/* ---- the end ---- */

void
server_leave(struct server *s)
{
	assert(s->ndbs == 0);
	s->leaving = true;
	event_del(s->retry);
	monitor_forget_tasks(s->m, &s->scope);
	scope_leave(&s->scope);
	end_parts(TAKE_PTR(s->home_queue), NULL);
	if (s->identity) {
		free(map_remove(s->m->server_names, s->identity));
		monitor_state(s->m, "server", s->identity, NULL);
	}
}

bool
server_is_closed(struct server *s)
{
	bool down = server_visitors_close(s);

	if (s->home_run || s->resolving || s->nleaving > 0 || scope_is_busy(&s->scope) ||
	    server_data_is_busy(s) || server_host_is_busy(s))
		return false;
	if (s->home && pg_session_state(s->home) != PG_DOWN) {
		if (pg_session_in_flight(s->home) == 0)
			pg_session_close(s->home);
		return false;
	}
	return down;
}
