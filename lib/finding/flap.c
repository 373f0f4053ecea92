/*
 * Flapping: a finding that samples move too often is told as flapping, once, and shown as open at
 * the worst of it; what it is beneath goes on being judged, and is told when it has come to rest.
 */
#include "finding/internal.h"

enum severity
finding_now(const struct finding *f)
{
	if (f->state != FINDING_OPEN)
		return SEVERITY_NONE;
	return f->flapping ? f->beneath : f->severity;
}

/* As it is now: traffic goes by what connectivity says. */
enum check_status
flap_status(const struct group *g, bool counted)
{
	enum severity worst = SEVERITY_NONE;
	size_t iter = 0;
	void *value;

	while (map_next(g->by_key, &iter, NULL, &value)) {
		const struct finding *f = &((struct entry *)value)->f;

		if (!counted || !*f->mute_id)
			worst = MAX(worst, finding_now(f));
	}
	return worst == SEVERITY_CRITICAL    ? CHECK_CRITICAL
	       : worst == SEVERITY_WARNING   ? CHECK_WARNING
	       : worst == SEVERITY_INFO      ? CHECK_INFO
	       : g->npending > 0 && !counted ? CHECK_PENDING
	                                     : CHECK_OK;
}

bool
flap_is_beneath(const struct group *g)
{
	return g->nflapping > 0 && g->probe == PROBE_CONNECTIVITY;
}

static void
set_flapping(struct entry *e, bool flapping)
{
	if (e->f.flapping == flapping)
		return;
	e->f.flapping = flapping;
	if (flapping)
		e->group->nflapping++;
	else
		e->group->nflapping--;
}

void
flap_forget(struct entry *e)
{
	struct finding *f = &e->f;

	set_flapping(e, false);
	f->beneath = SEVERITY_NONE;
	f->flapping_since_wall_us = 0;
	f->flapping_changes = 0;
	free(f->moves);
	f->moves = NULL;
	f->nmoves = 0;
}

void
flap_restore(struct entry *e)
{
	e->f.flapping = false;
	set_flapping(e, true);
}

/* Those that still count, and this one. */
static void
note_move(struct finding *f, const struct run *run)
{
	int64_t since_us = run->now_us - run->settings->flap_window_us;
	size_t drop = 0;

	while (drop < f->nmoves &&
	       (f->moves[drop].us <= since_us || f->nmoves - drop > FLAP_CHANGES_MAX))
		drop++;
	f->nmoves -= drop;
	if (drop > 0)
		memmove(f->moves, f->moves + drop, f->nmoves * sizeof(*f->moves));
	f->moves = xreallocarray(f->moves, f->nmoves + 1, sizeof(*f->moves));
	f->moves[f->nmoves++] = (struct finding_move){ run->now_us, run->wall_us };
}

static void
begin(struct entry *e, enum severity to, const struct run *run)
{
	int64_t wall_us = run->wall_us;
	struct finding *f = &e->f;
	enum severity from = f->state == FINDING_OPEN ? f->severity : SEVERITY_NONE;
	bool was_quiet = from == SEVERITY_NONE || entry_is_quiet(e);

	if (from == SEVERITY_NONE) {
		mute_reset(e);
		fold_reset(e);
		f->since_wall_us = wall_us;
		f->resolved_wall_us = 0;
	}
	if (to > from)
		f->acked = false;
	finding_fresh(f);
	f->good_samples = 0;
	f->flapping_since_wall_us = wall_us;
	f->flapping_changes = f->nmoves;
	f->moves[0] = f->moves[f->nmoves - 1];
	f->nmoves = 1;
	f->beneath = to;
	set_flapping(e, true);
	entry_set(e, FINDING_OPEN, MAX(from, to));
	mute_judge(e, wall_us);
	fold_judge(e, from);
	if (from == SEVERITY_NONE && !*f->mute_id)
		fold_wait(e, run, to);
	if (f->waits_us)
		entry_mark(e, 0);
	else
		entry_tell(
		    e, TRANSITION_FLAPPING, from, NULL, was_quiet && entry_is_quiet(e), wall_us);
}

static void
go_on(struct entry *e, const struct run *run, enum severity to)
{
	struct finding *f = &e->f;

	if (run->again && to == SEVERITY_NONE) {
		entry_resolve(e, "cleared", run->wall_us);
		return;
	}
	if (!run->again) {
		f->moves[0] = (struct finding_move){ run->now_us, run->wall_us };
		f->flapping_changes++;
	}
	f->good_samples = 0;
	f->beneath = to;
	if (to > f->severity)
		entry_change(e, to, run->wall_us);
	else
		entry_mark(e, 0);
}

/* It may come again: how often it moved is not forgotten, unless the rules moved. */
static void
clear(struct entry *e, const struct run *run)
{
	struct finding *f = &e->f;
	struct finding_move *moves = run->again ? NULL : TAKE_PTR(f->moves);
	size_t n = moves ? f->nmoves : 0;

	entry_resolve(e, "cleared", run->wall_us);
	f->moves = moves;
	f->nmoves = n;
}

/* Rules that moved are no move of the world, and a look without a past has none either. */
void
entry_move(struct entry *e, const struct run *run, enum severity to)
{
	struct finding *f = &e->f;
	enum severity was = finding_now(f);
	unsigned max = run->settings->flap_changes;

	if (f->flapping) {
		go_on(e, run, to);
		return;
	}
	if (!run->again && !run->one_shot) {
		note_move(f, run);
		if (max > 0 && f->nmoves > max) {
			begin(e, to, run);
			return;
		}
	}
	if (to == SEVERITY_NONE)
		clear(e, run);
	else if (was == SEVERITY_NONE)
		entry_open(e, to, run);
	else
		entry_change(e, to, run->wall_us);
}

/* Half of the window without a move, and nothing on its way. */
static bool
is_at_rest(const struct finding *f, const struct run *run)
{
	const struct settings *s = run->settings;

	if (f->good_samples > 0)
		return false;
	for (int i = (int)f->beneath + 1; i < SEVERITY_N; i++)
		if (f->breach_samples[i] > 0)
			return false;
	return s->flap_changes == 0 || f->nmoves == 0 ||
	       run->now_us - f->moves[0].us >= s->flap_window_us / 2;
}

void
entry_settle(struct entry *e, const struct run *run)
{
	struct finding *f = &e->f;
	enum severity shown = f->severity, to = f->beneath;
	bool quiet = entry_is_quiet(e);

	if (!f->flapping || run->again || !is_at_rest(f, run))
		return;
	fold_end_wait(e, run->wall_us);
	flap_forget(e);
	if (to > SEVERITY_NONE) {
		entry_set(e, FINDING_OPEN, to);
		mute_judge(e, run->wall_us);
		fold_judge(e, shown);
		entry_tell(
		    e, TRANSITION_STABLE, shown, NULL, quiet && entry_is_quiet(e), run->wall_us);
		return;
	}
	quiet = quiet && f->told == SEVERITY_NONE;
	f->resolved_wall_us = run->wall_us;
	finding_fresh(f);
	mute_reset(e);
	fold_reset(e);
	entry_set(e, FINDING_RESOLVED, shown);
	entry_tell(e, TRANSITION_STABLE, shown, "stable again", quiet, run->wall_us);
}
