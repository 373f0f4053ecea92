/*
 * What is kept of a scope over restarts: flags of each check, series, progress of scrubs.
 */
#include "base/str.h"
#include "monitor/scope_impl.h"

void
scope_restore(struct scope *s, const char *check, const char *kind, const char *json)
{
	for (size_t i = 0; i < s->ncheckups; i++) {
		struct checkup *c = s->checkups[i];

		if (!streq(c->check->id, check))
			continue;
		s->first_contact = false;
		if (streq(kind, "check"))
			c->answered = strstr(json, "\"answered\":true") != NULL;
		else if (streq(kind, "series") && !c->series)
			c->series = series_load(json);
		else if (streq(kind, "scrub") && c->scrub)
			scrub_load(c->scrub, json);
	}
}

void
scope_save(struct scope *s, bool all)
{
	for (size_t i = 0; i < s->ncheckups; i++)
		checkup_save_series(s->checkups[i], all);
}

void
checkup_state_forget(const struct checkup *c)
{
	struct monitor *m = c->scope->monitor;
	_cleanup_free_ char *key = checkup_state_key(c);

	if (c->answered)
		monitor_state(m, "check", key, NULL);
	if (c->series)
		monitor_state(m, "series", key, NULL);
	if (c->scrub)
		monitor_state(m, "scrub", key, NULL);
}

void
scope_forget(struct scope *s)
{
	for (size_t i = 0; i < s->ncheckups; i++)
		checkup_state_forget(s->checkups[i]);
}
