/*
 * A backup becomes a database again: written beside its place under a temporary name, looked at, put on the
 * disk, renamed.  What is there already is kept, whole, under another name; no log or journal of another
 * database is ever left where SQLite would take it for the new one's.
 */
#include "backup/sqlite_impl.h"
#include "base/clock.h"
#include "base/str.h"

#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#define PARTIAL      ".dbhealth-restore"
#define OLD_WAIT_MS  1000
#define ASIDE_TRIES  100
#define MODE_DEFAULT 0600U

static const char *const neighbours[] = { "", "-wal", "-journal", "-shm" };

struct restore {
	struct backup_copy_job *job;
	struct err *err;
	struct sqlite_watch watch;
	char *path, *partial; /* where it goes; where it is written */
	char *folder, *aside; /* aside: NULL until something is moved there */
	int dir_fd, fd;       /* fd: of the partial, locked */
	sqlite3 *old;         /* what is there, locked while it is replaced */
	bool old_log, exists, replaced;
};

static int
fail(struct restore *x, const char *path)
{
	return err_set(x->err, -errno, "%.300s: %s", path, strerror(errno));
}

/* ---- is there room for it ---- */

static int
refuse_neighbours(struct restore *x)
{
	for (size_t i = 0; i < ARRAY_SIZE(neighbours); i++) {
		_cleanup_free_ char *path = xasprintf("%s%s", x->path, neighbours[i]);
		struct stat st;

		if (lstat(path, &st) < 0) {
			if (errno != ENOENT)
				return fail(x, path);
			continue;
		}
		if (i == 0 && !S_ISREG(st.st_mode))
			return err_set(x->err, -EEXIST, "%.300s: no regular file", path);
		if (i == 0)
			x->exists = true;
		/* What is left of an index of a log is nothing without the log. */
		if (!x->job->restore->replace && i < 3)
			return err_set(x->err, -EEXIST, "%.300s is there already", path);
	}
	return 0;
}

static int
find_place(struct restore *x)
{
	const char *to = x->job->restore->to;
	char *real = realpath(to, NULL);
	_cleanup_free_ char *copy = NULL;

	x->path = real ? real : xstrdup(to);
	copy = xstrdup(x->path);
	x->folder = xstrdup(dirname(copy));
	x->partial = xasprintf("%s" PARTIAL, x->path);
	x->dir_fd = open(x->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return x->dir_fd < 0 ? fail(x, x->folder) : refuse_neighbours(x);
}

/* ---- written ---- */

static bool
is_at_its_path(const struct restore *x)
{
	struct stat ours, there;

	return fstat(x->fd, &ours) == 0 && lstat(x->partial, &there) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* What a killed restore left is written over: nobody but us has it, or it is locked. */
static int
open_partial(struct restore *x)
{
	x->fd = open(x->partial, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (x->fd < 0)
		return fail(x, x->partial);
	if (flock(x->fd, LOCK_EX | LOCK_NB) < 0 || !is_at_its_path(x)) {
		closep(&x->fd);
		x->fd = -1; /* it is not ours to remove */
		return err_set(
		    x->err, -EALREADY, "%.300s: another restore to it is under way", x->path);
	}
	if (ftruncate(x->fd, 0) < 0 || fchmod(x->fd, 0600) < 0)
		return fail(x, x->partial);
	return 0;
}

static int
look(struct restore *x)
{
	_cleanup_manifest_ struct manifest found = { 0 };
	sqlite3 *db = NULL;
	int r = sqlite_open_still(x->partial, &x->watch, &db);

	if (r == 0)
		r = sqlite_look(db, &x->watch, &found);
	sqlite3_close(db);
	if (r < 0)
		return r;
	x->job->restored->tables = found.ntables;
	x->job->restored->rows = manifest_rows(&found);
	if (x->job->restored->rows != manifest_rows(x->job->manifest))
		return err_set(x->err, -EBADMSG,
		    "the copy has %lld rows, the manifest says %lld; nothing was changed",
		    (long long)x->job->restored->rows, (long long)manifest_rows(x->job->manifest));
	return 0;
}

static unsigned
mode_of_backup(const struct restore *x)
{
	const char *octal = json_string_value(json_object_get(x->job->manifest->facts, "mode"));
	unsigned long mode = octal ? strtoul(octal, NULL, 8) : MODE_DEFAULT;

	return ((unsigned)mode & 0666U) | MODE_DEFAULT;
}

/* Who may read the one may read the other. */
static int
set_rights(struct restore *x)
{
	unsigned mode = mode_of_backup(x);
	struct stat st;

	if (x->exists && stat(x->path, &st) == 0) {
		mode = (unsigned)st.st_mode & 0777U;
		if ((st.st_uid != geteuid() || st.st_gid != getegid()) &&
		    fchown(x->fd, st.st_uid, st.st_gid) < 0)
			return fail(x, x->partial);
	}
	return fchmod(x->fd, mode) < 0 ? fail(x, x->partial) : 0;
}

static int
write_partial(struct restore *x)
{
	int r = open_partial(x);

	if (r == 0)
		r = sqlite_fetch(x->job, x->fd, &x->watch);
	if (r == 0)
		r = look(x);
	if (r == 0)
		r = set_rights(x);
	if (r == 0 && fsync(x->fd) < 0)
		r = fail(x, x->partial);
	return r;
}

/* ---- what is there is moved aside ---- */

static int
ask_old(struct restore *x, const char *sql, char *ret, size_t size)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(x->old, sql, -1, &st, NULL);
	const char *text;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
	if (ret)
		snprintf(ret, size, "%s", text ? text : "");
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int
in_use(struct restore *x)
{
	return err_set(x->err, -EBUSY,
	    "%.300s is open in another process. Stop what uses it, then restore", x->path);
}

/* One that is none would lose its log and journal to SQLite, which takes them for leftovers. */
static bool
is_database(const char *path)
{
	static const char magic[16] = "SQLite format 3";
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[sizeof(magic)];
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));

	return n == 0 || (n == sizeof(head) && memcmp(head, magic, sizeof(head)) == 0);
}

/*
 * All that was committed is brought into the file itself, and it is locked: its log is gone by SQLite's own
 * rules, at no moment is one of both alone.  1: it is too damaged for that.
 */
static int
quiet_old(struct restore *x)
{
	char mode[16] = "";
	int rc;

	if (!is_database(x->path))
		return 1;
	rc = sqlite3_open_v2(x->path, &x->old, SQLITE_OPEN_READWRITE, "unix");
	if (rc == SQLITE_OK) {
		sqlite_guard(x->old);
		sqlite3_busy_timeout(x->old, OLD_WAIT_MS);
		rc = ask_old(x, "PRAGMA main.journal_mode", mode, sizeof(mode));
		x->old_log = streq(mode, "wal");
	}
	if (rc == SQLITE_OK && x->old_log)
		rc = ask_old(x, "PRAGMA main.journal_mode = DELETE", mode, sizeof(mode));
	if (rc == SQLITE_OK && x->old_log && streq(mode, "wal"))
		return in_use(x);
	if (rc == SQLITE_OK)
		rc = ask_old(x, "BEGIN EXCLUSIVE", NULL, 0);
	if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED)
		return in_use(x);
	if (rc == SQLITE_OK)
		return 0;
	x->old_log = false;
	sqlite3_close(TAKE_PTR(x->old));
	return 1;
}

/* Where the file system knows no links the name is given away, and the new one takes it soon. */
static int
give_name(const char *from, const char *to)
{
	if (link(from, to) == 0)
		return 0;
	if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK)
		return -errno;
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0 ? 0 : -errno;
}

static int
find_aside(struct restore *x)
{
	char stamp[FOLDER_STAMP_SIZE];
	struct stat st;

	folder_stamp(clock_wall_us(), stamp);
	for (int i = 0; i < ASIDE_TRIES; i++) {
		_cleanup_free_ char *more = i ? xasprintf(".%d", i) : xstrdup("");
		_cleanup_free_ char *name = xasprintf("%s.before-%s%s", x->path, stamp, more);
		bool taken = false;

		for (size_t k = 0; k < ARRAY_SIZE(neighbours); k++) {
			_cleanup_free_ char *one = xasprintf("%s%s", name, neighbours[k]);

			taken = taken || lstat(one, &st) == 0;
		}
		if (!taken) {
			x->aside = TAKE_PTR(name);
			return 0;
		}
	}
	return err_set(x->err, -EEXIST, "%.300s.before-%s: there are too many", x->path, stamp);
}

/* First all of it has its other name, on the disk; only then does anything lose the first one. */
static int
move_files(struct restore *x, size_t first)
{
	for (size_t i = first; i < 3; i++) {
		_cleanup_free_ char *from = xasprintf("%s%s", x->path, neighbours[i]);
		_cleanup_free_ char *to = xasprintf("%s%s", x->aside, neighbours[i]);
		int r = give_name(from, to);

		if (r < 0 && r != -ENOENT) {
			errno = -r;
			return fail(x, to);
		}
	}
	if (fsync(x->dir_fd) < 0)
		return fail(x, x->folder);
	for (size_t i = 1; i < ARRAY_SIZE(neighbours); i++) {
		_cleanup_free_ char *path = xasprintf("%s%s", x->path, neighbours[i]);

		if (unlink(path) < 0 && errno != ENOENT)
			return fail(x, path);
	}
	return 0;
}

static int
move_aside(struct restore *x)
{
	int r = x->exists ? quiet_old(x) : 1;

	if (r < 0)
		return r;
	/* Nothing was there, nor a log of what is gone. */
	if (!x->exists && !x->job->restore->replace)
		return 0;
	r = find_aside(x);
	return r == 0 ? move_files(x, x->exists ? 0 : 1) : r;
}

/* It was so before, and its application may count on it. */
static void
give_log_back(struct restore *x)
{
	sqlite3 *db = NULL;

	if (x->old_log &&
	    sqlite3_open_v2(x->aside, &db, SQLITE_OPEN_READWRITE, "unix") == SQLITE_OK)
		sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
	sqlite3_close(db);
}

/* ---- named ---- */

static int
name_it(struct restore *x)
{
	unsigned flags = x->exists ? 0 : RENAME_NOREPLACE;

	if (renameat2(AT_FDCWD, x->partial, AT_FDCWD, x->path, flags) < 0)
		return fail(x, x->path);
	x->replaced = true;
	if (fsync(x->dir_fd) < 0)
		return fail(x, x->folder);
	return 0;
}

static int
restore(struct restore *x)
{
	int r = find_place(x);

	if (r == 0)
		r = write_partial(x);
	if (r == 0)
		r = move_aside(x);
	if (r == 0)
		r = name_it(x);
	return r;
}

static void
tell(struct restore *x)
{
	struct backup_restored *ret = x->job->restored;
	struct stat st;

	ret->to = xstrdup(x->path);
	if (x->exists)
		ret->aside = xstrdup(x->aside);
	else if (x->aside) {
		_cleanup_free_ char *wal = xasprintf("%s-wal", x->aside);

		if (lstat(wal, &st) == 0)
			ret->aside = xstrdup(wal);
	}
}

static void
done(struct restore *x)
{
	if (x->fd >= 0 && !x->replaced)
		unlink(x->partial);
	closep(&x->fd);
	closep(&x->dir_fd);
	free(x->path);
	free(x->partial);
	free(x->folder);
	free(x->aside);
}

int
sqlite_restore(struct backup_copy_job *job, struct err *err)
{
	struct restore x = {
		.job = job,
		.err = err,
		.watch = { .watch = job->watch, .err = err },
		.dir_fd = -1,
		.fd = -1,
	};
	int r = restore(&x);

	sqlite3_close(x.old);
	if (r == 0) {
		give_log_back(&x);
		tell(&x);
	}
	done(&x);
	return r;
}
