/*
 * Progress of scrub checks: an array of items with when each was last verified, and the choice of
 * the next one.
 */
#include "monitor/scrub.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "base/text.h"
#include <jansson.h>

#define SCRUB_MAX_ITEMS  100000
#define SCRUB_SHARE      1000
#define SCRUB_MAX_GRANTS 2000 /* bytes: what a person would still paste */

struct scrub {
	struct scrub_item **v;
	size_t n;
	struct map *by_key;
};

static void
item_free(struct scrub_item *it)
{
	free(it->key);
	free(it->object);
	free(it->sql);
	free(it->grant);
	free(it->why);
	free(it);
}

struct scrub *
scrub_new(void)
{
	struct scrub *s = xcalloc(1, sizeof(*s));

	s->by_key = map_new();
	return s;
}

struct scrub *
scrub_free(struct scrub *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n; i++)
		item_free(s->v[i]);
	free(s->v);
	map_free(s->by_key, NULL);
	free(s);
	return NULL;
}

static struct scrub_item *
item_of(struct scrub *s, const char *key)
{
	struct scrub_item *it = map_get(s->by_key, key);

	if (it || s->n >= SCRUB_MAX_ITEMS)
		return it;
	it = xcalloc(1, sizeof(*it));
	it->key = xstrdup(key);
	s->v = xreallocarray(s->v, s->n + 1, sizeof(struct scrub_item *));
	s->v[s->n++] = it;
	map_put(s->by_key, key, it);
	return it;
}

struct scrub_item *
scrub_get(struct scrub *s, const char *key)
{
	return map_get(s->by_key, key);
}

void
scrub_list_begin(struct scrub *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->v[i]->listed = false;
}

static struct scrub_item *
list_item(struct scrub *s, const char *key, const char *object)
{
	struct scrub_item *it = item_of(s, key);

	if (!it)
		return NULL;
	it->listed = true;
	free(it->object);
	free(TAKE_PTR(it->sql));
	free(TAKE_PTR(it->grant));
	it->object = xstrdup(object);
	return it;
}

void
scrub_list_add(struct scrub *s, const char *key, const char *object, const char *sql, double cost)
{
	struct scrub_item *it = list_item(s, key, object);

	if (!it)
		return;
	it->sql = xstrdup(sql);
	it->cost = cost;
}

void
scrub_list_deny(struct scrub *s, const char *key, const char *object, const char *grant)
{
	struct scrub_item *it = list_item(s, key, object);

	if (!it)
		return;
	it->grant = xstrdup(grant);
	it->failed = it->confirm = false;
	free(TAKE_PTR(it->why));
}

void
scrub_list_end(struct scrub *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i]->listed) {
			s->v[kept++] = s->v[i];
			continue;
		}
		map_remove(s->by_key, s->v[i]->key);
		item_free(s->v[i]);
	}
	s->n = kept;
}

/* What has waited longest in the sense of scrub_next: true when a comes before b. */
static bool
comes_before(const struct scrub_item *a, const struct scrub_item *b)
{
	if (a->confirm != b->confirm)
		return a->confirm;
	if ((a->done_wall_us == 0) != (b->done_wall_us == 0))
		return a->done_wall_us == 0;
	if (a->done_wall_us == 0)
		return a->failed != b->failed ? !a->failed : a->cost < b->cost;
	return a->done_wall_us < b->done_wall_us;
}

int64_t
scrub_interval_us(const struct scrub_pace *p, int64_t duration_us)
{
	return MIN(p->longest_us, MAX(p->shortest_us, SCRUB_SHARE * duration_us));
}

struct scrub_item *
scrub_next(struct scrub *s, int64_t wall_us, const struct scrub_pace *pace, int64_t since_wall_us)
{
	struct scrub_item *best = NULL;

	for (size_t i = 0; i < s->n; i++) {
		struct scrub_item *it = s->v[i];

		if (!it->listed || !it->sql || it->tried_wall_us >= since_wall_us)
			continue;
		if (!it->confirm && it->done_wall_us > 0 &&
		    wall_us - it->done_wall_us < scrub_interval_us(pace, it->duration_us))
			continue;
		if (!best || comes_before(it, best))
			best = it;
	}
	return best;
}

void
scrub_item_done(struct scrub_item *it, int64_t wall_us, int64_t duration_us, bool confirm)
{
	it->done_wall_us = it->tried_wall_us = wall_us;
	it->duration_us = duration_us;
	it->failed = false;
	it->confirm = confirm;
	free(TAKE_PTR(it->why));
}

void
scrub_item_failed(struct scrub_item *it, int64_t wall_us, const char *why, bool timed_out,
    int64_t timeout_us, int64_t max_timeout_us)
{
	it->tried_wall_us = wall_us;
	it->failed = true;
	free(it->why);
	it->why = xstrdup(why);
	if (timed_out)
		it->timeout_us = MIN(MAX(timeout_us, it->timeout_us) * 2, max_timeout_us);
}

void
scrub_summarise(const struct scrub *s, struct scrub_summary *ret)
{
	*ret = (struct scrub_summary){ 0 };
	for (size_t i = 0; i < s->n; i++) {
		const struct scrub_item *it = s->v[i];

		if (!it->listed)
			continue;
		ret->items++;
		ret->confirm += it->confirm;
		if (it->grant) {
			ret->denied++;
			ret->lost += it->done_wall_us > 0;
			ret->denied_object = it->object;
			continue;
		}
		if (it->failed) {
			ret->failed++;
			ret->why = it->why;
		}
		if (it->done_wall_us == 0)
			continue;
		ret->done++;
		if (ret->oldest_wall_us == 0 || it->done_wall_us < ret->oldest_wall_us)
			ret->oldest_wall_us = it->done_wall_us;
	}
}

char *
scrub_grants(const struct scrub *s)
{
	_cleanup_str_ struct str text = { 0 };

	for (size_t i = 0; i < s->n && text.len < SCRUB_MAX_GRANTS; i++) {
		const struct scrub_item *it = s->v[i];

		if (!it->listed || !it->grant ||
		    (text.len > 0 && strstr(str_text(&text), it->grant)))
			continue;
		str_addf(&text, "%s%s", text.len > 0 ? " " : "", it->grant);
	}
	return text.len > 0 ? xstrdup(str_text(&text)) : NULL;
}

char *
scrub_save(const struct scrub *s)
{
	json_t *items = json_object();
	char *text;

	for (size_t i = 0; i < s->n; i++)
		if (s->v[i]->done_wall_us > 0)
			json_object_set_new(items, s->v[i]->key,
			    json_pack("[I, I]", (json_int_t)s->v[i]->done_wall_us,
			        (json_int_t)s->v[i]->duration_us));
	text = json_dumps(items, JSON_COMPACT);
	json_decref(items);
	assert(text);
	return text;
}

void
scrub_load(struct scrub *s, const char *json)
{
	json_t *items = json_loads(json, 0, NULL), *when;
	const char *key;

	json_object_foreach (items, key, when) {
		struct scrub_item *it = item_of(s, key);

		json_int_t done, duration;

		if (it && json_unpack(when, "[I, I]", &done, &duration) == 0) {
			it->done_wall_us = done;
			it->duration_us = duration;
		}
	}
	json_decref(items);
}
