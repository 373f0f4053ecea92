/*
 * The findings of one monitor, as others see them: look-ups, time, drops, acknowledgements, and the
 * rows that the store shall keep.  How a sample moves a finding is in judge.c and event.c.
 */
#include "base/str.h"
#include "finding/cause.h"
#include "finding/internal.h"

const char *const finding_state_names[FINDING_STATE_N] = { "pending", "open", "resolved" };

struct findings *
findings_new(transition_fn on_transition, void *arg)
{
	struct findings *fs = xcalloc(1, sizeof(*fs));

	fs->on_transition = on_transition;
	fs->arg = arg;
	fs->by_id = map_new();
	fs->scopes = map_new();
	TAILQ_INIT(&fs->dirty);
	TAILQ_INIT(&fs->holding);
	TAILQ_INIT(&fs->resolved);
	TAILQ_INIT(&fs->dirty_groups);
	TAILQ_INIT(&fs->related);
	return fs;
}

struct findings *
findings_free(struct findings *fs)
{
	size_t iter = 0, inner;
	void *value;

	if (!fs)
		return NULL;
	while (map_next(fs->scopes, &iter, NULL, &value)) {
		struct scope *s = value;
		void *group;

		inner = 0;
		while (map_next(s->groups, &inner, NULL, &group))
			group_free(group);
		map_free(s->groups, NULL);
		free(s->name);
		free(s);
	}
	map_free(fs->scopes, NULL);
	map_free(fs->by_id, entry_free);
	for (size_t i = 0; i < fs->ngone; i++)
		free(fs->gone[i]);
	free(fs->gone);
	cause_rules_free(fs->rules);
	free(fs);
	return NULL;
}

void
entry_stale(struct entry *e, const char *reason)
{
	struct finding *f = &e->f;

	if (f->stale && f->stale_reason && streq(f->stale_reason, reason))
		return;
	finding_fresh(f);
	f->stale = true;
	f->stale_reason = xstrdup(reason);
	entry_mark(e, 0);
}

void
group_stale(struct group *g, const char *item, const char *reason)
{
	size_t iter = 0;
	void *value;

	while (map_next(g->by_key, &iter, NULL, &value)) {
		struct entry *e = value;

		if (e->f.state != FINDING_OPEN)
			continue;
		if (item && (!e->f.item || !streq(e->f.item, item)))
			continue;
		entry_stale(e, reason);
	}
}

void
findings_stale(struct findings *fs, const char *scope, const char *check, const char *reason)
{
	struct group *g = group_find(fs, scope, check);

	if (g)
		group_stale(g, NULL, reason);
}

void
findings_lose(
    struct findings *fs, const char *scope, const char *check, const char *reason, int64_t now_us)
{
	struct group *g = group_find(fs, scope, check);
	size_t iter = 0;
	void *value;

	if (!g)
		return;
	group_stale(g, NULL, reason);
	while (map_next(g->by_key, &iter, NULL, &value)) {
		struct entry *e = value;

		if (e->f.state == FINDING_PENDING) {
			entry_unpend(e, now_us);
		} else if (e->f.state == FINDING_OPEN && !e->f.lost) {
			e->f.lost = true;
			entry_mark(e, 0);
		}
	}
	group_collect(g);
}

void
findings_tick(struct findings *fs, int64_t now_us, int64_t wall_us)
{
	struct entry *e, *next;

	for (e = TAILQ_FIRST(&fs->holding); e; e = next) {
		next = TAILQ_NEXT(e, hold_link);
		if (now_us >= e->f.hold_until_us)
			entry_resolve(e, "hold passed", wall_us);
	}
	findings_evict(fs, wall_us - FINDINGS_RESOLVED_AGE_US);
}

void
findings_drop(
    struct findings *fs, const char *scope, const char *check, bool quiet, int64_t wall_us)
{
	struct scope *s = map_get(fs->scopes, scope);
	_cleanup_strv_ char **checks = NULL;
	size_t iter = 0;
	const char *key;

	if (!s)
		return;
	/* The scope goes away with its last group: walk over names of our own. */
	while (map_next(s->groups, &iter, &key, NULL))
		if (!check || streq(check, key))
			strv_add(&checks, key);
	for (char **c = checks; c && *c; c++)
		group_drop(group_find(fs, scope, *c), quiet, wall_us);
	findings_evict(fs, INT64_MIN);
}

void
findings_limit(struct findings *fs, const char *scope, const struct settings *s, int64_t now_us,
    int64_t wall_us)
{
	struct group *g = group_find(fs, scope, s->check->id);
	size_t iter = 0;
	void *value;

	while (g && map_next(g->by_key, &iter, NULL, &value)) {
		struct entry *e = value;
		enum severity to = s->force != SEVERITY_NONE ? s->force : e->f.severity;

		if (e->f.state == FINDING_RESOLVED)
			continue;
		if (s->ignore && str_glob_any(s->ignore, e->f.object)) {
			if (e->f.state == FINDING_OPEN)
				entry_resolve(e, "cleared", wall_us);
			else
				entry_forget(e);
			continue;
		}
		to = MIN(to, s->cap);
		if (to == e->f.severity)
			continue;
		if (e->f.state == FINDING_OPEN)
			entry_change(e, to, wall_us);
		else
			entry_set(e, e->f.state, to);
		entry_mark(e, now_us);
	}
	if (g)
		group_collect(g);
	findings_evict(fs, INT64_MIN);
}

void
findings_retain(struct findings *fs, bool (*keep)(const char *scope, const char *check, void *arg),
    void *arg, bool quiet, int64_t wall_us)
{
	_cleanup_strv_ char **drop = NULL;
	size_t iter = 0, inner;
	const char *scope, *check;
	void *value;

	while (map_next(fs->scopes, &iter, &scope, &value)) {
		inner = 0;
		while (map_next(((struct scope *)value)->groups, &inner, &check, NULL)) {
			if (keep(scope, check, arg))
				continue;
			strv_add(&drop, scope);
			strv_add(&drop, check);
		}
	}
	for (char **d = drop; d && *d; d += 2)
		group_drop(group_find(fs, d[0], d[1]), quiet, wall_us);
	findings_evict(fs, INT64_MIN);
}

void
findings_retain_items(struct findings *fs, const char *scope, const char *check,
    bool (*exists)(const char *item, void *arg), void *arg, int64_t wall_us)
{
	struct group *g = group_find(fs, scope, check);
	size_t iter = 0;
	const char *item;
	void *value;

	if (!g)
		return;
	while (map_next(g->by_key, &iter, NULL, &value)) {
		struct entry *e = value;

		if (!e->f.item || exists(e->f.item, arg))
			continue;
		if (e->f.state == FINDING_OPEN)
			entry_resolve(e, "removed", wall_us);
		else if (e->f.state == FINDING_PENDING)
			entry_forget(e);
	}
	iter = 0;
	while (g->known && map_next(g->known, &iter, &item, &value)) {
		if (exists(item, arg))
			continue;
		free(map_remove(g->known, item));
		group_mark(g);
	}
	group_collect(g);
	findings_evict(fs, INT64_MIN);
}

int
findings_ack(struct findings *fs, const char *id, int64_t now_us, int64_t wall_us)
{
	struct entry *e = map_get(fs->by_id, id);

	if (!e || e->f.state != FINDING_OPEN)
		return -ENOENT;
	if (e->f.acked && !e->f.lost)
		return -EALREADY;
	e->f.acked = true;
	if (e->f.kind == KIND_EVENT || e->f.lost)
		entry_resolve(e, "acknowledged", wall_us);
	else
		entry_mark(e, now_us);
	findings_evict(fs, INT64_MIN);
	return 0;
}

bool
findings_tracked(const struct findings *fs, const char *scope, const char *check, const char *key)
{
	const struct group *g = group_find(fs, scope, check);
	const struct entry *e;
	char buf[SHA_ID_SIZE];

	if (!g)
		return false;
	e = map_get(g->by_key, key);
	if (e && e->f.state != FINDING_RESOLVED)
		return true;
	return g->baselined && g->known && map_get(g->known, known_name(key, buf));
}

const struct finding *
findings_get(const struct findings *fs, const char *id)
{
	return map_get(fs->by_id, id);
}

const struct finding *
findings_next(const struct findings *fs, size_t *iter)
{
	void *value;

	return map_next(fs->by_id, iter, NULL, &value) ? value : NULL;
}

const struct finding *
findings_next_of(const struct findings *fs, const char *scope, const char *check, size_t *iter)
{
	const struct group *g = group_find(fs, scope, check);
	void *value;

	return g && map_next(g->by_key, iter, NULL, &value) ? value : NULL;
}

int
findings_by_urgency(const void *a, const void *b)
{
	const struct finding *x = *(const struct finding *const *)a,
	                     *y = *(const struct finding *const *)b;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	if (x->since_wall_us != y->since_wall_us)
		return x->since_wall_us < y->since_wall_us ? -1 : 1;
	return strcmp(x->id, y->id);
}

size_t
findings_count(const struct findings *fs, const char *scope, enum severity severity)
{
	const struct scope *s;

	if (!scope)
		return fs->open[severity];
	s = map_get(fs->scopes, scope);
	return s ? s->open[severity] : 0;
}

enum check_status
findings_status(const struct findings *fs, const char *scope, const char *check)
{
	const struct group *g = group_find(fs, scope, check);

	if (!g)
		return CHECK_OK;
	if (flap_is_beneath(g))
		return flap_status(g, false);
	if (g->open[SEVERITY_CRITICAL])
		return CHECK_CRITICAL;
	if (g->open[SEVERITY_WARNING])
		return CHECK_WARNING;
	if (g->open[SEVERITY_INFO])
		return CHECK_INFO;
	return g->npending ? CHECK_PENDING : CHECK_OK;
}

bool
findings_take_dirty(struct findings *fs, int64_t now_us, char **ret_key, char **ret_json)
{
	struct entry *e = TAILQ_FIRST(&fs->dirty);
	struct group *g = TAILQ_FIRST(&fs->dirty_groups);

	/* What is gone first: the same id may have come back since. */
	if (fs->ngone > 0) {
		*ret_key = fs->gone[--fs->ngone];
		*ret_json = NULL;
	} else if (e) {
		TAILQ_REMOVE(&fs->dirty, e, dirty_link);
		e->queued = false;
		e->saved = true;
		*ret_key = xstrdup(e->f.id);
		*ret_json = finding_save(&e->f, now_us);
	} else if (g) {
		TAILQ_REMOVE(&fs->dirty_groups, g, dirty_link);
		g->queued = false;
		g->saved = true;
		*ret_key = group_row_key(g);
		*ret_json = known_save(g);
	} else if (fs->sequence_dirty) {
		fs->sequence_dirty = false;
		*ret_key = xstrdup(SEQUENCE_ROW);
		*ret_json = sequence_save(fs->sequence);
	} else {
		return false;
	}
	return true;
}
