/*
 * Another reading of the configuration, applied by comparison while the monitor runs.  What left
 * and what came is seen to at once, what stays database by database in short slices of the loop;
 * what a run is still busy with waits for its end.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "monitor/internal.h"
#include "monitor/silence.h"
#include "pg/plan.h"
#include <stdio.h>

/* One slice of the loop; probes come in between. */
#define SLICE_US (5 * USEC_PER_MSEC)
/* New servers wait for the sessions of old ones to close, for they may lead to the same place. */
#define RETIRE_WAIT_US (20 * USEC_PER_SEC)

/* ---- validation ---- */

static const struct database *
section_database(const struct monitor *m, const struct conf_database *c)
{
	const struct database *d = monitor_find(m, c->name);

	return d && !d->dynamic && !d->conf->discovered ? d : NULL;
}

static int
judge_database(const struct conf_database *c, struct err *err)
{
	_cleanup_free_ char *a = NULL, *b = NULL;

	switch (c->engine) {
	case ENGINE_POSTGRESQL:
		return dsn_split(c->dsn, &a, &b, err);
	case ENGINE_SQLITE:
		if (c->all_databases)
			return fleet_check(c, err);
		return dsn_sqlite_path(c->dsn, &a, err);
	case ENGINE_NONE:
	case ENGINE_PGBOUNCER:
	case ENGINE_N:
		break;
	}
	return err_set(err, -EINVAL, "this kind of database is not supported in this version");
}

static int
judge_databases(const struct monitor *m, const struct rules *rules, struct err_list *errors)
{
	size_t before = strv_len(errors->v);

	for (size_t i = 0; i < rules->conf->ndatabases; i++) {
		const struct conf_database *c = &rules->conf->databases[i];
		const struct database *d = section_database(m, c);
		struct err err = { 0 };

		if (d && d->conf->engine == c->engine && streq(d->conf->dsn, c->dsn))
			continue;
		if (judge_database(c, &err) < 0)
			err_list_add(errors, "%s:%d: [database %s] dsn: %s",
			    c->origin.file ? c->origin.file : "(command line)", c->origin.line,
			    c->name, err.msg);
	}
	return strv_len(errors->v) > before ? -EINVAL : 0;
}

/* ---- what left ---- */

/* Keeps its place, its sessions and what is known of it. */
static bool
stays(const struct database *d, const struct conf_database *c)
{
	return c && c->engine == d->conf->engine && c->all_databases == d->is_template;
}

static bool
is_idle(const struct database *d)
{
	return !d->visiting && !scope_is_busy(&d->scope) && sqlite_watch_is_idle(d) &&
	       fleet_is_idle(d);
}

static void
database_leave(struct monitor *m, struct database *d)
{
	monitor_forget_database(m, d);
	d->leaving = true;
	if (d->server)
		server_forget(d);
	else if (d->fleet)
		fleet_stop(d);
	else
		sqlite_watch_cancel(d);
	m->leaving = xreallocarray(m->leaving, m->nleaving + 1, sizeof(struct database *));
	m->leaving[m->nleaving++] = d;
}

void
monitor_leave(struct monitor *m, struct database *d)
{
	database_leave(m, d);
	m->unsettled = true; /* it is freed when its runs have ended */
}

static void
free_left(struct monitor *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->nleaving; i++) {
		struct database *d = m->leaving[i];

		if (!is_idle(d)) {
			m->leaving[kept++] = d;
			continue;
		}
		if (d->server)
			server_forgotten(d);
		database_free(d);
	}
	m->nleaving = kept;
}

static char *
section_name(const struct database *d)
{
	return xstrndup(d->scope.name, d->dynamic ? strcspn(d->scope.name, "/") : SIZE_MAX);
}

/* NULL: it is not watched any more. */
static const struct conf_database *
new_conf(const struct monitor *m, const struct database *d)
{
	const struct conf *conf = m->rules->conf;
	_cleanup_free_ char *name = NULL;

	if (!d->dynamic && d->conf->discovered)
		return conf->ndatabases == 0 ? &conf->defaults : NULL;
	name = section_name(d);
	if (d->dynamic && conf->ndatabases == 0) { /* of one that was discovered */
		const struct database *t = monitor_find(m, name);

		return t && t->conf->discovered ? &conf->defaults : NULL;
	}
	return rules_find(m->rules, name);
}

static size_t
remove_left(struct monitor *m)
{
	_cleanup_free_ struct database **gone = xcalloc(m->ndatabases + 1, sizeof(*gone));
	size_t n = 0, sections = 0;

	for (size_t i = 0; i < m->ndatabases; i++) {
		struct database *d = m->databases[i];
		const struct conf_database *c = new_conf(m, d);
		bool kept = d->dynamic ? c && (c->all_databases || c == &m->rules->conf->defaults)
		            : d->conf->discovered ? c != NULL
		                                  : stays(d, c);

		if (kept)
			continue;
		sections += !d->dynamic && !d->conf->discovered && !c;
		gone[n++] = d;
	}
	for (size_t i = 0; i < n; i++)
		database_leave(m, gone[i]);
	return sections;
}

/* ---- another DSN ---- */

/* Another endpoint that the section leads to now; NULL: it is the same. */
static char *
new_endpoint(const struct monitor *m, const struct database *d)
{
	const struct conf_database *c = new_conf(m, d);
	_cleanup_free_ char *old = NULL, *old_name = NULL, *name = NULL;
	char *endpoint = NULL;

	if (d->dynamic || d->conf->discovered || streq(d->conf->dsn, c->dsn))
		return NULL;
	if (dsn_split(d->conf->dsn, &old, &old_name, NULL) < 0 ||
	    dsn_split(c->dsn, &endpoint, &name, NULL) < 0)
		return NULL;
	if (streq(old, endpoint)) {
		free(endpoint);
		return NULL;
	}
	return endpoint;
}

static bool
is_taken(const struct monitor *m, const struct server *but, const char *endpoint)
{
	for (size_t i = 0; i < m->nservers; i++)
		if (m->servers[i] != but && streq(server_endpoint(m->servers[i]), endpoint))
			return true;
	return false;
}

/*
 * All sections of a server that lead to one other place, which no other server is: it is the same
 * server for us, whose sessions are made anew one after the other.
 */
static void
redirect_servers(struct monitor *m)
{
	for (size_t i = 0; i < m->nservers; i++) {
		struct server *s = m->servers[i];
		_cleanup_free_ char *to = NULL;
		bool all = true;

		for (size_t k = 0; all && k < m->ndatabases; k++) {
			const struct database *d = m->databases[k];
			_cleanup_free_ char *endpoint = NULL;

			if (d->server != s || d->dynamic)
				continue;
			endpoint = new_endpoint(m, d);
			all = endpoint && (!to || streq(endpoint, to));
			if (all && !to)
				to = TAKE_PTR(endpoint);
		}
		if (all && to && !is_taken(m, s, to))
			server_redirect(s, TAKE_PTR(to));
	}
}

/* ---- what stays ---- */

static struct conf_database *
discovered_again(const struct database *d, const struct conf_database *like)
{
	struct conf_database *c = xcalloc(1, sizeof(*c));

	*c = *like;
	c->name = xstrdup(d->conf->name);
	c->dsn = xstrdup(d->conf->dsn);
	c->engine = ENGINE_POSTGRESQL;
	c->discovered = c->all_databases = true;
	if (c->max_databases <= 0)
		c->max_databases = 1000;
	return c;
}

/* What its own conn-up said stands on settings too. */
static void
follow_settings(struct database *d)
{
	struct findings *all = d->monitor->findings;
	_cleanup_free_ char *reach = xasprintf("%s/", d->scope.name);
	const struct rules *r = d->scope.rules;
	const struct check *c = catalogue_find(r->catalogue, ENGINE_POSTGRESQL, "conn-up");
	const struct settings *s = c ? plan_settings(r->plan, c, d->conf) : NULL;

	if (!d->server)
		return;
	if (!s || !s->enabled)
		findings_drop(all, reach, NULL, true, clock_wall_us());
	else
		findings_limit(all, reach, s, clock_now_us(), clock_wall_us());
	monitor_findings_changed(d->monitor);
}

/* How a changed DSN concerns a database that stays. */
enum move { MOVE_NONE, MOVE_NAME, MOVE_SERVER, MOVE_FILE };

static enum move
move_of(const struct database *d, const struct conf_database *c)
{
	_cleanup_free_ char *old = NULL, *old_name = NULL, *endpoint = NULL, *name = NULL;

	if (d->conf->discovered || streq(d->conf->dsn, c->dsn))
		return MOVE_NONE;
	/* Files of a fleet have their own paths; the fleet looks again, whatever changed. */
	if (c->engine == ENGINE_SQLITE && (d->fleet || d->dynamic))
		return MOVE_NONE;
	if (c->engine == ENGINE_SQLITE)
		return MOVE_FILE;
	if (dsn_split(d->conf->dsn, &old, &old_name, NULL) < 0 ||
	    dsn_split(c->dsn, &endpoint, &name, NULL) < 0)
		return MOVE_NONE;
	if (!streq(endpoint, old) && !streq(endpoint, server_endpoint(d->server)))
		return MOVE_SERVER;
	if (d->dynamic || str_same(old_name, name))
		return MOVE_NONE;
	return MOVE_NAME;
}

static void
forget_facts(struct database *d)
{
	d->facts_us = 0;
	d->facts_generation++;
	d->unreachable = false;
	scope_ask_soon(&d->scope);
}

/* It is idle, and d->conf is the new one. */
static void
move_database(struct database *d, enum move move)
{
	_cleanup_free_ char *endpoint = NULL;
	struct server *s = d->server;
	struct err err = { 0 };
	int r = 0;

	switch (move) {
	case MOVE_NONE:
		return;
	case MOVE_FILE:
		r = sqlite_watch_move(d, &err);
		break;
	case MOVE_NAME:
		server_forget(d);
		server_forgotten(d);
		free(TAKE_PTR(d->datname));
		r = dsn_split(d->conf->dsn, &endpoint, &d->datname, &err);
		server_add(s, d);
		break;
	case MOVE_SERVER:
		server_forget(d);
		server_forgotten(d);
		if (!d->dynamic)
			free(TAKE_PTR(d->datname));
		r = server_attach(d->monitor, d, &err);
		break;
	}
	if (r < 0) /* judged before */
		log_error("%s: %s", d->scope.name, err.msg);
	forget_facts(d);
}

/* False: a run on its way must end first. */
static bool
database_take_rules(struct database *d)
{
	struct monitor *m = d->monitor;
	const struct conf_database *c = new_conf(m, d);
	struct conf_database *own = d->own_conf;
	struct rules *hold;
	enum move move;

	if (d->dynamic) {
		_cleanup_free_ char *section = section_name(d);

		if (monitor_find(m, section)->scope.rules != m->rules)
			return false;
	}
	move = move_of(d, c);
	if (move != MOVE_NONE && !is_idle(d))
		return false;
	if (d->dynamic)
		c = d->own_conf = member_conf(c, d->conf->name);
	else if (d->conf->discovered)
		c = d->own_conf = discovered_again(d, c);
	hold = rules_ref(d->scope.rules); /* own borrows from it */
	d->conf = c;
	scope_take_rules(&d->scope, m->rules, c);
	if (own)
		own_conf_free(own);
	rules_unref(hold);
	move_database(d, move);
	follow_settings(d);
	if (d->fleet)
		fleet_take_rules(d);
	return true;
}

/* ---- servers ---- */

static void
retire_server(struct monitor *m, size_t i)
{
	struct server *s = m->servers[i];

	m->nservers--;
	memmove(&m->servers[i], &m->servers[i + 1], (m->nservers - i) * sizeof(struct server *));
	server_leave(s);
	if (m->nretiring == 0)
		m->retiring_us = clock_now_us();
	m->retiring = xreallocarray(m->retiring, m->nretiring + 1, sizeof(struct server *));
	m->retiring[m->nretiring++] = s;
}

static void
free_retired(struct monitor *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->nretiring; i++) {
		if (server_is_closed(m->retiring[i]))
			server_free(m->retiring[i]);
		else
			m->retiring[kept++] = m->retiring[i];
	}
	m->nretiring = kept;
}

static void
settle_servers(struct monitor *m)
{
	for (size_t i = m->nservers; i-- > 0;)
		if (server_ndbs(m->servers[i]) == 0)
			retire_server(m, i);
	for (size_t i = 0; i < m->nservers; i++)
		m->unsettled |= !server_take_rules(m->servers[i]) || server_settle(m->servers[i]);
	free_retired(m);
	if (m->nretiring == 0 || clock_now_us() - m->retiring_us > RETIRE_WAIT_US)
		monitor_start_servers(m);
	m->unsettled |= m->nretiring > 0;
}

/* ---- what came ---- */

static size_t
add_new(struct monitor *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->rules->conf->ndatabases; i++) {
		const struct conf_database *c = &m->rules->conf->databases[i];

		if (!monitor_find(m, c->name))
			n += monitor_add_database(m, m->rules, c, NULL, NULL) != NULL;
	}
	return n;
}

struct place {
	struct database *database;
	size_t section, at;
};

static int
by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	if (x->database->dynamic != y->database->dynamic)
		return y->database->dynamic ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

/* Reading order; members behind the section that stands for them. */
static void
put_in_order(struct monitor *m)
{
	_cleanup_free_ struct place *v = xcalloc(m->ndatabases + 1, sizeof(*v));

	if (m->rules->conf->ndatabases == 0)
		return;
	for (size_t i = 0; i < m->ndatabases; i++) {
		const struct conf_database *c = new_conf(m, m->databases[i]);

		v[i] = (struct place){ m->databases[i],
			c ? (size_t)(c - m->rules->conf->databases) : SIZE_MAX, i };
	}
	qsort(v, m->ndatabases, sizeof(*v), by_place);
	for (size_t i = 0; i < m->ndatabases; i++)
		m->databases[i] = v[i].database;
}

/* ---- slices ---- */

static void
sweep_again(struct monitor *m)
{
	static const struct timeval at_once = { 0, 0 };

	/* A timer, for an active event would come before everybody else's turn. */
	if (!event_pending(m->sweep, EV_TIMEOUT, NULL))
		evtimer_add(m->sweep, &at_once);
}

/* False: the slice is used up. */
static bool
sweep_databases(struct monitor *m)
{
	int64_t until = clock_now_us() + SLICE_US;

	while (m->sweep_at < m->ndatabases) {
		struct database *d = m->databases[m->sweep_at++];

		if (d->scope.rules == m->rules)
			continue;
		database_take_rules(d);
		if (clock_now_us() > until)
			return false;
	}
	return true;
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *m = arg;

	(void)fd;
	(void)what;
	if (!sweep_databases(m)) {
		sweep_again(m);
		return;
	}
	m->sweep_at = 0;
	m->unsettled = false;
	for (size_t i = 0; i < m->ndatabases; i++)
		m->unsettled |= m->databases[i]->scope.rules != m->rules;
	free_left(m);
	settle_servers(m);
	m->unsettled |= m->nleaving > 0;
	if (!m->reloading)
		return;
	m->reloading = false;
	if (m->callbacks.on_reloaded)
		m->callbacks.on_reloaded(m->arg);
}

void
reload_wake(struct monitor *m)
{
	if (m->unsettled && m->started)
		sweep_again(m);
}

void
reload_init(struct monitor *m)
{
	m->sweep = evtimer_new(m->base, on_sweep, m);
	assert(m->sweep);
}

void
reload_done(struct monitor *m)
{
	event_free(m->sweep);
	for (size_t i = 0; i < m->nretiring; i++)
		server_free(m->retiring[i]);
	for (size_t i = 0; i < m->nleaving; i++)
		database_free(m->leaving[i]);
	free(m->retiring);
	free(m->leaving);
}

static size_t
count_changed(const struct monitor *m, const struct rules *rules, size_t *ret_kept)
{
	size_t changed = 0, kept = 0;

	for (size_t i = 0; i < rules->conf->ndatabases; i++) {
		const struct conf_database *c = &rules->conf->databases[i];
		const struct database *d = section_database(m, c);

		if (!d)
			continue;
		if (conf_database_equal(d->conf, c))
			kept++;
		else
			changed++;
	}
	*ret_kept = kept;
	return changed;
}

static bool
same_checks(const struct rules *a, const struct rules *b)
{
	size_t n = catalogue_count(a->catalogue);

	if (n != catalogue_count(b->catalogue))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!check_same(catalogue_at(a->catalogue, i), catalogue_at(b->catalogue, i)))
			return false;
	return conf_checks_equal(a->conf, b->conf);
}

int
monitor_reload(struct monitor *m, struct conf *take_conf, struct catalogue *take_catalogue,
    struct monitor_change *ret, struct err_list *errors)
{
	struct monitor_change change = { 0 };
	struct rules *rules;
	bool had_sections = m->rules->conf->ndatabases > 0;

	if (rules_new(take_conf, take_catalogue, &rules, errors) < 0)
		return -EINVAL;
	if (judge_databases(m, rules, errors) < 0) {
		rules_unref(rules);
		return -EINVAL;
	}
	change.changed = count_changed(m, rules, &change.kept);
	change.checks = !same_checks(m->rules, rules);
	change.alerts = !conf_alerts_equal(m->rules->conf, rules->conf);
	change.routine = !conf_routine_equal(m->rules->conf, rules->conf);
	change.silences = !conf_silences_equal(m->rules->conf, rules->conf);
	rules_unref(m->rules); /* each scope has its own reference */
	m->rules = rules;
	monitor_causes_anew(m);
	monitor_windows_anew(m);
	m->reloading = m->unsettled = true;
	m->sweep_at = 0;
	change.removed = remove_left(m);
	redirect_servers(m);
	change.added = add_new(m);
	put_in_order(m);
	for (size_t i = 0; i < m->nservers; i++)
		server_list_anew(m->servers[i]);
	m->retain_due = true;
	if (rules->conf->ndatabases == 0 && had_sections)
		monitor_discover(m);
	sweep_again(m);
	*ret = change;
	return 0;
}
