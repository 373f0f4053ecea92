/*
 * Whether a database may be sent traffic, for load balancers, which must not drop a node because its
 * monitor was restarted: a verdict kept over a clean stop counts until there is a new one.
 */
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "monitor/internal.h"
#include "report/report.h"

#define FRESH_MIN_US (30 * USEC_PER_SEC)
#define FRESH_RUNS   3

static bool
has_verdict(const struct database *d)
{
	if (d->fleet)
		return fleet_is_listed(d);
	if (d->server)
		return server_settled(d->server) && scope_has_verdict(server_scope(d->server));
	return scope_has_verdict(&d->scope);
}

/* ---- kept over a restart ---- */

static char *
kept_key(const char *name)
{
	return xasprintf("health %s", name);
}

void
monitor_save_health(struct monitor *m)
{
	for (size_t i = 0; i < m->ndatabases; i++) {
		const struct database *d = m->databases[i];
		_cleanup_free_ char *json = NULL;
		json_t *o, *probes;
		int64_t until_us;

		if (d->is_template || !has_verdict(d))
			continue;
		until_us = clock_wall_us() +
		           MAX(FRESH_MIN_US, FRESH_RUNS * d->conf->interval_us[PROBE_CONNECTIVITY]);
		probes = json_object();
		for (enum probe p = 0; p < PROBE_N; p++)
			json_object_set_new(
			    probes, probe_names[p], json_integer(database_probe_health(d, p)));
		o = json_pack("{s:I, s:o, s:o}", "until_us", (json_int_t)until_us, "role",
		    report_string(fact_role_text(d->facts.role)), "probes", probes);
		json = report_dump(o);
		json_decref(o);
		monitor_state(m, "health", d->scope.name, json);
	}
}

/* Read once: after a crash the next start must not find what was true long ago. */
void
monitor_forget_saved_health(struct monitor *m)
{
	size_t iter = 0;
	const char *key;

	while (map_next(m->restored, &iter, &key, NULL))
		if (str_starts(key, "health "))
			monitor_state(m, "health", key + strlen("health "), NULL);
}

/* NULL: nothing was kept, or it is too old.  A clock set back does not make it young. */
static json_t *
kept(const struct monitor *m, const char *name)
{
	_cleanup_free_ char *key = kept_key(name);
	const char *json = map_get(m->restored, key);
	json_t *o = json ? json_loads(json, 0, NULL) : NULL;

	if (o && json_integer_value(json_object_get(o, "until_us")) > clock_wall_us() &&
	    clock_now_us() - m->started_us < FRESH_MIN_US)
		return o;
	json_decref(o);
	return NULL;
}

/* ---- the answer ---- */

struct verdict {
	enum status status[PROBE_N];
	char *role; /* NULL: not known */
	bool known;
};

static struct verdict
verdict_of(const struct monitor *m, const struct database *d, const char *name)
{
	struct verdict v = { 0 };
	json_t *o;

	if (d && has_verdict(d)) {
		v.known = true;
		v.role = xstrdup(fact_role_text(d->facts.role));
		for (enum probe p = 0; p < PROBE_N; p++)
			v.status[p] = database_probe_health(d, p);
		return v;
	}
	o = kept(m, name);
	if (!o)
		return v;
	v.known = true;
	v.role = xstrdup(json_string_value(json_object_get(o, "role")));
	for (enum probe p = 0; p < PROBE_N; p++) {
		json_int_t n = json_integer_value(
		    json_object_get(json_object_get(o, "probes"), probe_names[p]));

		v.status[p] = n >= 0 && n < STATUS_N ? (enum status)n : STATUS_UNKNOWN;
	}
	json_decref(o);
	return v;
}

/* databases = *: a member that is not listed yet, as its server was not asked yet. */
static bool
may_come(const struct monitor *m, const char *name)
{
	_cleanup_free_ char *section = xstrndup(name, strcspn(name, "/"));
	const struct database *d = name[strlen(section)] ? monitor_find(m, section) : NULL;

	return d && d->is_template && !database_is_listed(d);
}

int
monitor_health(
    const struct monitor *m, const char *name, unsigned probes, const char *role, json_t **ret)
{
	const struct database *d = monitor_find_shown(m, name);
	struct verdict v = verdict_of(m, d, name);
	enum status worst = STATUS_OK;
	bool good;
	json_t *o;

	if (!d && !v.known && !may_come(m, name))
		return 404;
	if (!probes)
		probes = 1u << PROBE_CONNECTIVITY;
	for (enum probe p = 0; p < PROBE_N; p++)
		if (probes & (1u << p))
			worst = status_worse(worst, v.status[p]);
	good = v.known && worst != STATUS_CRITICAL && worst != STATUS_UNKNOWN &&
	       (!role || (v.role && streq(role, v.role)));
	o = json_object();
	json_object_set_new(o, "name", report_string(name));
	json_object_set_new(o, "status", report_string(v.known ? status_names[worst] : "unknown"));
	json_object_set_new(o, "role", report_string(v.role));
	json_object_set_new(o, "healthy", json_boolean(good));
	if (!v.known)
		json_object_set_new(o, "retry_after", json_integer(2));
	free(v.role);
	*ret = o;
	return good ? 200 : 503;
}

bool
monitor_is_ready(const struct monitor *m)
{
	if (clock_now_us() - m->started_us > 15 * USEC_PER_SEC)
		return true;
	if (m->rules->conf->ndatabases == 0 && !m->discovered_once)
		return false;
	for (size_t i = 0; i < m->nservers; i++)
		if (!server_is_listed(m->servers[i]))
			return false;
	for (size_t i = 0; i < m->ndatabases; i++)
		if (!has_verdict(m->databases[i]))
			return false;
	return true;
}
