/*
 * kind event: what happened, not what is.  A value above the last known one is an occurrence; the
 * first contact is only the baseline, but for counters that stay until somebody acknowledges them
 * (damage that was counted before we came is still damage).
 */
#include "finding/internal.h"

/* Whether the sample tells of something new; keeps its value as the last known one. */
static bool
is_occurrence(struct group *g, const struct run *run, const struct sample *s)
{
	bool ack = run->settings->hold_us == HOLD_ACK;
	char buf[SHA_ID_SIZE];
	const char *name = known_name(s->key, buf);
	bool first = !g->known || !map_get(g->known, name), breach = s->severity > SEVERITY_NONE;
	double value = s->has_value ? s->value : 0;
	struct known *k = group_known(g, name);
	bool news;

	/* Beyond the cap nothing is remembered, so nothing can be told from what was before. */
	if (!k)
		return false;
	if (first)
		news = g->baselined || (ack && value != 0);
	else if (k->absent)
		news = value != k->value;
	else /* a counter that was reset and counts again is news; a clock set back is not */
		news = value > k->value || (ack && value < k->value && value != 0);
	if (first || k->absent || value != k->value)
		group_mark(g);
	k->value = value;
	k->absent = false;
	k->run_mark = g->scope->all->run_mark;
	return news && breach;
}

static void
occur(struct group *g, const struct run *run, const struct sample *s)
{
	struct entry *e = entry_find(g, s->key), *more = entry_find(g, FINDING_MORE);
	size_t places = g->nopen - (more && more->f.state == FINDING_OPEN);
	bool fits = (e && e->f.state == FINDING_OPEN) || places < run->settings->max_findings;
	int64_t hold = run->settings->hold_us;
	enum severity severity = s->severity;
	bool is_open;

	if (!fits)
		e = more;
	if (!e)
		e = entry_make(g, run->settings, fits ? s->key : FINDING_MORE);
	is_open = e->f.state == FINDING_OPEN;
	if (is_open)
		severity = MAX(severity, e->f.severity);
	e->f.event_value = s->has_value ? s->value : 0;
	if (!is_open) {
		e->f.first_seen_wall_us = run->wall_us;
		entry_set(e, FINDING_PENDING, severity);
	}
	e->f.count = is_open ? e->f.count + 1 : 1;
	if (fits)
		content_fill(&e->f, run, s, severity);
	else
		content_fill_more(&e->f, run, (size_t)e->f.count, severity);
	entry_hold(e, hold == HOLD_ACK ? INT64_MAX : run->now_us + hold);
	e->f.hold_until_wall_us = hold == HOLD_ACK ? 0 : run->wall_us + hold;
	entry_mark(e, run->now_us);
	if (!is_open)
		entry_open(e, severity, run);
	else if (severity > e->f.severity)
		entry_change(e, severity, run->wall_us);
}

static void
mark_absent(struct group *g)
{
	size_t iter = 0;
	void *value;

	while (g->known && map_next(g->known, &iter, NULL, &value)) {
		struct known *k = value;

		if (k->absent || k->run_mark == g->scope->all->run_mark)
			continue;
		k->absent = true;
		group_mark(g);
	}
}

/* Full of keys that are no longer there: make room by forgetting those. */
static void
forget_absent(struct group *g)
{
	size_t iter = 0;
	const char *key;
	void *value;

	while (map_next(g->known, &iter, &key, &value))
		if (((struct known *)value)->absent)
			free(map_remove(g->known, key));
}

static void
refresh(struct group *g)
{
	size_t iter = 0;
	void *value;

	while (map_next(g->by_key, &iter, NULL, &value)) {
		struct entry *e = value;

		if (!e->f.stale)
			continue;
		finding_fresh(&e->f);
		entry_mark(e, 0);
	}
}

void
event_apply(struct group *g, const struct run *run)
{
	const struct result *r = run->result;
	bool complete = r->state == RESULT_COMPLETE;

	if (complete)
		refresh(g);
	/* What is not looked at now is seen next time: nothing is known of it yet. */
	if (run->loop_late)
		return;
	for (size_t i = 0; i < r->nsamples; i++)
		if (is_occurrence(g, run, r->samples[i]))
			occur(g, run, r->samples[i]);
	if (!complete)
		return;
	mark_absent(g);
	if (g->known && map_size(g->known) >= KNOWN_MAX)
		forget_absent(g);
	if (g->baselined)
		return;
	g->baselined = true;
	group_mark(g);
}
