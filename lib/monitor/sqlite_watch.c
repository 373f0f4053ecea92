/*
 * One SQLite file: each part of a run becomes one job of a worker, scrub checks one job a step.
 * The loop only builds jobs and feeds rows to the evaluator.
 */
#include "base/clock.h"
#include "base/str.h"
#include "check/need.h"
#include "monitor/internal.h"
#include "monitor/lane.h"
#include "monitor/scrub.h"
#include "monitor/sqlite_crash.h"
#include "pg/plan.h"
#include "report/report.h"
#include "sqlite/fleet.h"
#include "sqlite/sqlite_role.h"
#include <math.h>
#include <stdio.h>

#define SLICE_MS  250
#define LONG_US   (600 * USEC_PER_SEC) /* scrub statements read the whole file */
#define MAX_CELLS 1024
/* Jobs that wait in the pool, so that no worker does. */
#define AHEAD 16
/* Workers that one run over a file may cost. */
#define CRASHES_MAX  4
#define JOB_SPARE_US (1 * USEC_PER_SEC)

/* One statement of a job. */
struct want {
	struct checkup *checkup;
	const struct check_body *body; /* NULL: the statement of a scrub item */
	struct eval *eval;             /* NULL: a list of items */
	char *item, *item_sql;
	int64_t started_us, started_wall_us;
	bool done;
	int col[4]; /* key object sql cost */
};
enum { COL_KEY, COL_OBJECT, COL_SQL, COL_COST };

struct sqlite_watch {
	char *path;
	json_t *facts; /* of the last look, or NULL */
	int64_t bytes; /* of it; LANE_UNKNOWN before the first */
	/* Of the file as it is, and of the one before it while somebody may still be at that one. */
	int64_t inode, former;
	struct visit *visits; /* running */
	struct sqlite_crashes crashes;
};

/* One part on its way: jobs one after the other. */
struct visit {
	struct database *db;
	struct part *part;
	struct worker_job *job;
	struct want *wants;
	size_t n;
	unsigned crashes;
	bool told,
	    closed; /* of the job: what the file is; whether SQLite is kept from opening it */
	bool came_through; /* a job has ended well */
	/* scrub */
	bool in_lane;
	struct sqlite_turn turn;
	struct lane_ticket ticket;
	size_t scrub_next;
	struct checkup *scrubbing;
	int64_t scrub_wall_us, scrub_until_us;
	struct visit *next;
};

static void visit_continue(struct visit *);
static void serve_queue(struct monitor *);
static void visit_submit(struct visit *);
static void visit_end(struct visit *, enum reason, const char *error);

/* ---- jobs ---- */

static void
wants_free(struct visit *v)
{
	for (size_t i = 0; i < v->n; i++) {
		eval_free(v->wants[i].eval);
		free(v->wants[i].item);
		free(v->wants[i].item_sql);
	}
	free(TAKE_PTR(v->wants));
	v->n = 0;
}

static struct want *
want_add(struct visit *v, struct checkup *c)
{
	struct want *w;

	v->wants = xreallocarray(v->wants, v->n + 1, sizeof(*v->wants));
	w = &v->wants[v->n++];
	*w = (struct want){
		.checkup = c, .started_us = clock_now_us(), .started_wall_us = clock_wall_us()
	};
	return w;
}

static int64_t
statement_timeout(const struct visit *v, const struct want *w)
{
	/* The list of the work reads the schema only, however long the work itself takes. */
	return w->checkup->check->cost == COST_SCRUB && w->eval ? LONG_US : v->db->conf->timeout_us;
}

static json_t *
want_json(const struct visit *v, size_t n)
{
	const struct want *w = &v->wants[n];
	const struct check *c = w->checkup->check;
	json_t *o = json_object(), *params = json_array();

	json_object_set_new(o, "n", json_integer((json_int_t)n));
	json_object_set_new(o, "source", json_string(c->source == SOURCE_FILE ? "file" : "sql"));
	json_object_set_new(o, "user", json_boolean(c->user));
	json_object_set_new(o, "timeout_ms", json_integer(statement_timeout(v, w) / USEC_PER_MSEC));
	json_object_set_new(
	    o, "max_rows", json_integer(c->user ? EVAL_USER_MAX_ROWS : EVAL_MAX_ROWS));
	json_object_set_new(
	    o, "max_bytes", json_integer(c->user ? EVAL_USER_MAX_BYTES : EVAL_MAX_BYTES));
	if (w->body) {
		const struct bind *b = &w->checkup->binds[w->body - c->bodies];
		struct bound bound;

		checkup_bind(w->checkup, b, &bound);
		for (size_t i = 0; i < bound.n; i++)
			json_array_append_new(params, report_string(bound.values[i]));
		bound_done(&bound);
		json_object_set_new(o, "sql", report_string(b->sql));
	} else {
		json_object_set_new(o, "sql", report_string(w->item_sql));
	}
	json_object_set_new(o, "params", params);
	return o;
}

static char *
job_text(const struct visit *v, int64_t deadline_us)
{
	json_t *o = json_object(), *a = json_array(), *path;
	char *text;

	path = json_string(v->db->sqlite->path);
	if (!path) {
		_cleanup_free_ char *written = fleet_name(v->db->sqlite->path);

		json_object_set_new(o, "path_written", report_string(written));
	} else {
		json_object_set_new(o, "path", path);
	}
	json_object_set_new(o, "copy_limit", json_integer(v->db->conf->copy_limit));
	json_object_set_new(o, "deadline_ms", json_integer(deadline_us / USEC_PER_MSEC));
	json_object_set_new(o, "slice_ms", json_integer(SLICE_MS));
	json_object_set_new(o, "pre_read",
	    json_boolean(v->scrubbing || v->wants[0].checkup->check->cost == COST_SCRUB));
	if (v->db->sqlite->former > 0)
		json_object_set_new(o, "former_inode", json_integer(v->db->sqlite->former));
	json_object_set_new(o, "closed", json_boolean(v->closed));
	for (size_t i = 0; i < v->n; i++)
		if (!v->wants[i].done)
			json_array_append_new(a, want_json(v, i));
	json_object_set_new(o, "statements", a);
	text = report_dump(o);
	json_decref(o);
	return text;
}

/* ---- answers ---- */

static enum reason
reason_of(const char *name)
{
	for (enum reason r = REASON_NONE; name && r < REASON_N; r++)
		if (streq(reason_names[r], name))
			return r;
	return REASON_ERROR;
}

static void
want_finish(struct visit *v, struct want *w, enum reason reason, const char *text, bool truncated,
    int64_t duration_us)
{
	struct result result = { 0 }, why = { 0 };
	struct outcome o = { .checkup = w->checkup,
		.result = &result,
		.item = w->item,
		.started_us = w->started_us,
		.started_wall_us = w->started_wall_us,
		.duration_us = duration_us };
	bool cut = reason != REASON_NONE || truncated;

	if (w->done)
		return;
	w->done = true;
	if (cut)
		result_unknown(&why, reason, "%s", text ? text : reason_names[reason]);
	if (!w->eval) { /* a list of items */
		if (!cut) {
			scope_scrub_listed(w->checkup);
			v->scrub_wall_us = clock_wall_us();
		} else {
			scope_record(
			    w->checkup->scope, &(struct outcome){ .checkup = w->checkup,
			                           .result = &why,
			                           .started_us = w->started_us,
			                           .started_wall_us = w->started_wall_us });
			v->scrubbing = NULL;
		}
		result_done(&why);
		return;
	}
	eval_finish(w->eval, cut ? &why : NULL, &result);
	if (w->item)
		scope_scrub_record(&o, LONG_US, LONG_US);
	else
		scope_record(w->checkup->scope, &o);
	result_done(&result);
	result_done(&why);
}

static void
list_columns(struct want *w, size_t n, const char *const *names)
{
	static const char *const wanted[] = { "key", "object", "sql", "cost" };

	for (size_t k = 0; k < ARRAY_SIZE(wanted); k++) {
		w->col[k] = -1;
		for (size_t i = 0; i < n; i++)
			if (streq(names[i], wanted[k]))
				w->col[k] = (int)i;
	}
}

static void
list_row(struct want *w, size_t n, const char *const *cells)
{
	const char *v[4];

	for (size_t k = 0; k < 4; k++)
		v[k] = w->col[k] >= 0 && (size_t)w->col[k] < n ? cells[w->col[k]] : NULL;
	if (!v[COL_KEY])
		v[COL_KEY] = v[COL_OBJECT];
	if (v[COL_OBJECT] && v[COL_SQL])
		scrub_list_add(w->checkup->scrub, v[COL_KEY], v[COL_OBJECT], v[COL_SQL],
		    v[COL_COST] ? strtod(v[COL_COST], NULL) : 0);
}

static size_t
cells_of(const json_t *row, const char *cells[static MAX_CELLS], size_t lengths[static MAX_CELLS])
{
	size_t n = MIN(json_array_size(row), (size_t)MAX_CELLS);

	for (size_t i = 0; i < n; i++) {
		const json_t *cell = json_array_get(row, i);

		cells[i] = json_string_value(cell);
		lengths[i] = json_string_length(cell);
	}
	return n;
}

static struct want *
want_of(struct visit *v, const json_t *o)
{
	json_int_t n = json_integer_value(json_object_get(o, "n"));

	return n >= 0 && (size_t)n < v->n && !v->wants[n].done ? &v->wants[n] : NULL;
}

static void
take_rows(struct want *w, const json_t *rows)
{
	const char *cells[MAX_CELLS];
	size_t lengths[MAX_CELLS], i;
	const json_t *row;

	json_array_foreach (rows, i, row) {
		size_t n = cells_of(row, cells, lengths);

		if (!w->eval)
			list_row(w, n, cells);
		else if (n > 0)
			eval_row(w->eval, cells, lengths);
	}
}

/* Once nobody is seen at the former file it is over: its number may be given to any other. */
static void
take_inode(struct sqlite_watch *w, const json_t *facts)
{
	int64_t inode = json_integer_value(json_object_get(facts, "inode"));
	const char *holders = json_string_value(json_object_get(facts, "lock_holders"));

	if (json_object_get(facts, "former_inode") &&
	    !(holders && strstr(holders, "\"type\":\"former\"")))
		w->former = 0;
	if (inode == 0)
		return;
	if (w->inode != 0 && inode != w->inode)
		w->former = w->inode;
	w->inode = inode;
	if (w->former == inode)
		w->former = 0;
}

/* What people see of the file beside its findings. */
static void
take_facts(struct sqlite_watch *w, const json_t *facts)
{
	static const struct {
		const char *fact, *name;
	} shown[] = { { "path", "path" }, { "size", "size_bytes" },
		{ "journal_mode", "journal_mode" }, { "tables", "tables" } };

	take_inode(w, facts);
	json_decref(w->facts);
	w->facts = json_object();
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		json_t *value = json_object_get(facts, shown[i].fact);

		if (value)
			json_object_set(w->facts, shown[i].name, value);
	}
	if (json_is_integer(json_object_get(facts, "size")))
		w->bytes = json_integer_value(json_object_get(facts, "size"));
	else
		w->bytes = 0; /* nothing to read */
	for (struct visit *v = w->visits; v; v = v->next)
		if (v->in_lane)
			lane_tell(v->db->monitor->scrub_lane, &v->ticket, w->bytes);
}

json_t *
sqlite_watch_facts(const struct database *d)
{
	return d->sqlite && d->sqlite->facts ? json_incref(d->sqlite->facts) : json_null();
}

static void
on_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct visit *v = arg;
	const char *names[MAX_CELLS];
	size_t lengths[MAX_CELLS], n;
	json_t *o = json_loadb(payload, len, 0, NULL);
	struct want *w = o ? want_of(v, o) : NULL;
	const char *state;

	switch (type) {
	case SQLITE_COLUMNS:
		if (!w)
			break;
		n = cells_of(json_object_get(o, "columns"), names, lengths);
		if (w->eval)
			eval_columns(w->eval, n, names);
		else
			list_columns(w, n, names);
		break;
	case SQLITE_ROWS:
		if (w)
			take_rows(w, json_object_get(o, "rows"));
		break;
	case SQLITE_ANSWERED:
		if (!w)
			break;
		state = json_string_value(json_object_get(o, "state"));
		want_finish(v, w,
		    state && streq(state, "unknown")
		        ? reason_of(json_string_value(json_object_get(o, "reason")))
		        : REASON_NONE,
		    json_string_value(json_object_get(o, "text")),
		    state && streq(state, "truncated"),
		    (int64_t)(json_number_value(json_object_get(o, "ms")) * 1000));
		break;
	case SQLITE_FACTS:
		v->told = true;
		if (o)
			take_facts(v->db->sqlite, o);
		break;
	default: /* a worker is not trusted to send only what we know */
		break;
	}
	json_decref(o);
}

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
		want_finish(v, w, REASON_CRASH, err->msg, false, clock_now_us() - w->started_us);
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
		want_finish(v, &v->wants[i], reasons[end], err ? err->msg : "not reached in time",
		    false, clock_now_us() - v->wants[i].started_us);
	wants_free(v);
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
	wants_free(v);
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
	int64_t deadline =
	    v->in_lane ? LONG_US : MIN(v->db->conf->interval_us[v->part->task->probe], 3 * timeout);
	_cleanup_free_ char *job = job_text(v, deadline);
	int r;

	v->told = false;
	r = worker_submit(v->in_lane ? m->scrub : m->sqlite, SQLITE_JOB, job, strlen(job),
	    deadline + JOB_SPARE_US, 0, on_message, on_end, v, &v->job);

	if (r < 0)
		visit_end(v, REASON_BUDGET,
		    r == -EAGAIN ? "too many files wait for a worker" : "the job is too large");
}

static const struct check_body *
covered_body(struct visit *v, struct checkup *c)
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
		body = covered_body(v, c);
		if (!body)
			continue;
		w = want_add(v, c);
		w->body = body;
		w->eval = checkup_eval(c, NULL, NAN, w->started_us, w->started_wall_us);
	}
}

static bool
next_scrub(struct visit *v)
{
	while (v->scrub_next < v->part->n) {
		struct checkup *c = v->part->taken[v->scrub_next++];
		const struct check_body *body;

		if (c->check->kind != KIND_SCRUB || !c->running)
			continue;
		body = covered_body(v, c);
		if (!body)
			continue;
		v->scrubbing = c;
		want_add(v, c)->body = body;
		scrub_list_begin(c->scrub);
		return true;
	}
	return false;
}

static bool
next_item(struct visit *v)
{
	struct checkup *c = v->scrubbing;
	const struct scrub_pace pace = scope_scrub_pace(c);
	struct scrub_item *it =
	    clock_now_us() < v->scrub_until_us && !checkup_is_over(c)
	        ? scrub_next(c->scrub, clock_wall_us(), &pace, v->scrub_wall_us, SCRUB_BY_ANY)
	        : NULL;
	struct want *w;

	if (!it) {
		scope_scrub_pass_end(c, NULL, 0);
		v->scrubbing = NULL;
		return false;
	}
	w = want_add(v, c);
	w->item = xstrdup(it->key);
	w->item_sql = xstrdup(it->sql);
	w->eval = checkup_eval(c, it->key, NAN, w->started_us, w->started_wall_us);
	return true;
}

static void
visit_continue(struct visit *v)
{
	while (v->n == 0) {
		if (v->scrubbing ? next_item(v) : next_scrub(v))
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

/* What holds by what is known of the file needs no worker; false: nothing else is left. */
static bool
spare(const struct database *d, struct part *p)
{
	size_t left = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (fleet_may_spare(d, p->taken[i]))
			scope_record_kept(p->taken[i]);
		left += p->taken[i]->running;
	}
	return left > 0;
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

static void
sqlite_run(struct scope *s, struct part *p)
{
	struct database *d = s->owner;
	/* What reads the whole file has a lane of its own, so that nothing cheap waits behind it.
	 */
	struct part *slow;
	struct visit *v;

	if (!spare(d, p)) {
		scope_part_end(p, REASON_BUDGET, NULL);
		return;
	}
	slow = part_split(p, is_long);
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
