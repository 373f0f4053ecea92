/*
 * A backup of a SQLite database that others go on writing to, by the online backup API.  With a log it is
 * made within one view of the database, which holds up nobody.  With a rollback journal a view keeps writers
 * waiting: so it is made in slices with pauses, begun again when somebody wrote in between, and only when
 * that goes on and on within a view, for a short time.
 */
#include "backup/child.h"
#include "backup/encrypt.h"
#include "backup/sqlite_impl.h"
#include "base/clock.h"
#include "base/str.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#define SLICE_BYTES  (1 << 20)
#define PAUSE_US     (2 * USEC_PER_MSEC)
#define RESTARTS_MAX 5
/* What applications commonly wait for a lock, and not all of it. */
#define HOLD_MAX_US (4 * USEC_PER_SEC)
#define HEADER_LOG  18 /* two bytes: 1 rollback journal, 2 log */

struct create {
	struct backup_job *job;
	struct err *err;
	struct sqlite_watch watch;
	sqlite3 *from, *to;
	int fd; /* of the copy; opened before SQLite's, closed after it: locks */
	bool log, held;
	int64_t page_bytes, restarts, waited_us, held_since_us, held_us;
};

/* ---- the source ---- */

static int
ask(struct create *c, const char *sql, int64_t *ret, char *ret_text, size_t size)
{
	sqlite3_stmt *st = NULL;
	int r = 0;

	if (sqlite3_prepare_v2(c->from, sql, -1, &st, NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW) {
		r = sqlite_watch_failed(&c->watch, c->from, c->job->source->path);
	} else {
		const char *text = (const char *)sqlite3_column_text(st, 0);

		*ret = sqlite3_column_int64(st, 0);
		if (ret_text)
			snprintf(ret_text, size, "%s", text ? text : "");
	}
	sqlite3_finalize(st);
	return r;
}

static int
open_source(struct create *c)
{
	const char *path = c->job->source->path;
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_PRIVATECACHE;
	struct stat st;
	char mode[16] = "", octal[8];
	int64_t pages = 0, unused;
	int r;

	if (stat(path, &st) < 0)
		return err_set(c->err, -errno, "%.300s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(c->err, -EINVAL, "%.300s: no regular file", path);
	if (sqlite3_open_v2(path, &c->from, flags, "unix") != SQLITE_OK)
		return sqlite_watch_failed(&c->watch, c->from, path);
	sqlite_guard(c->from);
	/* Its log is its application's: nothing moves into the file because a backup ended. */
	sqlite3_db_config(c->from, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite_watch_connection(&c->watch, c->from);
	r = ask(c, "PRAGMA main.journal_mode", &unused, mode, sizeof(mode));
	if (r == 0)
		r = ask(c, "PRAGMA main.page_size", &c->page_bytes, NULL, 0);
	if (r == 0)
		r = ask(c, "PRAGMA main.page_count", &pages, NULL, 0);
	if (r < 0)
		return r;
	c->log = streq(mode, "wal");
	snprintf(octal, sizeof(octal), "%04o", (unsigned)st.st_mode & 0777U);
	json_object_set_new(c->job->manifest->facts, "journal_mode", json_string(mode));
	json_object_set_new(c->job->manifest->facts, "mode", json_string(octal));
	return 0;
}

/* ---- the copy ---- */

/* Encrypted: it has no name from here on, and nothing of it is left in the clear however we end. */
static int
open_copy(struct create *c)
{
	_cleanup_free_ char *path = xasprintf("%s/" SQLITE_FILE, c->job->path);
	bool ok;

	c->fd = openat(
	    c->job->dirfd, SQLITE_FILE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (c->fd < 0)
		return err_set(c->err, -errno, "%.300s: %s", path, strerror(errno));
	ok = sqlite3_open_v2(path, &c->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, "unix") ==
	         SQLITE_OK &&
	     sqlite3_exec(c->to,
	         "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF;"
	         "PRAGMA synchronous = OFF",
	         NULL, NULL, NULL) == SQLITE_OK;
	if (!ok)
		return sqlite_watch_failed(&c->watch, c->to, path);
	if (c->job->options->encrypt && unlinkat(c->job->dirfd, SQLITE_FILE, 0) < 0)
		return err_set(c->err, -errno, "%.300s: %s", path, strerror(errno));
	return 0;
}

static int
hold(struct create *c)
{
	if (sqlite3_exec(c->from, "BEGIN; SELECT count(*) FROM main.sqlite_schema", NULL, NULL,
	        NULL) != SQLITE_OK)
		return sqlite_watch_failed(&c->watch, c->from, c->job->source->path);
	c->held = true;
	c->held_since_us = clock_now_us();
	return 0;
}

static int
too_busy(struct create *c)
{
	return err_set(c->err, -EBUSY,
	    "%.200s: writers made the backup begin again %lld times, and it takes longer than the "
	    "%d s that they can be kept waiting. Make it at a quiet time, or let the application "
	    "set PRAGMA journal_mode = WAL, with which it holds up nobody",
	    c->job->source->path, (long long)c->restarts, (int)(HOLD_MAX_US / USEC_PER_SEC));
}

/* A lock of somebody else: its writer is about to commit. */
static int
wait_for_lock(struct create *c, int64_t *since_us)
{
	int64_t now = clock_now_us();

	if (*since_us == 0)
		*since_us = now;
	if (now - *since_us > 30 * USEC_PER_SEC)
		return err_set(c->err, -EBUSY,
		    "%.300s: another process has kept it locked for 30 s", c->job->source->path);
	usleep((useconds_t)(10 * USEC_PER_MSEC));
	return sqlite_watch_tick(&c->watch);
}

static int
between_slices(struct create *c, sqlite3_backup *b, int64_t *left)
{
	int64_t now_left = sqlite3_backup_remaining(b), all = sqlite3_backup_pagecount(b);

	c->watch.at.done = (all - now_left) * c->page_bytes;
	c->watch.at.total = all * c->page_bytes;
	if (now_left >= *left)
		c->restarts++;
	*left = now_left;
	if (c->held && !c->log && clock_now_us() - c->held_since_us > HOLD_MAX_US)
		return too_busy(c);
	if (!c->held && c->restarts >= RESTARTS_MAX) {
		int r = hold(c);

		if (r < 0)
			return r;
	}
	if (!c->held)
		usleep((useconds_t)PAUSE_US);
	return sqlite_watch_tick(&c->watch);
}

static int
copy_pages(struct create *c, sqlite3_backup *b)
{
	const int slice = (int)MAX(SLICE_BYTES / MAX(c->page_bytes, 512), 1);
	int64_t left = INT64_MAX, locked_since_us = 0;
	int rc, r = 0;

	do {
		rc = sqlite3_backup_step(b, slice);
		if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
			r = wait_for_lock(c, &locked_since_us);
		} else if (rc == SQLITE_OK) {
			locked_since_us = 0;
			r = between_slices(c, b, &left);
		}
	} while (r == 0 && (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED));
	if (r < 0 || rc == SQLITE_DONE)
		return r;
	c->watch.r = 0;
	return err_set(c->err, (rc & 0xff) == SQLITE_FULL ? -ENOSPC : -EIO, "%.300s: %s",
	    c->job->source->path, sqlite3_errstr(rc));
}

static int
copy(struct create *c)
{
	sqlite3_backup *b;
	int r = c->log ? hold(c) : 0;

	if (r < 0)
		return r;
	c->watch.at = (struct backup_progress){ .what = "copying" };
	b = sqlite3_backup_init(c->to, "main", c->from, "main");
	if (!b)
		return sqlite_watch_failed(&c->watch, c->to, "backup");
	r = copy_pages(c, b);
	sqlite3_backup_finish(b);
	if (c->held) {
		sqlite3_exec(c->from, "ROLLBACK", NULL, NULL, NULL);
		c->held_us = clock_now_us() - c->held_since_us;
	}
	return r;
}

/* ---- looked at ---- */

/* The pages say that a log belongs to them, which SQLite would create: everything is in the file. */
static int
set_log(struct create *c, const unsigned char bytes[2])
{
	if (pwrite(c->fd, bytes, 2, HEADER_LOG) != 2 ||
	    sqlite3_file_control(c->to, "main", SQLITE_FCNTL_RESET_CACHE, NULL) != SQLITE_OK)
		return err_set(c->err, -EIO, "the copy's header cannot be written");
	return 0;
}

struct first_fault {
	char text[400];
};

static void
on_fault(const char *line, void *arg)
{
	struct first_fault *f = arg;

	if (!f->text[0])
		snprintf(f->text, sizeof(f->text), "%s", line);
}

static int
look(struct create *c)
{
	_cleanup_free_ char *unchecked = NULL;
	struct first_fault fault = { 0 };
	int r;

	sqlite_guard(c->to);
	sqlite_watch_connection(&c->watch, c->to);
	r = sqlite_check(c->to, &c->watch, on_fault, &fault, &unchecked);
	if (r == 0 && fault.text[0])
		return err_set(c->err, -EBADMSG,
		    "%.150s is damaged: %s. A damaged copy is no backup, so none was made. Look: "
		    "dbhealth check sqlite:%.150s",
		    c->job->source->path, fault.text, c->job->source->path);
	if (r == 0 && unchecked) {
		c->job->note = xasprintf("not checked, since only the application knows a "
		                         "collation or function of it: %s",
		    unchecked);
		json_object_set_new(c->job->manifest->facts, "unchecked", json_string(unchecked));
	}
	return r == 0 ? sqlite_look(c->to, &c->watch, c->job->manifest) : r;
}

static int
look_without_log(struct create *c)
{
	static const unsigned char none[2] = { 1, 1 };
	unsigned char was[2];
	int r;

	/* An empty database is an empty file. */
	if (lseek(c->fd, 0, SEEK_END) == 0)
		return look(c);
	if (pread(c->fd, was, 2, HEADER_LOG) != 2)
		return err_set(c->err, -EIO, "the copy's header cannot be read");
	r = set_log(c, none);
	if (r == 0)
		r = look(c);
	return r == 0 ? set_log(c, was) : r;
}

/* ---- encrypted ---- */

static int
on_encrypting(void *arg, struct err *err)
{
	struct create *c = arg;
	struct err *before = c->watch.err;
	int r;

	c->watch.err = err;
	r = sqlite_watch_tick(&c->watch);
	c->watch.err = before;
	return r;
}

static int
encrypt(struct create *c)
{
	const char *spec = c->job->options->encrypt;
	_cleanup_free_ char *name = xasprintf(SQLITE_FILE "%s", encrypt_suffix(spec));
	_cleanup_strv_ char **argv = NULL;
	_cleanup_close_ int out = -1;
	char sha[MANIFEST_SHA_SIZE];
	int64_t bytes = 0;
	int r = encrypt_command(spec, &argv, c->err);

	if (r < 0)
		return r;
	r = sqlite_hash(c->fd, &c->watch, sha, &bytes);
	if (r < 0)
		return r;
	json_object_set_new(c->job->manifest->facts, "plain_sha256", json_string(sha));
	json_object_set_new(c->job->manifest->facts, "plain_bytes", json_integer(bytes));
	out = openat(c->job->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0 || lseek(c->fd, 0, SEEK_SET) < 0)
		return err_set(c->err, -errno, "%s: %s", name, strerror(errno));
	c->watch.at = (struct backup_progress){ .what = "encrypting" };
	return child_run(&(struct child_spec){ .argv = (const char *const *)argv,
	                     .in_fd = c->fd,
	                     .out_fd = out,
	                     .on_tick = on_encrypting,
	                     .arg = c },
	    c->err);
}

/* ---- all of it ---- */

static void
describe(struct create *c)
{
	struct manifest *m = c->job->manifest;
	const json_t *pages = json_object_get(m->facts, "page_count");

	m->where = xstrdup(c->job->source->path);
	m->version = xstrdup(sqlite3_libversion());
	m->version_number = sqlite3_libversion_number();
	m->tool = xasprintf("SQLite %s", sqlite3_libversion());
	m->source_bytes = json_integer_value(pages) * c->page_bytes;
	json_object_set_new(m->facts, "restarts", json_integer(c->restarts));
	if (c->restarts == 0)
		return;
	json_object_set_new(m->facts, "held_ms", json_integer(c->held_us / USEC_PER_MSEC));
	if (c->held && !c->job->note)
		c->job->note =
		    xasprintf("writers made it begin again %lld times, and were then kept waiting "
		              "for %.1f s; with journal_mode = WAL it would hold up nobody",
		        (long long)c->restarts, (double)c->held_us / (double)USEC_PER_SEC);
}

static int
make(struct create *c)
{
	const char *spec = c->job->options->encrypt;
	_cleanup_strv_ char **argv = NULL;
	/* Said before the work is done, not after it. */
	int r = spec ? encrypt_command(spec, &argv, c->err) : 0;

	if (r == 0 && c->job->options->only)
		r = err_set(c->err, -EINVAL, "a SQLite file is backed up as a whole, not by table");
	if (r == 0)
		r = open_source(c);
	if (r == 0)
		r = open_copy(c);
	if (r == 0)
		r = copy(c);
	if (r == 0)
		r = look_without_log(c);
	if (r == 0)
		describe(c);
	if (r == 0 && fsync(c->fd) < 0)
		r = err_set(c->err, -errno, SQLITE_FILE ": %s", strerror(errno));
	return r == 0 && spec ? encrypt(c) : r;
}

int
sqlite_create(struct backup_job *job, struct err *err)
{
	struct create c = {
		.job = job,
		.err = err,
		.watch = { .watch = job->watch, .err = err },
		.fd = -1,
	};
	int r;

	if (!job->manifest->facts)
		job->manifest->facts = json_object();
	r = make(&c);
	sqlite3_close(c.from);
	sqlite3_close(c.to);
	closep(&c.fd);
	return r;
}
