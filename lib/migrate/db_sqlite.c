/* SQLite: a transaction holds DDL too.  flock() on the file keeps other runners out. */
#include "base/clock.h"
#include "base/str.h"
#include "migrate/db_impl.h"
#include "sqlite/held.h"

#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define LOCK_STEP_US (200 * USEC_PER_MSEC)
#define BUSY_MS      5000 /* for other writers, where nothing else is said */

struct sqlite {
	struct migrate_db db;
	struct sqlite_held file; /* locked */
};

static struct sqlite *
own(struct migrate_db *db)
{
	return (struct sqlite *)db;
}

static void
on_free(struct migrate_db *db)
{
	struct sqlite *q = own(db);

	sqlite_held_done(&q->file);
	free(q);
}

static int
version(const struct migrate_db *db)
{
	(void)db;
	return sqlite3_libversion_number();
}

static int
execute(struct migrate_db *db, const char *sql, struct err *e)
{
	return sqlite_held_do(&own(db)->file, sql, e);
}

static enum migrate_where
where(const struct migrate_db *db)
{
	return sqlite3_get_autocommit(((const struct sqlite *)db)->file.handle) ? WHERE_IDLE
	                                                                        : WHERE_INSIDE;
}

/* ---- the tables ---- */

/* Its columns, or NULL when there is no such table. */
static int
columns_of(struct sqlite *q, const char *name, char **ret, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = sqlite_held_prepare(&q->file,
	    "SELECT group_concat(c.name || ' ' || c.type, ', ') FROM main.sqlite_master AS m,"
	    " pragma_table_info(m.name, 'main') AS c"
	    " WHERE m.type = 'table' AND m.name = ? COLLATE NOCASE",
	    &s, e);
	const char *text;

	if (r < 0)
		return r;
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	r = sqlite_held_step(&q->file, s, e);
	if (r < 0)
		return r;
	text = (const char *)sqlite3_column_text(s, 0);
	*ret = text ? xstrdup(text) : NULL;
	return 0;
}

static bool
is_theirs(const char *columns)
{
	static const char name[] = "version ";
	const char *type = columns + strlen(name);

	return strncasecmp(columns, name, strlen(name)) == 0 && !strchr(columns, ',') &&
	       (strcasestr(type, "char") || strcasestr(type, "text"));
}

static int
find(struct migrate_db *db, struct err *e)
{
	struct sqlite *q = own(db);
	_cleanup_free_ char *theirs = NULL, *ours = NULL;
	int r = columns_of(q, db->table, &theirs, e);
	char *quoted;

	if (r >= 0)
		r = columns_of(q, MIGRATE_OURS, &ours, e);
	if (r < 0)
		return err_prefix(e, "%.300s", q->file.path);
	quoted = sqlite3_mprintf("\"%w\"", db->table);
	free(db->theirs);
	free(db->ours);
	db->theirs = xstrdup(quoted);
	db->ours = xstrdup(MIGRATE_OURS);
	sqlite3_free(quoted);
	db->has_theirs = theirs != NULL;
	db->has_ours = ours != NULL;
	return theirs && !is_theirs(theirs) ? migrate_fail_stranger(db, theirs, e) : 0;
}

static char *
cell(sqlite3_stmt *s, int i)
{
	return xstrdup((const char *)sqlite3_column_text(s, i));
}

static int
read_applied(
    struct sqlite *q, const char *sql, struct migrate_applied **v, size_t *n, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = sqlite_held_prepare(&q->file, sql, &s, e);

	while (r >= 0 && (r = sqlite_held_step(&q->file, s, e)) > 0) {
		*v = xreallocarray(*v, *n + 1, sizeof(**v));
		(*v)[(*n)++] = (struct migrate_applied){
			.version = cell(s, 0),
			.recorded = sqlite3_column_int(s, 1),
			.known = sqlite3_column_int(s, 2),
			.file = cell(s, 3),
			.sum = cell(s, 4),
			.who = cell(s, 5),
			.error = cell(s, 6),
			.unfinished = sqlite3_column_int(s, 7),
			.wall_us = (int64_t)(sqlite3_column_double(s, 8) * 1e6),
			.took_us = sqlite3_column_int64(s, 9) * 1000,
			.reverting = sqlite3_column_int(s, 10),
			.through = sqlite3_column_int64(s, 11),
		};
	}
	return r;
}

#define OURS_COLUMNS                                                                               \
	"o.file, o.sum, o.who, o.error, coalesce(o.state <> 'done', 0),"                           \
	" (julianday(o.applied_at) - 2440587.5) * 86400, o.took_ms, o.state = 'reverting', "       \
	"o.statements"

/* A FULL JOIN needs 3.39; two halves do without. */
static int
applied(struct migrate_db *db, struct migrate_applied **ret, size_t *ret_n, struct err *e)
{
	struct sqlite *q = own(db);
	_cleanup_free_ char *both =
	    xasprintf("SELECT t.version, 1, o.version IS NOT NULL, " OURS_COLUMNS
	              " FROM %s AS t LEFT JOIN %s AS o ON o.version = t.version",
	        db->theirs, db->ours);
	_cleanup_free_ char *rest =
	    xasprintf("SELECT o.version, 0, 1, " OURS_COLUMNS " FROM %s AS o%s%s%s", db->ours,
	        db->has_theirs ? " WHERE o.version NOT IN (SELECT version FROM " : "",
	        db->has_theirs ? db->theirs : "", db->has_theirs ? ")" : "");
	_cleanup_free_ char *alone = xasprintf(
	    "SELECT version, 1, 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0 FROM %s", db->theirs);
	int r = 0;

	if (db->has_theirs)
		r = read_applied(q, db->has_ours ? both : alone, ret, ret_n, e);
	if (r >= 0 && db->has_ours)
		r = read_applied(q, rest, ret, ret_n, e);
	if (r < 0) {
		migrate_applied_free(*ret, *ret_n);
		*ret = NULL;
		*ret_n = 0;
	}
	return MIN(r, 0);
}

/* ---- the lock ---- */

/* What we hold is the file that stands there: a restore may have put another in its place. */
static int
same_file(const struct sqlite *q, struct err *e)
{
	struct stat held, there;

	if (fstat(q->file.fd, &held) < 0 || stat(q->file.path, &there) < 0)
		return err_set(e, -errno, "%.300s: %s", q->file.path, strerror(errno));
	if (held.st_ino == there.st_ino && held.st_dev == there.st_dev)
		return 0;
	return err_set(
	    e, -ESTALE, "%.300s was replaced by another file meanwhile; try again", q->file.path);
}

static int
lock(struct migrate_db *db, int64_t wait_us, struct err *e)
{
	struct sqlite *q = own(db);
	int64_t until = clock_now_us() + wait_us;

	while (flock(q->file.fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_set(e, -errno, "%.300s: cannot be locked: %s", q->file.path,
			    strerror(errno));
		if (clock_now_us() >= until)
			return err_set(e, -EBUSY,
			    "somebody else migrates %.300s now (fuser %.300s)", q->file.path,
			    q->file.path);
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_STEP_US * 1000 }, NULL);
	}
	return same_file(q, e);
}

/* ---- one migration ---- */

/* One statement, and whatever stands behind it where SQLite sees its end before we do. */
static int
statement(struct migrate_db *db, const char *sql, size_t *ret_at, struct err *e)
{
	struct sqlite *q = own(db);
	const char *at = sql;
	int r = 0;

	while (r >= 0 && *at) {
		_cleanup_stmt_ sqlite3_stmt *s = NULL;
		const char *tail;

		*ret_at = (size_t)(at - sql);
		if (sqlite3_prepare_v2(q->file.handle, at, -1, &s, &tail) != SQLITE_OK) {
			*ret_at += (size_t)MAX(sqlite3_error_offset(q->file.handle), 0);
			return sqlite_held_fail(&q->file, e);
		}
		if (s)
			while ((r = sqlite_held_step(&q->file, s, e)) > 0)
				;
		at = tail;
	}
	return r;
}

static int
settle(struct migrate_db *db, const struct migrate_run *run, struct err *e)
{
	sqlite3_busy_timeout(own(db)->file.handle,
	    run->lock_timeout_us > 0 ? (int)MIN(run->lock_timeout_us / USEC_PER_MSEC, 3600000)
	                             : BUSY_MS);
	/* As SQLite has them, and dbmate's driver: what one file sets ends with it. */
	return execute(db,
	    "PRAGMA foreign_keys=OFF; PRAGMA legacy_alter_table=OFF; PRAGMA writable_schema=OFF;"
	    "PRAGMA defer_foreign_keys=OFF; PRAGMA trusted_schema=OFF",
	    e);
}

static char *
limit(int64_t us, bool local)
{
	(void)us;
	(void)local;
	return NULL; /* the busy handler of the connection */
}

static int
check_keys(struct sqlite *q, const struct migrate_run *run, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = sqlite_held_prepare(&q->file,
	    "SELECT \"table\", rowid, parent FROM pragma_foreign_key_check LIMIT 1", &s, e);

	if (r < 0)
		return r;
	r = sqlite_held_step(&q->file, s, e);
	if (r > 0)
		return err_set(e, -EINVAL,
		    "%.200s: it would leave rows that name none: %.100s, rowid %lld, names no row "
		    "of "
		    "%.100s; nothing was changed",
		    run->script->file, (const char *)sqlite3_column_text(s, 0),
		    (long long)sqlite3_column_int64(s, 1), (const char *)sqlite3_column_text(s, 2));
	return r;
}

/* Reads every row that has a parent, so only where rows or references change at all. */
static bool
touches_rows(const struct migrate_run *run)
{
	static const char *const words[] = { "drop", "delete", "update", "insert", "replace",
		"references" };
	const char *sql = run->down ? run->script->down.sql : run->script->up.sql;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasestr(sql, words[i]))
			return true;
	return false;
}

/* Rows without a parent that were there before are not this migration's: then nothing is judged. */
static int
references(
    struct migrate_db *db, const struct migrate_run *run, bool first, bool *arg, struct err *e)
{
	struct err ignored = { 0 };

	if (!touches_rows(run) || (!first && *arg))
		return 0;
	if (!first)
		return check_keys(own(db), run, e);
	*arg = check_keys(own(db), run, &ignored) < 0;
	return 0;
}

static const struct migrate_db_ops ops = {
	.engine = ENGINE_SQLITE,
	.begin = "BEGIN IMMEDIATE",
	.version = version,
	.lock = lock,
	.find = find,
	.applied = applied,
	.split = migrate_split_sqlite,
	.execute = execute,
	.statement = statement,
	.where = where,
	.settle = settle,
	.limit = limit,
	.references = references,
	.free = on_free,
};

int
migrate_db_open_sqlite(const char *path, bool create, const struct migrate_who *who,
    struct migrate_db **ret, struct err *e)
{
	struct sqlite *q = xcalloc(1, sizeof(*q));
	int r;

	migrate_db_init(&q->db, &ops, who);
	r = sqlite_held_open(&q->file, path, create, 0666, BUSY_MS, e);
	if (r < 0) {
		migrate_db_free(&q->db);
		return r;
	}
	*ret = &q->db;
	return 0;
}
