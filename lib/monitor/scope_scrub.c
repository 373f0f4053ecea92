/*
 * Checks that go through objects one by one: what each look says, and what is told of the whole.
 */
#include "base/clock.h"
#include "base/str.h"
#include "base/unit.h"
#include "monitor/scope_impl.h"
#include "report/report.h"
#include <math.h>

#define CONFIRM_US (10 * USEC_PER_SEC)
/* Progress is kept so often while it goes on; a restart repeats no more than this. */
#define SAVE_US       (5 * USEC_PER_SEC)
#define BYTES_TO_TELL 1e6

static bool
item_exists(const char *item, void *arg)
{
	const struct checkup *c = arg;

	return scrub_get(c->scrub, item) != NULL;
}

void
scope_scrub_listed(struct checkup *c)
{
	struct monitor *m = c->scope->monitor;

	scrub_list_end(c->scrub);
	if (checkup_is_over(c))
		return;
	findings_retain_items(
	    m->findings, c->scope->name, c->check->id, item_exists, c, clock_wall_us());
	monitor_findings_changed(m);
}

static void
save_scrub(struct checkup *c)
{
	_cleanup_free_ char *key = checkup_state_key(c);
	_cleanup_free_ char *json = scrub_save(c->scrub);

	c->more->scrub_saved_us = clock_now_us();
	monitor_state(c->scope->monitor, "scrub", key, json);
}

/* The worst of what breaches; results of a scrub have no value of their own. */
static double
breach_of(const struct result *r)
{
	if (r->nsamples == 0 || r->samples[0]->severity == SEVERITY_NONE)
		return 0;
	return r->samples[0]->has_value ? r->samples[0]->value : 1;
}

/* What the end of a pass will say is known in part: enough to tell, not to close anything. */
static void
record_part(const struct outcome *o, struct scrub_item *it)
{
	struct checkup *c = o->checkup;
	struct applied applied = { 0 };

	if (it->resume && streq(it->resume, o->resume)) {
		scrub_item_failed(it, clock_wall_us(), "a part did not advance", false, 0, 0);
		scrub_item_restart(it);
		return;
	}
	scrub_item_advance(it, o->resume, o->duration_us, o->target_us);
	if (breach_of(o->result) > it->told) {
		it->told = breach_of(o->result);
		o->result->state = RESULT_TRUNCATED;
		checkup_apply(c, o, &applied);
	}
	if (clock_now_us() - c->more->scrub_saved_us >= SAVE_US)
		save_scrub(c);
}

static void
record_failed(const struct outcome *o, struct scrub_item *it, int64_t timeout_us, int64_t max_us)
{
	struct checkup *c = o->checkup;
	bool timed_out = o->result->reason == REASON_TIMEOUT;
	struct applied applied = { 0 };

	if (!it->listed)
		return; /* dropped meanwhile: the next list knows */
	if (timed_out && o->sliced && scrub_item_shrink(it, o->duration_us))
		return;
	checkup_apply(c, o, &applied);
	if (o->sliced && o->result->reason == REASON_ERROR)
		scrub_item_restart(it); /* the place may be what is wrong */
	scrub_item_failed(it, clock_wall_us(), o->result->text, timed_out, timeout_us, max_us);
	c->reason = o->result->reason;
}

/* What an object has used up is a number of the history like any other. */
static void
hand_on_shares(const struct checkup *c, const struct result *r)
{
	const struct monitor *m = c->scope->monitor;
	struct object_value values[RESULT_MAX_VALUES];
	size_t n = 0;

	if (c->check->unit != UNIT_RATIO || !m->callbacks.on_values || m->options.one_shot)
		return;
	for (size_t i = 0; i < r->nsamples && n < ARRAY_SIZE(values); i++)
		if (r->samples[i]->has_value)
			values[n++] = (struct object_value){ r->samples[i]->object,
				r->samples[i]->value, NAN };
	if (n > 0)
		m->callbacks.on_values(
		    c->scope->name, c->check, clock_wall_us(), values, n, m->arg);
}

void
scope_scrub_record(const struct outcome *o, int64_t timeout_us, int64_t max_timeout_us)
{
	struct checkup *c = o->checkup;
	struct scrub_item *it = scrub_get(c->scrub, o->item);
	struct applied applied = { 0 };

	if (checkup_is_over(c))
		return;
	if (!it) {
		checkup_apply(c, o, &applied);
		return;
	}
	if (o->result->state == RESULT_UNKNOWN) {
		record_failed(o, it, timeout_us, max_timeout_us);
		return;
	}
	if (o->resume) {
		record_part(o, it);
		return;
	}
	hand_on_shares(c, o->result);
	it->told = breach_of(o->result); /* before its rows are taken */
	c->duration_us = o->duration_us; /* not of the list: of what was verified last */
	checkup_apply(c, o, &applied);
	if (o->sliced)
		scrub_item_keep(it, o->keep);
	scrub_item_done(it, clock_wall_us(), o->duration_us,
	    applied.again_us > 0 && !c->scope->monitor->options.one_shot);
	checkup_save_answered(c);
}

/* ---- what is told ---- */

/* One object, or a whole file: there is no share of it to tell. */
static void
add_whole(struct str *out, const struct scrub_summary *sum)
{
	_cleanup_free_ char *bytes = unit_format(sum->bytes, UNIT_BYTES);

	if (sum->done == 0)
		str_add(out, "not verified yet");
	else if (sum->bytes < BYTES_TO_TELL)
		str_add(out, "verified");
	else
		str_addf(out, "all %s verified", bytes);
}

static void
add_extent(struct str *out, const struct scrub_summary *sum)
{
	_cleanup_free_ char *bytes = unit_format(sum->bytes, UNIT_BYTES);
	_cleanup_free_ char *done = unit_format(sum->done_bytes, UNIT_BYTES);
	size_t allowed = sum->items - sum->denied;

	if (sum->items == 1 && sum->denied == 0)
		add_whole(out, sum);
	else if (sum->bytes < BYTES_TO_TELL)
		str_addf(out, "%zu of %zu verified", sum->done, sum->items);
	else if (sum->done == allowed)
		str_addf(out, "all %s verified", bytes);
	else
		str_addf(
		    out, "%s of %s verified, %zu of %zu objects", done, bytes, sum->done, allowed);
}

static void
add_put_off(struct str *out, const struct scrub_summary *sum, int64_t wall_us)
{
	int64_t wait_us = MAX(sum->put_off_wall_us - wall_us, 0);
	_cleanup_free_ char *wait = duration_format(wait_us);

	if (sum->items > 1)
		str_addf(out, "; %zu put off", sum->put_off);
	else
		str_add(out, "; put off");
	if (wait_us > 0)
		str_addf(out, " for %s", wait);
	str_addf(out, ": %s%s%s", sum->put_off_object, sum->put_off_object[0] ? " " : "",
	    sum->put_off_why);
}

static char *
scrub_text(const struct checkup *c, const struct scrub_summary *sum, int64_t wall_us)
{
	_cleanup_str_ struct str out = { 0 };

	if (sum->items == 0)
		return xstrdup("nothing to verify");
	add_extent(&out, sum);
	if (sum->done > 0 && wall_us - sum->oldest_wall_us >= USEC_PER_SEC) {
		_cleanup_free_ char *age = duration_format(wall_us - sum->oldest_wall_us);

		str_addf(&out, sum->items == 1 ? " %s ago" : ", the oldest %s ago", age);
	}
	if (sum->begun > 0)
		str_addf(&out, "; %zu in parts, not yet whole", sum->begun);
	if (sum->put_off > 0)
		add_put_off(&out, sum, wall_us);
	if (c->more->scrub_waits)
		str_addf(&out, "; waits: %s", c->more->scrub_waits);
	return str_take(&out);
}

/* The state that the items give the check as a whole, and in words why. */
static char *
judge_pass(struct checkup *c, const struct scrub_summary *sum, bool more, enum reason *ret)
{
	const struct monitor *m = c->scope->monitor;
	unsigned unknown_runs = c->unknown_runs;

	c->unknown_runs = 0;
	c->status = findings_status(m->findings, c->scope->name, c->check->id);
	if (sum->failed > 0) {
		c->unknown_runs = unknown_runs + 1;
		c->status = CHECK_UNKNOWN;
		*ret = c->reason ? c->reason : REASON_ERROR;
		return xasprintf("%zu of %zu could not be verified: %s%s%s", sum->failed,
		    sum->items, sum->failed_object, *sum->failed_object ? ": " : "", sum->why);
	}
	if (m->options.one_shot && (more || sum->done < sum->items - sum->denied)) {
		c->unknown_runs = unknown_runs;
		c->status = CHECK_UNKNOWN;
		*ret = REASON_BUDGET;
		return xasprintf("%zu of %zu verified: budget, use --deep", sum->done, sum->items);
	}
	if (sum->denied > 0) {
		/* What is open stays open: a right that is missing for one object hides no other. */
		c->unknown_runs = sum->lost > 0 ? unknown_runs + 1 : 0;
		c->status = sum->lost > 0 ? CHECK_UNKNOWN : CHECK_NOT_COVERED;
		*ret = REASON_PRIVILEGE;
		if (sum->reason)
			return sum->denied == 1
			           ? xasprintf("%s: %s", sum->reason_object, sum->reason)
			           : xasprintf("%s and %zu more of %zu: %s", sum->reason_object,
			                 sum->denied - 1, sum->items, sum->reason);
		return sum->denied == 1 ? xasprintf("a right is missing for %s", sum->denied_object)
		                        : xasprintf("a right is missing for %s and %zu more of %zu",
		                              sum->denied_object, sum->denied - 1, sum->items);
	}
	if (m->options.one_shot && sum->waiting > 0 && sum->waiting == sum->items) {
		c->status = CHECK_NOT_COVERED;
		return xstrdup("needs two looks with time between them: the daemon tells");
	}
	return scrub_text(c, sum, clock_wall_us());
}

void
scope_scrub_stop_data(struct checkup *c, const char *why, enum reason reason)
{
	if (!c->scrub || !c->running)
		return;
	scrub_stop_data(c->scrub, clock_wall_us(), why, reason == REASON_PRIVILEGE);
	c->reason = reason;
}

void
scope_scrub_pass_end(struct checkup *c, const char *waits, int64_t wait_us)
{
	const struct monitor *m = c->scope->monitor;
	struct scrub_summary sum;
	struct scrub_pace pace;
	_cleanup_free_ char *text = NULL, *grant = NULL;
	enum reason reason = REASON_NONE;
	int64_t now = clock_now_us(), wall = clock_wall_us();
	bool more;

	c->running = false;
	free(TAKE_PTR(c->more->scrub_waits));
	if (checkup_is_over(c))
		return;
	scrub_summarise(c->scrub, &sum);
	pace = scope_scrub_pace(c);
	more = scrub_next(c->scrub, wall, &pace, wall, SCRUB_BY_ANY) != NULL;
	c->more->scrub_waits = more && waits ? xstrdup(waits) : NULL;
	c->tried = true;
	c->last_us = now;
	c->last_wall_us = wall;
	c->has_value = false;
	text = judge_pass(c, &sum, more, &reason);
	grant = scrub_grants(c->scrub);
	checkup_say(c, reason, text, grant);
	save_scrub(c);
	if (m->options.one_shot)
		c->due_us = SCHED_NEVER;
	else if (sum.confirm > 0)
		c->due_us = now + CONFIRM_US;
	else if (more && wait_us > 0)
		c->due_us = now + wait_us;
	else
		checkup_next(c, &c->scope->tasks[c->check->probe]);
}

void
scope_part_stop_data(struct part *p, const char *why, enum reason reason)
{
	for (size_t i = 0; i < p->n; i++) {
		if (!p->taken[i]->running)
			continue;
		scope_scrub_stop_data(p->taken[i], why, reason);
		scope_scrub_pass_end(p->taken[i], NULL, 0);
	}
}

json_t *
checkup_coverage_json(const struct checkup *c)
{
	struct scrub_summary sum;
	json_t *o;

	if (!c->scrub || !c->tried)
		return NULL;
	scrub_summarise(c->scrub, &sum);
	o = json_object();
	json_object_set_new(o, "objects", json_integer((json_int_t)sum.items));
	json_object_set_new(o, "verified", json_integer((json_int_t)sum.done));
	json_object_set_new(o, "failed", json_integer((json_int_t)sum.failed));
	json_object_set_new(o, "denied", json_integer((json_int_t)sum.denied));
	json_object_set_new(o, "begun", json_integer((json_int_t)sum.begun));
	json_object_set_new(o, "bytes", report_number(sum.bytes, UNIT_BYTES));
	json_object_set_new(o, "verified_bytes", report_number(sum.done_bytes, UNIT_BYTES));
	json_object_set_new(o, "oldest", report_time(sum.oldest_wall_us));
	json_object_set_new(o, "waits", report_string(c->more->scrub_waits));
	return o;
}

/* Cheap looks at each turn of their probe are no matter of weeks. */
json_t *
scope_scrubs_json(const struct scope *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = s->checkups[i];
		json_t *o;

		if (!c->scrub || c->check->cost != COST_SCRUB || !c->settings->enabled || !c->tried)
			continue;
		o = scrub_late(c->scrub, clock_wall_us(), s->conf->scrub_full_us,
		    c->more->scrub_waits ? c->more->scrub_waits : "not reached yet");
		json_object_set_new(o, "check", report_string(c->check->id));
		json_array_append_new(list, o);
	}
	return list;
}
