/*
 * Progress of scrub checks: an array of items with when each was last verified, and the choice of
 * the next one.
 */
#include "monitor/scrub.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "base/text.h"
#include "check/facts.h"
#include <math.h>
#include <stdio.h>

#define SCRUB_MAX_ITEMS  100000
#define SCRUB_SHARE      1000
#define SCRUB_MAX_GRANTS 2000 /* bytes: what a person would still paste */

/* How far what is read at a time may move from what the check began with. */
#define SLICE_RANGE    1024
#define LARGEST_LATE   5
#define PUT_OFF_MAX    1000
#define SCRUB_RETRY_US (86400 * USEC_PER_SEC)
/* Each try of the data role is a login of its own. */
#define DATA_RETRY_US (900 * USEC_PER_SEC)
/* Tables that are dropped and made again under one name go on for ever; a statement that names what
 * never was does too, and must not pass for them. */
#define GONE_MAX 8

const char *const scrub_column_names[SCRUB_COLUMN_N] = { "key", "object", "sql", "cost", "grant",
	"start", "slice", "remedy", "login" };

struct scrub {
	struct pool *pool; /* borrowed */
	struct scrub_item **v;
	size_t n;
	struct map *by_key;
	unsigned lists;
	/* Of the pass that scrub_next was last asked for; NULL: to be made anew. */
	struct scrub_item **queue;
	size_t nqueue;
	int64_t queue_since_us;
	struct scrub_pace queue_pace;
	enum scrub_login queue_login;
};

static void
item_free(struct pool *pool, struct scrub_item *it)
{
	free(it->key);
	free(it->object);
	pool_give(pool, it->sql);
	free(it->grant);
	free(it->reason);
	free(it->why);
	free(it->start);
	pool_give(pool, it->remedy);
	free(it->resume);
	free(it->kept);
	free(it);
}

static void
queue_drop(struct scrub *s)
{
	free(TAKE_PTR(s->queue));
	s->nqueue = 0;
}

struct scrub *
scrub_new(struct pool *pool)
{
	struct scrub *s = xcalloc(1, sizeof(*s));

	s->pool = pool;
	s->by_key = map_new();
	return s;
}

struct scrub *
scrub_free(struct scrub *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n; i++)
		item_free(s->pool, s->v[i]);
	free(s->v);
	free(s->queue);
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
		s->v[i]->in_new_list = false;
}

static struct scrub_item *
list_item(struct scrub *s, const char *key, const char *object)
{
	struct scrub_item *it = item_of(s, key);

	if (!it)
		return NULL;
	it->listed = it->in_new_list = true;
	if (it->listed_wall_us == 0)
		it->listed_wall_us = clock_wall_us();
	free(it->object);
	free(TAKE_PTR(it->start));
	pool_give(s->pool, TAKE_PTR(it->remedy));
	pool_give(s->pool, TAKE_PTR(it->sql));
	free(TAKE_PTR(it->grant));
	free(TAKE_PTR(it->reason));
	it->as_data = false;
	it->object = xstrdup(object);
	return it;
}

void
scrub_list_add(struct scrub *s, const char *key, const char *object, const char *sql, double cost)
{
	struct scrub_item *it = list_item(s, key, object);

	if (!it)
		return;
	it->sql = pool_take(s->pool, sql);
	it->cost = cost;
}

void
scrub_list_slices(struct scrub *s, const char *key, const char *start, double slice)
{
	struct scrub_item *it = map_get(s->by_key, key);
	char digest[SHA_ID_SIZE];

	if (!it || !it->sql || !(slice >= 1))
		return;
	it->start = xstrdup(start);
	sha_id((const char *const[]){ it->sql, start }, 2, digest);
	if (!streq(digest, it->digest)) {
		scrub_item_restart(it);
		it->amount = slice;
		memcpy(it->digest, digest, sizeof(digest));
	}
	it->slice = slice;
	it->amount = fmin(fmax(it->amount, 1), slice * SLICE_RANGE);
}

void
scrub_list_remedy(struct scrub *s, const char *key, const char *remedy)
{
	struct scrub_item *it = map_get(s->by_key, key);

	if (!it)
		return;
	pool_give(s->pool, it->remedy);
	it->remedy = pool_take(s->pool, remedy);
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
scrub_list_as_data(struct scrub *s, const char *key)
{
	struct scrub_item *it = map_get(s->by_key, key);

	if (it)
		it->as_data = true;
}

static bool
is_denied(const struct scrub_item *it)
{
	return it->grant || it->reason;
}

void
scrub_stop_data(struct scrub *s, int64_t wall_us, const char *why, bool denied)
{
	queue_drop(s);
	for (size_t i = 0; i < s->n; i++) {
		struct scrub_item *it = s->v[i];

		if (!it->listed || !it->as_data || is_denied(it))
			continue;
		if (!denied) {
			scrub_item_failed(it, wall_us, why, false, 0, 0);
			continue;
		}
		it->reason = xstrdup(why);
		it->failed = it->confirm = false;
		free(TAKE_PTR(it->why));
		pool_give(s->pool, TAKE_PTR(it->sql));
	}
}

void
scrub_list_end(struct scrub *s)
{
	size_t kept = 0;

	queue_drop(s);
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i]->in_new_list) {
			if (!s->v[i]->start)
				scrub_item_restart(s->v[i]);
			s->v[kept++] = s->v[i];
			continue;
		}
		map_remove(s->by_key, s->v[i]->key);
		item_free(s->pool, s->v[i]);
	}
	s->n = kept;
	s->lists++;
}

/*
 * What has waited longest in the sense of scrub_next: true when a comes before b.  An object that
 * takes days must neither be put off for ever nor put off the others: they take turns.
 */
static bool
comes_before(const struct scrub *s, const struct scrub_item *a, const struct scrub_item *b)
{
	if (a->confirm != b->confirm)
		return a->confirm;
	if (!a->resume != !b->resume)
		return (a->resume != NULL) == (s->lists % 2 == 1);
	if ((a->done_wall_us == 0) != (b->done_wall_us == 0))
		return a->done_wall_us == 0;
	if (a->done_wall_us == 0) {
		if (a->failed != b->failed)
			return !a->failed;
		return a->cost < b->cost || (!(b->cost < a->cost) && a->place < b->place);
	}
	if (a->done_wall_us != b->done_wall_us)
		return a->done_wall_us < b->done_wall_us;
	return a->place < b->place;
}

int64_t
scrub_interval_us(const struct scrub_pace *p, int64_t duration_us)
{
	return MIN(p->longest_us, MAX(p->shortest_us, SCRUB_SHARE * duration_us));
}

static bool
is_wanted(const struct scrub_item *it, int64_t wall_us, const struct scrub_pace *pace,
    int64_t since_wall_us, enum scrub_login login)
{
	if (!it->listed || !it->sql || it->tried_wall_us >= since_wall_us ||
	    (it->retry_wall_us > wall_us && pace->longest_us > 0))
		return false;
	if (login != SCRUB_BY_ANY && it->as_data != (login == SCRUB_BY_DATA))
		return false;
	return it->confirm || it->resume || it->done_wall_us == 0 ||
	       wall_us - it->done_wall_us >= scrub_interval_us(pace, it->duration_us);
}

/* ---- the queue of a pass: a heap, so that a long list is not gone through for each of its items ---- */

static void
queue_sink(const struct scrub *s, size_t i)
{
	struct scrub_item **q = s->queue;

	for (size_t child; (child = 2 * i + 1) < s->nqueue; i = child) {
		struct scrub_item *it = q[i];

		if (child + 1 < s->nqueue && comes_before(s, q[child + 1], q[child]))
			child++;
		if (!comes_before(s, q[child], it))
			return;
		q[i] = q[child];
		q[child] = it;
	}
}

static void
queue_make(struct scrub *s, int64_t wall_us, const struct scrub_pace *pace, int64_t since_wall_us,
    enum scrub_login login)
{
	queue_drop(s);
	s->queue = xcalloc(s->n + 1, sizeof(struct scrub_item *));
	s->queue_since_us = since_wall_us;
	s->queue_pace = *pace;
	s->queue_login = login;
	for (size_t i = 0; i < s->n; i++) {
		s->v[i]->place = i;
		if (is_wanted(s->v[i], wall_us, pace, since_wall_us, login))
			s->queue[s->nqueue++] = s->v[i];
	}
	for (size_t i = s->nqueue / 2; i-- > 0;)
		queue_sink(s, i);
}

static struct scrub_item *
queue_first(struct scrub *s, int64_t wall_us, const struct scrub_pace *pace)
{
	while (s->nqueue > 0 &&
	       !is_wanted(s->queue[0], wall_us, pace, s->queue_since_us, s->queue_login)) {
		s->queue[0] = s->queue[--s->nqueue];
		queue_sink(s, 0);
	}
	return s->nqueue > 0 ? s->queue[0] : NULL;
}

struct scrub_item *
scrub_next(struct scrub *s, int64_t wall_us, const struct scrub_pace *pace, int64_t since_wall_us,
    enum scrub_login login)
{
	struct scrub_item *it = NULL;

	if (s->queue && s->queue_since_us == since_wall_us && s->queue_login == login &&
	    s->queue_pace.shortest_us == pace->shortest_us &&
	    s->queue_pace.longest_us == pace->longest_us) {
		queue_sink(
		    s, 0); /* what was done with the one given last may have changed its turn */
		it = queue_first(s, wall_us, pace);
	}
	if (it)
		return it;
	queue_make(s, wall_us, pace, since_wall_us, login);
	return queue_first(s, wall_us, pace);
}

void
scrub_item_done(struct scrub_item *it, int64_t wall_us, int64_t duration_us, bool confirm)
{
	it->done_wall_us = it->tried_wall_us = wall_us;
	it->duration_us = it->spent_us + duration_us;
	it->retry_wall_us = 0;
	it->failed = false;
	it->gone = 0;
	it->put_off = 0;
	it->confirm = confirm;
	scrub_item_restart(it);
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
	if (timed_out && MAX(timeout_us, it->timeout_us) >= max_timeout_us)
		it->retry_wall_us = wall_us + SCRUB_RETRY_US;
	else if (it->as_data)
		it->retry_wall_us = wall_us + DATA_RETRY_US;
	if (timed_out)
		it->timeout_us = MIN(MAX(timeout_us, it->timeout_us) * 2, max_timeout_us);
}

void
scrub_item_put_off(struct scrub_item *it, int64_t wall_us, const char *why, int64_t retry_wall_us)
{
	it->tried_wall_us = wall_us;
	it->retry_wall_us = retry_wall_us;
	it->failed = false;
	it->put_off++;
	free(it->why);
	it->why = xstrdup(why);
}

void
scrub_item_keep(struct scrub_item *it, const char *kept)
{
	it->waiting = kept && !it->kept;
	free(it->kept);
	it->kept = xstrdup(kept);
}

bool
scrub_item_gone(struct scrub_item *it)
{
	if (it->gone >= GONE_MAX)
		return false;
	it->gone++;
	it->listed = it->failed = it->confirm = false;
	free(TAKE_PTR(it->why));
	return true;
}

void
scrub_item_restart(struct scrub_item *it)
{
	free(TAKE_PTR(it->resume));
	it->pass_wall_us = it->spent_us = 0;
}

void
scrub_item_advance(
    struct scrub_item *it, const char *resume, int64_t duration_us, int64_t target_us)
{
	if (!it->resume)
		it->pass_wall_us = clock_wall_us();
	free(it->resume);
	it->resume = xstrdup(resume);
	it->spent_us += duration_us;
	it->failed = false;
	free(TAKE_PTR(it->why));
	if (duration_us < target_us / 2)
		it->amount = fmin(it->amount * 2, it->slice * SLICE_RANGE);
	else if (duration_us > target_us)
		it->amount = fmax(floor(it->amount / 2), 1);
}

bool
scrub_item_shrink(struct scrub_item *it, int64_t duration_us)
{
	it->spent_us += duration_us;
	if (!it->start || it->amount <= 1)
		return false;
	it->amount = fmax(floor(it->amount / 8), 1);
	return true;
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
		if (is_denied(it)) {
			ret->denied++;
			ret->lost += it->done_wall_us > 0;
			if (it->reason) {
				ret->reason = it->reason;
				ret->reason_object = it->object;
			} else {
				ret->denied_object = it->object;
			}
			continue;
		}
		ret->bytes += it->cost;
		ret->begun += it->resume != NULL;
		ret->waiting += it->waiting;
		if (it->failed) {
			ret->failed++;
			ret->why = it->why;
			ret->failed_object = it->object;
		}
		if (!it->failed && it->why && it->put_off > 0) {
			if (ret->put_off++ == 0 || it->retry_wall_us < ret->put_off_wall_us) {
				ret->put_off_wall_us = it->retry_wall_us;
				ret->put_off_why = it->why;
				ret->put_off_object = it->object;
			}
		}
		if (it->done_wall_us == 0)
			continue;
		ret->done++;
		ret->done_bytes += it->cost;
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

		if (it->listed && it->grant)
			privilege_add_grants(&text, it->grant, SCRUB_MAX_GRANTS);
	}
	return text.len > 0 ? xstrdup(str_text(&text)) : NULL;
}

/* ---- what is late ---- */

static int64_t
verified_us(const struct scrub_item *it)
{
	return it->done_wall_us > 0 ? it->done_wall_us : it->listed_wall_us;
}

static bool
is_late(const struct scrub_item *it, int64_t wall_us, int64_t limit_us)
{
	return it->listed && !is_denied(it) && wall_us - verified_us(it) > limit_us;
}

/* The largest that is smaller than all told before; of equals by their order. */
static const struct scrub_item *
next_largest(const struct scrub *s, int64_t wall_us, int64_t limit_us, bool *told)
{
	size_t best = s->n;

	for (size_t i = 0; i < s->n; i++)
		if (!told[i] && is_late(s->v[i], wall_us, limit_us) &&
		    (best == s->n || s->v[i]->cost > s->v[best]->cost))
			best = i;
	if (best == s->n)
		return NULL;
	told[best] = true;
	return s->v[best];
}

static json_t *
late_item(const struct scrub_item *it, int64_t wall_us, const char *waits)
{
	json_t *o = json_object();
	const char *why = it->why ? it->why : it->resume ? "partly verified" : waits;

	json_object_set_new(o, "object", json_string(it->object));
	json_object_set_new(o, "bytes", json_real(it->cost));
	json_object_set_new(o, "age", json_integer((wall_us - verified_us(it)) / USEC_PER_SEC));
	json_object_set_new(o, "verified", json_boolean(it->done_wall_us > 0));
	json_object_set_new(o, "why", json_string(why));
	return o;
}

json_t *
scrub_late(const struct scrub *s, int64_t wall_us, int64_t limit_us, const char *waits)
{
	_cleanup_free_ bool *told = xcalloc(s->n + 1, sizeof(*told));
	json_t *o = json_object(), *largest = json_array();
	const struct scrub_item *it;
	double bytes = 0, late_bytes = 0;
	json_int_t n = 0, late = 0;
	int64_t oldest = wall_us;

	for (size_t i = 0; i < s->n; i++) {
		if (!s->v[i]->listed || is_denied(s->v[i]))
			continue;
		n++;
		bytes += s->v[i]->cost;
		if (!is_late(s->v[i], wall_us, limit_us))
			continue;
		late++;
		late_bytes += s->v[i]->cost;
		oldest = MIN(oldest, verified_us(s->v[i]));
	}
	for (int i = 0; i < LARGEST_LATE && (it = next_largest(s, wall_us, limit_us, told)); i++)
		json_array_append_new(largest, late_item(it, wall_us, waits));
	json_object_set_new(o, "objects", json_integer(n));
	json_object_set_new(o, "bytes", json_real(bytes));
	json_object_set_new(o, "late", json_integer(late));
	json_object_set_new(o, "late_bytes", json_real(late_bytes));
	json_object_set_new(o, "age", json_integer((wall_us - oldest) / USEC_PER_SEC));
	json_object_set_new(o, "largest", largest);
	return o;
}

/* ---- over restarts ---- */

static json_t *
item_json(const struct scrub_item *it)
{
	json_t *o = json_object();

	json_object_set_new(o, "done", json_integer(it->done_wall_us));
	json_object_set_new(o, "took", json_integer(it->duration_us));
	json_object_set_new(o, "listed", json_integer(it->listed_wall_us));
	if (it->timeout_us > 0)
		json_object_set_new(o, "timeout", json_integer(it->timeout_us));
	if (it->put_off > 0)
		json_object_set_new(o, "put_off", json_integer(it->put_off));
	if (it->retry_wall_us > 0) {
		json_object_set_new(o, "failed", json_boolean(it->failed));
		json_object_set_new(o, "retry", json_integer(it->retry_wall_us));
		json_object_set_new(o, "why", json_string(it->why));
	}
	if (!it->start && !it->resume && !it->kept)
		return o;
	json_object_set_new(o, "digest", json_string(it->digest));
	json_object_set_new(o, "amount", json_real(it->amount));
	json_object_set_new(o, "told", json_real(it->told));
	if (it->kept)
		json_object_set_new(o, "kept", json_string(it->kept));
	if (!it->resume)
		return o;
	json_object_set_new(o, "resume", json_string(it->resume));
	json_object_set_new(o, "began", json_integer(it->pass_wall_us));
	json_object_set_new(o, "spent", json_integer(it->spent_us));
	return o;
}

char *
scrub_save(const struct scrub *s)
{
	json_t *items = json_object();
	char *text;

	for (size_t i = 0; i < s->n; i++)
		json_object_set_new(items, s->v[i]->key, item_json(s->v[i]));
	text = json_dumps(items, JSON_COMPACT);
	json_decref(items);
	assert(text);
	return text;
}

static void
item_load(struct scrub_item *it, json_t *o)
{
	json_int_t done = 0, took = 0, listed = 0, timeout = 0, retry = 0, began = 0, spent = 0;
	const char *digest = "", *resume = NULL, *why = NULL, *kept = NULL;
	json_int_t put_off = 0;
	int failed = true;
	double amount = 0, told = 0;

	if (json_is_array(o)) /* of a former version */
		(void)json_unpack(o, "[I, I]", &done, &took);
	else if (json_unpack(o,
	             "{s?I, s?I, s?I, s?I, s?I, s?s, s?s, s?F, s?F, s?s, s?I, s?I, s?s, s?I, s?b}",
	             "done", &done, "took", &took, "listed", &listed, "timeout", &timeout, "retry",
	             &retry, "why", &why, "digest", &digest, "amount", &amount, "told", &told,
	             "resume", &resume, "began", &began, "spent", &spent, "kept", &kept, "put_off",
	             &put_off, "failed", &failed) < 0)
		return;
	it->done_wall_us = done;
	it->duration_us = took;
	it->listed_wall_us = listed;
	it->timeout_us = timeout;
	it->retry_wall_us = retry;
	it->put_off = (unsigned)MIN(MAX(put_off, 0), PUT_OFF_MAX);
	if (retry > 0 && why) {
		it->failed = failed;
		free(it->why);
		it->why = xstrdup(why);
	}
	it->amount = isfinite(amount) ? amount : 0;
	it->told = isfinite(told) ? told : 0;
	snprintf(it->digest, sizeof(it->digest), "%s", digest);
	free(it->kept);
	it->kept = xstrdup(kept);
	if (!resume)
		return;
	free(it->resume);
	it->resume = xstrdup(resume);
	it->pass_wall_us = began;
	it->spent_us = spent;
}

void
scrub_load(struct scrub *s, const char *json)
{
	json_t *items = json_loads(json, 0, NULL), *o;
	const char *key;

	json_object_foreach (items, key, o) {
		struct scrub_item *it = item_of(s, key);

		if (it)
			item_load(it, o);
	}
	json_decref(items);
}
