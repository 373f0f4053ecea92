/*
 * The single gate through which every result goes, and what a check may ask where it is.
 */
#include "base/clock.h"
#include "base/str.h"
#include "check/rows.h"
#include "monitor/cost.h"
#include "monitor/scope_impl.h"

#define SERIES_SAVE_US (60 * USEC_PER_SEC)

/* ---- coverage ---- */

static const char *
configured_key(const void *arg, const char *key)
{
	return conf_database_get(arg, key);
}

/* The folder may come and go with every run. */
static bool
needs_migrations(const struct check *c)
{
	for (size_t i = 0; i < c->needs.n; i++)
		if (c->needs.v[i].kind == NEED_MIGRATIONS)
			return true;
	return false;
}

static const struct check_body *
body_at(const struct checkup *c, uint16_t place)
{
	return place > 0 ? &c->check->bodies[place - 1] : NULL;
}

static uint16_t
body_place(const struct checkup *c, const struct check_body *body)
{
	assert(!body || body - c->check->bodies < UINT16_MAX);
	return body ? (uint16_t)(body - c->check->bodies + 1) : 0;
}

static void
add_configured(const struct checkup *c, struct facts *here)
{
	const struct database *d = scope_database(c->scope);

	here->migrations = d && migrations_text(d);
	here->migrations_reason = d ? migrations_reason(d) : NULL;
	here->configured = configured_key;
	here->configured_arg = c->scope->conf;
}

const struct check_body *
checkup_evidence(const struct checkup *c, const struct facts *facts)
{
	struct facts here = *facts;

	add_configured(c, &here);
	return coverage_evidence(c->check, &here);
}

/* What is configured belongs to the scope: facts are shared by all that a session visits.
 * Only what is covered is remembered: the words why not would be most of a checkup. */
void
checkup_coverage(
    struct checkup *c, const struct facts *facts, uint64_t generation, struct coverage *ret)
{
	struct facts here = *facts;

	if (c->covered && c->body_generation == (uint32_t)generation &&
	    !needs_migrations(c->check)) {
		*ret = (struct coverage){ .cover = COVER_YES,
			.body = body_at(c, c->body),
			.items = body_at(c, c->items) };
		return;
	}
	add_configured(c, &here);
	coverage_of(c->check, &here, ret);
	c->covered = ret->cover == COVER_YES;
	c->body = body_place(c, ret->body);
	c->items = body_place(c, ret->items);
	c->body_generation = (uint32_t)generation;
}

void
checkup_forget_values(struct checkup *c)
{
	for (size_t i = 0; c->values && i < c->values->n; i++)
		free(c->values->v[i].object);
	free(TAKE_PTR(c->values));
}

static void
keep_values(struct checkup *c, const struct result *r)
{
	checkup_forget_values(c);
	if ((!c->check->metric && !c->check->user) || r->nvalues == 0 ||
	    c->scope->monitor->options.one_shot)
		return;
	c->values = xcalloc(1, sizeof(*c->values) + r->nvalues * sizeof(c->values->v[0]));
	c->values->n = r->nvalues;
	for (size_t i = 0; i < r->nvalues; i++) {
		c->values->v[i] = r->values[i];
		c->values->v[i].object = xstrdup(r->values[i].object);
	}
}

static void
hand_on_values(const struct checkup *c, const struct result *r)
{
	const struct monitor *m = c->scope->monitor;

	if (r->nvalues > 0 && m->callbacks.on_values && !m->options.one_shot)
		m->callbacks.on_values(
		    c->scope->name, c->check, c->last_wall_us, r->values, r->nvalues, m->arg);
}

void
checkup_say(struct checkup *c, enum reason reason, const char *text, const char *grant)
{
	struct pool *pool = c->scope->monitor->pool;
	const char *old_text = c->text, *old_grant = checkup_grant(c);

	c->reason = reason;
	c->text = text && *text ? pool_take(pool, text) : NULL;
	if (grant && *grant)
		checkup_more(c)->grant = pool_take(pool, grant);
	else if (c->more)
		c->more->grant = NULL;
	pool_give(pool, old_text);
	pool_give(pool, old_grant);
}

/*
 * Whether what the check looked at is gone, rather than that nobody asks for it here any more: on
 * a standby the question is the new primary's, and what is configured is a person's decision.
 */
static bool
lost_its_input(const struct coverage *cov)
{
	switch (cov->need) {
	case NEED_VERSION:
	case NEED_EXTENSION:
	case NEED_PRIVILEGE:
	case NEED_HOST:
		return true;
	case NEED_ROLE:
	case NEED_FLAVOUR:
	case NEED_CONFIGURED:
	case NEED_MIGRATIONS:
		break;
	}
	return false;
}

/* What a person took off, goes; what only cannot be seen any more, stays until it is. */
static void
let_go(struct checkup *c, const struct coverage *cov)
{
	struct findings *all = c->scope->monitor->findings;
	const char *name = c->scope->name;

	if (lost_its_input(cov))
		findings_lose(all, name, c->check->id, cov->reason, c->last_us);
	else
		findings_drop(all, name, c->check->id, true, c->last_wall_us);
}

void
scope_record_uncovered(struct scope *s, struct checkup *c, const struct coverage *cov)
{
	c->running = false;
	if (checkup_is_over(c))
		return;
	c->last_us = clock_now_us();
	c->last_wall_us = clock_wall_us();
	c->tried = true;
	c->waiting = false;
	c->has_value = false;
	checkup_forget_values(c);
	checkup_say(
	    c, cov->cover == COVER_NOT ? REASON_NONE : REASON_PRIVILEGE, cov->reason, cov->grant);
	/* A right that it once had and lost is unknown, one that was never there is not. */
	if (cov->cover == COVER_NOT && !(c->answered && cov->grant[0])) {
		c->status = CHECK_NOT_COVERED;
		c->unknown_runs = 0;
		let_go(c, cov);
		return;
	}
	c->reason = REASON_PRIVILEGE;
	c->status = CHECK_UNKNOWN;
	c->unknown_runs++;
	findings_stale(s->monitor->findings, s->name, c->check->id, cov->reason);
}

/* ---- results ---- */

static bool
never_had_the_right(const struct checkup *c, const struct result *r)
{
	return r->reason == REASON_PRIVILEGE && !c->answered;
}

void
checkup_save_answered(struct checkup *c)
{
	if (c->answered)
		return;
	c->answered = true;
	checkup_save_flags(c);
}

void
checkup_save_series(struct checkup *c, bool now)
{
	_cleanup_free_ char *key = NULL, *json = NULL;

	if (!c->series || !series_dirty(c->series))
		return;
	if (!now && clock_now_us() - series_saved_us(c->series) < SERIES_SAVE_US)
		return;
	series_saved(c->series, clock_now_us());
	key = checkup_state_key(c);
	json = series_save(c->series);
	monitor_state(c->scope->monitor, "series", key, json);
}

void
checkup_apply(struct checkup *c, const struct outcome *o, struct applied *ret)
{
	const struct scope *s = c->scope;
	struct run run = {
		.settings = c->settings,
		.scope = s->name,
		.server = scope_server_name(s),
		.database = s->is_server ? "" : s->name,
		.result = o->result,
		.item = o->item,
		.now_us = clock_now_us(),
		.wall_us = clock_wall_us(),
		.interval_us = cost_interval_us(c, c->interval_us),
		.one_shot = s->monitor->options.one_shot || o->decides,
		.asked = s->tasks[c->check->probe].now,
		.loop_late = monitor_is_late(s->monitor),
		.held = checkup_is_held(c),
		.first_contact = s->first_contact,
	};

	findings_apply(s->monitor->findings, &run, ret);
	monitor_findings_changed(s->monitor);
	checkup_note_evidence(c);
}

bool
checkup_is_over(const struct checkup *c)
{
	return c->gone || !c->settings->enabled;
}

static bool
remembers(const struct checkup *c)
{
	return c->rows && c->check->kind != KIND_EVENT && c->check->kind != KIND_SCRUB;
}

static void
judge_rows(struct checkup *c, struct result *ret)
{
	struct eval_context ctx;

	checkup_context(c, &ctx);
	eval_again(c->rows, c->settings, &ctx, ret);
}

/*
 * The rows of this run, for the settings that may come; judged once more where others came while it
 * was on its way.  A run that did not answer leaves what the one before it said.
 */
static void
take_rows(struct checkup *c, struct result *r)
{
	struct result again = { 0 };

	if (!r->settings || (r->state == RESULT_UNKNOWN && !r->rows))
		return;
	rows_free(c->rows);
	c->rows = TAKE_PTR(r->rows);
	if (c->rows)
		rows_taken(c->rows, c->last_us);
	if (r->settings == c->settings || !remembers(c) ||
	    settings_judge_alike(r->settings, c->settings))
		return;
	judge_rows(c, &again);
	again.has_value = r->has_value;
	again.value = r->value;
	result_done(r);
	*r = again;
}

void
checkup_judge_again(struct checkup *c)
{
	struct scope *s = c->scope;
	struct findings *all = s->monitor->findings;
	struct result r = { 0 };
	struct applied applied;
	bool unknown = c->status == CHECK_UNKNOWN, verdict = !unknown && c->tried;
	struct run run = {
		.settings = c->settings,
		.scope = s->name,
		.server = scope_server_name(s),
		.database = s->is_server ? "" : s->name,
		.result = &r,
		.now_us = clock_now_us(),
		.wall_us = clock_wall_us(),
		.interval_us = c->interval_us,
		.loop_late = unknown || monitor_is_late(s->monitor),
		.held = checkup_is_held(c),
		.again = true,
		.sampled_us = c->rows ? rows_taken_us(c->rows) : 0,
	};

	if (remembers(c)) {
		judge_rows(c, &r);
		findings_apply(all, &run, &applied);
		if (applied.again_us > 0)
			c->due_us = MIN(c->due_us, run.now_us + applied.again_us);
		result_done(&r);
	} else {
		findings_limit(all, s->name, c->settings, run.now_us, run.wall_us);
	}
	if (unknown)
		findings_stale(all, s->name, c->check->id, c->text ? c->text : "");
	else if (verdict && c->status != CHECK_NOT_COVERED)
		c->status = findings_status(all, s->name, c->check->id);
	monitor_findings_changed(s->monitor);
}

void
scope_record(struct scope *s, const struct outcome *o)
{
	struct checkup *c = o->checkup;
	struct result *r = o->result;
	struct applied applied = { 0 };
	int64_t look_us = SCHED_NEVER;

	c->running = false;
	if (checkup_is_over(c))
		return;
	if (c->drift && !checkup_take_shape(c, o, &look_us)) {
		c->due_us = look_us;
		return;
	}
	c->last_us = clock_now_us();
	c->last_wall_us = o->started_wall_us;
	c->asked_us = o->started_us;
	c->duration_us = o->duration_us;
	c->tried = true;
	take_rows(c, r);
	c->waiting = r->state == RESULT_WAITING;
	c->has_value = r->has_value;
	c->value = r->value;
	keep_values(c, r);
	hand_on_values(c, r);
	if (r->state == RESULT_UNKNOWN && never_had_the_right(c, r)) {
		if (r->nsamples > 0) /* a right that is missing for one object hides no other */
			checkup_apply(c, o, &applied);
		checkup_say(c, REASON_PRIVILEGE, r->text, r->grant);
		c->status = CHECK_NOT_COVERED;
		c->unknown_runs = 0;
		return;
	}
	checkup_apply(c, o, &applied);
	c->status = applied.status;
	if (r->state == RESULT_WAITING &&
	    findings_status(s->monitor->findings, s->name, c->check->id) == CHECK_OK) {
		bool once = s->monitor->options.one_shot;

		c->status = once ? CHECK_NOT_COVERED : CHECK_OK;
		checkup_say(c, REASON_NONE,
		    r->text[0] ? r->text
		    : once     ? "needs two samples (--sample)"
		               : "nothing to compare with yet",
		    NULL);
	} else if (r->state == RESULT_UNKNOWN) {
		c->status = CHECK_UNKNOWN;
		c->unknown_runs++;
		checkup_say(c, r->reason, r->text, r->grant);
	} else {
		c->unknown_runs = 0;
		checkup_say(c, r->reason,
		    r->state == RESULT_COMPLETE && r->reason == REASON_NONE ? NULL : r->text,
		    r->grant);
		if (r->state == RESULT_COMPLETE)
			checkup_save_answered(c);
	}
	if (applied.again_us > 0 && !s->monitor->options.one_shot)
		c->due_us = c->last_us + applied.again_us;
	else
		checkup_next(c, &s->tasks[c->check->probe]);
	c->due_us = MIN(c->due_us, look_us);
	checkup_save_series(c, false);
}

void
scope_record_kept(struct checkup *c)
{
	c->running = false;
	c->kept_us = clock_now_us();
}

void
scope_record_nothing(struct checkup *c)
{
	c->running = false;
	if (checkup_is_over(c))
		return;
	c->tried = true;
	if (c->status == CHECK_UNKNOWN && !c->text)
		c->status = CHECK_OK;
}
