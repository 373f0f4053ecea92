/*
 * Groups and entries: where findings are kept, what counts them, and the transitions, which keep
 * counts and lists true and mark what the store must hear of.
 */
#include "finding/internal.h"

/* ---- groups ---- */

struct group *
group_find(const struct findings *fs, const char *scope, const char *check)
{
	const struct scope *s = map_get(fs->scopes, scope);

	return s ? map_get(s->groups, check) : NULL;
}

struct group *
group_make(struct findings *fs, const char *scope, const char *check, enum engine engine)
{
	struct scope *s = map_get(fs->scopes, scope);
	struct group *g;

	if (!s) {
		s = xcalloc(1, sizeof(*s));
		s->all = fs;
		s->name = xstrdup(scope);
		s->groups = map_new();
		map_put(fs->scopes, scope, s);
	}
	g = map_get(s->groups, check);
	if (!g) {
		g = xcalloc(1, sizeof(*g));
		g->scope = s;
		g->check = xstrdup(check);
		g->engine = engine;
		g->by_key = map_new();
		map_put(s->groups, check, g);
		fold_relate(g);
	}
	return g;
}

void
group_free(struct group *g)
{
	if (g->queued)
		TAILQ_REMOVE(&g->scope->all->dirty_groups, g, dirty_link);
	if (g->related)
		TAILQ_REMOVE(&g->scope->all->related, g, related_link);
	map_free(g->by_key, NULL);
	map_free(g->known, free);
	free(g->check);
	free(g);
}

void
group_collect(struct group *g)
{
	struct scope *s = g->scope;

	if (map_size(g->by_key) > 0 || g->known || g->baselined)
		return;
	map_remove(s->groups, g->check);
	group_free(g);
	if (map_size(s->groups) > 0)
		return;
	map_remove(s->all->scopes, s->name);
	map_free(s->groups, NULL);
	free(s->name);
	free(s);
}

static void
gone_add(struct findings *fs, char *take_key)
{
	if (fs->ngone == fs->gone_cap) {
		fs->gone_cap = MAX(fs->gone_cap * 2, 16);
		fs->gone = xreallocarray(fs->gone, fs->gone_cap, sizeof(*fs->gone));
	}
	fs->gone[fs->ngone++] = take_key;
}

void
group_drop(struct group *g, bool quiet, int64_t wall_us)
{
	size_t iter = 0;
	void *value;

	while (map_next(g->by_key, &iter, NULL, &value)) {
		struct entry *e = value;

		if (e->f.state == FINDING_OPEN && !quiet)
			entry_resolve(e, "removed", wall_us);
		else if (quiet || e->f.state == FINDING_PENDING)
			entry_forget(e);
	}
	if (g->saved)
		gone_add(g->scope->all, group_row_key(g));
	g->known = map_free(g->known, free);
	g->baselined = g->saved = false;
	group_collect(g);
}

void
group_mark(struct group *g)
{
	if (g->queued)
		return;
	TAILQ_INSERT_TAIL(&g->scope->all->dirty_groups, g, dirty_link);
	g->queued = true;
}

struct known *
group_known(struct group *g, const char *key)
{
	struct known *k;

	if (!g->known)
		g->known = map_new();
	k = map_get(g->known, key);
	if (k || map_size(g->known) >= KNOWN_MAX)
		return k;
	k = xcalloc(1, sizeof(*k));
	map_put(g->known, key, k);
	return k;
}

const char *
known_name(const char *key, char buf[static SHA_ID_SIZE])
{
	if (strlen(key) < KNOWN_KEY_SIZE)
		return key;
	sha_id(&key, 1, buf);
	return buf;
}

char *
group_row_key(const struct group *g)
{
	const char *parts[] = { g->scope->name, g->check };
	char id[SHA_ID_SIZE];

	sha_id(parts, ARRAY_SIZE(parts), id);
	return xasprintf("known-%s", id);
}

/* ---- entries ---- */

struct entry *
entry_find(const struct group *g, const char *key)
{
	return map_get(g->by_key, key);
}

struct entry *
entry_make(struct group *g, const struct settings *settings, const char *key)
{
	const struct check *check = settings->check;
	const char *parts[] = { engine_names[check->engine], g->scope->name, check->id, key };
	struct entry *e = map_get(g->by_key, key);
	struct finding *f;

	if (e)
		return e;
	e = xcalloc(1, sizeof(*e));
	f = &e->f;
	e->group = g;
	g->probe = check->probe;
	sha_id(parts, ARRAY_SIZE(parts), f->id);
	f->engine = check->engine;
	f->scope = xstrdup(g->scope->name);
	f->check = xstrdup(check->id);
	f->key = xstrdup(key);
	f->probe = check->probe;
	f->kind = check->kind;
	f->count = 1;
	map_put(g->by_key, key, e);
	map_put(g->scope->all->by_id, f->id, e);
	g->npending++;
	return e;
}

void
entry_free(void *entry)
{
	struct entry *e = entry;

	finding_done(&e->f);
	free(e);
}

/* Leaves the counts and lists that belong to a state and severity. */
static void
entry_leave(struct entry *e)
{
	struct group *g = e->group;
	struct findings *fs = g->scope->all;

	if (e->f.state == FINDING_PENDING)
		g->npending--;
	if (e->f.state == FINDING_OPEN) {
		g->nopen--;
		g->open[e->f.severity]--;
		g->muted[e->f.severity] -= *e->f.mute_id != '\0';
		g->scope->open[e->f.severity]--;
		fs->open[e->f.severity]--;
	}
	if (e->shelved) {
		TAILQ_REMOVE(&fs->resolved, e, resolved_link);
		fs->nresolved--;
		e->shelved = false;
	}
}

static void
entry_shelve(struct entry *e)
{
	struct findings *fs = e->group->scope->all;
	struct entry *after = TAILQ_LAST(&fs->resolved, entry_list);

	while (after && after->f.resolved_wall_us > e->f.resolved_wall_us)
		after = TAILQ_PREV(after, entry_list, resolved_link);
	if (after)
		TAILQ_INSERT_AFTER(&fs->resolved, after, e, resolved_link);
	else
		TAILQ_INSERT_HEAD(&fs->resolved, e, resolved_link);
	fs->nresolved++;
	e->shelved = true;
}

void
entry_set(struct entry *e, enum finding_state state, enum severity severity)
{
	struct group *g = e->group;

	entry_leave(e);
	g->scope->all->fold_due = g->scope->all->fold_due || g->related;
	e->f.state = state;
	e->f.severity = severity;
	if (state == FINDING_PENDING)
		g->npending++;
	if (state == FINDING_OPEN) {
		g->nopen++;
		g->open[severity]++;
		g->muted[severity] += *e->f.mute_id != '\0';
		g->scope->open[severity]++;
		g->scope->all->open[severity]++;
	}
	if (state == FINDING_RESOLVED)
		entry_shelve(e);
}

void
entry_mark(struct entry *e, int64_t now_us)
{
	if (now_us)
		e->marked_us = now_us;
	if (e->queued)
		return;
	TAILQ_INSERT_TAIL(&e->group->scope->all->dirty, e, dirty_link);
	e->queued = true;
}

/* As if it had not been. */
void
entry_unpend(struct entry *e, int64_t now_us)
{
	struct finding *f = &e->f;

	if (f->resolved_wall_us == 0) {
		entry_forget(e);
		return;
	}
	memset(f->breach_samples, 0, sizeof(f->breach_samples));
	entry_set(e, FINDING_RESOLVED, f->previous);
	entry_mark(e, now_us);
}

/* until_us 0: no longer; INT64_MAX: until a person says so, which needs no list. */
void
entry_hold(struct entry *e, int64_t until_us)
{
	struct findings *fs = e->group->scope->all;
	bool wanted = until_us > 0 && until_us < INT64_MAX;

	e->f.hold_until_us = until_us;
	if (wanted && !e->holding)
		TAILQ_INSERT_TAIL(&fs->holding, e, hold_link);
	if (!wanted && e->holding)
		TAILQ_REMOVE(&fs->holding, e, hold_link);
	e->holding = wanted;
}

void
entry_forget(struct entry *e)
{
	struct group *g = e->group;
	struct findings *fs = g->scope->all;

	entry_leave(e);
	flap_forget(e);
	entry_hold(e, 0);
	if (e->queued)
		TAILQ_REMOVE(&fs->dirty, e, dirty_link);
	if (e->saved)
		gone_add(fs, xstrdup(e->f.id));
	map_remove(g->by_key, e->f.key);
	map_remove(fs->by_id, e->f.id);
	entry_free(e);
}

/*
 * One counter for all findings, seeded by the wall clock when there is no state: so an event id
 * never comes twice, not for a finding that was forgotten and opens again, nor after the state
 * was lost.
 */
void
entry_tell(struct entry *e, enum transition_kind kind, enum severity from, const char *reason,
    bool quiet, int64_t wall_us)
{
	struct findings *fs = e->group->scope->all;
	struct transition t = {
		.kind = kind,
		.finding = &e->f,
		.from = from,
		.to = e->f.state == FINDING_RESOLVED ? SEVERITY_NONE : e->f.severity,
		.wall_us = wall_us,
		.reason = reason,
		.quiet = quiet,
	};

	if (fs->sequence == 0)
		fs->sequence = (uint64_t)MAX(wall_us, 0) / 1000000;
	e->f.sequence = ++fs->sequence;
	fs->sequence_dirty = true;
	e->f.previous = from;
	if (!quiet)
		e->f.told = t.to;
	entry_mark(e, 0);
	if (fs->on_transition)
		fs->on_transition(&t, fs->arg);
}

void
entry_open(struct entry *e, enum severity severity, const struct run *run)
{
	int64_t wall_us = run->wall_us;

	e->f.acked = false;
	finding_fresh(&e->f);
	e->f.since_wall_us = wall_us;
	e->f.resolved_wall_us = 0;
	mute_reset(e);
	fold_reset(e);
	entry_set(e, FINDING_OPEN, severity);
	mute_judge(e, wall_us);
	if (!*e->f.mute_id)
		fold_wait(e, run, severity);
	if (e->f.waits_us)
		entry_mark(e, 0);
	else
		entry_tell(e, TRANSITION_OPENED, SEVERITY_NONE, NULL, *e->f.mute_id, wall_us);
}

void
entry_tell_again(struct entry *e, const char *reason, int64_t wall_us)
{
	entry_tell(e, TRANSITION_OPENED, SEVERITY_NONE, reason, false, wall_us);
}

void
entry_change(struct entry *e, enum severity severity, int64_t wall_us)
{
	enum severity from = e->f.severity;
	bool was_quiet = entry_is_quiet(e);

	if (severity > from)
		e->f.acked = false;
	e->f.beneath = MIN(e->f.beneath, severity);
	entry_set(e, FINDING_OPEN, severity);
	mute_judge(e, wall_us);
	fold_judge(e, from);
	if (e->f.waits_us) {
		entry_mark(e, 0); /* its beginning will say how it is then */
		return;
	}
	/* Into silence and out of it is told: who heard of one side hears of the other. */
	entry_tell(e, TRANSITION_CHANGED, from, NULL, was_quiet && entry_is_quiet(e), wall_us);
}

void
entry_resolve(struct entry *e, const char *reason, int64_t wall_us)
{
	struct finding *f = &e->f;
	bool quiet = entry_is_quiet(e) && f->told == SEVERITY_NONE;

	assert(f->state == FINDING_OPEN);
	fold_end_wait(e, wall_us);
	memset(f->breach_since_us, 0, sizeof(f->breach_since_us));
	memset(f->breach_samples, 0, sizeof(f->breach_samples));
	f->good_since_us = 0;
	f->good_samples = 0;
	finding_fresh(f);
	flap_forget(e);
	f->resolved_wall_us = wall_us;
	entry_hold(e, 0);
	mute_reset(e);
	fold_reset(e);
	entry_set(e, FINDING_RESOLVED, f->severity);
	entry_tell(e, TRANSITION_RESOLVED, f->severity, reason, quiet, wall_us);
}

void
findings_evict(struct findings *fs, int64_t before_wall_us)
{
	struct entry *e, *next;

	for (e = TAILQ_FIRST(&fs->resolved); e; e = next) {
		struct group *g = e->group;

		if (fs->nresolved <= FINDINGS_RESOLVED_MAX &&
		    e->f.resolved_wall_us >= before_wall_us)
			break;
		next = TAILQ_NEXT(e, resolved_link);
		entry_forget(e);
		group_collect(g);
	}
}
