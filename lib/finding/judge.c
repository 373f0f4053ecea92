/*
 * One run of one check moves its findings: which objects get a place, how long each has breached
 * or been good at which severity, and what that opens, changes or resolves.
 */
#include "base/clock.h"
#include "finding/internal.h"

#define AGAIN_MIN_US (10 * USEC_PER_SEC)
/* Who rebuilds a schema may be done long before a regular run. */
#define HELD_AGAIN_US (300 * USEC_PER_SEC)
/* An open finding that only goes on is stored so often, for its last_seen and value. */
#define REFRESH_US (600 * USEC_PER_SEC)

struct judge {
	const struct run *run;
	struct group *group;
	enum check_kind kind;
	int64_t interval_us, again_us;
	bool complete;
	bool counts; /* a breach in this run moves its finding towards opening */
	bool places; /* a breach in this run gets a place */
	bool alone;  /* this run decides without a second one */
};

static void
judge_init(struct judge *j, struct group *g, const struct run *run)
{
	enum check_kind kind = run->settings->check->kind;
	enum result_state state = run->result->state;
	bool complete = state == RESULT_COMPLETE;
	/* UNKNOWN here: all rows came, those that breach were judged, others could not be. */
	bool sound =
	    !run->loop_late && (complete || state == RESULT_UNKNOWN || kind != KIND_FINDING);

	*j = (struct judge){
		.run = run,
		.group = g,
		.kind = kind,
		.interval_us = run->interval_us ? run->interval_us : run->settings->interval_us,
		.complete = complete,
		.counts = sound && !run->held,
		.places = sound,
		.alone = run->one_shot || (run->asked && kind == KIND_FINDING),
	};
}

static void
want_again(struct judge *j, int64_t after_us)
{
	after_us = MAX(after_us, AGAIN_MIN_US);
	if (j->run->one_shot || after_us >= j->interval_us)
		return;
	if (j->again_us == 0 || after_us < j->again_us)
		j->again_us = after_us;
}

/* ---- breaches ---- */

static bool
is_qualified(const struct judge *j, const struct finding *f, int severity)
{
	int64_t wait_us = j->run->settings->for_us[severity];
	unsigned need = (j->kind == KIND_FINDING && !j->alone) || wait_us > 0 ? 2 : 1;

	if (f->breach_samples[severity] == 0)
		return false;
	/* An item of a scrub may not come again for weeks, and what it found is no matter of time.
	 */
	if (j->run->one_shot || j->kind == KIND_SCRUB)
		return true;
	/* Who asks now gets an answer without a second run, but `for` is a matter of time. */
	return f->breach_samples[severity] >= need &&
	       j->run->now_us - f->breach_since_us[severity] >= wait_us;
}

/* The worst severity that has lasted long enough. */
static enum severity
count_breach(struct judge *j, struct finding *f, enum severity severity)
{
	enum severity qualified = SEVERITY_NONE;

	f->judged_us = j->run->now_us;
	for (int i = SEVERITY_INFO; i < SEVERITY_N; i++) {
		bool counted = false;

		if (i > (int)severity) {
			f->breach_samples[i] = 0;
			continue;
		}
		if (f->breach_samples[i] == 0)
			f->breach_since_us[i] = j->run->again ? j->run->sampled_us : j->run->now_us;
		else if (j->run->again)
			counted = true; /* this very sample, when it came */
		if (f->breach_samples[i] < UINT16_MAX && !counted)
			f->breach_samples[i]++;
		if (is_qualified(j, f, i))
			qualified = (enum severity)i;
	}
	return qualified;
}

/* When the next regular run is too far away to confirm what has begun. */
static void
ask_again(struct judge *j, const struct finding *f, enum severity above, enum severity upto)
{
	for (int i = (int)above + 1; i <= (int)upto; i++) {
		int64_t wait_us = j->run->settings->for_us[i];
		int64_t elapsed_us = j->run->now_us - f->breach_since_us[i];

		if (!is_qualified(j, f, i) && j->interval_us > wait_us)
			want_again(j, wait_us - elapsed_us);
	}
}

static void
mark_if_moved(struct entry *e, const struct run *run, bool moved)
{
	if (moved || e->marked_us == 0 || run->now_us - e->marked_us >= REFRESH_US)
		entry_mark(e, run->now_us);
}

static void
fill(struct entry *e, const struct run *run, const struct sample *s, size_t more,
    enum severity severity)
{
	struct findings *fs = e->group->scope->all;

	fs->fold_due = fs->fold_due || e->group->related; /* by what it says it may be related */
	if (s)
		content_fill(&e->f, run, s, severity);
	else
		content_fill_more(&e->f, run, more, severity);
}

/* Seen, but not counted yet. */
static void
on_held_breach(
    struct judge *j, struct entry *e, const struct sample *s, size_t more, enum severity severity)
{
	const struct run *run = j->run;
	struct finding *f = &e->f;
	bool first = f->state != FINDING_PENDING || f->first_seen_wall_us == 0;
	bool counted = f->breach_samples[SEVERITY_INFO] > 0;

	if (first)
		f->first_seen_wall_us = f->since_wall_us = run->wall_us;
	memset(f->breach_samples, 0, sizeof(f->breach_samples));
	f->good_samples = 0;
	fill(e, run, s, more, severity);
	entry_set(e, FINDING_PENDING, severity);
	mark_if_moved(e, run, first || counted);
	want_again(j, HELD_AGAIN_US);
}

/* s NULL: e stands for `more` objects without a place. */
static void
on_breach(
    struct judge *j, struct entry *e, const struct sample *s, size_t more, enum severity severity)
{
	const struct run *run = j->run;
	struct finding *f = &e->f;
	bool moved = f->good_samples > 0 || f->stale || severity != finding_now(f) ||
	             (severity < SEVERITY_CRITICAL && f->breach_samples[severity + 1] > 0);
	enum severity was = finding_now(f), qualified = SEVERITY_NONE, now = severity;

	e->run_mark = e->group->scope->all->run_mark;
	if (!j->places && f->state != FINDING_OPEN)
		return;
	if (run->held && f->state != FINDING_OPEN) {
		on_held_breach(j, e, s, more, severity);
		return;
	}
	if (run->held && was == SEVERITY_NONE)
		memset(f->breach_samples, 0, sizeof(f->breach_samples));
	if (f->state != FINDING_OPEN && f->breach_samples[SEVERITY_INFO] == 0 &&
	    (f->state != FINDING_PENDING || f->first_seen_wall_us == 0)) {
		f->first_seen_wall_us = f->since_wall_us = run->wall_us;
		moved = true;
	}
	f->good_samples = 0;
	if (j->counts)
		qualified = count_breach(j, f, severity);
	else /* it is milder now: what is worse begins anew */
		for (int i = (int)severity + 1; i < SEVERITY_N; i++)
			f->breach_samples[i] = 0;
	if (was > SEVERITY_NONE && severity > was)
		now = MAX(qualified, was);
	else if (was == SEVERITY_NONE && qualified > SEVERITY_NONE)
		now = qualified;
	fill(e, run, s, more, now);
	if (was == SEVERITY_NONE) {
		if (!f->flapping)
			entry_set(e, FINDING_PENDING, now);
		mark_if_moved(e, run, true);
		if (qualified > SEVERITY_NONE)
			entry_move(e, run, now);
	} else {
		mark_if_moved(e, run, moved);
		if (now != was)
			entry_move(e, run, now);
		else if (j->counts)
			entry_settle(e, run);
		if (j->counts && f->state == FINDING_OPEN)
			fold_outlive(e, run);
	}
	if (j->counts)
		ask_again(j, f, finding_now(f), severity);
}

/* ---- everything else ---- */

/* Neither breaching nor back behind the clear threshold. */
static void
on_hold(struct judge *j, struct entry *e, const struct sample *s)
{
	struct finding *f = &e->f;
	bool moved = f->good_samples > 0 || f->stale || f->breach_samples[SEVERITY_INFO] > 0;

	e->run_mark = e->group->scope->all->run_mark;
	if (f->state == FINDING_PENDING) {
		entry_unpend(e, j->run->now_us);
		return;
	}
	memset(f->breach_samples, 0, sizeof(f->breach_samples));
	f->good_samples = 0;
	f->judged_us = j->run->now_us;
	mark_if_moved(e, j->run, moved);
	if (!s->has_value) {
		entry_stale(e, "its counter began anew: nothing to compare with yet");
		return;
	}
	finding_fresh(f);
	entry_settle(e, j->run);
}

static void
on_good(struct judge *j, struct entry *e)
{
	const struct run *run = j->run;
	struct finding *f = &e->f;
	bool moved = run->again && f->good_samples == 0; /* by the settings alone */
	unsigned need = j->alone || moved ? 1 : 2;
	int64_t clear_us =
	    j->alone || moved || j->kind == KIND_SCRUB ? 0 : run->settings->clear_for_us;

	e->run_mark = e->group->scope->all->run_mark;
	if (f->state == FINDING_PENDING) {
		entry_unpend(e, run->now_us);
		return;
	}
	if (run->held)
		return;
	memset(f->breach_samples, 0, sizeof(f->breach_samples));
	f->judged_us = run->now_us;
	finding_fresh(f);
	if (finding_now(f) == SEVERITY_NONE) { /* flaps, and is good already */
		f->good_samples = 0;
		mark_if_moved(e, run, true);
		entry_settle(e, run);
		return;
	}
	if (f->good_samples == 0)
		f->good_since_us = run->now_us;
	if (f->good_samples < UINT16_MAX && (!run->again || moved))
		f->good_samples++;
	mark_if_moved(e, run, true);
	if (f->good_samples >= need && run->now_us - f->good_since_us >= clear_us)
		entry_move(e, run, SEVERITY_NONE);
	else if (j->kind == KIND_SCRUB && f->good_samples == 1)
		want_again(j, 0);
}

/* ---- places ---- */

static bool
is_more(const struct entry *e)
{
	return streq(e->f.key, FINDING_MORE);
}

static size_t
open_places(const struct group *g)
{
	const struct entry *more = entry_find(g, FINDING_MORE);

	return g->nopen - (more && more->f.state == FINDING_OPEN);
}

static bool
is_seen(const struct group *g, const struct entry *e)
{
	return e && e->run_mark == g->scope->all->run_mark;
}

struct places {
	bool *taken;      /* by sample */
	size_t left;      /* places still free */
	size_t breaching; /* samples that breach */
	size_t placed;
	enum severity worst; /* of those that found none */
};

static void
place_open(struct judge *j, struct places *p)
{
	const struct result *r = j->run->result;

	for (size_t i = 0; i < r->nsamples; i++) {
		const struct sample *s = r->samples[i];
		struct entry *e = entry_find(j->group, s->key);

		if (s->severity == SEVERITY_NONE)
			continue;
		p->breaching++;
		if (!e || e->f.state != FINDING_OPEN)
			continue;
		p->taken[i] = true;
		if (!is_seen(j->group, e))
			on_breach(j, e, s, 0, s->severity);
	}
}

static void
place_others(struct judge *j, struct places *p, enum severity severity, bool pending)
{
	const struct result *r = j->run->result;

	for (size_t i = 0; i < r->nsamples; i++) {
		const struct sample *s = r->samples[i];
		struct entry *e;

		if (p->taken[i] || s->severity != severity)
			continue;
		e = entry_find(j->group, s->key);
		/* the same key twice in one result: the first was the worse */
		p->taken[i] = is_seen(j->group, e);
		if (p->taken[i] || p->left == 0 || pending != (e && e->f.state == FINDING_PENDING))
			continue;
		p->left--;
		p->taken[i] = true;
		if (!e && j->places)
			e = entry_make(j->group, j->run->settings, s->key);
		if (e)
			on_breach(j, e, s, 0, severity);
	}
}

/*
 * Open objects keep their place; what is free goes to the worst, among equals to those that are
 * pending already (else objects that take turns would never last), then in the order of the rows.
 */
static void
place_breaches(struct judge *j, struct places *p)
{
	const struct result *r = j->run->result;
	size_t max = j->run->settings->max_findings, open = open_places(j->group);

	p->left = max > open ? max - open : 0;
	place_open(j, p);
	for (int i = SEVERITY_CRITICAL; i > SEVERITY_NONE; i--) {
		place_others(j, p, (enum severity)i, true);
		place_others(j, p, (enum severity)i, false);
	}
	for (size_t i = 0; i < r->nsamples; i++) {
		const struct sample *s = r->samples[i];
		struct entry *e;

		if (p->taken[i])
			p->placed++;
		if (p->taken[i] || s->severity == SEVERITY_NONE)
			continue;
		p->worst = MAX(p->worst, s->severity);
		e = entry_find(j->group, s->key);
		if (!e || e->f.state != FINDING_PENDING)
			continue;
		if (j->places)
			entry_unpend(e, j->run->now_us);
		else
			e->run_mark = j->group->scope->all->run_mark;
	}
}

/* Those that eval did not even keep are no worse than the mildest that it did. */
static enum severity
mildest_breach(const struct result *r)
{
	enum severity mildest = SEVERITY_CRITICAL;

	for (size_t i = 0; i < r->nsamples; i++)
		if (r->samples[i]->severity > SEVERITY_NONE)
			mildest = MIN(mildest, r->samples[i]->severity);
	return mildest;
}

/* An item's objects without a place are remembered by item: the sum is that of the whole check. */
static size_t
more_of_all_items(struct judge *j, size_t more)
{
	struct group *g = j->group;
	struct known *k = g->known ? map_get(g->known, j->run->item) : NULL;
	size_t sum = 0, iter = 0;
	void *value;

	if ((k ? (size_t)k->value : 0) != more && (j->complete || more > 0)) {
		k = group_known(g, j->run->item);
		if (k)
			k->value = (double)more;
		if (k && more == 0)
			free(map_remove(g->known, j->run->item));
		group_mark(g);
	}
	while (g->known && map_next(g->known, &iter, NULL, &value))
		sum += (size_t)((struct known *)value)->value;
	return sum;
}

static bool
has_breach(const struct result *r)
{
	for (size_t i = 0; i < r->nsamples; i++)
		if (r->samples[i]->severity > SEVERITY_NONE)
			return true;
	return r->nbreaching > 0;
}

static void
judge_more(struct judge *j, size_t more, enum severity worst)
{
	struct group *g = j->group;
	struct entry *e = entry_find(g, FINDING_MORE);

	if (j->run->item)
		more = more_of_all_items(j, more);
	/* An item that has nothing says nothing of what others have. */
	if (more > 0 && j->run->item && !has_breach(j->run->result) &&
	    (!e || e->f.state != FINDING_OPEN))
		return;
	if (worst == SEVERITY_NONE && more > 0)
		worst = j->run->item && e && e->f.state == FINDING_OPEN
		            ? e->f.severity
		            : mildest_breach(j->run->result);
	if (more > 0 && (e || j->places)) {
		on_breach(
		    j, e ? e : entry_make(g, j->run->settings, FINDING_MORE), NULL, more, worst);
		return;
	}
	if (more == 0 && e && e->f.state != FINDING_RESOLVED && j->complete)
		on_good(j, e);
}

static void
judge_rest(struct judge *j)
{
	struct group *g = j->group;
	const struct run *run = j->run;
	size_t iter = 0;
	void *value;

	for (size_t i = 0; j->complete && i < run->result->nsamples; i++) {
		const struct sample *s = run->result->samples[i];
		struct entry *e = entry_find(g, s->key);

		if (!e || e->f.state == FINDING_RESOLVED || is_seen(g, e) || is_more(e) ||
		    s->severity > SEVERITY_NONE || !s->holds)
			continue;
		on_hold(j, e, s);
	}
	while (j->complete && map_next(g->by_key, &iter, NULL, &value)) {
		struct entry *e = value;

		if (e->f.state == FINDING_RESOLVED || is_seen(g, e) || is_more(e))
			continue;
		if (run->item && (!e->f.item || !streq(e->f.item, run->item)))
			continue;
		on_good(j, e);
	}
}

static void
judge_run(struct judge *j)
{
	const struct result *r = j->run->result;
	_cleanup_free_ bool *taken = xcalloc(r->nsamples + 1, sizeof(*taken));
	struct places p = { .taken = taken };

	place_breaches(j, &p);
	judge_rest(j);
	judge_more(j, MAX(r->nbreaching, p.breaching) - p.placed, p.worst);
}

/* What a run could not judge, while it judged others. */
static void
stale_rest(struct judge *j)
{
	size_t iter = 0;
	void *value;

	while (map_next(j->group->by_key, &iter, NULL, &value)) {
		struct entry *e = value;

		if (e->f.state != FINDING_OPEN || is_seen(j->group, e) || is_more(e))
			continue;
		if (j->run->item && (!e->f.item || !streq(e->f.item, j->run->item)))
			continue;
		entry_stale(e, j->run->result->text);
	}
}

/* A name that was another engine's yesterday: what is kept of it says nothing about today's. */
static struct group *
group_for(struct findings *fs, const struct run *run)
{
	const struct check *check = run->settings->check;
	struct group *g = group_find(fs, run->scope, check->id);

	if (g && g->engine != check->engine) {
		group_drop(g, true, run->wall_us);
		g = NULL;
	}
	if (!g && (check->kind == KIND_EVENT || has_breach(run->result)))
		g = group_make(fs, run->scope, check->id, check->engine);
	return g;
}

void
findings_apply(struct findings *fs, const struct run *run, struct applied *ret)
{
	const struct check *check = run->settings->check;
	struct applied applied = { .status = CHECK_OK };
	enum result_state state = run->result->state;
	struct group *g;
	struct judge j;

	if (state == RESULT_UNKNOWN && !has_breach(run->result)) {
		if ((g = group_find(fs, run->scope, check->id)))
			group_stale(g, run->item, run->result->text);
		*ret = (struct applied){ .status = CHECK_UNKNOWN };
		return;
	}
	if (state == RESULT_WAITING) {
		if ((g = group_find(fs, run->scope, check->id)))
			group_stale(g, run->item,
			    run->result->text[0] ? run->result->text
			                         : "nothing to compare with yet");
		applied.status = findings_status(fs, run->scope, check->id);
		if (applied.status == CHECK_OK)
			applied.status = CHECK_PENDING;
		*ret = applied;
		return;
	}
	fs->run_mark++;
	g = group_for(fs, run);
	if (g && check->kind == KIND_EVENT) {
		event_apply(g, run);
	} else if (g) {
		judge_init(&j, g, run);
		judge_run(&j);
		if (state == RESULT_UNKNOWN)
			stale_rest(&j);
		applied.again_us = j.again_us;
	}
	if (g)
		group_collect(g);
	findings_evict(fs, INT64_MIN);
	applied.status =
	    state == RESULT_UNKNOWN ? CHECK_UNKNOWN : findings_status(fs, run->scope, check->id);
	*ret = applied;
}
