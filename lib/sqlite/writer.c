/*
 * The worker role "sqlite-write": runs the steps of `dbhealth optimize` on one file, each by itself,
 * told when it begins and how it ended.  What was stopped or refused is undone by SQLite.
 */
#include "base/clock.h"
#include "base/text.h"
#include "sqlite/backup.h"
#include "sqlite/damage.h"
#include "sqlite/write_role.h"

#include <jansson.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>

#define STEPS_MAX   2000
#define STOP_OPS    1000 /* of SQLite's machine, between two looks for a signal */
#define WAIT_US     (25 * USEC_PER_MSEC)
#define PROGRESS_US (100 * USEC_PER_MSEC)
#define CACHE       "-32000"

enum state { STATE_DONE, STATE_BUSY, STATE_FAILED, STATE_STOPPED };
static const char *const state_names[] = { "done", "busy", "failed", "stopped" };

struct writer {
	const char *path; /* borrowed, as are the steps */
	json_t *steps;
	sqlite3 *db;
	int64_t lock_timeout_us, busy_since_us, told_us;
	size_t step;
	char text[512];
};

/* The signal is blocked and stays pending: who asks needs no variable that a handler would set. */
static bool
is_stopped(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigismember(&pending, SIGINT) == 1;
}

static int
on_ops(void *arg)
{
	(void)arg;
	return is_stopped();
}

/* Others may finish what they do for so long, counted anew at each lock. */
static int
on_busy(void *arg, int n)
{
	struct writer *w = arg;

	if (n == 0)
		w->busy_since_us = clock_now_us();
	if (is_stopped() || clock_now_us() - w->busy_since_us >= w->lock_timeout_us)
		return 0;
	usleep((useconds_t)WAIT_US);
	return 1;
}

/* ---- frames ---- */

static int
send_json(uint32_t type, json_t *take)
{
	_cleanup_free_ char *text = json_dumps(take, JSON_COMPACT);

	json_decref(take);
	return text ? worker_send(type, text, strlen(text)) : -ENOMEM;
}

static int
tell_progress(struct writer *w, int64_t done, int64_t total)
{
	json_t *o = json_object();

	json_object_set_new(o, "step", json_integer((json_int_t)w->step));
	json_object_set_new(o, "done", json_integer(done));
	json_object_set_new(o, "total", json_integer(total));
	return send_json(SQLITE_WRITE_PROGRESS, o);
}

static int
tell_step(struct writer *w, enum state state, int64_t us)
{
	_cleanup_free_ char *text = text_from_peer(w->text, strlen(w->text), sizeof(w->text));
	json_t *o = json_object();

	json_object_set_new(o, "step", json_integer((json_int_t)w->step));
	json_object_set_new(o, "state", json_string(state_names[state]));
	json_object_set_new(o, "ms", json_integer(us / USEC_PER_MSEC));
	json_object_set_new(o, "text", json_string(text));
	return send_json(SQLITE_WRITE_STEP, o);
}

/* ---- the steps ---- */

static enum state
ended(struct writer *w, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return STATE_DONE;
	case SQLITE_INTERRUPT:
		return STATE_STOPPED;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		snprintf(w->text, sizeof(w->text), "%s", sqlite3_errmsg(w->db));
		return is_stopped() ? STATE_STOPPED : STATE_BUSY;
	default:
		snprintf(w->text, sizeof(w->text), "%s", sqlite3_errmsg(w->db));
		return STATE_FAILED;
	}
}

static enum state
run_sql(struct writer *w, const char *sql)
{
	return ended(w, sqlite3_exec(w->db, sql, NULL, NULL, NULL));
}

static enum state
run_check(struct writer *w)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(w->db, "PRAGMA quick_check(100)", -1, &st, NULL);
	enum state state;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	while (
	    rc == SQLITE_ROW && !damage_is_of_file((const char *)sqlite3_column_text(st, 0) ?: ""))
		rc = sqlite3_step(st);
	state = ended(w, rc);
	if (rc == SQLITE_ROW) {
		snprintf(w->text, sizeof(w->text), "damaged: %s",
		    (const char *)sqlite3_column_text(st, 0) ?: "");
		state = STATE_FAILED;
	}
	sqlite3_finalize(st);
	return state;
}

static int
on_copied(int64_t done, int64_t total, void *arg)
{
	struct writer *w = arg;
	int64_t now;

	if (is_stopped())
		return 1;
	now = clock_now_us();
	if (total > 0 && now - w->told_us >= PROGRESS_US) {
		w->told_us = now;
		return tell_progress(w, done, total);
	}
	return 0;
}

static enum state
run_backup(struct writer *w, const char *to)
{
	struct err e = { 0 };
	int r = to ? backup_make(w->db, w->path, to, on_copied, w, &e) : -EINVAL;

	if (r == 0)
		return STATE_DONE;
	snprintf(w->text, sizeof(w->text), "%s", e.msg);
	if (r == -ECANCELED || is_stopped())
		return STATE_STOPPED;
	return r == -EBUSY ? STATE_BUSY : STATE_FAILED;
}

static enum state
run_analyze(struct writer *w, const char *table, int64_t limit)
{
	char *sql = sqlite3_mprintf(
	    "PRAGMA analysis_limit = %lld; ANALYZE main.\"%w\"", (long long)limit, table);
	enum state state = sql ? run_sql(w, sql) : STATE_FAILED;

	sqlite3_free(sql);
	return state;
}

static enum state
run_checkpoint(struct writer *w)
{
	return ended(
	    w, sqlite3_wal_checkpoint_v2(w->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
}

static enum state
run_step(struct writer *w, const json_t *step, const char *kind)
{
	const char *table = json_string_value(json_object_get(step, "table"));

	if (streq(kind, "check"))
		return run_check(w);
	if (streq(kind, "backup"))
		return run_backup(w, json_string_value(json_object_get(step, "to")));
	if (streq(kind, "analyze") && table)
		return run_analyze(w, table, json_integer_value(json_object_get(step, "limit")));
	if (streq(kind, "vacuum"))
		return run_sql(w, "VACUUM main");
	if (streq(kind, "incremental"))
		return run_sql(w, "PRAGMA main.incremental_vacuum");
	if (streq(kind, "optimize"))
		return run_sql(w, "PRAGMA main.optimize");
	if (streq(kind, "checkpoint"))
		return run_checkpoint(w);
	snprintf(w->text, sizeof(w->text), "no such step");
	return STATE_FAILED;
}

/* ---- the job ---- */

/* A writer in the middle of its transaction is waited for here, before anything is done. */
static enum state
open_database(struct writer *w)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE;
	int rc = sqlite3_open_v2(w->path, &w->db, flags, "unix");

	if (rc != SQLITE_OK)
		return ended(w, rc);
	sqlite3_extended_result_codes(w->db, 1);
	sqlite3_db_config(w->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(w->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(w->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(w->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	sqlite3_busy_handler(w->db, on_busy, w);
	sqlite3_progress_handler(w->db, STOP_OPS, on_ops, w);
	return run_sql(w, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
	                  "PRAGMA cache_size = " CACHE "; BEGIN IMMEDIATE; ROLLBACK");
}

static int
run_all(struct writer *w)
{
	int64_t start = clock_now_us();
	enum state state = open_database(w);
	json_t *step;
	int r = 0;

	if (state != STATE_DONE)
		return tell_step(w, state, clock_now_us() - start);
	json_array_foreach (w->steps, w->step, step) {
		const char *kind = json_string_value(json_object_get(step, "kind")) ?: "";

		start = clock_now_us();
		w->text[0] = '\0';
		r = tell_progress(w, 0, 0);
		if (r < 0)
			return r;
		state = is_stopped() ? STATE_STOPPED : run_step(w, step, kind);
		r = tell_step(w, state, clock_now_us() - start);
		if (r < 0 || (state != STATE_DONE && !streq(kind, "checkpoint")))
			return r;
	}
	return 0;
}

static int
write_serve(uint32_t type, const char *payload, size_t len)
{
	struct writer w = { 0 };
	const char *temp_dir;
	json_t *o;
	int r = -EINVAL;

	if (type != SQLITE_WRITE_JOB)
		return -EINVAL;
	o = json_loadb(payload, len, 0, NULL);
	w.path = json_string_value(json_object_get(o, "path"));
	w.steps = json_object_get(o, "steps");
	w.lock_timeout_us =
	    json_integer_value(json_object_get(o, "lock_timeout_ms")) * USEC_PER_MSEC;
	temp_dir = json_string_value(json_object_get(o, "temp_dir"));
	/* Read once, when SQLite is used for the first time in a process. */
	if (temp_dir)
		setenv("SQLITE_TMPDIR", temp_dir, 1);
	if (w.path && json_array_size(w.steps) <= STEPS_MAX)
		r = run_all(&w);
	sqlite3_close(w.db);
	json_decref(o);
	return r;
}

static int
write_begin(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? 0 : -errno;
}

const struct worker_role sqlite_write_role = {
	.name = "sqlite-write",
	.sandbox = SANDBOX_CHANGES,
	.serve = write_serve,
	.begin = write_begin,
};
