/*
 * Checks that go through objects one by one: what each look says, and what is told of the whole.
 */
#include "base/clock.h"
#include "base/str.h"
#include "monitor/scope_impl.h"
#include <stdio.h>

#define CONFIRM_US (10 * USEC_PER_SEC)

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

void
scope_scrub_record(const struct outcome *o, int64_t timeout_us, int64_t max_timeout_us)
{
	struct checkup *c = o->checkup;
	struct scrub_item *it = scrub_get(c->scrub, o->item);
	struct applied applied = { 0 };
	int64_t wall = clock_wall_us();

	if (checkup_is_over(c))
		return;
	checkup_apply(c, o, &applied);
	if (!it)
		return;
	if (o->result->state == RESULT_UNKNOWN) {
		scrub_item_failed(it, wall, o->result->text, o->result->reason == REASON_TIMEOUT,
		    timeout_us, max_timeout_us);
		c->reason = o->result->reason;
		return;
	}
	scrub_item_done(
	    it, wall, o->duration_us, applied.again_us > 0 && !c->scope->monitor->options.one_shot);
	checkup_save_answered(c);
}

static void
save_scrub(struct checkup *c)
{
	_cleanup_free_ char *key = checkup_state_key(c);
	_cleanup_free_ char *json = scrub_save(c->scrub);

	monitor_state(c->scope->monitor, "scrub", key, json);
}

static char *
scrub_text(const struct scrub_summary *sum, int64_t wall_us)
{
	_cleanup_free_ char *age = NULL;

	if (sum->items == 0)
		return xstrdup("nothing to verify");
	if (sum->done == 0 || wall_us - sum->oldest_wall_us < USEC_PER_SEC)
		return xasprintf("%zu of %zu verified", sum->done, sum->items);
	age = duration_format(wall_us - sum->oldest_wall_us);
	return xasprintf("%zu of %zu verified, the oldest %s ago", sum->done, sum->items, age);
}

void
scope_scrub_pass_end(struct checkup *c)
{
	struct monitor *m = c->scope->monitor;
	struct scrub_summary sum;
	struct scrub_pace pace;
	_cleanup_free_ char *text = NULL, *grant = NULL;
	enum reason reason = REASON_NONE;
	int64_t now = clock_now_us(), wall = clock_wall_us();
	bool more;

	c->running = false;
	if (checkup_is_over(c))
		return;
	scrub_summarise(c->scrub, &sum);
	pace = scope_scrub_pace(c);
	more = scrub_next(c->scrub, wall, &pace, wall) != NULL;
	c->tried = true;
	c->last_us = now;
	c->last_wall_us = wall;
	c->has_value = false;
	c->status = findings_status(m->findings, c->scope->name, c->check->id);
	text = scrub_text(&sum, wall);
	if (sum.failed > 0) {
		c->unknown_runs++;
		c->status = CHECK_UNKNOWN;
		reason = c->reason ? c->reason : REASON_ERROR;
		free(text);
		text = xasprintf(
		    "%zu of %zu could not be verified: %s", sum.failed, sum.items, sum.why);
	} else if (more && m->options.one_shot) {
		c->status = CHECK_UNKNOWN;
		reason = REASON_BUDGET;
		free(text);
		text = xasprintf("%zu of %zu verified: budget, use --deep", sum.done, sum.items);
	} else if (sum.denied > 0) {
		/* What is open stays open: a right that is missing for one object hides no other. */
		c->unknown_runs = sum.lost > 0 ? c->unknown_runs + 1 : 0;
		c->status = sum.lost > 0 ? CHECK_UNKNOWN : CHECK_NOT_COVERED;
		reason = REASON_PRIVILEGE;
		free(text);
		text = sum.denied == 1 ? xasprintf("a right is missing for %s", sum.denied_object)
		                       : xasprintf("a right is missing for %s and %zu more of %zu",
		                             sum.denied_object, sum.denied - 1, sum.items);
	} else {
		c->unknown_runs = 0;
	}
	grant = scrub_grants(c->scrub);
	checkup_say(c, reason, text, grant);
	save_scrub(c);
	if (m->options.one_shot)
		c->due_us = SCHED_NEVER;
	else if (sum.confirm > 0)
		c->due_us = now + CONFIRM_US;
	else
		checkup_next(c, &c->scope->tasks[c->check->probe]);
}
