/*
 * History of one check on one scope.  Points are 8 bytes each, because a host may have a thousand
 * databases with dozens of checks.
 */
#include "check/series.h"
#include "base/clock.h"
#include "check/series_private.h"
#include <math.h>

/* A window keeps about so many steps, however often the check runs. */
#define WINDOW_STEPS 100

struct series *
series_new(void)
{
	return xcalloc(1, sizeof(struct series));
}

struct map *
series_counters(struct series *s)
{
	if (!s->counters)
		s->counters = map_new();
	return s->counters;
}

static void
entry_free(void *p)
{
	struct counter_entry *entry = p;

	if (entry)
		free(entry->increments);
	free(entry);
}

struct series *
series_free(struct series *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->nrings; i++) {
		free(s->rings[i].object);
		free(s->rings[i].v);
	}
	free(s->rings);
	map_free(s->counters, entry_free);
	free(s);
	return NULL;
}

static struct value_ring *
find_ring(const struct series *s, const char *object)
{
	for (size_t i = 0; i < s->nrings; i++)
		if (streq(s->rings[i].object, object))
			return (struct value_ring *)&s->rings[i];
	return NULL;
}

static const struct value_point *
last_point(const struct value_ring *ring)
{
	return ring->n == 0 ? NULL : &ring->v[(ring->start + ring->n - 1) % ring->n];
}

static struct value_ring *
add_ring(struct series *s, const char *object, uint32_t wall_s)
{
	struct value_ring *ring = NULL;

	if (s->nrings < SERIES_OBJECTS) {
		s->rings = xreallocarray(s->rings, s->nrings + 1, sizeof(*s->rings));
		ring = &s->rings[s->nrings++];
	} else {
		for (size_t i = 0; i < s->nrings; i++) {
			uint32_t last = last_point(&s->rings[i])->wall_s;

			if (last < wall_s && (!ring || last < last_point(ring)->wall_s))
				ring = &s->rings[i];
		}
		if (!ring)
			return NULL;
		free(ring->object);
		free(ring->v);
	}
	*ring = (struct value_ring){ .object = xstrdup(object) };
	return ring;
}

void
series_add(struct series *s, const char *object, int64_t wall_us, double value)
{
	uint32_t wall_s = (uint32_t)(wall_us / USEC_PER_SEC);
	struct value_point point = { .wall_s = wall_s, .value = (float)value };
	struct value_ring *ring = find_ring(s, object);

	if (!isfinite(point.value))
		return;
	if (ring && ring->n > 0 && last_point(ring)->wall_s == wall_s)
		return;
	if (!ring && !(ring = add_ring(s, object, wall_s)))
		return;
	if (ring->n == SERIES_KEEP) {
		ring->v[ring->start] = point;
		ring->start = (ring->start + 1) % SERIES_KEEP;
	} else {
		if (ring->n == ring->cap) {
			ring->cap = MIN(MAX(ring->cap * 2, (size_t)8), (size_t)SERIES_KEEP);
			ring->v = xreallocarray(ring->v, ring->cap, sizeof(*ring->v));
		}
		ring->v[ring->n++] = point;
	}
	s->dirty = true;
}

bool
series_has(const struct series *s, const char *object)
{
	return find_ring(s, object) != NULL;
}

const char *
series_object(const struct series *s, size_t i)
{
	return i < s->nrings ? s->rings[i].object : NULL;
}

size_t
series_points(
    const struct series *s, const char *object, struct series_point ret[static SERIES_KEEP])
{
	const struct value_ring *ring = find_ring(s, object);

	for (size_t i = 0; ring && i < ring->n; i++) {
		const struct value_point *p = &ring->v[(ring->start + i) % ring->n];

		ret[i] =
		    (struct series_point){ (int64_t)p->wall_s * USEC_PER_SEC, (double)p->value };
	}
	return ring ? ring->n : 0;
}

static int
by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

double
series_baseline(const struct series *s, const char *object)
{
	const struct value_ring *ring = find_ring(s, object);
	float v[SERIES_KEEP];

	if (!ring || ring->n < BASELINE_MIN)
		return NAN;
	for (size_t i = 0; i < ring->n; i++)
		v[i] = ring->v[i].value;
	qsort(v, ring->n, sizeof(v[0]), by_value);
	return ((double)v[(ring->n - 1) / 2] + (double)v[ring->n / 2]) / 2;
}

const struct counter *
series_counter(const struct series *s, const char *key)
{
	const struct counter_entry *entry = s->counters ? map_get(s->counters, key) : NULL;

	return entry ? &entry->counter : NULL;
}

bool
series_set_counter(struct series *s, const char *key, const struct counter *counter)
{
	struct counter_entry *entry = map_get(series_counters(s), key);

	if (!entry) {
		if (map_size(s->counters) >= SERIES_COUNTERS)
			return false;
		entry = xcalloc(1, sizeof(*entry));
		map_put(s->counters, key, entry);
	}
	entry->counter = *counter;
	entry->generation = s->generation;
	s->dirty = true;
	return true;
}

void
series_add_increment(struct series *s, const char *key, double at_s, double n, double window_s)
{
	struct counter_entry *entry = s->counters ? map_get(s->counters, key) : NULL;
	struct increment *last;
	size_t old = 0;

	if (!entry || n <= 0)
		return;
	while (old < entry->nincrements && entry->increments[old].at_s <= at_s - window_s)
		old++;
	if (old > 0) {
		entry->nincrements -= old;
		memmove(entry->increments, entry->increments + old,
		    entry->nincrements * sizeof(*entry->increments));
	}
	last = entry->nincrements > 0 ? &entry->increments[entry->nincrements - 1] : NULL;
	/* Steps are told apart by when they began, so that a busy one cannot grow for ever. */
	if (last && floor(last->at_s / (window_s / WINDOW_STEPS)) ==
	                floor(at_s / (window_s / WINDOW_STEPS))) {
		last->n += n;
		last->at_s = at_s;
		return;
	}
	entry->increments =
	    xreallocarray(entry->increments, entry->nincrements + 1, sizeof(*entry->increments));
	entry->increments[entry->nincrements++] = (struct increment){ at_s, n };
}

double
series_window_sum(const struct series *s, const char *key, double at_s, double window_s)
{
	const struct counter_entry *entry = s->counters ? map_get(s->counters, key) : NULL;
	double sum = 0;

	for (size_t i = 0; entry && i < entry->nincrements; i++)
		if (entry->increments[i].at_s > at_s - window_s &&
		    entry->increments[i].at_s <= at_s)
			sum += entry->increments[i].n;
	return sum;
}

void
series_forget_missing(struct series *s)
{
	const char *key;
	void *value;

	for (size_t iter = 0; s->counters && map_next(s->counters, &iter, &key, &value);) {
		struct counter_entry *entry = value;

		if (entry->generation == s->generation)
			continue;
		map_remove(s->counters, key);
		entry_free(entry);
		s->dirty = true;
	}
	s->generation++;
}

bool
series_is_empty(const struct series *s)
{
	return s->nrings == 0 && (!s->counters || map_size(s->counters) == 0) && !s->dirty;
}

bool
series_dirty(const struct series *s)
{
	return s->dirty;
}

void
series_saved(struct series *s, int64_t now_us)
{
	s->saved_us = now_us;
}

int64_t
series_saved_us(const struct series *s)
{
	return s->saved_us;
}
