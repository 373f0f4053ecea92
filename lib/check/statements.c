/*
 * The statements of a server between two looks: an open table of fixed entries, without any pointer in
 * them, so that ten thousand of them are one block of memory.
 */
#include "check/statements_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPAN_DEFAULT_S ((int64_t)7 * 24 * 3600)
#define FORGET_S       ((int64_t)8 * 24 * 3600)
/* So many new ones at once, and more than half of all that ran: the ids changed, not the load. */
#define STORM_MIN 20

static uint32_t
slot_of(const struct statement_key *k)
{
	uint64_t h = (uint64_t)k->query * UINT64_C(0x9e3779b97f4a7c15);

	h ^= ((uint64_t)k->user << 32 | k->database) + (k->top ? 1U : 0U);
	h *= UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(h >> 40) % SLOTS;
}

static bool
same(const struct statement_key *a, const struct statement_key *b)
{
	return a->query == b->query && a->user == b->user && a->database == b->database &&
	       a->top == b->top;
}

static uint32_t *
slot_find(const struct statements *t, const struct statement_key *k)
{
	uint32_t i = slot_of(k);

	/* There are twice as many slots as entries: there is always an empty one. */
	while (t->slots[i] && !same(&t->v[t->slots[i] - 1].key, k))
		i = (i + 1) % SLOTS;
	return (uint32_t *)&t->slots[i];
}

static void
index_anew(struct statements *t)
{
	memset(t->slots, 0, SLOTS * sizeof(*t->slots));
	for (size_t i = 0; i < t->n; i++)
		*slot_find(t, &t->v[i].key) = (uint32_t)(i + 1);
}

struct statements *
statements_new(void)
{
	struct statements *t = xcalloc(1, sizeof(*t));

	t->slots = xcalloc(SLOTS, sizeof(*t->slots));
	t->span_s = SPAN_DEFAULT_S;
	return t;
}

struct statements *
statements_free(struct statements *t)
{
	if (!t)
		return NULL;
	free(t->v);
	free(t->slots);
	free(t->epoch);
	free(t);
	return NULL;
}

int64_t
statements_bucket_s(const struct statements *t)
{
	return MAX(t->span_s / STATEMENTS_BUCKETS, 1);
}

static void
clear_bucket(struct statements *t, unsigned at)
{
	for (size_t i = 0; i < t->n; i++)
		t->v[i].calls[at] = t->v[i].ms[at] = 0;
}

static void
turn_buckets(struct statements *t, int64_t wall_s)
{
	int64_t now = wall_s / statements_bucket_s(t);

	if (t->bucket == 0 ||
	    now < t->bucket - 1) /* the clock was set: what is kept has no place */
		t->bucket = now - STATEMENTS_BUCKETS;
	while (t->bucket < now) {
		t->bucket = MAX(t->bucket + 1, now - STATEMENTS_BUCKETS + 1);
		clear_bucket(t, (unsigned)(t->bucket % STATEMENTS_BUCKETS));
	}
}

void
statements_set_span(struct statements *t, int64_t span_s)
{
	if (span_s == t->span_s || span_s < STATEMENTS_BUCKETS)
		return;
	t->span_s = span_s;
	t->bucket = 0;
	for (unsigned i = 0; i < STATEMENTS_BUCKETS; i++)
		clear_bucket(t, i);
}

/* ---- a look ---- */

void
statements_begin(struct statements *t, const struct statements_look *look)
{
	t->look++;
	t->coming = *look;
	t->coming.epoch = NULL;
	t->same_epoch = t->epoch && look->epoch && streq(t->epoch, look->epoch);
	if (!t->same_epoch) {
		free(t->epoch);
		t->epoch = xstrdup(look->epoch ? look->epoch : "");
	}
	t->differs = t->same_epoch && t->at_s > 0 && look->at_s > t->at_s;
	t->rows = t->news = t->active = 0;
	if (t->began_s == 0)
		t->began_s = look->wall_s;
	for (size_t i = 0; i < t->n; i++)
		t->v[i].moved = false;
}

/* Of a full table, the quarter that was not seen for longest goes: rarely, so it may take its time. */
static int
by_seen(const void *a, const void *b)
{
	const struct statement *const *x = a, *const *y = b;

	return ((*x)->seen_s < (*y)->seen_s) - ((*x)->seen_s > (*y)->seen_s);
}

static void
make_room(struct statements *t)
{
	struct statement *kept = xcalloc(STATEMENTS_MAX, sizeof(*kept));
	_cleanup_free_ struct statement **order = xcalloc(t->n, sizeof(struct statement *));
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		order[i] = &t->v[i];
	qsort(order, t->n, sizeof(struct statement *), by_seen);
	/* Those of this look stay, or the same rows would push each other out. */
	for (size_t i = 0; i < t->n; i++)
		if (order[i]->look == t->look || i < STATEMENTS_MAX / 4 * 3)
			kept[n++] = *order[i];
	free(t->v);
	t->v = kept;
	t->n = n;
	t->room = STATEMENTS_MAX;
	t->lost = true;
	index_anew(t);
}

struct statement *
statements_add(struct statements *t, const struct statement_key *k)
{
	if (t->n == STATEMENTS_MAX)
		make_room(t);
	if (t->n == STATEMENTS_MAX)
		return NULL;
	if (t->n == t->room) {
		t->room = MIN(MAX(t->room * 2, (size_t)256), (size_t)STATEMENTS_MAX);
		t->v = xreallocarray(t->v, t->room, sizeof(*t->v));
	}
	assert(t->v);
	t->v[t->n] = (struct statement){ .key = *k };
	*slot_find(t, k) = (uint32_t)(t->n + 1);
	return &t->v[t->n++];
}

struct statement *
statements_get(const struct statements *t, const struct statement_key *k)
{
	uint32_t at = *slot_find(t, k);

	return at ? &t->v[at - 1] : NULL;
}

/* False: one of them fell, or the mean is more than any call ever took; it is another life. */
static bool
differ(const struct statement_row *r, const struct statement_counters *was,
    struct statement_counters *ret)
{
	const struct statement_counters *now = &r->now;

	*ret = (struct statement_counters){ now->calls - was->calls, now->exec_ms - was->exec_ms,
		now->rows - was->rows, now->hit - was->hit, now->read - was->read,
		now->temp - was->temp, now->io_ms - was->io_ms };
	if (!(ret->calls >= 0 && ret->exec_ms >= 0 && ret->rows >= 0 && ret->hit >= 0 &&
	        ret->read >= 0 && ret->temp >= 0 && ret->io_ms >= 0))
		return false;
	return isnan(r->max_ms) || ret->exec_ms <= ret->calls * r->max_ms * 1.001 + 0.001;
}

void
statements_take(struct statements *t, const struct statement_row *r)
{
	static const struct statement_counters nothing = { 0 };
	const struct statement_counters *was = NULL;
	struct statement *s = statements_get(t, &r->key);
	bool fresh = !s;

	if (!isfinite(r->now.calls) || !isfinite(r->now.exec_ms) || t->rows >= STATEMENTS_ROWS)
		return;
	if (!s && !(s = statements_add(t, &r->key)))
		return;
	t->rows++;
	if (fresh)
		s->first_s = t->coming.wall_s;
	if (!fresh && s->look == t->look - 1 && (r->since == 0 || r->since == s->since))
		was = &s->last;
	else if (t->all || (r->since > 0 && r->since >= t->at_s))
		was = &nothing; /* it did not exist at the last look */
	s->moved = false;
	if (t->differs && was && differ(r, was, &s->delta)) {
		s->moved = s->delta.calls > 0;
		t->active += s->moved;
		t->news += s->moved && fresh;
	} else {
		s->delta = nothing;
	}
	s->last = r->now;
	s->since = r->since;
	s->own = r->own;
	s->look = t->look;
	s->seen_s = t->coming.wall_s;
}

static void
add_up(struct statements *t)
{
	struct statement_counters *sum = &t->total;

	*sum = (struct statement_counters){ 0 };
	for (size_t i = 0; i < t->n; i++) {
		const struct statement *s = &t->v[i];

		if (!s->moved)
			continue;
		sum->calls += s->delta.calls;
		sum->exec_ms += s->delta.exec_ms;
		sum->rows += s->delta.rows;
		sum->hit += s->delta.hit;
		sum->read += s->delta.read;
		sum->temp += s->delta.temp;
		sum->io_ms += s->delta.io_ms;
	}
}

static void
forget_old(struct statements *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->coming.wall_s - t->v[i].seen_s < FORGET_S)
			t->v[n++] = t->v[i];
	if (n == t->n)
		return;
	t->n = n;
	index_anew(t);
}

void
statements_end(struct statements *t, bool complete)
{
	bool storm = t->news >= STORM_MIN && t->news * 2 > t->active;
	unsigned at;

	if (!complete) {
		/* Some rows came and some did not: the next look is the first again. */
		t->at_s = t->window_s = 0;
		for (size_t i = 0; i < t->n; i++)
			t->v[i].moved = false;
		add_up(t);
		return;
	}
	turn_buckets(t, t->coming.wall_s);
	at = (unsigned)(t->bucket % STATEMENTS_BUCKETS);
	for (size_t i = 0; i < t->n; i++) {
		struct statement *s = &t->v[i];

		if (s->look == t->look && s->first_s == t->coming.wall_s &&
		    (storm || t->lost || !t->differs))
			s->first_s = 0; /* known: what is new is the id, or that we see it */
		if (!s->moved)
			continue;
		s->calls[at] += (float)s->delta.calls;
		s->ms[at] += (float)s->delta.exec_ms;
	}
	add_up(t);
	t->window_s = t->differs ? t->coming.at_s - t->at_s : 0;
	t->at_s = t->coming.at_s;
	t->all = t->coming.all && t->rows < STATEMENTS_ROWS;
	t->looked_s = t->coming.wall_s;
	t->lost = false;
	forget_old(t);
}

/* ---- what is known ---- */

double
statements_window_s(const struct statements *t)
{
	return t->window_s;
}

const struct statement_counters *
statements_total(const struct statements *t)
{
	return &t->total;
}

int64_t
statements_began_s(const struct statements *t)
{
	return t->began_s;
}

int64_t
statements_looked_s(const struct statements *t)
{
	return t->looked_s;
}

size_t
statements_count(const struct statements *t)
{
	return t->n;
}

const struct statement *
statements_find(const struct statements *t, const struct statement_key *k)
{
	return statements_get(t, k);
}

const struct statement *
statements_next(const struct statements *t, size_t *iter)
{
	return *iter < t->n ? &t->v[(*iter)++] : NULL;
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double
statements_usual_ms(const struct statements *t, const struct statement *s, double min_calls)
{
	double mean[STATEMENTS_BUCKETS];
	unsigned now = (unsigned)(t->bucket % STATEMENTS_BUCKETS);
	size_t n = 0;

	for (unsigned i = 0; i < STATEMENTS_BUCKETS; i++)
		if (i != now && (double)s->calls[i] >= MAX(min_calls, 1.0))
			mean[n++] = (double)s->ms[i] / (double)s->calls[i];
	if (n < 2)
		return NAN;
	qsort(mean, n, sizeof(*mean), by_value);
	return n % 2 ? mean[n / 2] : (mean[n / 2 - 1] + mean[n / 2]) / 2;
}

void
statements_lately(
    const struct statements *t, const struct statement *s, double *ret_calls, double *ret_ms)
{
	unsigned now = (unsigned)(t->bucket % STATEMENTS_BUCKETS);
	unsigned before = (now + STATEMENTS_BUCKETS - 1) % STATEMENTS_BUCKETS;

	*ret_calls = (double)s->calls[now] + (double)s->calls[before];
	*ret_ms = (double)s->ms[now] + (double)s->ms[before];
}

bool
statements_is_new(
    const struct statements *t, const struct statement *s, int64_t learn_s, int64_t new_s)
{
	return s->first_s > 0 && s->first_s >= t->began_s + learn_s &&
	       t->looked_s - s->first_s < new_s;
}

size_t
statements_bytes(const struct statements *t)
{
	return sizeof(*t) + SLOTS * sizeof(*t->slots) + t->room * sizeof(*t->v);
}
