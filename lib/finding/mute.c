/*
 * Findings under silences: who is quiet now, what breaks that, and what is told when it ends.  A
 * finding is quiet by at most one silence; while it is, its transitions say so, and it is counted
 * apart.
 */
#include "base/str.h"
#include "finding/internal.h"
#include "finding/silence.h"

void
findings_set_silences(struct findings *fs, struct silences *silences)
{
	fs->silences = silences;
}

static void
count(struct entry *e, bool quiet)
{
	if (e->f.state != FINDING_OPEN)
		return;
	if (quiet)
		e->group->muted[e->f.severity]++;
	else
		e->group->muted[e->f.severity]--;
}

/*
 * Sets who keeps it quiet, by how it is now.  A rise over the severity that it became quiet with
 * breaks every silence that had begun by then, but those that were asked to hold even so.
 */
void
mute_judge(struct entry *e, int64_t wall_us)
{
	struct finding *f = &e->f;
	const struct silences *all = e->group->scope->all->silences;
	bool was = *f->mute_id, is;

	if (was && f->severity > f->mute_severity) {
		if (!f->mute || !f->mute->even_if_worse)
			f->mute_broken_wall_us = wall_us;
		f->mute_severity = f->severity;
	}
	f->mute = all && f->state == FINDING_OPEN ? silences_match(all, f) : NULL;
	is = f->mute != NULL;
	if (is && !was)
		f->mute_severity = f->severity;
	if (is != was || (is && !streq(f->mute_id, f->mute->id)))
		entry_mark(e, 0);
	if (is != was)
		count(e, is);
	f->mute_id[0] = '\0';
	if (is)
		memcpy(f->mute_id, f->mute->id, sizeof(f->mute_id));
}

/* What it was quiet by is over: a new beginning, nothing is broken yet. */
void
mute_reset(struct entry *e)
{
	if (*e->f.mute_id)
		count(e, false);
	e->f.mute = NULL;
	e->f.mute_id[0] = '\0';
	e->f.mute_severity = SEVERITY_NONE;
	e->f.mute_broken_wall_us = 0;
}

void
findings_remute(struct findings *fs, int64_t wall_us)
{
	size_t iter = 0;
	void *value;

	while (map_next(fs->by_id, &iter, NULL, &value)) {
		struct entry *e = value;
		const char *reason = "silence ended";
		bool was = *e->f.mute_id;

		if (e->f.state != FINDING_OPEN) {
			e->f.mute = NULL; /* may be going away */
			continue;
		}
		if (e->f.mute && e->f.mute->kind == SILENCE_ACCEPT)
			reason = "no longer accepted";
		mute_judge(e, wall_us);
		/* What follows from another is told by that, or when it outlives it. */
		if (was && !entry_is_quiet(e))
			entry_tell_again(e, reason, wall_us);
	}
}

size_t
findings_matched(const struct findings *fs, const struct silence *s)
{
	size_t iter = 0, n = 0;
	const struct finding *f;

	while ((f = findings_next(fs, &iter)))
		n += f->state == FINDING_OPEN && silence_is_of(s, f);
	return n;
}

bool
findings_end_silences(struct findings *fs, int64_t wall_us)
{
	size_t iter = 0;
	struct silence *s;
	bool changed = false;

	/* Whether something opened or resolved since. */
	if (!fs->silences || fs->ended_sequence == fs->sequence)
		return false;
	fs->ended_sequence = fs->sequence;
	while ((s = silences_next(fs->silences, &iter))) {
		bool matches;

		if (!s->until_resolved || !s->active)
			continue;
		matches = findings_matched(fs, s) > 0;
		if (s->matched && !matches) {
			s->until_wall_us = wall_us;
			s->resolved = changed = true;
		}
		if (matches && !s->matched)
			s->matched = s->unsaved = changed = true;
	}
	return changed;
}

enum check_status
findings_status_counted(const struct findings *fs, const char *scope, const char *check)
{
	const struct group *g = group_find(fs, scope, check);

	if (g && flap_is_beneath(g))
		return flap_status(g, true);
	for (enum severity s = SEVERITY_CRITICAL; g && s > SEVERITY_NONE; s--)
		if (g->open[s] > g->muted[s])
			return s == SEVERITY_CRITICAL  ? CHECK_CRITICAL
			       : s == SEVERITY_WARNING ? CHECK_WARNING
			                               : CHECK_INFO;
	return CHECK_OK;
}

bool
findings_all_muted(const struct findings *fs, const char *scope, const char *check)
{
	const struct group *g = group_find(fs, scope, check);
	bool any = false;

	for (enum severity s = SEVERITY_INFO; g && s < SEVERITY_N; s++) {
		any = any || g->open[s] > 0;
		if (g->open[s] > g->muted[s])
			return false;
	}
	return any;
}
