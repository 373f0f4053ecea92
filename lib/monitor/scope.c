/*
 * Checks with their state on one database or server: what is due, the single gate through which
 * every result goes, and what the API tells of them.
 */
#include "monitor/scope.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "monitor/internal.h"
#include "monitor/scrub.h"
#include "report/report.h"
#include <math.h>
#include <stdio.h>

/* Checks that fall due within this part of their interval run together. */
#define DUE_SLACK_US     (1 * USEC_PER_SEC)
#define SERIES_SAVE_US   (60 * USEC_PER_SEC)
#define FIRST_CONTACT_US (60 * USEC_PER_SEC)
#define CONFIRM_US       (10 * USEC_PER_SEC)
#define NOT_COVERED_MAX  200
#define UNKNOWN_IN_A_ROW 2

static struct database *
scope_database(const struct scope *s)
{
	return s->is_server ? NULL : s->owner;
}

static const char *
server_of(const struct scope *s)
{
	const struct database *d = scope_database(s);

	return !d ? s->name : d->server ? server_name(d->server) : "";
}

/* ---- making ---- */

static void
checkup_init(struct checkup *c, struct scope *s, const struct check *check)
{
	struct monitor *m = s->monitor;

	c->scope = s;
	c->check = check;
	c->settings = plan_settings(m->plan, check, s->conf);
	c->binds = plan_binds(m->plan, check);
	c->interval_us = settings_interval_us(c->settings, s->conf->interval_us[check->probe]);
	c->due_us = SCHED_NEVER;
	c->slot = s->slot;
	c->nslots = s->nslots;
	if (!c->settings->enabled)
		c->status = CHECK_DISABLED;
	if (check->kind == KIND_SCRUB)
		c->scrub = scrub_new();
}

static bool
wanted_once(const struct monitor *m, const struct check *c)
{
	const struct monitor_options *o = &m->options;

	return (!o->only_probes || (o->only_probes & (1u << c->probe))) &&
	       (!o->only_checks || str_glob_any(o->only_checks, c->id));
}

void
scope_init(struct scope *s, struct monitor *m, const char *name, bool is_server,
    const struct conf_database *conf, const struct scope_ops *ops, void *owner, size_t slot,
    size_t nslots)
{
	size_t n = catalogue_count(m->catalogue);

	*s = (struct scope){ .monitor = m,
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
		const struct check *c = catalogue_at(m->catalogue, i);

		if (c->engine != conf->engine || (c->scope == SCOPE_SERVER) != is_server ||
		    !plan_applies(m->plan, c, conf) || !wanted_once(m, c))
			continue;
		checkup_init(&s->checkups[s->ncheckups++], s, c);
	}
	for (enum probe p = 0; p < PROBE_N; p++)
		s->tasks[p] = (struct task){ .scope = s, .probe = p };
	for (size_t i = 0; i < s->ncheckups; i++)
		if (s->checkups[i].settings->enabled)
			s->tasks[s->checkups[i].check->probe].used = true;
}

void
scope_done(struct scope *s)
{
	for (enum probe p = 0; p < PROBE_N; p++) {
		if (s->monitor)
			sched_remove(&s->monitor->sched, &s->tasks[p].sched);
		free(s->tasks[p].error);
	}
	for (size_t i = 0; i < s->ncheckups; i++) {
		series_free(s->checkups[i].series);
		scrub_free(s->checkups[i].scrub);
		free(s->checkups[i].text);
		free(s->checkups[i].grant);
	}
	free(s->checkups);
	free(s->name);
	*s = (struct scope){ 0 };
}

void
scope_rename(struct scope *s, const char *name)
{
	free(s->name);
	s->name = xstrdup(name);
}

/* ---- the schedule ---- */

static void
task_schedule(struct task *t)
{
	struct scope *s = t->scope;
	int64_t due = SCHED_NEVER;

	if (t->running)
		return;
	for (size_t i = 0; i < s->ncheckups; i++)
		if (s->checkups[i].check->probe == t->probe && s->checkups[i].due_us < due)
			due = s->checkups[i].due_us;
	sched_set(&s->monitor->sched, &t->sched, t->now ? 0 : due);
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
		struct checkup *c = &s->checkups[i];

		if (c->settings->enabled)
			c->due_us = sched_first_us(now, c->interval_us, c->slot, c->nslots);
	}
	for (enum probe p = 0; p < PROBE_N; p++)
		task_schedule(&s->tasks[p]);
}

void
scope_ask_again(struct scope *s)
{
	int64_t now = clock_now_us();

	for (size_t i = 0; i < s->ncheckups; i++) {
		struct checkup *c = &s->checkups[i];

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
	if (c->check->probe != t->probe || c->running || !c->settings->enabled)
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
		if (!is_due(&s->checkups[i], t, now))
			continue;
		s->checkups[i].running = true;
		p->taken[p->n++] = &s->checkups[i];
	}
	qsort(p->taken, p->n, sizeof(struct checkup *), by_last_run);
	s->ops->run(s, p);
}

static int64_t
probe_interval(const struct checkup *c)
{
	return c->scope->conf->interval_us[c->check->probe];
}

struct scrub_pace
scope_scrub_pace(const struct checkup *c)
{
	if (c->scope->tasks[c->check->probe].now)
		return (struct scrub_pace){ 0, 0 };
	if (c->settings->interval_set)
		return (struct scrub_pace){ c->interval_us, c->interval_us };
	return (struct scrub_pace){ probe_interval(c), c->interval_us };
}

/* Of a check that reads everything the head says the longest time: a small database can be looked
 * at with every turn of its probe. */
static int64_t
due_interval(const struct checkup *c)
{
	const struct scrub_pace pace = { probe_interval(c), c->interval_us };

	if (c->settings->interval_set || c->check->cost != COST_SCRUB)
		return c->interval_us;
	return c->scrub ? pace.shortest_us : scrub_interval_us(&pace, c->duration_us);
}

static void
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
	if (c->due_us != SCHED_NEVER && c->due_us > now)
		return; /* a confirming run was asked for, or run now came before its time */
	c->due_us = sched_slot_us(
	    m->started_us, due_interval(c), c->slot, c->nslots, c->due_us, now, &t->skipped);
}

/* ---- coverage ---- */

static const char *
configured_key(const void *arg, const char *key)
{
	return conf_database_get(arg, key);
}

/* What is configured belongs to the scope: facts are shared by all that a session visits. */
const struct coverage *
checkup_coverage(struct checkup *c, const struct facts *facts, uint64_t generation)
{
	struct facts here = *facts;

	if (c->cover_generation != generation || c->cover.cover == COVER_UNKNOWN) {
		here.configured = configured_key;
		here.configured_arg = c->scope->conf;
		coverage_of(c->check, &here, &c->cover);
		c->cover_generation = generation;
	}
	return &c->cover;
}

static void
checkup_say(struct checkup *c, enum reason reason, const char *text, const char *grant)
{
	c->reason = reason;
	free(c->text);
	free(c->grant);
	c->text = text && *text ? xstrdup(text) : NULL;
	c->grant = grant && *grant ? xstrdup(grant) : NULL;
}

void
scope_record_uncovered(struct scope *s, struct checkup *c, const struct coverage *cov)
{
	c->running = false;
	c->last_us = clock_now_us();
	c->last_wall_us = clock_wall_us();
	c->tried = true;
	c->waiting = false;
	c->has_value = false;
	checkup_say(
	    c, cov->cover == COVER_NOT ? REASON_NONE : REASON_PRIVILEGE, cov->reason, cov->grant);
	/* A right that it once had and lost is unknown, one that was never there is not. */
	if (cov->cover == COVER_NOT && !(c->answered && cov->grant[0])) {
		c->status = CHECK_NOT_COVERED;
		c->unknown_runs = 0;
		findings_drop(s->monitor->findings, s->name, c->check->id, true, c->last_wall_us);
		return;
	}
	c->reason = REASON_PRIVILEGE;
	c->status = CHECK_UNKNOWN;
	c->unknown_runs++;
	findings_stale(s->monitor->findings, s->name, c->check->id);
}

/* ---- results ---- */

static bool
never_had_the_right(const struct checkup *c, const struct result *r)
{
	return r->reason == REASON_PRIVILEGE && !c->answered;
}

static void
save_answered(struct checkup *c)
{
	_cleanup_free_ char *key = NULL;

	if (c->answered)
		return;
	c->answered = true;
	key = xasprintf("%c:%s/%s", c->scope->is_server ? 's' : 'd', c->scope->name, c->check->id);
	monitor_state(c->scope->monitor, "check", key, "{\"answered\":true}");
}

static void
save_series(struct checkup *c, bool now)
{
	_cleanup_free_ char *key = NULL, *json = NULL;

	if (!c->series || !series_dirty(c->series))
		return;
	if (!now && clock_now_us() - c->series_saved_us < SERIES_SAVE_US)
		return;
	c->series_saved_us = clock_now_us();
	key = xasprintf("%c:%s/%s", c->scope->is_server ? 's' : 'd', c->scope->name, c->check->id);
	json = series_save(c->series);
	monitor_state(c->scope->monitor, "series", key, json);
}

static void
apply(struct scope *s, const struct outcome *o, struct applied *ret)
{
	struct checkup *c = o->checkup;
	struct run run = {
		.settings = c->settings,
		.scope = s->name,
		.server = server_of(s),
		.database = s->is_server ? "" : s->name,
		.result = o->result,
		.item = o->item,
		.now_us = clock_now_us(),
		.wall_us = clock_wall_us(),
		.interval_us = c->interval_us,
		.one_shot = s->monitor->options.one_shot || o->decides,
		.asked = s->tasks[c->check->probe].now,
		.loop_late = monitor_is_late(s->monitor),
	};

	findings_apply(s->monitor->findings, &run, ret);
	monitor_findings_changed(s->monitor);
}

void
scope_record(struct scope *s, const struct outcome *o)
{
	struct checkup *c = o->checkup;
	const struct result *r = o->result;
	struct applied applied = { 0 };

	c->running = false;
	c->last_us = clock_now_us();
	c->last_wall_us = o->started_wall_us;
	c->duration_us = o->duration_us;
	c->tried = true;
	c->waiting = r->state == RESULT_WAITING;
	c->has_value = r->has_value;
	c->value = r->value;
	if (r->state == RESULT_UNKNOWN && never_had_the_right(c, r)) {
		if (r->nsamples > 0) /* a right that is missing for one object hides no other */
			apply(s, o, &applied);
		checkup_say(c, REASON_PRIVILEGE, r->text, r->grant);
		c->status = CHECK_NOT_COVERED;
		c->unknown_runs = 0;
		return;
	}
	apply(s, o, &applied);
	c->status = applied.status;
	if (r->state == RESULT_WAITING &&
	    findings_status(s->monitor->findings, s->name, c->check->id) == CHECK_OK) {
		c->status = s->monitor->options.one_shot ? CHECK_NOT_COVERED : CHECK_OK;
		checkup_say(
		    c, REASON_NONE, r->text[0] ? r->text : "needs two samples (--sample)", NULL);
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
			save_answered(c);
	}
	if (applied.again_us > 0 && !s->monitor->options.one_shot)
		c->due_us = c->last_us + applied.again_us;
	else
		checkup_next(c, &s->tasks[c->check->probe]);
	save_series(c, false);
}

/* ---- scrub ---- */

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

	apply(c->scope, o, &applied);
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
	save_answered(c);
}

static void
save_scrub(struct checkup *c)
{
	_cleanup_free_ char *key =
	    xasprintf("%c:%s/%s", c->scope->is_server ? 's' : 'd', c->scope->name, c->check->id);
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

	scrub_summarise(c->scrub, &sum);
	pace = scope_scrub_pace(c);
	more = scrub_next(c->scrub, wall, &pace, wall) != NULL;
	c->running = false;
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

/* Unknown is told once per (scope, probe, reason), after two in a row; a lost connection is told by
 * conn-up alone. */
static void
tell_unknown(struct scope *s, struct task *t)
{
	size_t count[REASON_N] = { 0 };
	const char *text[REASON_N] = { 0 };
	struct monitor *m = s->monitor;

	if (m->options.one_shot || !m->callbacks.on_unknown)
		return;
	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = &s->checkups[i];

		if (c->check->probe != t->probe || c->status != CHECK_UNKNOWN ||
		    c->unknown_runs < UNKNOWN_IN_A_ROW || c->reason == REASON_CONNECTION)
			continue;
		count[c->reason]++;
		text[c->reason] = c->text;
	}
	for (enum reason r = REASON_NONE; r < REASON_N; r++) {
		unsigned bit = 1u << r;

		if (count[r] > 0 && !(t->announced & bit))
			m->callbacks.on_unknown(server_of(s), s->is_server ? "" : s->name, t->probe,
			    text[r] ? text[r] : reason_names[r], count[r], m->arg);
		t->announced = count[r] > 0 ? t->announced | bit : t->announced & ~bit;
	}
}

static void
end_first_contact(struct scope *s)
{
	size_t covered, total, unknown, n[SEVERITY_N] = { 0 }, iter = 0;
	_cleanup_free_ char *text = NULL;
	const struct finding *f;

	if (!s->first_contact || !scope_round_done(s))
		return;
	for (iter = 0; (f = findings_next(s->monitor->findings, &iter));)
		if (f->state == FINDING_PENDING && f->probe != PROBE_PERFORMANCE &&
		    streq(s->is_server ? f->server : f->database, s->name) &&
		    s->is_server == !*f->database &&
		    clock_now_us() - s->first_contact_us < FIRST_CONTACT_US)
			return; /* its confirming run belongs to the first contact */
	s->first_contact = false;
	for (iter = 0; (f = findings_next(s->monitor->findings, &iter));)
		if (f->state == FINDING_OPEN && s->is_server == !*f->database &&
		    streq(s->is_server ? f->server : f->database, s->name))
			n[f->severity]++;
	scope_count(s, &covered, &total, &unknown);
	text = xasprintf(
	    "%s%s: first look: %zu critical, %zu warning, %zu info; %zu of %zu checks covered",
	    s->is_server ? "server " : "", s->name, n[SEVERITY_CRITICAL], n[SEVERITY_WARNING],
	    n[SEVERITY_INFO], covered, total);
	if (s->monitor->callbacks.on_summary && !s->monitor->options.one_shot)
		s->monitor->callbacks.on_summary(
		    server_of(s), s->is_server ? "" : s->name, text, s->monitor->arg);
}

void
scope_record_nothing(struct checkup *c)
{
	c->running = false;
	c->tried = true;
	if (c->status == CHECK_UNKNOWN && !c->text)
		c->status = CHECK_OK;
}

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
	task_schedule(t);
	tell_unknown(s, t);
	end_first_contact(s);
	monitor_run_ended(s->monitor, s, t);
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
		if (p->taken[i]->due_us != SCHED_NEVER && p->taken[i]->due_us <= clock_now_us())
			checkup_next(p->taken[i], t);
	}
	if (error) {
		free(t->error);
		t->error = xstrdup(error);
	}
	free(p->taken);
	free(p);
	assert(t->parts > 0);
	if (--t->parts == 0)
		task_end(t);
}

/* ---- parameters ---- */

static const char *
bind_value(const struct checkup *c, const char *name, char **owned)
{
	const struct settings *set = c->settings;
	double baseline;

	for (size_t i = 0; i < set->nparams; i++)
		if (streq(set->params[i].name, name))
			return *owned = check_param_text(set->params[i].value);
	if (streq(name, "first_seen"))
		return *owned = findings_first_seen(
		           c->scope->monitor->findings, c->scope->name, c->check->id);
	if (streq(name, "baseline")) {
		baseline = c->series ? series_baseline(c->series, "") : NAN;
		return isnan(baseline) ? NULL : (*owned = xasprintf("%.15g", baseline));
	}
	if (streq(name, "interval"))
		return c->last_us == 0
		           ? NULL
		           : (*owned = xasprintf(
		                  "%.3f", (double)(clock_now_us() - c->last_us) / USEC_PER_SEC));
	if (streq(name, "not_covered"))
		return *owned = scope_not_covered_json(c->scope);
	return conf_database_get(c->scope->conf, name);
}

void
checkup_bind(const struct checkup *c, const struct bind *b, struct bound *ret)
{
	size_t n = strv_len(b->names);

	*ret = (struct bound){ .n = n,
		.values = xcalloc(n + 1, sizeof(char *)),
		.owned = xcalloc(n + 1, sizeof(char *)) };
	for (size_t i = 0; i < n; i++)
		ret->values[i] = bind_value(c, b->names[i], &ret->owned[i]);
}

void
bound_done(struct bound *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->owned[i]);
	free(b->owned);
	free(b->values);
	*b = (struct bound){ 0 };
}

static bool
is_tracked(const void *arg, const char *key)
{
	const struct checkup *c = arg;

	return findings_tracked(c->scope->monitor->findings, c->scope->name, c->check->id, key);
}

struct eval *
checkup_eval(
    struct checkup *c, const char *item, double server_start, int64_t now_us, int64_t wall_us)
{
	struct eval_context ctx = { .now_us = now_us,
		.wall_us = wall_us,
		.server_start = server_start,
		.item = item,
		.tracked = is_tracked,
		.tracked_arg = c };

	if (!c->series)
		c->series = series_new();
	ctx.series = c->series;
	return eval_new(c->settings, &ctx);
}

/* ---- what is told ---- */

static enum status
status_of(const struct checkup *c)
{
	enum check_status worst;

	switch (c->status) {
	case CHECK_CRITICAL:
		return STATUS_CRITICAL;
	case CHECK_WARNING:
		return STATUS_WARNING;
	case CHECK_NOT_COVERED: /* of some objects only: what is open for others counts */
	case CHECK_UNKNOWN:
		worst = findings_status(c->scope->monitor->findings, c->scope->name, c->check->id);
		return worst == CHECK_CRITICAL      ? STATUS_CRITICAL
		       : worst == CHECK_WARNING     ? STATUS_WARNING
		       : c->status == CHECK_UNKNOWN ? STATUS_UNKNOWN
		                                    : STATUS_OK;
	case CHECK_OK:
	case CHECK_PENDING:
	case CHECK_INFO:
	case CHECK_DISABLED:
	case CHECK_STATUS_N:
		break;
	}
	return STATUS_OK;
}

enum status
scope_probe_status(const struct scope *s, enum probe p)
{
	enum status worst = STATUS_OK;

	for (size_t i = 0; i < s->ncheckups; i++)
		if (s->checkups[i].check->probe == p && s->checkups[i].settings->enabled)
			worst = status_worse(worst, status_of(&s->checkups[i]));
	return worst;
}

enum status
scope_status(const struct scope *s)
{
	enum status worst = STATUS_OK;

	for (enum probe p = 0; p < PROBE_N; p++)
		worst = status_worse(worst, scope_probe_status(s, p));
	return worst;
}

void
scope_count(const struct scope *s, size_t *ret_covered, size_t *ret_total, size_t *ret_unknown)
{
	size_t covered = 0, total = 0, unknown = 0;

	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = &s->checkups[i];

		if (c->status == CHECK_DISABLED)
			continue;
		total++;
		if (c->status == CHECK_UNKNOWN)
			unknown++;
		else if (c->status != CHECK_NOT_COVERED)
			covered++;
	}
	*ret_covered = covered;
	*ret_total = total;
	*ret_unknown = unknown;
}

bool
scope_has_verdict(const struct scope *s)
{
	const struct task *t = &s->tasks[PROBE_CONNECTIVITY];

	if (t->used)
		return t->runs > 0;
	for (enum probe p = 0; p < PROBE_N; p++)
		if (s->tasks[p].used && s->tasks[p].runs == 0)
			return false;
	return true;
}

bool
scope_round_done(const struct scope *s)
{
	for (enum probe p = 0; p < PROBE_N; p++)
		if (s->tasks[p].used && s->tasks[p].runs == 0)
			return false;
	return true;
}

json_t *
scope_checks_json(const struct scope *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = &s->checkups[i];
		json_t *o = json_object();
		const char *reason = c->status == CHECK_DISABLED ? c->settings->disabled_reason
		                     : !c->tried && c->status == CHECK_UNKNOWN ? "not yet run"
		                                                               : c->text;

		json_object_set_new(o, "id", report_string(c->check->id));
		json_object_set_new(o, "probe", report_string(probe_names[c->check->probe]));
		json_object_set_new(
		    o, "scope", report_string(s->is_server ? "server" : "database"));
		json_object_set_new(o, "status", report_string(check_status_names[c->status]));
		json_object_set_new(o, "value",
		    c->has_value ? report_number(c->value, c->check->unit) : json_null());
		json_object_set_new(o, "unit", report_string(unit_names[c->check->unit]));
		json_object_set_new(o, "last_run", report_time(c->last_wall_us));
		json_object_set_new(o, "duration_ms",
		    c->tried ? report_number((double)c->duration_us / 1000.0, UNIT_SECONDS)
		             : json_null());
		json_object_set_new(o, "reason", report_string(reason));
		json_object_set_new(o, "grant", report_string(c->grant));
		json_array_append_new(a, o);
	}
	return a;
}

static bool
has_grant(const json_t *list, const struct checkup *c, const char *datname)
{
	size_t i;
	json_t *o;

	json_array_foreach (list, i, o) {
		const char *grant = json_string_value(json_object_get(o, "grant"));
		const char *check = json_string_value(json_object_get(o, "check"));
		const char *in = json_string_value(json_object_get(o, "database"));

		if (grant && check && streq(grant, c->grant) && streq(check, c->check->id) &&
		    streq(in ? in : "", datname ? datname : ""))
			return true;
	}
	return false;
}

static void
add_not_covered(const struct scope *s, json_t *list)
{
	const struct database *d = scope_database(s);
	const char *datname = d ? d->datname : NULL;

	for (size_t i = 0; i < s->ncheckups && json_array_size(list) < NOT_COVERED_MAX; i++) {
		const struct checkup *c = &s->checkups[i];
		json_t *o;

		if (c->status != CHECK_NOT_COVERED || !c->grant || has_grant(list, c, datname))
			continue;
		o = json_object();
		json_object_set_new(o, "check", report_string(c->check->id));
		json_object_set_new(o, "reason", report_string(c->text));
		json_object_set_new(o, "grant", report_string(c->grant));
		json_object_set_new(o, "database", report_string(datname));
		json_array_append_new(list, o);
	}
}

/* A server speaks for its databases too: one finding sums up what the role may not see. */
char *
scope_not_covered_json(const struct scope *s)
{
	const struct monitor *m = s->monitor;
	json_t *list = json_array();
	char *text;

	add_not_covered(s, list);
	for (size_t i = 0; s->is_server && i < m->ndatabases; i++)
		if (m->databases[i]->server == s->owner)
			add_not_covered(&m->databases[i]->scope, list);
	text = report_dump(list);
	json_decref(list);
	return text;
}

/* ---- state over restarts ---- */

void
scope_restore(struct scope *s, const char *check, const char *kind, const char *json)
{
	for (size_t i = 0; i < s->ncheckups; i++) {
		struct checkup *c = &s->checkups[i];

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
		save_series(&s->checkups[i], all);
}

void
scope_forget(struct scope *s)
{
	for (size_t i = 0; i < s->ncheckups; i++) {
		const struct checkup *c = &s->checkups[i];
		_cleanup_free_ char *key =
		    xasprintf("%c:%s/%s", s->is_server ? 's' : 'd', s->name, c->check->id);

		if (c->answered)
			monitor_state(s->monitor, "check", key, NULL);
		if (c->series)
			monitor_state(s->monitor, "series", key, NULL);
		if (c->scrub)
			monitor_state(s->monitor, "scrub", key, NULL);
	}
}
