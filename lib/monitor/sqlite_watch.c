/*
 * One SQLite file: each part of a run becomes one job of a worker, scrub checks one job a step; whose
 * turn it is, and what becomes of a worker that dies.
 */
#include "base/clock.h"
#include "check/need.h"
#include "monitor/foresight.h"
#include "monitor/sqlite_impl.h"
#include "pg/plan.h"
#include "sqlite/fleet.h"
#include "sqlite/sqlite_role.h"
#include <math.h>

/* Jobs that wait in the pool, so that no worker does. */
#define AHEAD 16
/* Workers that one run over a file may cost. */
#define CRASHES_MAX  4
#define JOB_SPARE_US (1 * USEC_PER_SEC)

static void visit_continue(struct visit *);
static void serve_queue(struct monitor *);
static void visit_submit(struct visit *);
static void visit_end(struct visit *, enum reason, const char *error);

/* What the worker was at: it takes those on the file first, else one after the other. */
static struct want *
want_at_work(struct visit *v)
{
	for (int file = 1; file >= 0; file--)
		for (size_t i = 0; i < v->n; i++)
			if (!v->wants[i].done &&
			    (v->wants[i].checkup->check->source == SOURCE_FILE) == file)
				return &v->wants[i];
	return NULL;
}

/*
 * The statement that cost the worker its life takes the others not along: they are asked again, and
 * where the file cannot even be opened, those that need it not.
 */
static bool
survive_crash(struct visit *v, const struct err *err)
{
	struct want *w = v->told ? want_at_work(v) : NULL;

	sqlite_crash_tell(&v->db->scope, &v->db->sqlite->crashes, v->part->task->probe, v->in_lane,
	    err->msg, w ? w->checkup->check->id : NULL);
	if (v->db->leaving || ++v->crashes >= CRASHES_MAX || (!v->told && v->closed))
		return false;
	if (!v->told)
		v->closed = true;
	if (w)
		sqlite_want_finish(
		    v, w, REASON_CRASH, err->msg, false, clock_now_us() - w->started_us);
	if (!want_at_work(v))
		return false;
	visit_submit(v);
	return true;
}

static void
on_end(enum worker_end end, const struct err *err, void *arg)
{
	static const enum reason reasons[WORKER_END_N] = {
		[WORKER_DONE] = REASON_BUDGET,
		[WORKER_FAILED] = REASON_ERROR,
		[WORKER_TIMEOUT] = REASON_TIMEOUT,
		[WORKER_CRASHED] = REASON_CRASH,
		[WORKER_CANCELLED] = REASON_CONNECTION,
	};
	struct visit *v = arg;
	struct monitor *m = v->db->monitor;

	v->job = NULL;
	if (end == WORKER_CRASHED && survive_crash(v, err))
		return;
	v->came_through = v->came_through || end == WORKER_DONE;
	for (size_t i = 0; i < v->n; i++)
		sqlite_want_finish(v, &v->wants[i], reasons[end],
		    err ? err->msg : "not reached in time", false,
		    clock_now_us() - v->wants[i].started_us);
	sqlite_scrub_measure(v);
	sqlite_wants_free(v);
	if (v->db->leaving)
		visit_end(v, REASON_CONNECTION, NULL);
	else if (end != WORKER_CANCELLED)
		visit_continue(v);
	serve_queue(m);
}

/* ---- the visit ---- */

static void
leave_lane(struct visit *v)
{
	struct monitor *m = v->db->monitor;

	lane_leave(m->scrub_lane, &v->ticket);
	/* Who is alone with its file leaves nothing behind that costs memory until the next one. */
	if (m->scrub_lane && lane_is_empty(m->scrub_lane))
		worker_pool_rest(m->scrub);
}

static void
visit_end(struct visit *v, enum reason why, const char *error)
{
	struct visit **p = &v->db->sqlite->visits;
	struct part *part = v->part;

	while (*p != v)
		p = &(*p)->next;
	*p = v->next;
	if (v->came_through && v->crashes == 0)
		sqlite_crash_over(&v->db->sqlite->crashes, part->task->probe, v->in_lane);
	if (v->in_lane)
		leave_lane(v);
	sqlite_queue_leave(&v->db->monitor->sqlite_queue, &v->turn);
	sqlite_wants_free(v);
	free(v);
	scope_part_end(part, why, error);
}

static bool
is_long(const struct checkup *c)
{
	return c->check->cost == COST_SCRUB || c->check->kind == KIND_SCRUB;
}

static void
visit_submit(struct visit *v)
{
	struct monitor *m = v->db->monitor;
	int64_t timeout = v->db->conf->timeout_us;
	int64_t deadline = v->in_lane
	                       ? sqlite_scrub_long_us(v)
	                       : MIN(v->db->conf->interval_us[v->part->task->probe], 3 * timeout);
	_cleanup_free_ char *job = sqlite_job_text(v, deadline);
	int r;

	v->told = false;
	v->submitted_us = clock_now_us();
	r = worker_submit(v->in_lane ? m->scrub : m->sqlite, SQLITE_JOB, job, strlen(job),
	    deadline + JOB_SPARE_US, 0, sqlite_job_message, on_end, v, &v->job);

	if (r < 0)
		visit_end(v, REASON_BUDGET,
		    r == -EAGAIN ? "too many files wait for a worker" : "the job is too large");
}

const struct check_body *
sqlite_covered_body(struct visit *v, struct checkup *c)
{
	struct coverage cov;
	const struct check_body *body;

	checkup_coverage(c, &v->db->facts, v->db->facts_generation, &cov);
	body = c->check->kind == KIND_SCRUB ? cov.items : cov.body;
	if (cov.cover == COVER_YES && body)
		return body;
	scope_record_uncovered(c->scope, c, &cov);
	return NULL;
}

static void
add_statements(struct visit *v)
{
	for (size_t i = 0; i < v->part->n; i++) {
		struct checkup *c = v->part->taken[i];
		const struct check_body *body;
		struct want *w;

		if (c->check->kind == KIND_SCRUB || !c->running)
			continue;
		if (c->check->source == SOURCE_SESSION) {
			sqlite_crash_judge(c, &v->db->sqlite->crashes);
			continue;
		}
		if (c->check->source == SOURCE_HISTORY) {
			foresight_judge(c);
			continue;
		}
		body = sqlite_covered_body(v, c);
		if (!body)
			continue;
		w = sqlite_want_add(v, c);
		w->body = body;
		w->eval = checkup_eval(c, NULL, NAN, w->started_us, w->started_wall_us);
	}
}

static void
visit_continue(struct visit *v)
{
	while (v->n == 0) {
		if (v->scrubbing ? sqlite_scrub_items(v) : sqlite_scrub_begin(v))
			break;
		if (!v->scrubbing && v->scrub_next >= v->part->n) {
			visit_end(v, REASON_BUDGET, NULL);
			return;
		}
	}
	visit_submit(v);
}

static struct visit *
visit_new(struct database *d, struct part *p)
{
	struct visit *v = xcalloc(1, sizeof(*v));

	v->db = d;
	v->part = p;
	v->next = d->sqlite->visits;
	d->sqlite->visits = v;
	return v;
}

static void
visit_begin(struct visit *v)
{
	struct monitor *m = v->db->monitor;

	v->scrub_until_us = m->options.one_shot ? m->started_us + m->options.budget_us
	                                        : clock_now_us() + 3 * v->db->conf->timeout_us;
	add_statements(v);
	if (v->n > 0)
		visit_submit(v);
	else
		visit_continue(v);
}

static bool
is_crowded(const struct monitor *m)
{
	return worker_pool_queued(m->sqlite) >= AHEAD;
}

static void
serve_queue(struct monitor *m)
{
	struct sqlite_turn *t;

	while (m->started && !is_crowded(m) && (t = sqlite_queue_take(&m->sqlite_queue))) {
		struct visit *v = (struct visit *)((char *)t - offsetof(struct visit, turn));

		visit_begin(v);
	}
}

static bool
has_running(const struct part *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->taken[i]->running)
			return true;
	return false;
}

/* What holds by what is known of the file needs no worker; false: nothing else is left. */
static bool
spare(const struct database *d, struct part *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (fleet_may_spare(d, p->taken[i]))
			scope_record_kept(p->taken[i]);
	return has_running(p);
}

void
sqlite_watch_turn(struct lane_ticket *t)
{
	struct visit *v = (struct visit *)((char *)t - offsetof(struct visit, ticket));

	if (v->db->leaving)
		visit_end(v, REASON_CONNECTION, NULL);
	else
		visit_begin(v);
}

void
sqlite_watch_go_on(struct database *d, struct part *p)
{
	/* What reads the whole file has a lane of its own, so that nothing cheap waits behind it.
	 */
	struct part *slow = part_split(p, is_long);
	struct visit *v;

	if (slow) {
		v = visit_new(d, slow);

		v->in_lane = true;
		lane_join(d->monitor->scrub_lane, &v->ticket, clock_now_us(), d->sqlite->bytes);
	}
	v = visit_new(d, p);
	if (is_crowded(d->monitor))
		sqlite_queue_join(&d->monitor->sqlite_queue, &v->turn);
	else
		visit_begin(v);
}

static void
sqlite_run(struct scope *s, struct part *p)
{
	struct database *d = s->owner;
	struct part *held = spare(d, p) ? migrations_hold(d, p) : NULL;

	if (held)
		sqlite_watch_go_on(d, held);
	if (has_running(p))
		sqlite_watch_go_on(d, p);
	else
		scope_part_end(p, REASON_BUDGET, NULL);
}

static const struct scope_ops sqlite_ops = { sqlite_run };

const struct scope_ops *
sqlite_watch_ops(void)
{
	return &sqlite_ops;
}

int
sqlite_watch_new(struct database *d, const char *file, struct err *err)
{
	char *path = xstrdup(file);
	int r = path ? 0 : dsn_sqlite_path(d->conf->dsn, &path, err);

	if (r < 0)
		return r;
	d->sqlite = xcalloc(1, sizeof(*d->sqlite));
	d->sqlite->path = path;
	d->sqlite->bytes = LANE_UNKNOWN;
	d->facts.engine = ENGINE_SQLITE;
	d->facts.flavour = xstrdup("community");
	d->facts_generation = 1;
	version_parse(sqlite_role_library(), d->facts.version);
	d->server_version = xstrdup(sqlite_role_library());
	return 0;
}

void
sqlite_watch_free(struct database *d)
{
	if (!d->sqlite)
		return;
	while (d->sqlite->visits) {
		struct visit *v = d->sqlite->visits;

		/* Only after the pools are gone: no job of ours is under way. */
		assert(!v->job);
		visit_end(v, REASON_CONNECTION, "stopped");
	}
	json_decref(d->sqlite->facts);
	sqlite_crashes_done(&d->sqlite->crashes);
	free(d->sqlite->quiet);
	free(d->sqlite->path);
	free(TAKE_PTR(d->sqlite));
}

bool
sqlite_watch_is_idle(const struct database *d)
{
	return !d->sqlite || !d->sqlite->visits;
}

void
sqlite_watch_cancel(struct database *d)
{
	migrations_forget(d);
	for (struct visit *v = d->sqlite->visits, *next; v; v = next) {
		next = v->next;
		if (v->job)
			worker_cancel(v->job);
		else if (v->turn.waits)
			visit_end(v, REASON_CONNECTION, NULL);
		else if (v->in_lane)
			lane_quit(d->monitor->scrub_lane, &v->ticket);
	}
}

int
sqlite_watch_move(struct database *d, struct err *err)
{
	char *path = NULL;
	int r = dsn_sqlite_path(d->conf->dsn, &path, err);

	if (r < 0)
		return r;
	free(d->sqlite->path);
	d->sqlite->path = path;
	d->sqlite->inode = d->sqlite->former = 0;
	sqlite_crashes_done(&d->sqlite->crashes);
	json_decref(d->sqlite->facts);
	d->sqlite->facts = NULL;
	d->sqlite->bytes = LANE_UNKNOWN;
	return 0;
}
