/*
 * What the monitor tells: the JSON of the API's answers, made from what it has in memory.
 */
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "monitor/internal.h"
#include "report/report.h"
#include <stdio.h>

#define FINDINGS_LIMIT_DEFAULT 1000
#define FINDINGS_LIMIT_MAX     10000

/* ---- status ---- */

enum status
database_probe_status(const struct database *d, enum probe p)
{
	/* what stands for databases that are not known yet has no verdict of its own */
	enum status s = d->is_template ? STATUS_OK : scope_probe_status(&d->scope, p);

	if (p == PROBE_CONNECTIVITY && d->unreachable)
		s = status_worse(s, STATUS_CRITICAL);
	if (d->server)
		s = status_worse(s, scope_probe_status(server_scope(d->server), p));
	return s;
}

enum status
database_status(const struct database *d)
{
	enum status worst = STATUS_OK;

	for (enum probe p = 0; p < PROBE_N; p++)
		worst = status_worse(worst, database_probe_status(d, p));
	return worst;
}

/* A section that stands for a whole server is shown only while it has no members. */
static bool
is_shown(const struct monitor *m, const struct database *d)
{
	if (!d->is_template)
		return true;
	if (d->fleet)
		return d->unreachable || fleet_members(d) == 0;
	for (size_t i = 0; i < m->ndatabases; i++)
		if (m->databases[i]->dynamic && m->databases[i]->server == d->server)
			return false;
	return true;
}

struct database *
monitor_find_shown(const struct monitor *m, const char *name)
{
	struct database *d = monitor_find(m, name);

	return d && is_shown(m, d) ? d : NULL;
}

static json_t *
ms(int64_t us)
{
	return json_real((double)us / USEC_PER_MSEC);
}

static const struct task *
task_of(const struct database *d, enum probe p)
{
	const struct task *own = &d->scope.tasks[p];

	return own->used || !d->server ? own : &server_scope(d->server)->tasks[p];
}

static int64_t
next_run_wall(const struct task *t)
{
	if (t->running)
		return clock_wall_us();
	return t->sched.index == 0 ? 0 : clock_wall_us() + MAX(0, t->sched.due_us - clock_now_us());
}

static json_t *
probes_json(const struct database *d)
{
	json_t *o = json_object();

	for (enum probe p = 0; p < PROBE_N; p++) {
		const struct task *t = task_of(d, p);
		json_t *e;

		if (!(d->conf->probes & (1u << p)))
			continue;
		e = json_object();
		json_object_set_new(
		    e, "status", report_string(status_names[database_probe_status(d, p)]));
		json_object_set_new(e, "last_run", report_time(t->last_wall_us));
		json_object_set_new(e, "duration_ms", t->runs ? ms(t->duration_us) : json_null());
		json_object_set_new(e, "next_run", report_time(next_run_wall(t)));
		json_object_set_new(e, "running", json_boolean(t->running));
		json_object_set_new(e, "skipped", json_integer((json_int_t)t->skipped));
		json_object_set_new(e, "error", report_string(t->error));
		json_object_set_new(o, probe_names[p], e);
	}
	return o;
}

static json_t *
labels_json(const struct conf_database *c)
{
	json_t *o = json_object();

	for (size_t i = 0; i < c->nlabels; i++)
		json_object_set_new(o, c->labels[i].name, report_string(c->labels[i].value));
	return o;
}

static bool
finding_is_of(const struct finding *f, const struct database *d)
{
	if (*f->database)
		return streq(f->database, d->scope.name);
	return d->server && streq(f->server, server_name(d->server));
}

/* Open findings by database and by server, counted in one pass. */
struct tally {
	size_t n[SEVERITY_N];
};

static struct map *
tally_findings(const struct monitor *m)
{
	struct map *t = map_new();
	const struct finding *f;

	for (size_t i = 0; (f = findings_next(m->findings, &i));) {
		_cleanup_free_ char *key = NULL;
		struct tally *c;

		if (f->state != FINDING_OPEN)
			continue;
		key = *f->database ? xasprintf("d:%s", f->database) : xasprintf("s:%s", f->server);
		c = map_get(t, key);
		if (!c) {
			c = xcalloc(1, sizeof(*c));
			map_put(t, key, c);
		}
		c->n[f->severity]++;
	}
	return t;
}

static void
tally_add(const struct map *t, char kind, const char *name, size_t n[static SEVERITY_N])
{
	_cleanup_free_ char *key = xasprintf("%c:%s", kind, name);
	const struct tally *c = map_get(t, key);

	for (enum severity s = SEVERITY_INFO; c && s < SEVERITY_N; s++)
		n[s] += c->n[s];
}

static json_t *
findings_count_json(const struct database *d, const struct map *tally)
{
	size_t n[SEVERITY_N] = { 0 };
	json_t *o = json_object();

	tally_add(tally, 'd', d->scope.name, n);
	if (d->server)
		tally_add(tally, 's', server_name(d->server), n);
	for (enum severity s = SEVERITY_INFO; s < SEVERITY_N; s++)
		json_object_set_new(o, severity_names[s], json_integer((json_int_t)n[s]));
	return o;
}

static json_t *
database_json(const struct database *d, const struct map *tally)
{
	size_t covered = 0, total = 0, unknown = 0, c2, t2, u2;
	json_t *o = json_object(), *cov = json_object();

	if (!d->is_template)
		scope_count(&d->scope, &covered, &total, &unknown);
	if (d->server) {
		scope_count(server_scope(d->server), &c2, &t2, &u2);
		covered += c2;
		total += t2;
		unknown += u2;
	}
	json_object_set_new(cov, "covered", json_integer((json_int_t)covered));
	json_object_set_new(cov, "total", json_integer((json_int_t)total));
	json_object_set_new(o, "name", report_string(d->scope.name));
	json_object_set_new(o, "server", report_string(d->server ? server_name(d->server) : NULL));
	json_object_set_new(o, "engine", report_string(engine_names[d->conf->engine]));
	json_object_set_new(o, "datname", report_string(d->datname));
	json_object_set_new(o, "server_version",
	    report_string(d->server ? server_version(d->server) : d->server_version));
	json_object_set_new(
	    o, "flavour", report_string(d->server && d->facts_us > 0 ? d->facts.flavour : NULL));
	json_object_set_new(o, "role", report_string(fact_role_text(d->facts.role)));
	json_object_set_new(o, "status", report_string(status_names[database_status(d)]));
	json_object_set_new(o, "labels", labels_json(d->conf));
	json_object_set_new(o, "note", report_string(d->conf->note));
	json_object_set_new(o, "runbook_url", report_string(d->conf->runbook_url));
	json_object_set_new(o, "facts", sqlite_watch_facts(d));
	json_object_set_new(o, "coverage", cov);
	json_object_set_new(o, "probes", probes_json(d));
	json_object_set_new(o, "answer_ms",
	    d->server && server_answer_us(d->server) >= 0 ? ms(server_answer_us(d->server))
	                                                  : json_null());
	json_object_set_new(o, "findings", findings_count_json(d, tally));
	json_object_set_new(o, "unknown", json_integer((json_int_t)unknown));
	return o;
}

static json_t *
daemon_json(const struct monitor *m)
{
	json_t *o = json_object();
	size_t done, all;

	monitor_progress(m, &done, &all);
	json_object_set_new(o, "version", json_string(DBHEALTHD_VERSION));
	json_object_set_new(o, "pid", json_integer(getpid()));
	json_object_set_new(o, "started_at", report_time(m->started_wall_us));
	json_object_set_new(o, "uptime_seconds",
	    json_real((double)(clock_now_us() - m->started_us) / USEC_PER_SEC));
	json_object_set_new(o, "config_loaded_at", report_time(m->rules->loaded_wall_us));
	json_object_set_new(o, "first_round_done", json_integer((json_int_t)done));
	json_object_set_new(o, "first_round_total", json_integer((json_int_t)all));
	json_object_set_new(o, "loop_lateness_max_ms", ms(m->lateness_max_us));
	json_object_set_new(o, "loop_late_count", json_integer((json_int_t)m->late_count));
	return o;
}

/* Whether somebody should look at it; not while that is unknown for want of a first look alone. */
static bool
count_member(const struct database *d, size_t n[static STATUS_N])
{
	enum status s = database_status(d);

	n[s]++;
	return s != STATUS_OK && (s != STATUS_UNKNOWN || scope_round_done(&d->scope));
}

static json_t *
fleets_json(const struct monitor *m)
{
	json_t *a = json_array();

	for (size_t i = 0; i < m->ndatabases; i++) {
		const struct database *t = m->databases[i];
		size_t n[STATUS_N] = { 0 }, attention = 0;

		if (!t->fleet)
			continue;
		for (size_t k = 0; k < m->ndatabases; k++)
			if (m->databases[k]->fleet_of == t)
				attention += count_member(m->databases[k], n);
		json_array_append_new(a, fleet_json(t->fleet, n, attention));
	}
	return a;
}

json_t *
monitor_status(const struct monitor *m)
{
	json_t *o = json_object(), *dbs = json_array(), *servers = json_array(),
	       *sum = json_object();
	struct map *tally = tally_findings(m);
	size_t n[STATUS_N] = { 0 };
	enum status worst = STATUS_OK;

	for (size_t i = 0; i < m->ndatabases; i++) {
		const struct database *d = m->databases[i];
		enum status s;

		if (!is_shown(m, d))
			continue;
		s = database_status(d);
		n[s]++;
		worst = status_worse(worst, s);
		json_array_append_new(dbs, database_json(d, tally));
	}
	map_free(tally, free);
	for (size_t i = 0; i < m->nservers; i++)
		json_array_append_new(servers, server_json(m->servers[i]));
	for (enum status s = STATUS_UNKNOWN; s < STATUS_N; s++)
		json_object_set_new(sum, status_names[s], json_integer((json_int_t)n[s]));
	json_object_set_new(o, "daemon", daemon_json(m));
	json_object_set_new(o, "status", report_string(status_names[worst]));
	json_object_set_new(o, "summary", sum);
	json_object_set_new(o, "servers", servers);
	json_object_set_new(o, "databases", dbs);
	json_object_set_new(o, "fleets", fleets_json(m));
	return o;
}

json_t *
monitor_database(const struct monitor *m, const char *name)
{
	const struct database *d = monitor_find_shown(m, name);
	struct map *tally;
	json_t *o, *checks;

	if (!d)
		return NULL;
	tally = tally_findings(m);
	o = database_json(d, tally);
	map_free(tally, free);
	checks = d->is_template ? json_array() : scope_checks_json(&d->scope);
	if (d->server) {
		json_t *more = scope_checks_json(server_scope(d->server));

		json_array_extend(checks, more);
		json_decref(more);
	}
	json_object_set_new(o, "checks", checks);
	return o;
}

json_t *
database_run_json(const struct waiter *w)
{
	const struct database *d = w->database;
	json_t *o = json_object();

	json_object_set_new(o, "run", json_integer((json_int_t)w->run_id));
	json_object_set_new(o, "database", report_string(d->scope.name));
	json_object_set_new(o, "probe", report_string(probe_names[w->probe]));
	json_object_set_new(
	    o, "status", report_string(status_names[database_probe_status(d, w->probe)]));
	json_object_set_new(o, "duration_ms", ms(clock_now_us() - w->started_us));
	json_object_set_new(o, "error", report_string(task_of(d, w->probe)->error));
	return o;
}

/* ---- findings ---- */

/* Where a page ended, by what orders the list: it holds though that finding is gone meanwhile. */
struct place {
	int severity;
	long long since_wall_us;
	char id[SHA_ID_SIZE];
};

static json_t *
place_cursor(const struct finding *f)
{
	_cleanup_free_ char *text =
	    xasprintf("%d.%lld.%s", (int)f->severity, (long long)f->since_wall_us, f->id);

	return json_string(text);
}

static bool
place_parse(const char *text, struct place *ret)
{
	struct place p = { 0 };
	int end = 0;

	/* The widths keep each number in its type. */
	/* NOLINTNEXTLINE(cert-err34-c) */
	if (sscanf(text, "%1d.%18lld.%16[0-9a-f]%n", &p.severity, &p.since_wall_us, p.id, &end) !=
	        3 ||
	    text[end] != '\0')
		return false;
	*ret = p;
	return true;
}

static bool
is_behind(const struct finding *f, const struct place *p)
{
	if ((int)f->severity != p->severity)
		return (int)f->severity < p->severity;
	if (f->since_wall_us != p->since_wall_us)
		return f->since_wall_us > p->since_wall_us;
	return strcmp(f->id, p->id) > 0;
}

static bool
matches(const struct monitor *m, const struct finding *f, const struct finding_filter *q)
{
	const struct database *d = q->database ? monitor_find(m, q->database) : NULL;
	const char *state = q->state ? q->state : "open";

	if (!streq(finding_state_names[f->state], state) && !streq(state, "any"))
		return false;
	if (q->database && (d ? !finding_is_of(f, d) : !streq(f->database, q->database)))
		return false;
	return (!q->server || streq(f->server, q->server)) &&
	       (!q->probe || streq(probe_names[f->probe], q->probe)) &&
	       (!q->check || streq(f->check, q->check)) &&
	       (!q->severity || streq(severity_names[f->severity], q->severity));
}

json_t *
monitor_findings(const struct monitor *m, const struct finding_filter *q)
{
	const struct finding **v = NULL, *f;
	size_t n = 0, cap = 0, from = 0,
	       limit =
	           q->limit ? MIN(q->limit, (size_t)FINDINGS_LIMIT_MAX) : FINDINGS_LIMIT_DEFAULT;
	json_t *o = json_object(), *a = json_array();
	struct place after = { 0 };

	if (q->cursor && !place_parse(q->cursor, &after)) {
		json_decref(a);
		json_decref(o);
		return NULL;
	}
	for (size_t i = 0; (f = findings_next(m->findings, &i));) {
		if (!matches(m, f, q))
			continue;
		if (n == cap) {
			cap = cap ? 2 * cap : 64;
			v = xreallocarray(v, cap, sizeof(*v));
		}
		v[n++] = f;
	}
	if (n > 0)
		qsort(v, n, sizeof(*v), findings_by_urgency);
	while (q->cursor && from < n && !is_behind(v[from], &after))
		from++;
	for (size_t i = from; i < n && i < from + limit; i++)
		json_array_append_new(a, report_finding(v[i]));
	json_object_set_new(o, "findings", a);
	json_object_set_new(
	    o, "cursor", from + limit < n ? place_cursor(v[from + limit - 1]) : json_null());
	free(v);
	return o;
}

bool
monitor_has_database(const struct monitor *m, const char *name)
{
	if (monitor_find(m, name))
		return true;
	/* A section of many databases: which ones there are changes, so any name of it will do. */
	for (const char *p = name; (p = strchr(p, '/')); p++) {
		_cleanup_free_ char *section = xstrndup(name, (size_t)(p - name));
		const struct database *d = monitor_find(m, section);

		if (d && d->is_template)
			return true;
	}
	return false;
}

bool
monitor_has_server(const struct monitor *m, const char *name)
{
	return monitor_find_server(m, name) || monitor_has_database(m, name);
}

json_t *
monitor_checks(const struct monitor *m, const char *id)
{
	json_t *o = json_object(), *a = json_array();

	for (size_t i = 0; i < catalogue_count(m->rules->catalogue); i++) {
		const struct check *c = catalogue_at(m->rules->catalogue, i);

		if (!id || streq(c->id, id))
			json_array_append_new(
			    a, report_check(c, m->rules->conf->defaults.interval_us[c->probe]));
	}
	json_object_set_new(o, "checks", a);
	return o;
}

void
monitor_progress(const struct monitor *m, size_t *ret_done, size_t *ret_all)
{
	size_t done = 0, all = 0;

	for (size_t i = 0; i < m->ndatabases; i++) {
		const struct database *d = m->databases[i];

		if (d->is_template && database_is_listed(d))
			continue; /* its members are counted */
		all++;
		done += scope_round_done(&d->scope);
	}
	*ret_done = done;
	*ret_all = all;
}

void
monitor_count(const struct monitor *m, size_t ret[static STATUS_N])
{
	for (enum status s = STATUS_UNKNOWN; s < STATUS_N; s++)
		ret[s] = 0;
	for (size_t i = 0; i < m->ndatabases; i++)
		if (is_shown(m, m->databases[i]))
			ret[database_status(m->databases[i])]++;
}
