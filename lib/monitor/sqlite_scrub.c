/*
 * Checks of a SQLite file that go through its tables one by one: which of them the next job takes, and
 * how.  What gives way to writers is tried again at the hour when they are fewest, then on a copy.
 */
#include "base/clock.h"
#include "base/str.h"
#include "monitor/scrub.h"
#include "monitor/sqlite_impl.h"
#include "worker/worker.h"
#include <math.h>

/* A job costs the same however little it asks: small items share one that takes about this long. */
#define BATCH_US    (500 * USEC_PER_MSEC)
#define BATCH_FIRST 8
#define BATCH_MAX   500 /* of the statements that a job may have */
/* Their texts, which double when they are written as JSON, go in one frame of the worker. */
#define BATCH_BYTES (WORKER_FRAME_MAX / 4)

/* The longest that one statement may read, by the slowest disk that is worth it. */
#define LONGEST_US      (6 * 3600 * USEC_PER_SEC)
#define SLOWEST_BYTES_S ((int64_t)4 << 20)
/* Not again in the same quiet hour. */
#define AGAIN_US (3600 * USEC_PER_SEC)

bool
sqlite_scrub_begin(struct visit *v)
{
	while (v->scrub_next < v->part->n) {
		struct checkup *c = v->part->taken[v->scrub_next++];
		const struct check_body *body;

		if (c->check->kind != KIND_SCRUB || !c->running)
			continue;
		body = sqlite_covered_body(v, c);
		if (!body)
			continue;
		v->scrubbing = c;
		v->batch = BATCH_FIRST;
		sqlite_want_add(v, c)->body = body;
		scrub_list_begin(c->scrub);
		return true;
	}
	return false;
}

/* ---- the items of a job ---- */

static struct scrub_item *
next_item(struct visit *v)
{
	struct checkup *c = v->scrubbing;
	const struct scrub_pace pace = scope_scrub_pace(c);

	return scrub_next(c->scrub, clock_wall_us(), &pace, v->scrub_wall_us, SCRUB_BY_ANY);
}

static void
add_item(struct visit *v, struct scrub_item *it)
{
	struct want *w = sqlite_want_add(v, v->scrubbing);

	w->item = xstrdup(it->key);
	w->item_sql = xstrdup(it->sql);
	/* The list names the whole file: what is asked of it is the check's own statement. */
	if (it->sql[0] == '\0' && v->scrubbing->body > 0)
		w->body = &v->scrubbing->check->bodies[v->scrubbing->body - 1];
	w->eval = checkup_eval(v->scrubbing, it->key, NAN, w->started_us, w->started_wall_us);
	/* Its turn of this pass is taken, also when the job does not come to it. */
	it->tried_wall_us = v->scrub_wall_us;
}

static enum scrub_way
way_of(const struct visit *v, const struct scrub_item *it)
{
	if (v->db->monitor->options.one_shot) /* there is no later */
		return SCRUB_IN_BUDGET;
	return it->put_off == 0 ? SCRUB_GENTLY : it->put_off == 1 ? SCRUB_IN_BUDGET : SCRUB_COPY;
}

/* What was put off has a job of its own; it begins the next one. */
static bool
fits(const struct visit *v, const struct scrub_item *it, size_t bytes)
{
	return v->n == 0 ||
	       (v->n < v->batch && it->put_off == 0 && bytes + strlen(it->sql) <= BATCH_BYTES);
}

bool
sqlite_scrub_items(struct visit *v)
{
	struct checkup *c = v->scrubbing;
	struct scrub_item *it;
	size_t bytes = 0;

	if (clock_now_us() < v->scrub_until_us && !checkup_is_over(c))
		while ((it = next_item(v)) && fits(v, it, bytes)) {
			bool alone = it->put_off > 0;

			if (v->n == 0)
				v->way = way_of(v, it);
			bytes += strlen(it->sql);
			add_item(v, it);
			if (alone)
				break;
		}
	if (v->n > 0)
		return true;
	scope_scrub_pass_end(c, NULL, 0);
	v->scrubbing = NULL;
	return false;
}

void
sqlite_scrub_measure(struct visit *v)
{
	int64_t took = clock_now_us() - v->submitted_us;

	if (!v->scrubbing || v->n == 0 || !v->wants[0].item)
		return;
	if (took < BATCH_US / 2)
		v->batch = MIN(v->batch * 2, (size_t)BATCH_MAX);
	else if (took > BATCH_US)
		v->batch = MAX(v->batch / 2, (size_t)1);
}

/* ---- how they are read ---- */

int64_t
sqlite_scrub_long_us(const struct visit *v)
{
	/* A large table may take longer than a slice; a small file that does is made to. */
	int64_t by_size = MAX(v->db->sqlite->bytes, 0) / SLOWEST_BYTES_S * USEC_PER_SEC;

	return MAX(v->db->conf->scrub_slice_us, MIN(by_size, LONGEST_US));
}

void
sqlite_scrub_job(const struct visit *v, json_t *job)
{
	const struct monitor *m = v->db->monitor;
	int64_t begin_us = v->scrubbing && v->n > 1 ? v->scrub_until_us - clock_now_us() : 0;

	/* No statement begins later: what the job does not come to is taken by another. */
	if (begin_us != 0)
		json_object_set_new(
		    job, "begin_ms", json_integer(MAX(begin_us / USEC_PER_MSEC, (int64_t)1)));
	if (!m->options.one_shot && m->rules->conf->daemon.state_dir)
		json_object_set_new(job, "temp_dir", json_string(m->rules->conf->daemon.state_dir));
	if (v->scrubbing && v->wants[0].item && v->way == SCRUB_COPY) {
		json_object_set_new(job, "copy", json_true());
		json_object_set_new(
		    job, "copy_wal_budget", json_integer(v->db->conf->scrub_wal_budget));
	}
}

void
sqlite_scrub_statement(const struct want *w, const struct visit *v, json_t *statement)
{
	json_object_set_new(statement, "wal_budget", json_integer(v->db->conf->scrub_wal_budget));
	json_object_set_new(statement, "gentle", json_boolean(!w->item || v->way == SCRUB_GENTLY));
	json_object_set_new(statement, "insists", json_boolean(!w->item));
}

/* ---- what was put off ---- */

static struct scrub_item *
item_of(const struct want *w)
{
	struct checkup *c = w->checkup;

	return w->item && !checkup_is_over(c) ? scrub_get(c->scrub, w->item) : NULL;
}

bool
sqlite_scrub_put_off(struct visit *v, const struct want *w, const char *text)
{
	struct scrub_item *it = item_of(w);
	int64_t now = clock_wall_us();
	_cleanup_free_ char *both = NULL;

	if (!it || v->db->monitor->options.one_shot)
		return false;
	if (v->way != SCRUB_COPY) {
		if (!w->gave_way)
			return false;
		/* At the quietest hour; when that was not quiet enough, at once on a copy. */
		scrub_item_put_off(it, now, text,
		    v->way == SCRUB_GENTLY ? quiet_next_us(v->db->sqlite->quiet, now) : now);
		return true;
	}
	/* No way is left until that hour comes again: both reasons are told. */
	both = xasprintf("%s%s%s", it->why ? it->why : "", it->why ? "; " : "", text);
	scrub_item_put_off(it, now, both, quiet_next_us(v->db->sqlite->quiet, now + AGAIN_US));
	it->put_off = 1;
	it->failed = true;
	w->checkup->reason = REASON_LOCKED;
	return true;
}

/* ---- when the file is quiet ---- */

static char *
quiet_key(const struct database *d)
{
	return xasprintf("d:%s", d->scope.name);
}

void
sqlite_note_changes(struct database *d, int64_t changes)
{
	struct sqlite_watch *w = d->sqlite;
	uint32_t was = w->changes;
	_cleanup_free_ char *key = NULL, *json = NULL;

	w->changes = (uint32_t)changes;
	if (d->monitor->options.one_shot || (!w->quiet && (was == 0 || was == w->changes)))
		return;
	if (!w->quiet)
		w->quiet = xcalloc(1, sizeof(*w->quiet));
	if (!quiet_note(w->quiet, clock_wall_us(), w->changes))
		return;
	key = quiet_key(d);
	json = quiet_save(w->quiet);
	monitor_state(d->monitor, "quiet", key, json);
}

void
sqlite_watch_restore(struct database *d, const char *json)
{
	struct quiet *q = xcalloc(1, sizeof(*q));

	if (d->sqlite && !d->sqlite->quiet && quiet_load(q, json))
		d->sqlite->quiet = TAKE_PTR(q);
	free(q);
}

void
sqlite_watch_forget(struct database *d)
{
	_cleanup_free_ char *key = quiet_key(d);

	if (d->sqlite && d->sqlite->quiet)
		monitor_state(d->monitor, "quiet", key, NULL);
}
