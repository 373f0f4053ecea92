/*
 * While somebody rebuilds the schema of a database, what checks of it find waits: half of it is no
 * fault.  Not for ever: a tool that hangs is itself no reason to be quiet.
 */
#include "base/clock.h"
#include "base/str.h"
#include "base/unit.h"
#include "monitor/scope_impl.h"

bool
checkup_minds_change(const struct checkup *c)
{
	enum changing changing = c->check->changing;

	if (c->scope->is_server || c->check->engine != ENGINE_POSTGRESQL ||
	    c->check->scope != SCOPE_DATABASE || c->scope->conf->schema_change_us == 0)
		return false;
	return changing == CHANGING_PENDING ||
	       (changing == CHANGING_BY_PROBE && c->check->probe == PROBE_SCHEMA);
}

bool
checkup_is_held(const struct checkup *c)
{
	const struct schema_change *change = &c->scope->change;

	return change->who && checkup_minds_change(c) &&
	       clock_now_us() - change->since_us < c->scope->conf->schema_change_us;
}

char *
checkup_change_text(const struct checkup *c)
{
	_cleanup_free_ char *most = NULL;

	if (c->status != CHECK_PENDING || !checkup_is_held(c))
		return NULL;
	most = duration_text(c->scope->conf->schema_change_us);
	return xasprintf("%s; told when it is over, or after %s", c->scope->change.who, most);
}

static void
save(const struct scope *s, const char *json)
{
	_cleanup_free_ char *key = task_state_key(&s->tasks[PROBE_SCHEMA]);

	monitor_state(s->monitor, "change", key, json);
}

void
scope_note_change(struct scope *s, const char *who)
{
	struct schema_change *change = &s->change;
	_cleanup_free_ char *json = NULL;

	free(change->who);
	change->who = who ? xstrdup(who) : NULL;
	if (!who && change->since_us != 0) {
		change->since_us = 0;
		save(s, NULL);
	} else if (who && change->since_us == 0) {
		change->since_us = clock_now_us();
		json =
		    xasprintf("{\"since\":%" JSON_INTEGER_FORMAT "}", (json_int_t)clock_wall_us());
		save(s, json);
	}
}

void
scope_forget_change(struct scope *s)
{
	scope_note_change(s, NULL);
}

/* Who it is, the first look tells; since when, it could not. */
void
scope_restore_change(struct scope *s, const char *json)
{
	json_t *o = json_loads(json, 0, NULL);
	json_int_t since = json_integer_value(json_object_get(o, "since"));
	int64_t age_us = clock_wall_us() - since;

	if (since > 0)
		s->change.since_us = clock_now_us() - MAX(age_us, 0);
	json_decref(o);
}
