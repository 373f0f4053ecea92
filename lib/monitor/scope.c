/*
 * Checks with their state on one database or server: making them, and when what is due.
 */
#include "monitor/scope.h"
#include "base/clock.h"
#include "base/str.h"
#include "check/rows.h"
#include "monitor/cost.h"
#include "monitor/drift.h"
#include "monitor/foresight.h"
#include "monitor/scope_impl.h"
#include "monitor/scrub.h"
#include "monitor/self.h"
#include "monitor/usual.h"
#include "monitor/young.h"

/* Checks that fall due within this part of their interval run together. */
#define RARE_US      (2 * 86400 * USEC_PER_SEC)
#define RARE_TIMES   7
#define DUE_SLACK_US (1 * USEC_PER_SEC)
/* Of the interval at which what could not answer is asked again. */
#define RETRY_DOUBLINGS 16u

struct database *
scope_database(const struct scope *s)
{
	return s->is_server ? NULL : s->owner;
}

const char *
scope_server_name(const struct scope *s)
{
	const struct database *d = scope_database(s);

	return !d ? s->name : d->server ? server_name(d->server) : "";
}

char *
checkup_state_key(const struct checkup *c)
{
	return xasprintf("%c:%s/%s", c->scope->is_server ? 's' : 'd', c->scope->name, c->check->id);
}

/* ---- making ---- */

struct checkup *
checkup_new(struct scope *s, const struct check *check)
{
	struct checkup *c = xcalloc(1, sizeof(*c));

	c->scope = s;
	c->check = check;
	c->settings = plan_settings(s->rules->plan, check, s->conf);
	c->interval_us = settings_interval_us(c->settings, s->conf->interval_us[check->probe]);
	c->due_us = SCHED_NEVER;
	if (!c->settings->enabled)
		c->status = CHECK_DISABLED;
	else if (checkup_is_self(c))
		c->status = CHECK_OK;
	else if (checkup_is_told(c))
		c->status = CHECK_DISABLED; /* until somebody tells */
	if (check->kind == KIND_SCRUB)
		c->scrub = scrub_new(s->monitor->pool);
	if (c->scrub)
		checkup_more(c);
	if (check->kind == KIND_SNAPSHOT)
		c->drift = drift_new();
	return c;
}

struct checkup_more *
checkup_more(struct checkup *c)
{
	if (!c->more)
		c->more = xcalloc(1, sizeof(*c->more));
	return c->more;
}

const char *
checkup_grant(const struct checkup *c)
{
	return c->more ? c->more->grant : NULL;
}

const struct bind *
checkup_binds(const struct checkup *c)
{
	const struct rules *rules = c->gone ? c->more->gone_rules : c->scope->rules;

	return plan_binds(rules->plan, c->check);
}

struct checkup *
checkup_free(struct checkup *c)
{
	if (!c)
		return NULL;
	checkup_say(c, REASON_NONE, NULL, NULL);
	series_free(c->series);
	rows_free(c->rows);
	scrub_free(c->scrub);
	drift_free(c->drift);
	free(c->spent);
	checkup_forget_values(c);
	if (c->more) {
		rules_unref(c->more->gone_rules);
		free(c->more->scrub_waits);
		free(c->more);
	}
	free(c);
	return NULL;
}

static bool
wanted_once(const struct monitor *m, const struct check *c)
{
	const struct monitor_options *o = &m->options;

	return (!o->only_probes || (o->only_probes & (1u << c->probe))) &&
	       (!o->only_checks || str_glob_any(o->only_checks, c->id));
}

bool
scope_wants(const struct scope *s, const struct rules *rules, const struct conf_database *conf,
    const struct check *c)
{
	/* What needs a past is nothing for one look. */
	if ((c->source == SOURCE_SELF || c->source == SOURCE_TOLD) && s->monitor->options.one_shot)
		return false;
	return c->engine == conf->engine && (c->scope == SCOPE_SERVER) == s->is_server &&
	       plan_applies(rules->plan, c, conf) && wanted_once(s->monitor, c);
}

void
scope_init(struct scope *s, struct monitor *m, struct rules *rules, const char *name,
    bool is_server, const struct conf_database *conf, const struct scope_ops *ops, void *owner,
    size_t slot, size_t nslots)
{
	size_t n = catalogue_count(rules->catalogue);

	*s = (struct scope){ .monitor = m,
		.rules = rules_ref(rules),
		.ops = ops,
		.owner = owner,
		.name = xstrdup(name),
		.is_server = is_server,
		.conf = conf,
		.slot = slot,
		.nslots = nslots,
		.first_contact = true };
	s->checkups = xcalloc(n, sizeof(*s->checkups));
	for (size_t i = 0; i < n; i++) {
		const struct check *c = catalogue_at(rules->catalogue, i);

		if (scope_wants(s, rules, conf, c))
			s->checkups[s->ncheckups++] = checkup_new(s, c);
	}
	for (enum probe p = 0; p < PROBE_N; p++)
		s->tasks[p] = (struct task){ .scope = s, .probe = p };
	scope_note_used(s);
}

void
scope_note_used(struct scope *s)
{
	for (enum probe p = 0; p < PROBE_N; p++)
		s->tasks[p].used = false;
	for (size_t i = 0; i < s->ncheckups; i++)
		if (s->checkups[i]->settings->enabled && checkup_is_asked(s->checkups[i]))
			s->tasks[s->checkups[i]->check->probe].used = true;
	s->self = NULL;
	for (size_t i = 0; i < s->ncheckups; i++)
		if (checkup_is_self(s->checkups[i]))
			s->self = s->checkups[i];
}

void
scope_done(struct scope *s)
{
	if (s->monitor)
		evidence_scope_gone(s);
	for (enum probe p = 0; p < PROBE_N; p++) {
		if (s->monitor)
			sched_remove(&s->monitor->sched, &s->tasks[p].sched);
		free(s->tasks[p].error);
	}
	for (size_t i = 0; i < s->ncheckups; i++)
		checkup_free(s->checkups[i]);
	free(s->checkups);
	foresight_free(s->foresight);
	free(s->name);
	free(s->change.who);
	s->past = past_free(s->past);
	usuals_forget(s);
	rules_unref(s->rules);
	*s = (struct scope){ 0 };
}

void
scope_rename(struct scope *s, const char *name)
{
	free(s->name);
	s->name = xstrdup(name);
	usuals_forget(s);
}

/* ---- the schedule ---- */

static void
task_schedule(struct task *t)
{
	struct scope *s = t->scope;
	int64_t due = SCHED_NEVER;

	/* A section that stands for others is not asked itself. */
	if (t->running || (!s->is_server && scope_database(s)->is_template))
		return;
	for (size_t i = 0; i < s->ncheckups; i++)
		if (s->checkups[i]->check->probe == t->probe && s->checkups[i]->due_us < due &&
		    checkup_is_asked(s->checkups[i]))
			due = s->checkups[i]->due_us;
	/* What somebody asks for is due from now on, not since for ever: lateness is measured. */
	sched_set(&s->monitor->sched, &t->sched, t->now ? MIN(due, clock_now_us()) : due);
	monitor_arm(s->monitor);
}

void
scope_checkup_due(struct checkup *c, int64_t due_us)
{
	c->due_us = due_us;
	task_schedule(&c->scope->tasks[c->check->probe]);
}

void
scope_start(struct scope *s)
{
	int64_t now = clock_now_us();

	s->first_contact_us = now;
	for (size_t i = 0; i < s->ncheckups; i++) {
		struct checkup *c = s->checkups[i];

		if (c->settings->enabled)
			c->due_us = sched_first_us(now, c->interval_us, s->slot, s->nslots);
	}
	young_begin(s);
	for (enum probe p = 0; p < PROBE_N; p++)
		task_schedule(&s->tasks[p]);
}

void
scope_ask_again(struct scope *s)
{
	int64_t now = clock_now_us();

	for (size_t i = 0; i < s->ncheckups; i++) {
		struct checkup *c = s->checkups[i];

		if (c->status == CHECK_UNKNOWN && c->reason == REASON_CONNECTION &&
		    c->due_us > now && c->due_us != SCHED_NEVER)
			c->due_us = now;
	}
	for (enum probe p = 0; p < PROBE_N; p++)
		if (s->tasks[p].used)
			task_schedule(&s->tasks[p]);
}

bool
scope_is_busy(const struct scope *s)
{
	for (enum probe p = 0; p < PROBE_N; p++)
		if (s->tasks[p].running)
			return true;
	return false;
}

uint64_t
scope_run_now(struct scope *s, struct task *t)
{
	(void)s;
	if (t->running && t->now)
		return t->runs + 1;
	if (t->running) {
		t->again = true;
		return t->runs + 2;
	}
	t->now = true;
	task_schedule(t);
	return t->runs + 1;
}

void
scope_reschedule(struct scope *s)
{
	for (enum probe p = 0; p < PROBE_N; p++)
		task_schedule(&s->tasks[p]);
}

static int
by_last_run(const void *a, const void *b)
{
	const struct checkup *x = *(struct checkup *const *)a, *y = *(struct checkup *const *)b;

	if (x->last_us != y->last_us)
		return x->last_us < y->last_us ? -1 : 1;
	if (x->check->cost != y->check->cost)
		return x->check->cost < y->check->cost ? -1 : 1;
	return strcmp(x->check->id, y->check->id);
}

static bool
is_due(const struct checkup *c, const struct task *t, int64_t now)
{
	if (c->check->probe != t->probe || c->running || !c->settings->enabled ||
	    !checkup_is_asked(c))
		return false;
	if (t->now)
		return true;
	return c->due_us != SCHED_NEVER && c->due_us <= now + MIN(DUE_SLACK_US, c->interval_us / 4);
}

static struct part *
part_new(struct task *t, size_t room)
{
	struct part *p = xcalloc(1, sizeof(*p));

	p->task = t;
	p->taken = xcalloc(room + 1, sizeof(struct checkup *));
	p->queued_us = clock_now_us();
	t->parts++;
	return p;
}

struct part *
part_split(struct part *p, bool (*match)(const struct checkup *))
{
	struct part *q = NULL;
	size_t kept = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (!match(p->taken[i])) {
			p->taken[kept++] = p->taken[i];
			continue;
		}
		if (!q)
			q = part_new(p->task, p->n);
		q->taken[q->n++] = p->taken[i];
	}
	p->n = kept;
	return q;
}

struct part *
part_take(struct part *p, struct checkup *c)
{
	struct part *q = part_new(p->task, 1);
	size_t kept = 0;

	for (size_t i = 0; i < p->n; i++)
		if (p->taken[i] != c)
			p->taken[kept++] = p->taken[i];
	assert(kept + 1 == p->n);
	p->n = kept;
	q->taken[q->n++] = c;
	return q;
}

void
scope_task_run(struct task *t)
{
	struct scope *s = t->scope;
	int64_t now = clock_now_us();
	struct part *p;

	assert(!t->running && t->parts == 0);
	t->running = true;
	t->started_us = now;
	t->started_wall_us = clock_wall_us();
	free(TAKE_PTR(t->error));
	p = part_new(t, s->ncheckups);
	for (size_t i = 0; i < s->ncheckups; i++) {
		if (!is_due(s->checkups[i], t, now))
			continue;
		s->checkups[i]->running = s->checkups[i]->taken = true;
		p->taken[p->n++] = s->checkups[i];
	}
	qsort(p->taken, p->n, sizeof(struct checkup *), by_last_run);
	s->ops->run(s, p);
}

static int64_t
probe_interval(const struct checkup *c)
{
	return c->scope->conf->interval_us[c->check->probe];
}

bool
scope_scrub_is_rare(const struct checkup *c)
{
	return c->scrub && c->check->cost == COST_SCRUB && c->check->interval_us >= RARE_US;
}

struct scrub_pace
scope_scrub_pace(const struct checkup *c)
{
	if (c->scope->tasks[c->check->probe].now)
		return (struct scrub_pace){ 0, 0 };
	if (c->settings->interval_set)
		return (struct scrub_pace){ c->interval_us, c->interval_us };
	/* What looks at a whole file, and at its tables beside, is worth the time of a month at most. */
	if (c->scrub && c->body && c->scope->conf->scrub_full_us > c->interval_us)
		return (struct scrub_pace){ probe_interval(c), c->scope->conf->scrub_full_us };
	/* What reads everything comes no more than so often within its time, however quick it is. */
	if (scope_scrub_is_rare(c))
		return (struct scrub_pace){ MAX(probe_interval(c), c->interval_us / RARE_TIMES),
			c->interval_us };
	return (struct scrub_pace){ probe_interval(c), c->interval_us };
}

/*
 * What could not answer says nothing for hours if it waits for its own turn: it is asked again with
 * its probe, each time after twice as long.  Not what took too long, nor what only a person mends.
 */
static bool
asks_sooner(const struct checkup *c)
{
	return c->status == CHECK_UNKNOWN && c->unknown_runs > 0 && !c->scrub &&
	       probe_interval(c) < c->interval_us && c->reason != REASON_TIMEOUT &&
	       c->reason != REASON_BUDGET && c->reason != REASON_PRIVILEGE;
}

/* Of a check that reads everything the head says the longest time: a small database can be looked
 * at with every turn of its probe. */
static int64_t
due_interval(const struct checkup *c)
{
	const struct scrub_pace pace = { probe_interval(c), c->interval_us };

	if (asks_sooner(c))
		return MIN(
		    c->interval_us, probe_interval(c) << MIN(c->unknown_runs - 1, RETRY_DOUBLINGS));
	if (c->settings->interval_set || c->check->cost != COST_SCRUB)
		return cost_interval_us(c, c->interval_us);
	return c->scrub ? pace.shortest_us : scrub_interval_us(&pace, c->duration_us);
}

void
checkup_next(struct checkup *c, struct task *t)
{
	struct monitor *m = c->scope->monitor;
	int64_t now = clock_now_us();

	if (m->options.one_shot) {
		bool second = c->waiting && m->options.sample_us > 0 && !c->sampled;

		c->sampled |= second;
		c->due_us = second ? now + m->options.sample_us : SCHED_NEVER;
		return;
	}
	if (c->due_us != SCHED_NEVER && c->due_us > now && !asks_sooner(c))
		return; /* a confirming run was asked for, or run now came before its time */
	c->due_us = sched_slot_us(m->started_us, due_interval(c), c->scope->slot, c->scope->nslots,
	    c->due_us, now, &t->skipped);
}

/* ---- the end of a run ---- */

static void
task_end(struct task *t)
{
	struct scope *s = t->scope;

	t->running = false;
	t->now = t->again;
	t->again = false;
	t->runs++;
	t->last_wall_us = t->started_wall_us;
	if (!t->error)
		t->last_success_wall_us = t->last_wall_us;
	t->duration_us = clock_now_us() - t->started_us;
	histogram_add(&t->durations, t->duration_us);
	task_schedule(t);
	scope_tell_unknown(s, t);
	scope_end_first_contact(s);
	young_end(s);
	monitor_run_ended(s->monitor, s, t);
}

/* No evaluator of its run is there any more. */
static void
checkup_rest(struct checkup *c)
{
	c->taken = false;
	if (c->gone)
		checkup_free(c);
	else if (c->series && series_is_empty(c->series))
		c->series = series_free(c->series);
}

void
scope_part_end(struct part *p, enum reason why, const char *error)
{
	struct task *t = p->task;
	struct scope *s = t->scope;

	for (size_t i = 0; i < p->n; i++) {
		struct result r = { 0 };
		struct outcome o = { .checkup = p->taken[i],
			.result = &r,
			.started_us = t->started_us,
			.started_wall_us = t->started_wall_us };

		if (p->taken[i]->running) {
			int64_t asked_us = p->taken[i]->last_us;

			result_unknown(&r, why, "%s", error ? error : reason_names[why]);
			scope_record(s, &o);
			result_done(&r);
			p->taken[i]->last_us = asked_us; /* not reached goes first next time */
		}
		/* What is asked for anew meanwhile is not answered by a run that began before. */
		if (p->taken[i]->due_us != SCHED_NEVER && p->taken[i]->due_us <= clock_now_us() &&
		    p->queued_us >= s->anew_us)
			checkup_next(p->taken[i], t);
	}
	if (error) {
		free(t->error);
		t->error = xstrdup(error);
	}
	for (size_t i = 0; i < p->n; i++) {
		checkup_rest(p->taken[i]);
	}
	free(p->taken);
	free(p);
	assert(t->parts > 0);
	if (--t->parts == 0)
		task_end(t);
}
