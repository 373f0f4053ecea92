/*
 * Pending migrations on a copy of the database: each up, down and up again, the schema compared with what
 * it was.
 */
#include "backup/blank.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/unit.h"
#include "cli/diff_look.h"
#include "cli/migrate.h"
#include "cli/release.h"

#include <stdio.h>
#include <unistd.h>

#define DIFFERENCES_SHOWN 10

/* The copy, and where it is in the plan. */
struct trial {
	const struct cli *cli;
	struct release_step *step;
	struct migrate_job *job;
	const struct migrate_step *const *v;
	size_t n;
	struct blank *blank;
	struct migrate_db *db;
	json_t *list;
	bool one_way; /* one of them cannot be taken back */
};

/* ---- the schema at a moment ---- */

static int
look(const struct trial *t, struct diff_look *ret)
{
	struct cli one = *t->cli;
	_cleanup_free_ char *sqlite = t->job->target.engine == ENGINE_SQLITE
	                                  ? xasprintf("sqlite:%s", blank_where(t->blank))
	                                  : NULL;
	int r;

	one.o.database = NULL;
	r = diff_look(&one, sqlite ? sqlite : blank_where(t->blank), ret);
	return r == 0 ? diff_look_texts(&one, ret) : r;
}

static bool
same_moment(struct trial *t, const char *what, const struct diff_look *a, const struct diff_look *b)
{
	struct diff d = { .a = a->diff, .b = b->diff };
	bool same;

	d.a.name = "the schema before";
	d.b.name = "the schema after";
	diff_make(&d);
	same = d.n == 0;
	if (!same) {
		release_line(t->step, "%s: the schema is not as before, in %zu place%s", what, d.n,
		    d.n == 1 ? "" : "s");
		release_worsen(t->step, RELEASE_FAILED);
	}
	for (size_t i = 0; i < MIN(d.n, (size_t)DIFFERENCES_SHOWN); i++) {
		const struct diff_item *x = &d.items[i];

		release_line(t->step, "%s%s%s: %s", x->object, x->part ? ": " : "",
		    x->part ? x->part : "", x->words);
	}
	diff_done(&d);
	return same;
}

static void
put_fingerprint(json_t *o, const char *key, const struct diff_look *l)
{
	char sum[SHA_HEX_SIZE];

	diff_fingerprint(&l->diff, sum);
	json_object_set_new(o, key, json_string(sum));
}

/* ---- running ---- */

static int
run_one(struct trial *t, const struct migrate_script *m, bool down, json_t *o, const char *key)
{
	struct migrate_run run = {
		.script = m, .down = down, .lock_timeout_us = t->cli->o.lock_timeout_us
	};
	struct err e = { 0 };
	int64_t took_us = 0;
	int r = migrate_db_run(t->db, &run, &took_us, &e);

	json_object_set_new(o, key, json_integer(took_us / USEC_PER_MSEC));
	if (r >= 0)
		return r;
	json_object_set_new(o, "failed", json_string(down ? "down" : "up"));
	json_object_set_new(o, "reason", json_string(e.msg));
	release_line(t->step, "%s fails: %s", down ? "down" : "up", e.msg);
	release_worsen(t->step, RELEASE_FAILED);
	return r;
}

static bool
has_down(const struct migrate_script *m)
{
	return m->down.line > 0 && m->down.sql && *m->down.sql;
}

static void
tell_times(struct trial *t, const struct migrate_script *m, const json_t *o)
{
	_cleanup_free_ char *up =
	    duration_format(json_integer_value(json_object_get(o, "up_ms")) * USEC_PER_MSEC);
	_cleanup_free_ char *down =
	    duration_format(json_integer_value(json_object_get(o, "down_ms")) * USEC_PER_MSEC);

	if (has_down(m))
		release_line(t->step, "%s: up %s, down %s", m->file, up, down);
	else
		release_line(t->step, "%s: up %s; no way back", m->file, up);
}

/* before: as it is now; it is replaced by what it is after.  A negative errno ends it all. */
static int
try_one(struct trial *t, const struct migrate_script *m, struct diff_look *before)
{
	json_t *o = json_pack("{s:s, s:s}", "version", m->version, "file", m->file);
	struct diff_look back = { 0 }, after = { 0 };
	int r = run_one(t, m, false, o, "up_ms");

	json_array_append_new(t->list, o);
	if (r >= 0 && has_down(m)) {
		r = run_one(t, m, true, o, "down_ms");
		if (r >= 0)
			r = look(t, &back) == 0 ? 0 : -EIO;
		if (r >= 0)
			json_object_set_new(
			    o, "undone", json_boolean(same_moment(t, m->file, before, &back)));
		if (r >= 0)
			r = run_one(t, m, false, o, "up_again_ms");
	} else if (r >= 0) {
		t->one_way = true;
		release_worsen(t->step, RELEASE_WARNING);
	}
	if (r >= 0)
		r = look(t, &after) == 0 ? 0 : -EIO;
	if (r >= 0) {
		tell_times(t, m, o);
		put_fingerprint(o, "fingerprint", &after);
		diff_look_done(before);
		*before = after;
		after = (struct diff_look){ 0 };
	}
	diff_look_done(&back);
	diff_look_done(&after);
	return r;
}

/* All of them back, the newest first: one may lean on what the next one takes away. */
static int
take_all_back(struct trial *t, const struct diff_look *first)
{
	struct diff_look end = { 0 };
	int r = 0;

	for (size_t i = t->n; r >= 0 && i-- > 0;)
		r = run_one(t, t->v[i]->script, true, json_array_get(t->list, i), "down_all_ms");
	if (r >= 0)
		r = look(t, &end) == 0 ? 0 : -EIO;
	if (r >= 0) {
		(void)same_moment(t, "all taken back", first, &end);
		put_fingerprint(t->step->facts, "fingerprint_after_down", &end);
	}
	diff_look_done(&end);
	return r;
}

static int
try_all(struct trial *t)
{
	struct diff_look first = { 0 }, now = { 0 };
	int r = look(t, &first) == 0 && look(t, &now) == 0 ? 0 : -EIO;

	if (r >= 0)
		put_fingerprint(t->step->facts, "fingerprint_before", &first);
	for (size_t i = 0; r >= 0 && i < t->n; i++)
		r = try_one(t, t->v[i]->script, &now);
	if (r >= 0)
		put_fingerprint(t->step->facts, "fingerprint_after_up", &now);
	if (r >= 0 && !t->one_way)
		r = take_all_back(t, &first);
	if (r < 0)
		release_worsen(t->step, RELEASE_FAILED);
	diff_look_done(&first);
	diff_look_done(&now);
	return r;
}

/* ---- the copy ---- */

static int
open_copy(struct trial *t, struct err *e)
{
	const struct admin_target *from = &t->job->target;
	const struct migrate_who who = { .name = t->job->who, .table = t->job->table };
	bool sqlite = from->engine == ENGINE_SQLITE;
	int r = sqlite ? blank_make_sqlite(from->path, t->cli->o.scratch, &t->blank, e)
	               : blank_make_postgresql(from->dsn, t->cli->o.scratch, &t->blank, e);

	if (r >= 0)
		r = sqlite ? migrate_db_open_sqlite(blank_where(t->blank), false, &who, &t->db, e)
		           : migrate_db_open_postgresql(blank_where(t->blank), &who, &t->db, e);
	return r < 0 ? r : migrate_db_lock(t->db, 0, e);
}

static void
try_on_copy(
    struct release *r, struct migrate_job *job, const struct migrate_step *const *v, size_t n)
{
	struct release_step *s = release_add(r, "migrations", "migrations");
	struct trial t = { .cli = r->cli, .step = s, .job = job, .v = v, .n = n };
	struct err e = { 0 };

	s->facts = json_object();
	t.list = json_array();
	json_object_set_new(s->facts, "pending", t.list);
	if (n == 0) {
		s->summary = xasprintf("none is pending in %s", job->dir);
		return;
	}
	if (open_copy(&t, &e) < 0) {
		s->summary = xasprintf("no scratch copy to try %zu on: %s", n, e.msg);
		release_worsen(s, RELEASE_FAILED);
	} else {
		try_all(&t);
		s->summary = xasprintf("%zu pending, tried on %s%s%s", n, blank_name(t.blank),
		    job->target.engine == ENGINE_SQLITE ? "" : " (no rows)",
		    s->state == RELEASE_FAILED ? ""
		    : t.one_way                ? "; not all can be taken back"
		                               : ": up, down and up again");
	}
	migrate_db_free(t.db);
	blank_free(t.blank);
}

/* ---- the plan and its lint ---- */

static enum release_state
weight_of(enum migrate_state state)
{
	switch (state) {
	case MIGRATE_APPLIED:
	case MIGRATE_PENDING:
		return RELEASE_OK;
	case MIGRATE_CHANGED:
	case MIGRATE_MISSING:
		return RELEASE_WARNING;
	case MIGRATE_OUT_OF_ORDER:
	case MIGRATE_UNFINISHED:
		return RELEASE_FAILED;
	case MIGRATE_STATE_N:
		break;
	}
	return RELEASE_OK;
}

static void
judge_plan(struct release_step *s, const struct migrate_job *job)
{
	for (size_t i = 0; i < job->plan.n; i++) {
		const struct migrate_step *step = &job->plan.v[i];
		_cleanup_free_ char *why =
		    weight_of(step->state) == RELEASE_OK ? NULL : migrate_explain(job, step);

		if (weight_of(step->state) == RELEASE_OK)
			continue;
		release_line(s, "%s: %s%s%s", step->version, migrate_state_names[step->state],
		    why ? ": " : "", why ? why : "");
		release_worsen(s, weight_of(step->state));
	}
}

static void
add_lint(struct release_step *s, const struct migrate_script *m, const struct lint *l, size_t n[])
{
	for (size_t i = 0; i < l->n; i++) {
		const struct lint_note *x = &l->v[i];

		n[x->severity]++;
		if (x->severity == SEVERITY_INFO)
			continue;
		release_line(s, "%s:%d: %s: %s. %s", m->file, x->line, x->rule, x->message,
		    x->remedy ? x->remedy : "");
		release_worsen(
		    s, x->severity == SEVERITY_CRITICAL ? RELEASE_FAILED : RELEASE_WARNING);
	}
}

static void
lint_pending(
    struct release *r, struct migrate_job *job, const struct migrate_step *const *v, size_t n)
{
	struct release_step *s = release_add(r, "lint", "lint");
	_cleanup_(lint_memory_freep) struct lint_memory *memory = lint_memory_new();
	const struct lint_context context = { .engine = job->target.engine,
		.server_version = migrate_db_server_version(job->db),
		.memory = memory };
	size_t count[SEVERITY_N] = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct lint l = { 0 };

		lint_script(v[i]->script, false, &context, &l);
		lint_notes(v[i]->script, &l);
		add_lint(s, v[i]->script, &l, count);
		lint_done(&l);
	}
	if (n == 0)
		s->summary = xstrdup("nothing is pending");
	else
		s->summary =
		    xasprintf("%zu file%s: %zu critical, %zu warning, %zu info", n, words_s(n),
		        count[SEVERITY_CRITICAL], count[SEVERITY_WARNING], count[SEVERITY_INFO]);
}

static void
look_at_folder(struct release *r, struct cli *one)
{
	_cleanup_free_ const struct migrate_step **v = NULL;
	struct release_step *s = release_add(r, "plan", "plan");
	struct migrate_job job = { 0 };
	struct err e = { 0 };
	size_t n = 0;

	if (migrate_job_open(one, 0, &job) != 0) {
		s->summary = xstrdup("the migrations cannot be read: see standard error");
		release_worsen(s, RELEASE_FAILED);
	} else {
		judge_plan(s, &job);
		if (migrate_plan_up(&job.plan, "head", false, &v, &n, &e) < 0) {
			s->summary = xasprintf("an upgrade would be refused: %s", e.msg);
			release_worsen(s, RELEASE_FAILED);
			n = 0;
		} else {
			s->summary = xasprintf(
			    "%zu file%s, %zu pending", job.folder.n, words_s(job.folder.n), n);
			try_on_copy(r, &job, v, n);
			lint_pending(r, &job, v, n);
		}
	}
	migrate_job_done(&job);
}

void
release_migrations(struct release *r)
{
	_cleanup_free_ char *dir = migrate_dir(r->cli, r->target.db);
	struct cli one = *r->cli;
	char *args[] = { (char *)(uintptr_t)r->arg, NULL };

	if (!r->cli->o.dir && access(dir, F_OK) < 0) {
		struct release_step *s = release_add(r, "plan", "plan");

		s->summary = xasprintf("no migrations: there is no folder %s", dir);
		s->state = RELEASE_SKIPPED;
		return;
	}
	/* Its own words would spoil the report. */
	one.o.output = OUTPUT_TEXT;
	one.args = args;
	one.nargs = r->arg ? 1 : 0;
	look_at_folder(r, &one);
}
