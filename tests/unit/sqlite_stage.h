#pragma once
/*
 * Shared by the SQLite tests: a folder of its own, real database files, and one real worker asked
 * as the daemon asks it, as ourselves or as another user.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "sqlite/sqlite_role.h"

#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define MAYBE_UNUSED __attribute__((unused))
#define WATCHER_UID  64001 /* who looks */
#define APP_UID      64002 /* whose databases they are */

const struct worker_role *const worker_roles[] = { &sqlite_role, NULL };

/* ---- the folder ---- */

static char stage_dir[64];

static MAYBE_UNUSED int
stage_begin(void **state)
{
	(void)state;
	snprintf(stage_dir, sizeof(stage_dir), "/tmp/test-sqlite.XXXXXX");
	if (!mkdtemp(stage_dir))
		return -1;
	return chmod(stage_dir, 0755);
}

static MAYBE_UNUSED int
stage_end(void **state)
{
	_cleanup_free_ char *command = xasprintf("rm -rf '%s'", stage_dir);

	(void)state;
	return system(command);
}

/* A path in the folder; a ring of buffers, so that several live at once. */
static MAYBE_UNUSED const char *
in_stage(const char *name)
{
	static char ring[8][128];
	static unsigned next;
	char *buf = ring[next++ % 8];

	snprintf(buf, 128, "%s/%s", stage_dir, name);
	return buf;
}

static MAYBE_UNUSED void
write_file(const char *path, const void *data, size_t len)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
}

static MAYBE_UNUSED char *
read_file(const char *path, size_t *ret_len)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	data = xcalloc(1, (size_t)st.st_size + 1);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	*ret_len = (size_t)st.st_size;
	return data;
}

static MAYBE_UNUSED void
poke(const char *path, long at, unsigned char byte)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

/* Names, sizes, times, owners and bytes of everything in a folder: what a reader must not change.
 */
static MAYBE_UNUSED char *
fingerprint(const char *dir)
{
	struct dirent **names;
	struct str s = { 0 };
	int n = scandir(dir, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, names[i]->d_name), *data = NULL;
		uint64_t hash = 1469598103934665603u;
		struct stat st;
		size_t len = 0;

		if (names[i]->d_name[0] != '.' && lstat(path, &st) == 0) {
			if (S_ISREG(st.st_mode))
				data = read_file(path, &len);
			for (size_t k = 0; k < len; k++)
				hash = (hash ^ (unsigned char)data[k]) * 1099511628211u;
			str_addf(&s, "%s %o %u %lld %lld.%09ld %llx\n", names[i]->d_name,
			    st.st_mode, st.st_uid, (long long)st.st_size,
			    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
			    (unsigned long long)hash);
		}
		free(names[i]);
	}
	free(names);
	return str_take(&s);
}

/* A child that does not outlive a test that fails. */
static MAYBE_UNUSED pid_t
fork_mortal(void)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* ---- databases ---- */

static MAYBE_UNUSED sqlite3 *
db_open(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	return db;
}

static MAYBE_UNUSED void
db_exec(sqlite3 *db, const char *sql)
{
	char *error = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
}

static MAYBE_UNUSED void
db_make(const char *path, const char *sql)
{
	sqlite3 *db = db_open(path);

	db_exec(db, sql);
	sqlite3_close(db);
}

/*
 * An application in a process of its own: runs the SQL, says so, and waits with the connection open
 * until it is told to leave.
 */
struct app {
	pid_t pid;
	int ready, leave;
};

static MAYBE_UNUSED struct app
app_start(uid_t uid, const char *path, const char *sql)
{
	int ready[2], leave[2];
	struct app app;
	char byte = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(leave, O_CLOEXEC), 0);
	app.pid = fork_mortal();
	if (app.pid == 0) {
		sqlite3 *db;

		if (uid != 0 && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
		                    setresuid(uid, uid, uid) < 0))
			_exit(2);
		close(leave[1]);
		if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_busy_timeout(db, 5000) ||
		    sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
			_exit(3);
		if (write(ready[1], "r", 1) != 1 || read(leave[0], &byte, 1) < 0)
			_exit(4);
		sqlite3_close(db);
		_exit(0);
	}
	close(ready[1]);
	close(leave[0]);
	app.ready = ready[0];
	app.leave = leave[1];
	assert_int_equal(read(app.ready, &byte, 1), 1);
	return app;
}

static MAYBE_UNUSED int
app_wait(struct app *app)
{
	int status;

	close(app->ready);
	close(app->leave);
	assert_int_equal(waitpid(app->pid, &status, 0), app->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static MAYBE_UNUSED void
app_kill(struct app *app)
{
	kill(app->pid, SIGKILL);
	assert_int_equal(app_wait(app), 128 + SIGKILL);
}

/* Runs SQL as another user and closes; its exit code is 0 if all went well. */
static MAYBE_UNUSED int
app_run(uid_t uid, const char *path, const char *sql)
{
	struct app app;
	char byte;
	int ready[2], status;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	app.pid = fork_mortal();
	if (app.pid == 0) {
		sqlite3 *db;

		if (uid != 0 && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
		                    setresuid(uid, uid, uid) < 0))
			_exit(2);
		if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_busy_timeout(db, 5000) ||
		    sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
			_exit(3);
		_exit(sqlite3_close(db) == SQLITE_OK ? 0 : 5);
	}
	close(ready[1]);
	(void)!read(ready[0], &byte, 1);
	close(ready[0]);
	assert_int_equal(waitpid(app.pid, &status, 0), app.pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- asking the worker ---- */

struct look {
	json_t *statements, *shared; /* shared: taken; NULL: none */
	int64_t copy_limit, deadline_ms, slice_ms;
	int64_t kill_after_us; /* the parent's deadline; 0: 20 s */
	bool pre_read, closed, copy;
	int64_t wal_budget; /* of the copy and of each statement; 0: any */
	int64_t former_inode;
	const char *temp_dir;
	int64_t wal_read_max;     /* 0: the default */
	void (*on_facts)(void *); /* while the worker is at its statements */
	void *arg;
	struct worker_job *job;
	/* what came back */
	json_t *facts, *columns, *rows, *done; /* the last three by number of statement */
	enum worker_end end;
	char why[512];
	struct event_base *base;
};

static MAYBE_UNUSED struct look
look_new(void)
{
	return (struct look){ .statements = json_array(),
		.copy_limit = 1 << 30,
		.deadline_ms = 40000,
		.slice_ms = 250 };
}

static MAYBE_UNUSED void
look_add(struct look *l, const char *source, const char *sql, bool user, int64_t timeout_ms)
{
	json_array_append_new(
	    l->statements, json_pack("{s:i, s:s, s:s, s:[], s:i, s:i, s:I, s:b}", "n",
	                       (int)json_array_size(l->statements), "sql", sql, "source", source,
	                       "params", "max_rows", 1000, "max_bytes", 1 << 20, "timeout_ms",
	                       (json_int_t)timeout_ms, "user", user));
}

static MAYBE_UNUSED void
look_sql(struct look *l, const char *sql)
{
	look_add(l, "sql", sql, false, 20000);
}

static json_t *
slot(json_t **list, size_t n, json_t *fresh)
{
	while (json_array_size(*list) <= n)
		json_array_append_new(*list, json_null());
	if (fresh)
		json_array_set_new(*list, n, fresh);
	return json_array_get(*list, n);
}

static void
look_on_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct look *l = arg;
	json_t *o = json_loadb(payload, len, 0, NULL), *rows;
	size_t n;

	assert_non_null(o);
	n = (size_t)json_integer_value(json_object_get(o, "n"));
	switch (type) {
	case SQLITE_FACTS:
		l->facts = json_incref(o);
		if (l->on_facts)
			l->on_facts(l->arg);
		break;
	case SQLITE_COLUMNS:
		slot(&l->columns, n, json_incref(json_object_get(o, "columns")));
		slot(&l->rows, n, json_array());
		break;
	case SQLITE_ROWS:
		rows = slot(&l->rows, n, NULL);
		assert_true(len <= 256 << 10);
		json_array_extend(rows, json_object_get(o, "rows"));
		break;
	case SQLITE_ANSWERED:
		slot(&l->done, n, json_incref(o));
		break;
	default:
		fail_msg("frame of type %u", type);
	}
	json_decref(o);
}

static void
look_on_end(enum worker_end end, const struct err *err, void *arg)
{
	struct look *l = arg;

	l->end = end;
	snprintf(l->why, sizeof(l->why), "%s", err ? err->msg : "");
	event_base_loopbreak(l->base);
}

/* What the pool warns of is a leak or a crash of the worker: nothing else happens here. */
static void
on_warning(enum log_level level, const char *line, void *arg)
{
	(void)level;
	(void)arg;
	fail_msg("warning: %s", line);
}

static void
look_set_budget(json_t *job, int64_t bytes)
{
	json_t *statement;
	size_t i;

	json_object_set_new(job, "copy_wal_budget", json_integer(bytes));
	json_array_foreach (json_object_get(job, "statements"), i, statement)
		json_object_set_new(statement, "wal_budget", json_integer(bytes));
}

static MAYBE_UNUSED void
look_here(struct look *l, const char *path)
{
	struct worker_limits limits = { .processes = 1, .queue = 1, .keep = false };
	json_t *job = json_pack("{s:s, s:I, s:I, s:I, s:b, s:s, s:O}", "path", path, "copy_limit",
	    (json_int_t)l->copy_limit, "deadline_ms", (json_int_t)l->deadline_ms, "slice_ms",
	    (json_int_t)l->slice_ms, "pre_read", l->pre_read, "temp_dir", l->temp_dir ?: "/tmp",
	    "statements", l->statements);
	_cleanup_free_ char *text = NULL;
	struct worker_pool *pool;
	struct err err;

	json_object_set_new(job, "closed", json_boolean(l->closed));
	if (l->shared)
		json_object_set_new(job, "shared", TAKE_PTR(l->shared));
	if (l->wal_read_max > 0)
		json_object_set_new(job, "wal_read_max", json_integer(l->wal_read_max));
	json_object_set_new(job, "copy", json_boolean(l->copy));
	if (l->wal_budget > 0)
		look_set_budget(job, l->wal_budget);
	json_object_set_new(job, "former_inode", json_integer(l->former_inode));
	text = json_dumps(job, 0);
	json_decref(job);
	log_init(LOG_LEVEL_WARNING, on_warning, NULL);
	l->columns = json_array();
	l->rows = json_array();
	l->done = json_array();
	l->base = event_base_new();
	assert_int_equal(worker_pool_new(l->base, "sqlite", &limits, &pool, &err), 0);
	assert_int_equal(worker_submit(pool, SQLITE_JOB, text, strlen(text),
	                     l->kill_after_us ? l->kill_after_us : 20 * USEC_PER_SEC, 0,
	                     look_on_message, look_on_end, l, &l->job),
	    0);
	event_base_dispatch(l->base);
	/* It leaves by itself, so that a sanitizer can speak at its exit. */
	while (worker_pool_processes(pool) > 0)
		event_base_loop(l->base, EVLOOP_ONCE);
	worker_pool_free(pool);
	event_base_free(l->base);
	l->base = NULL;
}

/* In a process of another user, who hands the answers back. */
static MAYBE_UNUSED void
look_as(struct look *l, uid_t uid, const char *path)
{
	struct str all = { 0 };
	char buf[4096];
	int out[2], status;
	json_t *answer;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork_mortal();
	if (pid == 0) {
		json_t *o;

		if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			_exit(2);
		look_here(l, path);
		o = json_pack("{s:O?, s:O, s:O, s:O, s:i}", "facts", l->facts, "columns",
		    l->columns, "rows", l->rows, "done", l->done, "end", (int)l->end);
		_exit(json_dumpfd(o, out[1], 0) == 0 ? 0 : 3);
	}
	close(out[1]);
	while ((n = read(out[0], buf, sizeof(buf))) > 0)
		str_addn(&all, buf, (size_t)n);
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	answer = json_loads(str_text(&all), 0, NULL);
	str_done(&all);
	assert_non_null(answer);
	l->facts = json_incref(json_object_get(answer, "facts"));
	l->columns = json_incref(json_object_get(answer, "columns"));
	l->rows = json_incref(json_object_get(answer, "rows"));
	l->done = json_incref(json_object_get(answer, "done"));
	l->end = (enum worker_end)json_integer_value(json_object_get(answer, "end"));
	json_decref(answer);
}

static MAYBE_UNUSED void
look_done(struct look *l)
{
	json_decref(l->statements);
	json_decref(l->facts);
	json_decref(l->columns);
	json_decref(l->rows);
	json_decref(l->done);
	*l = (struct look){ 0 };
}

/* "" for a cell that is null or not there. */
static MAYBE_UNUSED const char *
cell_of(const struct look *l, size_t n, size_t row, size_t column)
{
	return json_string_value(
	           json_array_get(json_array_get(json_array_get(l->rows, n), row), column))
	           ?: "";
}

static MAYBE_UNUSED size_t
rows_of(const struct look *l, size_t n)
{
	return json_array_size(json_array_get(l->rows, n));
}

static MAYBE_UNUSED const char *
done_of(const struct look *l, size_t n, const char *key)
{
	return json_string_value(json_object_get(json_array_get(l->done, n), key)) ?: "";
}

static MAYBE_UNUSED long long
fact_int(const struct look *l, const char *name)
{
	json_t *v = json_object_get(l->facts, name);

	return json_is_integer(v) ? json_integer_value(v) : -1;
}

static MAYBE_UNUSED const char *
fact_text(const struct look *l, const char *name)
{
	return json_string_value(json_object_get(l->facts, name)) ?: "";
}
