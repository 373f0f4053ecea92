/*
 * Findings under their causes: who follows from whom now, what is quiet because of that, and when it
 * is told after all.  What has opened and may have a cause waits a little for it; what outlives its
 * cause, or is worse than all above it, is told.
 */
#include "base/clock.h"
#include "base/str.h"
#include "finding/cause.h"
#include "finding/internal.h"

/* A cause that is pending is waited for so long. */
#define AWAIT_MAX_US (60 * USEC_PER_SEC)
/* What nobody looked at since its cause ended is told after so long. */
#define OUTLIVE_MAX_US (3600 * USEC_PER_SEC)

/* ---- one finding ---- */

bool
entry_is_quiet(const struct entry *e)
{
	return *e->f.mute_id || e->f.folded || e->f.outlives_us || e->f.waits_us;
}

void
fold_reset(struct entry *e)
{
	struct finding *f = &e->f;

	f->caused_by[0] = '\0';
	f->folded = false;
	f->above = SEVERITY_NONE;
	f->outlives_us = f->waits_us = 0;
}

/* What the summary of a first contact counts is told by that, at once. */
void
fold_wait(struct entry *e, const struct run *run, enum severity severity)
{
	const struct findings *fs = e->group->scope->all;

	if (!fs->rules || fs->wait_us == 0 || !e->group->related ||
	    (run->first_contact && severity < SEVERITY_CRITICAL) ||
	    !cause_rules_explain(fs->rules, &e->f))
		return;
	e->f.waits_us = MAX(run->now_us, 1);
}

/* It is at another severity than it was at. */
void
fold_judge(struct entry *e, enum severity from)
{
	struct finding *f = &e->f;

	if (f->folded)
		f->folded = f->severity <= f->above;
	/* Nothing stands above it any more: what grows worse alone does not wait. */
	if (f->severity > from)
		f->outlives_us = 0;
}

static void
tell_late(struct entry *e, const char *reason, int64_t wall_us)
{
	struct finding *f = &e->f;

	f->outlives_us = 0;
	if (f->told >= f->severity)
		return;
	if (f->told == SEVERITY_NONE || f->flapping)
		entry_tell(e, f->flapping ? TRANSITION_FLAPPING : TRANSITION_OPENED, f->told,
		    reason, *f->mute_id, wall_us);
	else
		entry_tell(e, TRANSITION_CHANGED, f->told, reason, *f->mute_id, wall_us);
}

/* A sample that breaches: the same time as for opening it, since its cause ended. */
void
fold_outlive(struct entry *e, const struct run *run)
{
	struct finding *f = &e->f;

	if (f->outlives_us && run->now_us - f->outlives_us >= run->settings->for_us[f->severity])
		tell_late(e, "outlives its cause", run->wall_us);
}

static void
tell_begin(struct entry *e, bool quiet, int64_t wall_us)
{
	entry_tell(e, e->f.flapping ? TRANSITION_FLAPPING : TRANSITION_OPENED, SEVERITY_NONE, NULL,
	    quiet, wall_us);
}

/* It ends before anybody was told: a beginning, for the record. */
void
fold_end_wait(struct entry *e, int64_t wall_us)
{
	if (!e->f.waits_us)
		return;
	e->f.waits_us = 0;
	tell_begin(e, true, wall_us);
}

/* ---- all ---- */

void
fold_relate(struct group *g)
{
	struct findings *fs = g->scope->all;
	bool related = fs->rules && cause_rules_concern(fs->rules, g->engine, g->check);

	if (related && !g->related)
		TAILQ_INSERT_TAIL(&fs->related, g, related_link);
	if (!related && g->related)
		TAILQ_REMOVE(&fs->related, g, related_link);
	g->related = related;
	fs->fold_due = fs->fold_due || related;
}

void
findings_set_causes(struct findings *fs, struct cause_rules *take, int64_t wait_us)
{
	size_t iter = 0, next;
	void *scope, *group;

	fs->rules = cause_rules_free(fs->rules);
	fs->rules = take;
	fs->wait_us = wait_us;
	fs->fold_due = true;
	while (map_next(fs->scopes, &iter, NULL, &scope))
		for (next = 0; map_next(((struct scope *)scope)->groups, &next, NULL, &group);)
			fold_relate(group);
}

static void
find_cause(struct entry *e, const struct cause_node *node, int64_t now_us)
{
	struct finding *f = &e->f;
	const char *id = node->parent ? node->parent->finding->id : "";
	bool was = f->folded, moved = !streq(f->caused_by, id);

	memcpy(f->caused_by, id, strlen(id) + 1);
	f->above = node->above;
	f->folded = node->parent && f->severity <= node->above;
	if (node->parent)
		f->outlives_us = 0;
	else if (was && f->told < f->severity)
		f->outlives_us = MAX(now_us, 1);
	if (moved || was != f->folded)
		entry_mark(e, 0);
}

static void
judge_waiting(struct entry *e, const struct cause_node *node, int64_t now_us, int64_t wall_us)
{
	struct finding *f = &e->f;
	int64_t waited_us = now_us - f->waits_us;
	bool over = node->parent || waited_us >= AWAIT_MAX_US ||
	            (!node->awaits && waited_us >= e->group->scope->all->wait_us);

	if (!over)
		return;
	f->waits_us = f->outlives_us = 0;
	tell_begin(e, entry_is_quiet(e), wall_us);
}

static void
fold_entry(struct entry *e, const struct cause_node *node, int64_t now_us, int64_t wall_us)
{
	struct finding *f = &e->f;
	bool was = f->folded || f->outlives_us;

	find_cause(e, node, now_us);
	if (f->waits_us)
		judge_waiting(e, node, now_us, wall_us);
	else if (was && node->parent && !f->folded)
		tell_late(e, "worse than its cause", wall_us);
	if (f->outlives_us && f->judged_us < f->outlives_us &&
	    now_us - f->outlives_us >= OUTLIVE_MAX_US)
		tell_late(e, "outlives its cause", wall_us);
}

static size_t
count_nodes(const struct findings *fs)
{
	const struct group *g;
	size_t n = 0;

	TAILQ_FOREACH (g, &fs->related, related_link)
		n += g->nopen + g->npending;
	return n;
}

static size_t
gather(const struct findings *fs, struct cause_node *nodes)
{
	const struct group *g;
	size_t n = 0;

	TAILQ_FOREACH (g, &fs->related, related_link) {
		size_t iter = 0;
		void *value;

		/* Those that resolved may be many. */
		if (g->nopen + g->npending == 0)
			continue;
		while (map_next(g->by_key, &iter, NULL, &value)) {
			const struct entry *e = value;

			if (e->f.state != FINDING_RESOLVED)
				nodes[n++].finding = &e->f;
		}
	}
	return n;
}

static bool
is_waiting(const struct finding *f)
{
	return f->state == FINDING_OPEN && (f->waits_us || f->outlives_us);
}

void
findings_fold(struct findings *fs, int64_t now_us, int64_t wall_us)
{
	_cleanup_free_ struct cause_node *nodes = NULL;
	size_t n;

	if (!fs->rules || !fs->fold_due)
		return;
	n = count_nodes(fs);
	nodes = xcalloc(n + 1, sizeof(*nodes));
	n = gather(fs, nodes);
	causes_choose(fs->rules, nodes, n);
	fs->fold_due = false;
	for (size_t i = 0; i < n; i++) {
		const struct finding *f = nodes[i].finding;
		struct entry *e = map_get(fs->by_id, f->id);

		if (f->state != FINDING_OPEN)
			continue;
		fold_entry(e, &nodes[i], now_us, wall_us);
		fs->fold_due = fs->fold_due || is_waiting(f);
	}
}
