/*
 * What is kept of statements over restarts: who is known, and what they usually take.  Counters are
 * not: the first look after a restart begins anew, which costs one window.
 */
#include "base/str.h"
#include "check/statements_private.h"
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Entries are told apart by lines of numbers: a JSON value each would take ten times the memory. */
char *
statements_save(const struct statements *t, unsigned shard)
{
	_cleanup_str_ struct str s = { 0 };
	json_t *o;
	char *text;

	for (size_t i = 0; i < t->n; i++) {
		const struct statement *e = &t->v[i];

		if ((uint64_t)e->key.query % STATEMENTS_SHARDS != shard)
			continue;
		str_addf(&s, "%" PRId64 " %u %u %d %" PRId64 " %" PRId64, e->key.query, e->key.user,
		    e->key.database, e->key.top, e->first_s, e->seen_s);
		for (unsigned k = 0; k < STATEMENTS_BUCKETS; k++)
			if (e->calls[k] > 0)
				str_addf(
				    &s, " %u %.5g %.5g", k, (double)e->calls[k], (double)e->ms[k]);
		str_addc(&s, '\n');
	}
	o = json_pack("{s:I, s:I, s:I, s:I, s:s}", "began", (json_int_t)t->began_s, "looked",
	    (json_int_t)t->looked_s, "span", (json_int_t)t->span_s, "bucket", (json_int_t)t->bucket,
	    "statements", str_text(&s));
	text = json_dumps(o, JSON_COMPACT);
	assert(text);
	json_decref(o);
	return text;
}

static bool
take_int(const char **p, int64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(*p, &end, 10);
	if (end == *p || errno != 0)
		return false;
	*p = end;
	return true;
}

static bool
take_float(const char **p, float *ret)
{
	char *end;

	*ret = strtof(*p, &end);
	if (end == *p || !isfinite(*ret) || *ret < 0)
		return false;
	*p = end;
	return true;
}

static bool
take_line(struct statements *t, const char *p)
{
	struct statement_key key = { 0 };
	struct statement *e;
	int64_t user, database, top, first, seen, bucket;

	if (!take_int(&p, &key.query) || !take_int(&p, &user) || !take_int(&p, &database) ||
	    !take_int(&p, &top) || !take_int(&p, &first) || !take_int(&p, &seen))
		return false;
	key.user = (uint32_t)user;
	key.database = (uint32_t)database;
	key.top = top != 0;
	if (statements_get(t, &key) || t->n >= STATEMENTS_MAX)
		return true;
	e = statements_add(t, &key);
	e->first_s = first;
	e->seen_s = seen;
	while (*p == ' ') {
		float calls, ms;

		if (!take_int(&p, &bucket) || bucket < 0 || bucket >= STATEMENTS_BUCKETS ||
		    !take_float(&p, &calls) || !take_float(&p, &ms))
			return false;
		e->calls[bucket] = calls;
		e->ms[bucket] = ms;
	}
	return *p == '\0';
}

int
statements_load(struct statements *t, const char *json)
{
	json_t *o = json_loads(json, 0, NULL);
	const char *text = json_string_value(json_object_get(o, "statements"));
	_cleanup_free_ char *lines = text ? xstrdup(text) : NULL;
	int64_t began = json_integer_value(json_object_get(o, "began")),
	        looked = json_integer_value(json_object_get(o, "looked")),
	        span = json_integer_value(json_object_get(o, "span")),
	        bucket = json_integer_value(json_object_get(o, "bucket"));
	int r = 0;

	json_decref(o);
	if (!lines || began < 0 || looked < began || span < STATEMENTS_BUCKETS || bucket < 0)
		return -EINVAL;
	t->began_s = began;
	t->looked_s = looked;
	t->span_s = span;
	t->bucket = bucket;
	for (char *line = lines, *next; *line && r == 0; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		if (*line && !take_line(t, line))
			r = -EINVAL;
	}
	return r;
}
