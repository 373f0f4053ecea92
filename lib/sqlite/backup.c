/*
 * Copies a database by SQLite's backup API within one read transaction, so that nobody's writes make it
 * begin again, reads the copy through, and gives it its name when all of that went well.
 */
#include "sqlite/backup.h"
#include "base/str.h"

#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#define PART_PAGES 1024
#define ENDING     ".dbhealth-partial"

DEFINE_CLEANUP(sqlite3 *, sqlite3_close)

struct copy {
	sqlite3 *from;
	backup_progress_fn progress;
	void *arg;
	struct err *err;
};

static int
fail(const struct copy *c, sqlite3 *db, const char *what)
{
	int code = sqlite3_errcode(db) & 0xff;

	return err_set(c->err, code == SQLITE_BUSY || code == SQLITE_LOCKED ? -EBUSY : -EIO,
	    "%s: %s", what, sqlite3_errmsg(db));
}

/* Its owner and rights are those of the database: it holds the same rows. */
static int
create_like(const char *path, const char *partial, struct err *err)
{
	_cleanup_close_ int fd =
	    open(partial, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 && errno == EEXIST)
		return err_set(err, -EEXIST,
		    "%s: left by a backup that was killed, or one is under way. Remove it if none "
		    "is",
		    partial);
	if (fd < 0 || stat(path, &st) < 0)
		return err_set(err, -errno, "%s: %s", partial, strerror(errno));
	if (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) < 0)
		return err_set(err, -errno, "%s: %s", partial, strerror(errno));
	if (fchmod(fd, st.st_mode & 0666) < 0)
		return err_set(err, -errno, "%s: %s", partial, strerror(errno));
	return 0;
}

static int
copy_pages(const struct copy *c, sqlite3 *to)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", c->from, "main");
	int rc = SQLITE_OK;
	bool stopped = false;

	if (!b)
		return fail(c, to, "backup");
	while (!stopped && rc == SQLITE_OK) {
		rc = sqlite3_backup_step(b, PART_PAGES);
		stopped = c->progress(sqlite3_backup_pagecount(b) - sqlite3_backup_remaining(b),
		              sqlite3_backup_pagecount(b), c->arg) != 0;
	}
	sqlite3_backup_finish(b);
	if (rc == SQLITE_DONE)
		return 0;
	return stopped ? err_set(c->err, -ECANCELED, "stopped") : fail(c, to, "backup");
}

/* In one read transaction of the original, which is left open: what is copied is what is compared. */
static int
copy_to(const struct copy *c, const char *partial)
{
	_cleanup_(sqlite3_closep) sqlite3 *to = NULL;

	if (sqlite3_open_v2(partial, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, "unix") !=
	    SQLITE_OK)
		return fail(c, to, "backup");
	if (sqlite3_exec(c->from, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) !=
	    SQLITE_OK)
		return fail(c, c->from, "backup");
	return copy_pages(c, to);
}

/* One value of one row, or -1. */
static int64_t
ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

static int
on_stop(void *arg)
{
	const struct copy *c = arg;

	return c->progress(0, 0, c->arg);
}

static int
read_through(const struct copy *c, sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	int rc, r = 0;

	sqlite3_progress_handler(db, 1000, on_stop, (void *)(uintptr_t)c);
	rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_INTERRUPT)
		r = err_set(c->err, -ECANCELED, "stopped");
	else if (rc != SQLITE_ROW)
		r = fail(c, db, "the copy cannot be read");
	else if (!streq((const char *)sqlite3_column_text(st, 0), "ok"))
		r = err_set(c->err, -EBADMSG, "the copy is damaged, as the database may be: %s",
		    (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	return r;
}

/* As immutable: a copy in write-ahead mode gets no files beside it. */
static int
verify(const struct copy *c, const char *partial)
{
	_cleanup_(sqlite3_closep) sqlite3 *db = NULL;
	_cleanup_str_ struct str uri = { 0 };
	static const char *const same[] = { "PRAGMA page_count",
		"SELECT count(*) FROM sqlite_schema", "PRAGMA user_version",
		"PRAGMA application_id" };
	int r;

	str_add(&uri, "file:");
	for (const char *p = partial; *p; p++)
		str_addf(&uri, strchr("%?#", *p) ? "%%%02x" : "%c", (unsigned char)*p);
	str_add(&uri, "?mode=ro&immutable=1");
	if (sqlite3_open_v2(uri.s, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, "unix") !=
	    SQLITE_OK)
		return fail(c, db, "the copy cannot be read");
	r = read_through(c, db);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(same); i++)
		if (ask(db, same[i]) != ask(c->from, same[i]))
			r = err_set(c->err, -EBADMSG, "the copy is another: %s differs", same[i]);
	return r;
}

static int
sync_path(const char *path, int flags)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | flags);

	return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

static int
name_it(const char *partial, const char *to, struct err *err)
{
	_cleanup_free_ char *copy = xstrdup(to);
	int r = sync_path(partial, 0);

	if (r == 0 && renameat2(AT_FDCWD, partial, AT_FDCWD, to, RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r == 0)
		r = sync_path(dirname(copy), O_DIRECTORY);
	return r < 0 ? err_set(err, r, "%s: %s", to, strerror(-r)) : 0;
}

int
backup_make(sqlite3 *from, const char *path, const char *to, backup_progress_fn progress, void *arg,
    struct err *err)
{
	const struct copy c = { .from = from, .progress = progress, .arg = arg, .err = err };
	_cleanup_free_ char *partial = xasprintf("%s" ENDING, to);
	_cleanup_free_ char *journal = xasprintf("%s-journal", partial);
	int r;

	if (access(to, F_OK) == 0)
		return err_set(err, -EEXIST, "%s: there is such a file already", to);
	r = create_like(path, partial, err);
	if (r < 0)
		return r;
	r = copy_to(&c, partial);
	if (r == 0)
		r = verify(&c, partial);
	sqlite3_exec(from, "ROLLBACK", NULL, NULL, NULL);
	if (r == 0)
		r = name_it(partial, to, err);
	if (r < 0) {
		unlink(partial);
		unlink(journal);
	}
	return r;
}
