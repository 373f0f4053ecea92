/*
 * Drift over restarts.  The row "" names the others: `oN` buckets of the objects, `bN` of the baseline,
 * `vN` what the version before version N had otherwise.  A bucket is written when it changed.
 */
#include "base/str.h"
#include "monitor/drift.h"
#include <inttypes.h>

#define FORMAT 1
/* Below this all objects are one row. */
#define ONE_ROW_BYTES ((size_t)64 << 10)

static uint64_t
digest(const char *text)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return h ? h : 1;
}

static size_t
buckets_for(const struct shape *s)
{
	return !s ? 0 : shape_bytes(s) < ONE_ROW_BYTES ? 1 : DRIFT_BUCKETS;
}

static void
save_shape(const struct shape *s, char letter, uint64_t *saved, drift_put_fn put, void *arg)
{
	size_t n = buckets_for(s);

	for (size_t i = 0; i < DRIFT_BUCKETS; i++) {
		_cleanup_free_ char *json = i < n ? shape_save(s, i, n) : NULL;
		_cleanup_free_ char *piece = xasprintf("%c%zu", letter, i);
		uint64_t now = json ? digest(json) : 0;

		if (now != saved[i])
			put(piece, json, arg);
		saved[i] = now;
	}
}

static json_t *
head_json(const struct drift *d)
{
	json_t *o, *versions = json_array();

	for (size_t i = 0; i < d->nversions; i++) {
		const struct drift_version *v = &d->versions[i];

		json_array_append_new(versions,
		    json_pack("{s:I, s:I, s:I, s:I, s:s, s:b}", "number", (json_int_t)v->number,
		        "after", (json_int_t)v->after_wall_us, "seen", (json_int_t)v->seen_wall_us,
		        "differences", (json_int_t)v->differences, "words", v->words, "whole",
		        v->before != NULL));
	}
	o = json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:o, s:I, s:s*}", "format", FORMAT, "home",
	    d->home, "how", d->how, "seen", (json_int_t)d->seen_wall_us, "buckets",
	    (json_int_t)buckets_for(d->now), "baseline_buckets",
	    (json_int_t)buckets_for(d->baseline), "versions", versions, "sibling_since",
	    (json_int_t)d->sibling_since_us, "sibling", d->sibling);
	if (d->baseline)
		json_object_set_new(o, "baseline",
		    json_pack("{s:I, s:I, s:s, s:b}", "version", (json_int_t)d->baseline_version,
		        "at", (json_int_t)d->baseline_wall_us, "by", d->baseline_by, "across",
		        d->baseline_across));
	return o;
}

static void
save_steps(const struct drift *d, drift_put_fn put, void *arg)
{
	/* A step never changes once it is there; the one that fell out is forgotten. */
	_cleanup_free_ char *json =
	    d->versions[0].before ? shape_save(d->versions[0].before, 0, 1) : NULL;
	_cleanup_free_ char *piece = xasprintf("v%" PRIu64, d->versions[0].number);

	if (json)
		put(piece, json, arg);
	if (d->versions[0].number > DRIFT_VERSIONS) {
		_cleanup_free_ char *old =
		    xasprintf("v%" PRIu64, d->versions[0].number - DRIFT_VERSIONS);

		put(old, NULL, arg);
	}
}

void
drift_save(struct drift *d, drift_put_fn put, void *arg)
{
	_cleanup_free_ char *text = NULL;
	json_t *head;

	if (!d->now)
		return;
	head = head_json(d);
	text = json_dumps(head, JSON_COMPACT);
	json_decref(head);
	if (d->dirty) {
		save_shape(d->now, 'o', d->saved, put, arg);
		save_shape(d->baseline, 'b', d->saved_baseline, put, arg);
		save_steps(d, put, arg);
	}
	d->dirty = false;
	put("", text, arg);
}

void
drift_forget(const struct drift *d, drift_put_fn put, void *arg)
{
	if (!d->now)
		return;
	put("", NULL, arg);
	for (size_t i = 0; i < DRIFT_BUCKETS; i++) {
		_cleanup_free_ char *o = xasprintf("o%zu", i), *b = xasprintf("b%zu", i);

		if (d->saved[i])
			put(o, NULL, arg);
		if (d->saved_baseline[i])
			put(b, NULL, arg);
	}
	for (size_t i = 0; i < d->nversions; i++) {
		_cleanup_free_ char *v = xasprintf("v%" PRIu64, d->versions[i].number);

		if (d->versions[i].before)
			put(v, NULL, arg);
	}
}

/* ---- back ---- */

static json_int_t
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return xstrdup(s ? s : "");
}

/* -EINVAL when one of its rows is missing or broken. */
static int
load_shape(
    struct shape **ret, char letter, json_int_t n, uint64_t *saved, drift_get_fn get, void *arg)
{
	struct shape *s = shape_new();
	int r = n > 0 && n <= DRIFT_BUCKETS ? 0 : -EINVAL;

	for (json_int_t i = 0; r >= 0 && i < n; i++) {
		_cleanup_free_ char *piece = xasprintf("%c%d", letter, (int)i);
		_cleanup_free_ char *json = get(piece, arg);

		r = json ? shape_load(s, json) : -EINVAL;
		if (json)
			saved[i] = digest(json);
	}
	if (r < 0)
		shape_free(s);
	else
		*ret = s;
	return r;
}

static void
load_versions(struct drift *d, const json_t *list, drift_get_fn get, void *arg)
{
	const json_t *o;
	size_t i;

	json_array_foreach (list, i, o) {
		struct drift_version *v = &d->versions[d->nversions];
		_cleanup_free_ char *piece = xasprintf("v%" PRIu64, (uint64_t)number(o, "number"));
		_cleanup_free_ char *json = get(piece, arg);

		if (d->nversions == DRIFT_VERSIONS)
			break;
		d->nversions++;
		*v = (struct drift_version){ .number = (uint64_t)number(o, "number"),
			.after_wall_us = number(o, "after"),
			.seen_wall_us = number(o, "seen"),
			.differences = (size_t)number(o, "differences"),
			.words = text_of(o, "words") };
		if (!json || !json_is_true(json_object_get(o, "whole")))
			continue;
		v->before = shape_new();
		if (shape_load(v->before, json) < 0)
			v->before = shape_free(v->before);
	}
}

static void
load_baseline(struct drift *d, const json_t *head, drift_get_fn get, void *arg)
{
	const json_t *o = json_object_get(head, "baseline");

	if (!o || load_shape(&d->baseline, 'b', number(head, "baseline_buckets"), d->saved_baseline,
	              get, arg) < 0)
		return;
	d->baseline_version = (uint64_t)number(o, "version");
	d->baseline_wall_us = number(o, "at");
	d->baseline_by = text_of(o, "by");
	d->baseline_across = json_is_true(json_object_get(o, "across"));
}

int
drift_load(struct drift *d, drift_get_fn get, void *arg)
{
	_cleanup_free_ char *text = get("", arg);
	json_t *head = text ? json_loads(text, 0, NULL) : NULL;
	int r = !text ? -ENOENT : number(head, "format") == FORMAT ? 0 : -EINVAL;

	if (r >= 0)
		r = load_shape(&d->now, 'o', number(head, "buckets"), d->saved, get, arg);
	if (r >= 0)
		load_versions(d, json_object_get(head, "versions"), get, arg);
	if (r >= 0 && d->nversions == 0) {
		d->now = shape_free(d->now); /* nothing could be counted on */
		r = -EINVAL;
	}
	if (r >= 0) {
		d->home = text_of(head, "home");
		d->how = text_of(head, "how");
		d->seen_wall_us = number(head, "seen");
		d->sibling_since_us = number(head, "sibling_since");
		d->sibling = text_of(head, "sibling");
		load_baseline(d, head, get, arg);
	}
	json_decref(head);
	return r;
}
