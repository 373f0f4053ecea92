/*
 * Shapes: an object is one piece of memory with its parts in the order of their names, so that two of
 * them are compared in one walk.
 */
#include "check/shape.h"
#include "base/map.h"
#include "base/str.h"
#include "base/text.h"
#include <ctype.h>
#include <jansson.h>

#define SHAPE_TEXT_MAX ((size_t)4 << 20) /* of the parts of one object */

const char *const shape_change_names[3] = { "removed", "changed", "added" };

struct thing {
	bool absent; /* overlay: was not there */
	size_t len;
	char text[]; /* NAME \0 VALUE \0 ... */
};
struct shape {
	struct map *things; /* by "SORT NAME" */
	size_t bytes;
};

struct shape *
shape_new(void)
{
	struct shape *s = xcalloc(1, sizeof(*s));

	s->things = map_new();
	return s;
}

struct shape *
shape_free(struct shape *s)
{
	if (!s)
		return NULL;
	map_free(s->things, free);
	free(s);
	return NULL;
}

size_t
shape_count(const struct shape *s)
{
	return map_size(s->things);
}

size_t
shape_bytes(const struct shape *s)
{
	return s->bytes;
}

static void
put(struct shape *s, const char *key, struct thing *take)
{
	struct thing *old = map_put(s->things, key, take);

	s->bytes += sizeof(*take) + take->len + strlen(key);
	if (old)
		s->bytes -= sizeof(*old) + old->len + strlen(key);
	free(old);
}

static struct thing *
thing_new(const char *text, size_t len)
{
	struct thing *t = xcalloc(1, sizeof(*t) + len + 1);

	if (len > 0)
		memcpy(t->text, text, len);
	t->len = len;
	return t;
}

static struct thing *
thing_copy(const struct thing *t)
{
	struct thing *copy = thing_new(t ? t->text : NULL, t ? t->len : 0);

	copy->absent = !t || t->absent;
	return copy;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct thing *
thing_of_json(const json_t *parts)
{
	_cleanup_str_ struct str text = { 0 };
	size_t n = json_object_size(parts), i = 0;
	_cleanup_free_ const char **names = xcalloc(n + 1, sizeof(*names));
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)parts, name, value)
		names[i++] = name;
	qsort(names, n, sizeof(*names), by_name);
	for (i = 0; i < n; i++) {
		const char *v = json_string_value(json_object_get(parts, names[i]));

		str_addn(&text, names[i], strlen(names[i]) + 1);
		str_addn(&text, v ? v : "", v ? strlen(v) + 1 : 1);
	}
	return thing_new(text.s, text.len);
}

void
shape_take(struct shape *s, struct shape *from)
{
	const char *key;
	void *value;

	for (size_t iter = 0; map_next(from->things, &iter, &key, &value);)
		put(s, key, value);
	map_free(from->things, NULL);
	from->things = map_new();
	from->bytes = 0;
}

/* ---- comparing ---- */

struct walk {
	const char *at, *end;
};

static struct walk
walk_of(const struct thing *t)
{
	return t ? (struct walk){ t->text, t->text + t->len } : (struct walk){ 0 };
}

static const char *
walk_name(const struct walk *w)
{
	return w->at < w->end ? w->at : NULL;
}

static const char *
walk_value(const struct walk *w)
{
	return w->at + strlen(w->at) + 1;
}

static void
walk_next(struct walk *w)
{
	const char *value = walk_value(w);

	w->at = value + strlen(value) + 1;
}

static bool
value_same(const char *a, const char *b, bool across)
{
	size_t n = across ? strcspn(a, "~") : strlen(a), m = across ? strcspn(b, "~") : strlen(b);

	return n == m && memcmp(a, b, n) == 0;
}

static size_t
compare_parts(const char *key, const struct thing *a, const struct thing *b, bool across,
    bool definition, shape_fn fn, void *arg)
{
	struct walk x = walk_of(a), y = walk_of(b);
	size_t n = 0;

	while (walk_name(&x) || walk_name(&y)) {
		int order = !walk_name(&x) ? 1 : !walk_name(&y) ? -1 : strcmp(x.at, y.at);
		struct shape_difference d = { .object = key, .change = SHAPE_CHANGED };
		bool differs = true;

		if (order <= 0) {
			d.part = x.at;
			d.before = walk_value(&x);
		}
		if (order >= 0) {
			d.part = y.at;
			d.after = walk_value(&y);
		}
		if (order < 0)
			d.change = SHAPE_REMOVED;
		else if (order > 0)
			d.change = SHAPE_ADDED;
		else
			differs = !value_same(d.before, d.after, across);
		if (differs && str_starts(d.part, "definition") == definition) {
			n++;
			if (fn)
				fn(&d, arg);
		}
		if (order <= 0)
			walk_next(&x);
		if (order >= 0)
			walk_next(&y);
	}
	return n;
}

static const struct thing *
get(const struct shape *s, const char *key)
{
	const struct thing *t = map_get(s->things, key);

	return t && !t->absent ? t : NULL;
}

bool
shape_next(const struct shape *s, size_t *iter, const char **ret)
{
	return map_next(s->things, iter, ret, NULL);
}

bool
shape_has(const struct shape *s, const char *object)
{
	return get(s, object) != NULL;
}

void
shape_parts(const struct shape *s, const char *object, shape_part_fn fn, void *arg)
{
	for (struct walk w = walk_of(get(s, object)); walk_name(&w); walk_next(&w))
		fn(w.at, walk_value(&w), arg);
}

const char *
shape_part(const struct shape *s, const char *object, const char *part)
{
	for (struct walk w = walk_of(get(s, object)); walk_name(&w); walk_next(&w))
		if (streq(w.at, part))
			return walk_value(&w);
	return NULL;
}

static bool
same_thing(const struct thing *a, const struct thing *b, bool across)
{
	if (!a || !b)
		return !a && !b;
	if (a->len == b->len && (a->len == 0 || memcmp(a->text, b->text, a->len) == 0))
		return true;
	return across && compare_parts("", a, b, true, false, NULL, NULL) == 0 &&
	       compare_parts("", a, b, true, true, NULL, NULL) == 0;
}

static size_t
compare_things(const char *key, const struct thing *a, const struct thing *b, bool across,
    shape_fn fn, void *arg)
{
	struct shape_difference d = { .object = key };
	size_t n;

	if (a && b) {
		/* The whole text of an object says nothing that its other parts said already. */
		n = compare_parts(key, a, b, across, false, fn, arg);
		if (n > 0 || compare_parts(key, a, b, across, true, NULL, NULL) == 0)
			return n;
		d = (struct shape_difference){ .change = SHAPE_CHANGED,
			.object = key,
			.part = "definition",
			.before = "",
			.after = "" };
		if (fn)
			fn(&d, arg);
		return 1;
	}
	d.change = a ? SHAPE_REMOVED : SHAPE_ADDED;
	if (fn)
		fn(&d, arg);
	return 1;
}

/* The keys of both (of an overlay: its own) that differ, each once, in order: what is gone first. */
struct found {
	const char *key;
	const struct thing *a, *b;
	enum shape_change change;
};

static int
by_change(const void *x, const void *y)
{
	const struct found *a = x, *b = y;

	return a->change != b->change ? (int)a->change - (int)b->change : strcmp(a->key, b->key);
}

static size_t
find_all(
    const struct shape *from, const struct shape *to, bool overlay, bool across, struct found **ret)
{
	const struct map *maps[] = { from->things, overlay ? NULL : to->things };
	struct found *all = NULL;
	size_t n = 0, room = 0;
	const char *key;

	for (size_t m = 0; m < ARRAY_SIZE(maps); m++)
		for (size_t iter = 0; maps[m] && map_next(maps[m], &iter, &key, NULL);) {
			const struct thing *a = get(from, key), *b = get(to, key);

			if (same_thing(a, b, across) || (m == 1 && a))
				continue;
			if (n == room) {
				room = MAX(room * 2, (size_t)16);
				all = xreallocarray(all, room, sizeof(*all));
			}
			all[n++] = (struct found){ key, a, b,
				!b   ? SHAPE_REMOVED
				: !a ? SHAPE_ADDED
				     : SHAPE_CHANGED };
		}
	if (n > 0)
		qsort(all, n, sizeof(*all), by_change);
	*ret = all;
	return n;
}

static size_t
compare(const struct shape *from, const struct shape *to, bool overlay, bool across, shape_fn fn,
    void *arg)
{
	_cleanup_free_ struct found *all = NULL;
	size_t n = find_all(from, to, overlay, across, &all), differences = 0;

	for (size_t i = 0; i < n; i++)
		differences += compare_things(all[i].key, all[i].a, all[i].b, across, fn, arg);
	return differences;
}

size_t
shape_compare(const struct shape *from, const struct shape *to, bool across, shape_fn fn, void *arg)
{
	return compare(from, to, false, across, fn, arg);
}

size_t
shape_compare_overlay(
    const struct shape *overlay, const struct shape *to, bool across, shape_fn fn, void *arg)
{
	return compare(overlay, to, true, across, fn, arg);
}

static json_t *
thing_json(const struct thing *t)
{
	json_t *o = json_object();

	if (t->absent) {
		json_decref(o);
		return json_null();
	}
	for (struct walk w = walk_of(t); walk_name(&w); walk_next(&w))
		json_object_set_new(o, w.at, json_string(walk_value(&w)));
	return o;
}

int
shape_add(struct shape *s, const char *sort, const char *object, const char *parts, size_t len,
    struct err *e)
{
	_cleanup_free_ char *key = xasprintf("%s%s%s", sort, *sort ? " " : "", object);
	_cleanup_free_ char *text =
	    text_from_peer(parts ? parts : "{}", parts ? len : 2, SHAPE_TEXT_MAX);
	const struct thing *had = map_get(s->things, key);
	json_t *o = json_loads(text, 0, NULL);

	if (!json_is_object(o)) {
		json_decref(o);
		return err_set(e, -EINVAL, "parts is no JSON object");
	}
	if (had) {
		json_t *all = thing_json(had);

		json_object_update(all, o);
		json_decref(o);
		o = all;
	}
	put(s, key, thing_of_json(o));
	json_decref(o);
	return 0;
}

/* ---- overlays ---- */

struct shape *
shape_overlay(const struct shape *from, const struct shape *to, bool across)
{
	_cleanup_free_ struct found *all = NULL;
	size_t n = find_all(from, to, false, across, &all);
	struct shape *o = shape_new();

	for (size_t i = 0; i < n; i++)
		put(o, all[i].key, thing_copy(all[i].a));
	return o;
}

void
shape_overlay_extend(struct shape *overlay, const struct shape *step)
{
	const char *key;
	void *value;

	for (size_t iter = 0; map_next(step->things, &iter, &key, &value);)
		if (!map_get(overlay->things, key))
			put(overlay, key, thing_copy(value));
}

void
shape_overlay_settle(struct shape *overlay, const struct shape *now, bool across)
{
	const char *key;
	void *value;

	for (size_t iter = 0; map_next(overlay->things, &iter, &key, &value);) {
		const struct thing *t = value;

		if (!same_thing(t->absent ? NULL : t, get(now, key), across))
			continue;
		overlay->bytes -= sizeof(*t) + t->len + strlen(key);
		free(map_remove(overlay->things, key));
	}
}

/* ---- the store ---- */

static size_t
bucket_of(const char *key, size_t n)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 16777619u;
	return h % n;
}

char *
shape_save(const struct shape *s, size_t bucket, size_t n)
{
	json_t *o = json_object();
	const char *key;
	void *value;
	char *text;

	for (size_t iter = 0; map_next(s->things, &iter, &key, &value);)
		if (bucket_of(key, n) == bucket)
			json_object_set_new(o, key, thing_json(value));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

int
shape_load(struct shape *s, const char *json)
{
	json_t *o = json_loads(json, 0, NULL), *parts;
	const char *key;

	if (!json_is_object(o)) {
		json_decref(o);
		return -EINVAL;
	}
	json_object_foreach (o, key, parts) {
		struct thing *t = thing_of_json(parts);

		t->absent = !json_is_object(parts);
		put(s, key, t);
	}
	json_decref(o);
	return 0;
}
