/* A SQLite file at one end: opened by the caller's own rights, in short transactions. */
#include "archive/sqlite.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#define BUSY_MS 10000
/* Says of the last deletion that it was committed; one row an archive. */
#define MARKS "dbhealth_archived"

int
archive_lite_fail(const struct archive_lite *q, struct err *e)
{
	int code = sqlite3_errcode(q->handle);

	return err_set(e, code == SQLITE_BUSY || code == SQLITE_LOCKED ? -EBUSY : -EIO,
	    "%.200s: %.240s", q->path, sqlite3_errmsg(q->handle));
}

int
archive_lite_prepare_sql(
    const struct archive_lite *q, const char *sql, sqlite3_stmt **ret, struct err *e)
{
	return sqlite3_prepare_v2(q->handle, sql, -1, ret, NULL) == SQLITE_OK
	           ? 0
	           : archive_lite_fail(q, e);
}

int
archive_lite_step(const struct archive_lite *q, sqlite3_stmt *s, struct err *e)
{
	int r = sqlite3_step(s);

	return r == SQLITE_ROW ? 1 : r == SQLITE_DONE ? 0 : archive_lite_fail(q, e);
}

int
archive_lite_do(const struct archive_lite *q, const char *sql, struct err *e)
{
	return sqlite3_exec(q->handle, sql, NULL, NULL, NULL) == SQLITE_OK
	           ? 0
	           : archive_lite_fail(q, e);
}

char *
archive_lite_quote(const char *name)
{
	char *quoted = sqlite3_mprintf("\"%w\"", name), *copy = xstrdup(quoted);

	sqlite3_free(quoted);
	return copy;
}

static void
on_free(struct archive_db *db)
{
	struct archive_lite *q = archive_lite_of(db);

	sqlite3_close(q->handle);
	if (q->fd >= 0)
		close(q->fd);
	free(q->path);
	free(q);
}

static int
begin(struct archive_db *db, bool write, struct err *e)
{
	return archive_lite_do(archive_lite_of(db), write ? "BEGIN IMMEDIATE" : "BEGIN", e);
}

static int
commit(struct archive_db *db, struct err *e)
{
	return archive_lite_do(archive_lite_of(db), "COMMIT", e);
}

static void
rollback(struct archive_db *db)
{
	struct archive_lite *q = archive_lite_of(db);

	if (!sqlite3_get_autocommit(q->handle))
		sqlite3_exec(q->handle, "ROLLBACK", NULL, NULL, NULL);
}

static int
lock(const struct archive_table *t, struct err *e)
{
	const struct archive_lite *q = archive_lite_of(t->db);

	if (flock(q->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return err_set(
		    e, -EBUSY, "%.200s is being archived or migrated by another run", q->path);
	return err_set(e, -errno, "%.200s: flock: %s", q->path, strerror(errno));
}

static int
one_text(
    const struct archive_lite *q, const char *sql, const char *param, char **ret, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = archive_lite_prepare_sql(q, sql, &s, e);

	if (r < 0)
		return r;
	if (param)
		sqlite3_bind_text(s, 1, param, -1, SQLITE_STATIC);
	r = archive_lite_step(q, s, e);
	if (r > 0)
		*ret = xstrdup((const char *)sqlite3_column_text(s, 0));
	return r;
}

/* SQLite does not number its transactions: one of ours writes down that it was there. */
static int
mark(struct archive_db *db, const char *archive, char **ret_token, struct err *e)
{
	struct archive_lite *q = archive_lite_of(db);
	_cleanup_free_ char *token = NULL;
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = archive_lite_do(q,
	    "CREATE TABLE IF NOT EXISTS " MARKS
	    "(archive TEXT NOT NULL PRIMARY KEY, token TEXT NOT NULL)",
	    e);

	if (r >= 0)
		r = one_text(q, "SELECT lower(hex(randomblob(16)))", NULL, &token, e);
	if (r >= 0)
		r = archive_lite_prepare_sql(
		    q, "INSERT OR REPLACE INTO " MARKS " VALUES (?, ?)", &s, e);
	if (r < 0)
		return r;
	sqlite3_bind_text(s, 1, archive, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, token, -1, SQLITE_STATIC);
	r = archive_lite_step(q, s, e);
	if (r >= 0)
		*ret_token = TAKE_PTR(token);
	return r;
}

static int
marked(struct archive_db *db, const char *archive, const char *token, struct err *e)
{
	struct archive_lite *q = archive_lite_of(db);
	_cleanup_free_ char *there = NULL, *last = NULL;
	int r = one_text(q, "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?",
	    MARKS, &there, e);

	if (r <= 0)
		return r;
	r = one_text(q, "SELECT token FROM " MARKS " WHERE archive = ?", archive, &last, e);
	return r <= 0 ? r : streq(last, token);
}

static int
query(struct archive_db *db, const char *sql, const char *const *params, size_t n,
    struct archive_rows **ret, struct err *e)
{
	struct archive_lite *q = archive_lite_of(db);
	_cleanup_(archive_rows_freep) struct archive_rows *rows = NULL;
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = archive_lite_prepare_sql(q, sql, &s, e);

	for (size_t i = 0; r >= 0 && i < n; i++)
		if (params[i])
			sqlite3_bind_text(s, (int)i + 1, params[i], -1, SQLITE_STATIC);
	rows = archive_rows_new(r >= 0 ? (size_t)sqlite3_column_count(s) : 0);
	while (r >= 0 && (r = archive_lite_step(q, s, e)) > 0) {
		struct archive_cell *row = archive_rows_add(rows);

		for (int i = 0; i < sqlite3_column_count(s); i++)
			if (sqlite3_column_type(s, i) != SQLITE_NULL)
				archive_rows_set(rows, &row[i], CELL_TEXT,
				    sqlite3_column_text(s, i), (size_t)sqlite3_column_bytes(s, i));
	}
	if (r >= 0 && ret)
		*ret = TAKE_PTR(rows);
	return r;
}

static int
load(struct archive_db *db, struct archive_load *ret, struct err *e)
{
	(void)db;
	(void)e;
	*ret = (struct archive_load){ .lag_s = -1 };
	return 0;
}

static const struct archive_db_ops ops = {
	.engine = ENGINE_SQLITE,
	.find = archive_lite_find,
	.survey = archive_lite_survey,
	.create = archive_lite_create,
	.prepare = archive_lite_prepare,
	.count = archive_lite_count,
	.lock = lock,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.select = archive_lite_select,
	.read = archive_lite_read,
	.insert = archive_lite_insert,
	.delete = archive_lite_delete,
	.mark = mark,
	.marked = marked,
	.query = query,
	.load = load,
	.free = on_free,
};

int
archive_db_open_sqlite(const char *path, bool create, struct archive_db **ret, struct err *e)
{
	struct archive_lite *q = xcalloc(1, sizeof(*q));
	int r = 0;

	q->db.ops = &ops;
	q->path = xstrdup(path);
	q->fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | (create ? O_CREAT : 0), 0640);
	if (q->fd < 0)
		r = err_set(e, -errno, "%.300s: %s", path, strerror(errno));
	else if (sqlite3_open_v2(path, &q->handle, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		r = archive_lite_fail(q, e);
	if (r >= 0) {
		sqlite3_busy_timeout(q->handle, BUSY_MS);
		/* FULL: what is said to be there is there when the power fails, whatever the default. */
		r = archive_lite_do(q,
		    "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA synchronous = "
		    "FULL;"
		    "SELECT 1 FROM sqlite_master",
		    e);
	}
	if (r < 0) {
		archive_db_free(&q->db);
		return r;
	}
	*ret = &q->db;
	return 0;
}
