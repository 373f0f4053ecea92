/*
 * What the monitor tells: the JSON of the API's answers, made from what it has in memory.
 */
#include "base/clock.h"
#include "base/str.h"
#include "monitor/internal.h"
#include "monitor/silence.h"
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

	if (p == PROBE_CONNECTIVITY && d->unreachable && !scope_is_muted_away(&d->scope))
		s = status_worse(s, STATUS_CRITICAL);
	if (d->server)
		s = status_worse(s, scope_probe_status(server_scope(d->server), p));
	return s;
}

enum status
database_probe_health(const struct database *d, enum probe p)
{
	enum status s = d->is_template ? STATUS_OK : scope_probe_health(&d->scope, p);

	if (p == PROBE_CONNECTIVITY && d->unreachable)
		s = status_worse(s, STATUS_CRITICAL);
	if (d->server)
		s = status_worse(s, scope_probe_health(server_scope(d->server), p));
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

bool
database_is_shown(const struct monitor *m, const struct database *d)
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

	return d && database_is_shown(m, d) ? d : NULL;
}

/* ---- findings ---- */

static bool
finding_is_of(const struct finding *f, const struct database *d)
{
	if (*f->database)
		return streq(f->database, d->scope.name);
	return d->server && streq(f->server, server_name(d->server));
}

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

const char *
monitor_server_of(const struct monitor *m, const char *name)
{
	const struct database *d = monitor_find(m, name);
	size_t len = strlen(name);

	if (!d || !d->is_template)
		return d && d->server ? server_name(d->server) : NULL;
	for (size_t i = 0; i < m->ndatabases; i++) {
		d = m->databases[i];
		if (d->server && strncmp(d->scope.name, name, len) == 0 &&
		    d->scope.name[len] == '/')
			return server_name(d->server);
	}
	return NULL;
}

const char *
monitor_scope_of(const struct monitor *m, const char *name, const char *check)
{
	const char *server = monitor_server_of(m, name);
	const struct check *c =
	    server ? catalogue_find(m->rules->catalogue, ENGINE_POSTGRESQL, check) : NULL;

	return c && c->scope == SCOPE_SERVER ? server : name;
}

bool
monitor_server_has(const struct monitor *m, const char *server, char *const *globs)
{
	for (size_t i = 0; i < m->ndatabases; i++) {
		const struct database *d = m->databases[i];

		if (d->server && streq(server_name(d->server), server) &&
		    str_glob_any(globs, d->scope.name))
			return true;
	}
	return false;
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
		if (database_is_shown(m, m->databases[i]))
			ret[database_status(m->databases[i])]++;
}
