/*
 * What is kept of a scope over restarts: flags of each check, series, progress of scrubs.
 */
#include "base/str.h"
#include "monitor/cost.h"
#include "monitor/scope_impl.h"

static void
restore_flags(struct checkup *c, const char *json)
{
	json_t *o = json_loads(json, 0, NULL);

	c->answered = json_is_true(json_object_get(o, "answered"));
	cost_restore(c, json_integer_value(json_object_get(o, "doublings")),
	    json_integer_value(json_object_get(o, "took_us")));
	json_decref(o);
}

void
scope_restore(struct scope *s, const char *check, const char *kind, const char *json)
{
	for (size_t i = 0; i < s->ncheckups; i++) {
		struct checkup *c = s->checkups[i];

		if (!streq(c->check->id, check))
			continue;
		s->first_contact = false;
		if (streq(kind, "check"))
			restore_flags(c, json);
		else if (streq(kind, "series") && !c->series)
			c->series = series_load(json);
		else if (streq(kind, "scrub") && c->scrub)
			scrub_load(c->scrub, json);
	}
}

void
checkup_save_flags(const struct checkup *c)
{
	_cleanup_free_ char *key = checkup_state_key(c), *json = NULL;
	unsigned doublings = c->spent ? c->spent->doublings : 0;

	if (doublings > 0)
		json = xasprintf("{\"answered\":%s,\"doublings\":%u,\"took_us\":%u}",
		    c->answered ? "true" : "false", doublings, c->spent->over_us);
	else if (c->answered)
		json = xstrdup("{\"answered\":true}");
	monitor_state(c->scope->monitor, "check", key, json);
}

char *
task_state_key(const struct task *t)
{
	return xasprintf(
	    "%c:%s/%s", t->scope->is_server ? 's' : 'd', t->scope->name, probe_names[t->probe]);
}

void
scope_restore_unknown(struct task *t, const char *json)
{
	json_t *names = json_loads(json, 0, NULL), *name;
	size_t i;

	json_array_foreach (names, i, name)
		for (enum reason r = REASON_NONE; r < REASON_N; r++)
			if (json_is_string(name) && streq(json_string_value(name), reason_names[r]))
				t->announced |= 1u << r;
	json_decref(names);
}

void
scope_save(struct scope *s, bool all)
{
	for (size_t i = 0; i < s->ncheckups; i++)
		checkup_save_series(s->checkups[i], all);
	if (all)
		scope_save_past(s);
}

void
checkup_state_forget(const struct checkup *c)
{
	struct monitor *m = c->scope->monitor;
	_cleanup_free_ char *key = checkup_state_key(c);

	if (c->answered || cost_is_spaced(c))
		monitor_state(m, "check", key, NULL);
	if (c->series)
		monitor_state(m, "series", key, NULL);
	if (c->drift)
		checkup_forget_drift(c);
	if (c->scrub)
		monitor_state(m, "scrub", key, NULL);
}

void
scope_forget(struct scope *s)
{
	for (size_t i = 0; i < s->ncheckups; i++)
		checkup_state_forget(s->checkups[i]);
	scope_forget_change(s);
	scope_forget_past(s);
	for (enum probe p = 0; p < PROBE_N; p++) {
		_cleanup_free_ char *key = task_state_key(&s->tasks[p]);

		if (s->tasks[p].announced)
			monitor_state(s->monitor, "unknown", key, NULL);
	}
}
