/*
 * A series as text for the store: {"v":1, "values":{OBJECT:[[second,value],...]},
 * "counters":{KEY:[value,whole,at,epoch,[[at,n],...]]}}.  What is read is as little trusted as any
 * file.
 */
#include "base/clock.h"
#include "check/series_private.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>

static json_t *
real_or_null(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static double
real_of(const json_t *v)
{
	return json_is_number(v) ? json_number_value(v) : NAN;
}

static json_t *
save_ring(const struct value_ring *ring)
{
	json_t *points = json_array();

	for (size_t i = 0; i < ring->n; i++) {
		const struct value_point *p = &ring->v[(ring->start + i) % ring->n];
		char text[32];

		/* Seven digits are all a float has; the double beside it would print seventeen. */
		snprintf(text, sizeof(text), "%.7g", (double)p->value);
		json_array_append_new(
		    points, json_pack("[I,f]", (json_int_t)p->wall_s, strtod(text, NULL)));
	}
	return points;
}

static json_t *
save_counter(const struct counter_entry *entry)
{
	json_t *increments = json_array(), *out;

	for (size_t i = 0; i < entry->nincrements; i++)
		json_array_append_new(increments,
		    json_pack("[f,f]", entry->increments[i].at_s, entry->increments[i].n));
	out = json_array();
	json_array_append_new(out, real_or_null(entry->counter.value));
	json_array_append_new(out, real_or_null(entry->counter.whole));
	json_array_append_new(out, real_or_null(entry->counter.at_s));
	json_array_append_new(out, json_string(entry->counter.epoch));
	json_array_append_new(out, increments);
	return out;
}

char *
series_save(struct series *s)
{
	json_t *values = json_object(), *counters = json_object(), *root;
	const char *key;
	void *value;
	char *text;

	for (size_t i = 0; i < s->nrings; i++)
		json_object_set_new(values, s->rings[i].object, save_ring(&s->rings[i]));
	for (size_t iter = 0; s->counters && map_next(s->counters, &iter, &key, &value);)
		json_object_set_new(counters, key, save_counter(value));
	root = json_pack("{s:i,s:o,s:o}", "v", 1, "values", values, "counters", counters);
	text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17) | JSON_SORT_KEYS);
	json_decref(root);
	assert(text); /* keys and epochs are UTF-8, numbers finite */
	s->dirty = false;
	return text;
}

static void
load_values(struct series *s, const json_t *values)
{
	const char *object;
	json_t *points, *point;
	size_t i;

	json_object_foreach ((json_t *)values, object, points) {
		if (s->nrings == SERIES_OBJECTS)
			return;
		json_array_foreach (points, i, point) {
			double at = real_of(json_array_get(point, 0)),
			       v = real_of(json_array_get(point, 1));

			if (at > 0 && at < UINT32_MAX && isfinite(v))
				series_add(s, object, (int64_t)at * USEC_PER_SEC, v);
		}
	}
}

static void
load_counter(struct series *s, const char *key, const json_t *saved)
{
	struct counter c = { .value = real_of(json_array_get(saved, 0)),
		.whole = real_of(json_array_get(saved, 1)),
		.at_s = real_of(json_array_get(saved, 2)) };
	const char *epoch = json_string_value(json_array_get(saved, 3));
	const json_t *increments = json_array_get(saved, 4);
	struct counter_entry *entry;
	size_t i, n = json_array_size(increments);
	json_t *one;

	if (!isfinite(c.value) || !epoch || strlen(epoch) >= sizeof(c.epoch))
		return;
	snprintf(c.epoch, sizeof(c.epoch), "%s", epoch);
	if (!series_set_counter(s, key, &c) || n == 0 || n > SERIES_COUNTERS)
		return;
	entry = map_get(s->counters, key);
	entry->increments = xcalloc(n, sizeof(*entry->increments));
	json_array_foreach (increments, i, one) {
		struct increment inc = { real_of(json_array_get(one, 0)),
			real_of(json_array_get(one, 1)) };

		if (isfinite(inc.at_s) && isfinite(inc.n) && inc.n > 0)
			entry->increments[entry->nincrements++] = inc;
	}
}

struct series *
series_load(const char *text)
{
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *counters, *saved;
	struct series *s;
	const char *key;

	if (json_integer_value(json_object_get(root, "v")) != 1) {
		json_decref(root);
		return NULL;
	}
	s = series_new();
	load_values(s, json_object_get(root, "values"));
	counters = json_object_get(root, "counters");
	json_object_foreach (counters, key, saved)
		load_counter(s, key, saved);
	json_decref(root);
	s->generation = 1;
	s->dirty = false;
	return s;
}
