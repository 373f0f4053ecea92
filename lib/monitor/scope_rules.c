/*
 * Another reading of the configuration put under a scope while its runs go on.  Checks are matched
 * by id; what one knows stays with it, unless it became a check of another kind.
 */
#include "base/clock.h"
#include "base/str.h"
#include "check/rows.h"
#include "monitor/cost.h"
#include "monitor/foresight.h"
#include "monitor/scope_impl.h"

static void
forget_findings(const struct checkup *c)
{
	findings_drop(
	    c->scope->monitor->findings, c->scope->name, c->check->id, true, clock_wall_us());
}

/* c is on no list of its scope any more. */
static void
checkup_leave(struct checkup *c)
{
	if (!c->taken) {
		checkup_free(c);
		return;
	}
	c->gone = true;
	checkup_more(c)->gone_rules = rules_ref(c->scope->rules);
}

static void
switch_off(struct checkup *c)
{
	forget_findings(c);
	c->status = CHECK_DISABLED;
	c->due_us = SCHED_NEVER;
	c->has_value = c->waiting = false;
	c->unknown_runs = 0;
	c->rows = rows_free(c->rows);
	checkup_say(c, REASON_NONE, NULL, NULL);
}

/* Soon, but not all at once. */
static void
ask_soon(struct checkup *c)
{
	int64_t now = clock_now_us();
	int64_t soon = sched_first_us(now, c->interval_us, c->scope->slot, c->scope->nslots);

	c->due_us = MIN(c->due_us, soon);
	c->scope->anew_us = now;
}

static bool
same_option(const struct conf_database *a, const struct conf_database *b, const char *key)
{
	return str_same(conf_database_get(a, key), conf_database_get(b, key));
}

/* Keys of [database] that the check's SQL, or its needs, stand on. */
static bool
same_keys(const struct check *c, const struct bind *binds, const struct conf_database *old,
    const struct conf_database *conf)
{
	if (old->noptions == 0 && conf->noptions == 0)
		return true;
	for (size_t i = 0; binds && i < c->nbodies; i++)
		for (char **name = binds[i].names; name && *name; name++)
			if (!same_option(old, conf, *name))
				return false;
	for (size_t i = 0; i < c->needs.n; i++)
		if (c->needs.v[i].kind == NEED_CONFIGURED &&
		    !same_option(old, conf, c->needs.v[i].name))
			return false;
	for (size_t b = 0; b < c->nbodies; b++)
		for (size_t i = 0; i < c->bodies[b].when.n; i++)
			if (c->bodies[b].when.v[i].kind == NEED_CONFIGURED &&
			    !same_option(old, conf, c->bodies[b].when.v[i].name))
				return false;
	return true;
}

/* old_conf may be what conf is: only the rules moved then. */
static void
repoint(struct checkup *c, const struct check *check, const struct conf_database *old_conf)
{
	struct scope *s = c->scope;
	const struct settings *old = c->settings;
	int64_t interval = c->interval_us, now = clock_now_us();
	bool same = check_same(c->check, check);

	c->check = check;
	c->settings = plan_settings(s->rules->plan, check, s->conf);
	c->interval_us = settings_interval_us(c->settings, s->conf->interval_us[check->probe]);
	c->covered = false; /* bodies are the new check's; `configured` may differ */
	if (!same)
		c->rows = rows_free(c->rows);
	if (!c->settings->enabled) {
		if (old->enabled)
			switch_off(c);
		return;
	}
	if (!old->enabled) {
		c->status = checkup_is_told(c) ? CHECK_DISABLED : CHECK_UNKNOWN;
		c->tried = false;
		ask_soon(c);
		return;
	}
	if (interval != c->interval_us || old->budget != c->settings->budget)
		cost_forgive(c);
	if (interval != c->interval_us)
		c->due_us = MIN(c->due_us, sched_slot_us(s->monitor->started_us, c->interval_us,
		                               s->slot, s->nslots, c->due_us, now, NULL));
	if (!same || !settings_same_params(old, c->settings) ||
	    !same_keys(check, checkup_binds(c), old_conf, s->conf))
		ask_soon(c);
	if (!settings_judge_alike(old, c->settings))
		checkup_judge_again(c);
}

static bool
still_itself(const struct checkup *c, const struct check *check)
{
	return c->check->kind == check->kind && c->check->unit == check->unit;
}

/* The check that s had under this id, taken off the list; both lists are in the order of ids. */
static struct checkup *
take_old(struct checkup **old, size_t n, size_t *at, const char *id)
{
	while (*at < n && strcmp(old[*at]->check->id, id) < 0)
		++*at;
	if (*at == n || !streq(old[*at]->check->id, id))
		return NULL;
	++*at;
	return TAKE_PTR(old[*at - 1]);
}

static void
drop_check(struct checkup *c)
{
	if (!c)
		return;
	forget_findings(c);
	checkup_state_forget(c);
	checkup_leave(c);
}

void
scope_take_rules(struct scope *s, struct rules *rules, const struct conf_database *conf)
{
	struct rules *old_rules = s->rules;
	const struct conf_database *old_conf = s->conf;
	struct checkup **old = s->checkups;
	size_t nold = s->ncheckups, n = catalogue_count(rules->catalogue), at = 0, nkept = 0;
	_cleanup_free_ struct checkup **kept = xcalloc(n + 1, sizeof(*kept));
	_cleanup_free_ const struct check **checks = xcalloc(n + 1, sizeof(*checks));

	s->checkups = xcalloc(n, sizeof(*s->checkups));
	s->ncheckups = 0;
	for (size_t i = 0; i < n; i++) {
		const struct check *check = catalogue_at(rules->catalogue, i);
		struct checkup *c;

		if (!scope_wants(s, rules, conf, check))
			continue;
		c = take_old(old, nold, &at, check->id);
		if (c && !still_itself(c, check)) {
			drop_check(c);
			c = NULL;
		}
		kept[nkept] = c;
		checks[nkept++] = check;
	}
	for (size_t i = 0; i < nold; i++)
		drop_check(old[i]); /* while s->rules are those it points into */
	free(old);
	s->rules = rules_ref(rules);
	s->conf = conf;
	for (size_t i = 0; i < nkept; i++) {
		struct checkup *c = kept[i];

		if (c) {
			s->checkups[s->ncheckups++] = c;
			repoint(c, checks[i], old_conf);
			continue;
		}
		c = s->checkups[s->ncheckups++] = checkup_new(s, checks[i]);
		if (c->settings->enabled)
			ask_soon(c);
	}
	scope_note_used(s);
	rules_unref(old_rules);
	monitor_findings_changed(s->monitor);
	if (s->monitor->started)
		scope_reschedule(s);
}

void
scope_leave(struct scope *s)
{
	for (size_t i = 0; i < s->ncheckups; i++)
		drop_check(s->checkups[i]);
	s->ncheckups = 0;
	s->foresight = foresight_free(s->foresight);
	s->self = NULL;
	s->first_contact = false;
	for (enum probe p = 0; p < PROBE_N; p++) {
		struct task *t = &s->tasks[p];

		t->used = t->again = t->now = false;
		t->announced = 0;
		sched_remove(&s->monitor->sched, &t->sched);
	}
	monitor_findings_changed(s->monitor);
}

void
scope_ask_soon(struct scope *s)
{
	for (size_t i = 0; i < s->ncheckups; i++)
		if (s->checkups[i]->settings->enabled)
			ask_soon(s->checkups[i]);
	scope_reschedule(s);
}

void
scope_begin_anew(struct scope *s)
{
	s->first_contact = true;
	s->first_contact_us = clock_now_us();
	s->foresight = foresight_free(s->foresight);
	for (enum probe p = 0; p < PROBE_N; p++)
		s->tasks[p].announced = 0;
	for (size_t i = 0; i < s->ncheckups; i++) {
		struct checkup *c = s->checkups[i];

		c->answered = c->tried = false;
		c->rows = rows_free(c->rows);
		if (!c->settings->enabled)
			continue;
		c->status = CHECK_UNKNOWN;
		c->unknown_runs = 0;
		ask_soon(c);
	}
	scope_reschedule(s);
}
