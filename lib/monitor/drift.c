/*
 * Versions of what a check of kind snapshot sees, and the baseline: what is done with them.  How they
 * are kept over restarts is drift_save.c.
 */
#include "monitor/drift.h"
#include "base/str.h"

#define WORDS_MAX 40
/* An older version that differs by more is known by its words only. */
#define STEP_BYTES ((size_t)200 << 10)

struct drift *
drift_new(void)
{
	return xcalloc(1, sizeof(struct drift));
}

static void
version_done(struct drift_version *v)
{
	free(v->words);
	shape_free(v->before);
	*v = (struct drift_version){ 0 };
}

struct drift *
drift_free(struct drift *d)
{
	if (!d)
		return NULL;
	for (size_t i = 0; i < d->nversions; i++)
		version_done(&d->versions[i]);
	shape_free(d->now);
	shape_free(d->building);
	shape_free(d->baseline);
	free(d->home);
	free(d->how);
	free(d->baseline_by);
	free(d->sibling);
	free(d);
	return NULL;
}

void
drift_give_up(struct drift *d)
{
	d->building = shape_free(d->building);
	d->slice = d->slices = 0;
}

bool
drift_add_slice(struct drift *d, struct shape *part, unsigned slices)
{
	if (!d->building)
		d->building = shape_new();
	if (d->slices == 0)
		d->slices = MAX(slices, 1u);
	shape_take(d->building, part);
	if (++d->slice < d->slices)
		return false;
	d->slice = d->slices = 0;
	return true;
}

static struct drift_version *
version_add(struct drift *d)
{
	if (d->nversions == DRIFT_VERSIONS)
		version_done(&d->versions[--d->nversions]);
	memmove(&d->versions[1], &d->versions[0], d->nversions * sizeof(d->versions[0]));
	d->nversions++;
	d->versions[0] =
	    (struct drift_version){ .number = d->nversions > 1 ? d->versions[1].number + 1 : 1 };
	return &d->versions[0];
}

/* What the look says beside the look before. */
static size_t
compare(struct drift *d, bool across, int64_t wall_us)
{
	struct shape_words *words = shape_words_new(WORDS_MAX, NULL);
	size_t n = shape_compare(d->now, d->building, across, shape_words_add, words);
	struct drift_version *v;
	struct shape *step;

	if (n == 0) {
		free(shape_words_end(words));
		return 0;
	}
	step = shape_overlay(d->now, d->building, across);
	v = version_add(d);
	v->after_wall_us = d->seen_wall_us;
	v->seen_wall_us = wall_us;
	v->differences = n;
	v->words = shape_words_end(words);
	if (d->baseline) {
		shape_overlay_extend(d->baseline, step);
		shape_overlay_settle(d->baseline, d->building, across || d->baseline_across);
	}
	if (shape_bytes(step) > STEP_BYTES)
		step = shape_free(step);
	v->before = step;
	return n;
}

size_t
drift_look(struct drift *d, const char *home, const char *how, int64_t wall_us)
{
	bool first = !d->now, same = !first && streq(d->how, how);
	bool across = !first && *d->home && *home && !streq(d->home, home);
	size_t n = 0;

	assert(d->building);
	if (across && d->baseline)
		d->baseline_across = true;
	if (same)
		n = compare(d, across, wall_us);
	if (first) {
		struct drift_version *v = version_add(d);

		v->seen_wall_us = wall_us;
		v->words = xstrdup("first look");
	} else if (!same && d->baseline) {
		/* Another look at the same: what it sees for the first time is no change. */
		shape_overlay_settle(d->baseline, d->building, d->baseline_across);
	}
	d->dirty = d->dirty || first || !same || across || n > 0 ||
	           shape_compare(d->now, d->building, false, NULL, NULL) > 0;
	shape_free(d->now);
	d->now = TAKE_PTR(d->building);
	free(d->home);
	free(d->how);
	d->home = xstrdup(home);
	d->how = xstrdup(how);
	d->seen_wall_us = wall_us;
	return n;
}

static struct shape *
overlay_of_version(const struct drift *d, uint64_t version)
{
	struct shape *overlay = shape_new();
	size_t i = 0;

	while (i < d->nversions && d->versions[i].number != version)
		i++;
	if (i == d->nversions)
		return shape_free(overlay);
	/* From the oldest step on: what it knows is how it was then. */
	while (i-- > 0) {
		if (!d->versions[i].before)
			return shape_free(overlay);
		shape_overlay_extend(overlay, d->versions[i].before);
	}
	shape_overlay_settle(overlay, d->now, false);
	return overlay;
}

int
drift_pin(struct drift *d, uint64_t version, const char *by, int64_t wall_us)
{
	struct shape *overlay;

	if (!d->now)
		return -ENOENT;
	if (version == 0)
		version = d->versions[0].number;
	overlay = overlay_of_version(d, version);
	if (!overlay)
		return -ENOENT;
	shape_free(d->baseline);
	d->baseline = overlay;
	d->baseline_across = false;
	d->baseline_version = version;
	d->baseline_wall_us = wall_us;
	free(d->baseline_by);
	d->baseline_by = xstrdup(by);
	d->dirty = true;
	return 0;
}

void
drift_unpin(struct drift *d)
{
	d->baseline = shape_free(d->baseline);
	free(TAKE_PTR(d->baseline_by));
	d->baseline_across = false;
	d->dirty = true;
}

size_t
drift_from_baseline(const struct drift *d, shape_fn fn, void *arg)
{
	if (!d->baseline || !d->now)
		return 0;
	return shape_compare_overlay(d->baseline, d->now, d->baseline_across, fn, arg);
}
