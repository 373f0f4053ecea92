/* A SQLite file at one end: opened by the caller's own rights, in short transactions. */
#include "archive/sqlite.h"

#include <stdio.h>
#include <sys/file.h>

#define BUSY_MS 10000
/* Says of the last deletion that it was committed; one row an archive. */
#define MARKS "dbhealth_archived"

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

	sqlite_held_done(&q->file);
	free(q);
}

static int
begin(struct archive_db *db, bool write, struct err *e)
{
	return sqlite_held_do(&archive_lite_of(db)->file, write ? "BEGIN IMMEDIATE" : "BEGIN", e);
}

static int
commit(struct archive_db *db, struct err *e)
{
	return sqlite_held_do(&archive_lite_of(db)->file, "COMMIT", e);
}

static void
rollback(struct archive_db *db)
{
	struct archive_lite *q = archive_lite_of(db);

	if (!sqlite3_get_autocommit(q->file.handle))
		sqlite3_exec(q->file.handle, "ROLLBACK", NULL, NULL, NULL);
}

static int
lock(const struct archive_table *t, struct err *e)
{
	const struct archive_lite *q = archive_lite_of(t->db);

	if (flock(q->file.fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return err_set(
		    e, -EBUSY, "%.200s is being archived or migrated by another run", q->file.path);
	return err_set(e, -errno, "%.200s: flock: %s", q->file.path, strerror(errno));
}

static int
one_text(
    const struct archive_lite *q, const char *sql, const char *param, char **ret, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = sqlite_held_prepare(&q->file, sql, &s, e);

	if (r < 0)
		return r;
	if (param)
		sqlite3_bind_text(s, 1, param, -1, SQLITE_STATIC);
	r = sqlite_held_step(&q->file, s, e);
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
	int r = sqlite_held_do(&q->file,
	    "CREATE TABLE IF NOT EXISTS " MARKS
	    "(archive TEXT NOT NULL PRIMARY KEY, token TEXT NOT NULL)",
	    e);

	if (r >= 0)
		r = one_text(q, "SELECT lower(hex(randomblob(16)))", NULL, &token, e);
	if (r >= 0)
		r = sqlite_held_prepare(
		    &q->file, "INSERT OR REPLACE INTO " MARKS " VALUES (?, ?)", &s, e);
	if (r < 0)
		return r;
	sqlite3_bind_text(s, 1, archive, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, token, -1, SQLITE_STATIC);
	r = sqlite_held_step(&q->file, s, e);
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
	int r = sqlite_held_prepare(&q->file, sql, &s, e);

	for (size_t i = 0; r >= 0 && i < n; i++)
		if (params[i])
			sqlite3_bind_text(s, (int)i + 1, params[i], -1, SQLITE_STATIC);
	rows = archive_rows_new(r >= 0 ? (size_t)sqlite3_column_count(s) : 0);
	while (r >= 0 && (r = sqlite_held_step(&q->file, s, e)) > 0) {
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
	int r;

	q->db.ops = &ops;
	q->file.named = true;
	r = sqlite_held_open(&q->file, path, create, 0640, BUSY_MS, e);
	if (r >= 0) {
		/* FULL: what is said to be there is there when the power fails, whatever the default. */
		r = sqlite_held_do(&q->file,
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
