/*
 * SQLite: opened read-only.  With a write-ahead log one transaction is the snapshot and disturbs nobody.
 * Without one a reader keeps writers from committing: then the file is copied first by the backup API,
 * and the copy, which has no name any more, is read.
 */
#include "base/clock.h"
#include "base/sha.h"
#include "base/str.h"
#include "data/source.h"

#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#define BUSY_MS       2000
#define ARGS_MAX      100 /* of one function; SQLite takes 127 */
#define CELL_MAX      ((size_t)4096)
#define ROWS_MAX      ((size_t)200000)
#define HASH_DIGITS   15
#define PROGRESS_STEP 10000

struct sqlite {
	struct data_source source;
	sqlite3 *handle;
};

static struct sqlite *
own(struct data_source *s)
{
	return (struct sqlite *)s;
}

static void
on_free(struct data_source *s)
{
	sqlite3_close(own(s)->handle);
	free(s);
}

static int
fail(sqlite3 *h, struct err *e)
{
	int code = sqlite3_errcode(h);

	return err_set(e, code == SQLITE_BUSY || code == SQLITE_LOCKED ? -EBUSY : -EIO, "%s",
	    sqlite3_errmsg(h));
}

/* Text between the statements is a person's; a NUL in it is a byte like others. */
static void
add_value(struct str *s, sqlite3_value *v)
{
	static const char kinds[] = "?irtbn";
	int type = sqlite3_value_type(v), n;

	str_addc(s, type >= 1 && type <= 5 ? kinds[type] : '?');
	if (type == SQLITE_NULL)
		return;
	if (type == SQLITE_BLOB) {
		n = sqlite3_value_bytes(v);
		str_addf(s, "%d:", n);
		if (n > 0)
			str_addn(s, sqlite3_value_blob(v), (size_t)n);
		return;
	}
	{
		const char *text = (const char *)sqlite3_value_text(v);

		n = sqlite3_value_bytes(v);
		str_addf(s, "%d:", n);
		str_addn(s, text ? text : "", (size_t)n);
	}
}

/* dbhealth_row(...): digits that differ where one of the values or its type does. */
static void
on_row(sqlite3_context *c, int n, sqlite3_value **v)
{
	_cleanup_str_ struct str s = { 0 };
	char digits[SHA_HEX_SIZE];

	for (int i = 0; i < n; i++)
		add_value(&s, v[i]);
	sha_hex(256, str_text(&s), s.len, digits);
	sqlite3_result_text(c, digits, HASH_DIGITS, SQLITE_TRANSIENT);
}

/* dbhealth_sum(x): of such digits, in any order. */
static void
on_sum_step(sqlite3_context *c, int n, sqlite3_value **v)
{
	uint64_t *sum = sqlite3_aggregate_context(c, sizeof(*sum));
	const char *digits = (const char *)sqlite3_value_text(v[0]);

	(void)n;
	if (!sum || !digits)
		sqlite3_result_error_nomem(c);
	else
		*sum += strtoull(digits, NULL, 16);
}

static void
on_sum_end(sqlite3_context *c)
{
	const uint64_t *sum = sqlite3_aggregate_context(c, 0);
	char text[24];

	snprintf(text, sizeof(text), "%016llx", (unsigned long long)(sum ? *sum : 0));
	sqlite3_result_text(c, text, -1, SQLITE_TRANSIENT);
}

static int
on_progress(void *arg)
{
	const struct sqlite *q = arg;

	return clock_now_us() >= q->source.until_us;
}

/* ---- asking ---- */

static char *
hexadecimal(const unsigned char *p, size_t n)
{
	struct str s = { 0 };

	for (size_t i = 0; i < n; i++)
		str_addf(&s, "%02x", p[i]);
	return str_take(&s);
}

static struct data_cell
cell_of(sqlite3_stmt *st, int i)
{
	static const char kinds[] = "?irtbn";
	int type = sqlite3_column_type(st, i);
	struct data_cell c = { .type = type >= 1 && type <= 5 ? kinds[type] : '?' };

	if (type == SQLITE_NULL)
		return c;
	if (type == SQLITE_BLOB) {
		const unsigned char *p = sqlite3_column_blob(st, i);

		c.text = hexadecimal(p, MIN((size_t)sqlite3_column_bytes(st, i), CELL_MAX));
	} else {
		const char *text = (const char *)sqlite3_column_text(st, i);

		c.text = xstrndup(text ? text : "", CELL_MAX);
	}
	return c;
}

static void
bind_cell(sqlite3_stmt *st, int at, const struct data_cell *c)
{
	size_t n = c->text ? strlen(c->text) : 0;

	if (!c->text) {
		sqlite3_bind_null(st, at);
	} else if (c->type == 'i') {
		sqlite3_bind_int64(st, at, strtoll(c->text, NULL, 10));
	} else if (c->type == 'r') {
		sqlite3_bind_double(st, at, strtod(c->text, NULL));
	} else if (c->type == 'b') {
		_cleanup_free_ unsigned char *p = xcalloc(n / 2 + 1, 1);

		for (size_t i = 0; i < n / 2; i++) {
			char two[3] = { c->text[2 * i], c->text[2 * i + 1], '\0' };

			p[i] = (unsigned char)strtoul(two, NULL, 16);
		}
		sqlite3_bind_blob(st, at, p, (int)(n / 2), SQLITE_TRANSIENT);
	} else {
		sqlite3_bind_text(st, at, c->text, (int)n, SQLITE_TRANSIENT);
	}
}

static int
collect(struct sqlite *q, sqlite3_stmt *st, struct data_rows *rows, struct err *e)
{
	int r, width = sqlite3_column_count(st);
	size_t cap = 0;

	rows->width = (size_t)width;
	while ((r = sqlite3_step(st)) == SQLITE_ROW && rows->n < ROWS_MAX) {
		if (rows->n == cap) {
			cap = cap ? cap * 2 : 16;
			rows->v = xreallocarray(rows->v, cap * rows->width, sizeof(*rows->v));
		}
		for (int i = 0; i < width; i++)
			rows->v[rows->n * rows->width + (size_t)i] = cell_of(st, i);
		rows->n++;
	}
	if (r == SQLITE_DONE)
		return 0;
	if (r == SQLITE_INTERRUPT)
		return err_set(e, -ETIME, "the time is over");
	return r == SQLITE_ROW ? err_set(e, -E2BIG, "more than %zu rows", ROWS_MAX)
	                       : fail(q->handle, e);
}

static int
ask(struct data_source *s, const char *sql, const struct data_cell *params, size_t n,
    struct data_rows *ret, struct err *e)
{
	struct sqlite *q = own(s);
	struct data_rows rows = { 0 };
	sqlite3_stmt *st = NULL;
	int r;

	if (clock_now_us() >= s->until_us)
		return err_set(e, -ETIME, "the time is over");
	if (sqlite3_prepare_v2(q->handle, sql, -1, &st, NULL) != SQLITE_OK)
		return fail(q->handle, e);
	for (size_t i = 0; i < n; i++)
		bind_cell(st, (int)i + 1, &params[i]);
	r = collect(q, st, &rows, e);
	sqlite3_finalize(st);
	if (r < 0)
		data_rows_done(&rows);
	else
		*ret = rows;
	return r;
}

/* ---- tables ---- */

/*
 * A key: the primary one, whose columns may hold NULL unless the table is WITHOUT ROWID or it is the
 * rowid itself.
 */
static const char tables_sql[] =
    "SELECT l.name, '\"' || replace(l.name, '\"', '\"\"') || '\"', c.name,"
    " CASE WHEN c.pk > 0 AND (l.wr OR NOT EXISTS ("
    "  SELECT 1 FROM pragma_table_xinfo(l.name) AS o WHERE o.pk > 0 AND NOT o.\"notnull\")"
    "  OR (upper(c.type) = 'INTEGER' AND (SELECT max(o.pk) FROM pragma_table_xinfo(l.name) AS o) = "
    "1"
    "   AND NOT EXISTS (SELECT 1 FROM pragma_index_list(l.name) AS i WHERE i.origin = 'pk')))"
    "  THEN c.pk END AS key, '', '0'"
    " FROM pragma_table_list AS l JOIN pragma_table_xinfo(l.name) AS c"
    " WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    "  AND l.name <> 'dbhealth_migrations' AND c.hidden <> 1"
    " ORDER BY l.name, key IS NULL, key, c.name";

static void
add_key(struct data_table *t, const char *column, bool collated)
{
	_cleanup_free_ char *quoted = data_quote(column);
	_cleanup_free_ char *order = xasprintf("t.%s COLLATE BINARY", quoted);

	(void)collated;
	strv_add(&t->key, column);
	strv_add(&t->order, order);
	strv_add(&t->shown, quoted);
}

static char *
hash(char *const *columns)
{
	struct str all = { 0 };
	size_t n = strv_len(columns);

	str_add(&all, "dbhealth_row(");
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *c = data_quote(columns[i]);

		if (i % ARGS_MAX == 0)
			str_addf(&all, "%sdbhealth_row(", i == 0 ? "" : ", ");
		str_addf(&all, "%s%s", i % ARGS_MAX == 0 ? "" : ", ", c);
		if (i % ARGS_MAX == ARGS_MAX - 1 || i == n - 1)
			str_addc(&all, ')');
	}
	str_addc(&all, ')');
	return str_take(&all);
}

static const struct data_ops ops = {
	.engine = ENGINE_SQLITE,
	.tables_sql = tables_sql,
	.add_key = add_key,
	.hash = hash,
	.sum = "dbhealth_sum(%s)",
	.ask = ask,
	.free = on_free,
};

/* ---- opening ---- */

static bool
has_log(sqlite3 *h)
{
	sqlite3_stmt *st = NULL;
	bool yes = false;

	if (sqlite3_prepare_v2(h, "PRAGMA journal_mode", -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW) {
		const char *mode = (const char *)sqlite3_column_text(st, 0);

		yes = mode && streq(mode, "wal");
	}
	sqlite3_finalize(st);
	return yes;
}

/* As a temporary database of SQLite's own: in memory first, then in a file without a name. */
static int
copy(struct sqlite *q, struct err *e)
{
	sqlite3 *to = NULL;
	sqlite3_backup *b;
	int r = SQLITE_OK;

	if (sqlite3_open_v2("", &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
	        SQLITE_OK ||
	    !(b = sqlite3_backup_init(to, "main", q->handle, "main"))) {
		fail(to, e);
		sqlite3_close(to);
		return e->code;
	}
	/* In one go, so that it is one moment; as long as it takes to read the file. */
	do {
		r = sqlite3_backup_step(b, -1);
		if (r == SQLITE_BUSY || r == SQLITE_LOCKED)
			sqlite3_sleep(50);
	} while ((r == SQLITE_BUSY || r == SQLITE_LOCKED) && clock_now_us() < q->source.until_us);
	sqlite3_backup_finish(b);
	if (r != SQLITE_DONE) {
		err_set(e, r == SQLITE_BUSY || r == SQLITE_LOCKED ? -EBUSY : -EIO, "%s",
		    r == SQLITE_DONE ? "" : sqlite3_errstr(r));
		sqlite3_close(to);
		return e->code;
	}
	sqlite3_close(q->handle);
	q->handle = to;
	return 0;
}

static int
prepare(struct sqlite *q, struct err *e)
{
	static const char settings[] = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
	                               "PRAGMA query_only = ON; PRAGMA temp_store = FILE;"
	                               "BEGIN; SELECT 1 FROM sqlite_schema";
	const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;

	sqlite3_db_config(q->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
	if (sqlite3_create_function(
	        q->handle, "dbhealth_row", -1, flags, NULL, on_row, NULL, NULL) != SQLITE_OK ||
	    sqlite3_create_function(q->handle, "dbhealth_sum", 1, flags, NULL, NULL, on_sum_step,
	        on_sum_end) != SQLITE_OK ||
	    sqlite3_exec(q->handle, settings, NULL, NULL, NULL) != SQLITE_OK)
		return fail(q->handle, e);
	sqlite3_progress_handler(q->handle, PROGRESS_STEP, on_progress, q);
	return 0;
}

int
data_open_sqlite(const char *path, int64_t until_us, struct data_source **ret, struct err *e)
{
	struct sqlite *q = xcalloc(1, sizeof(*q));
	int r = 0;

	q->source = (struct data_source){ .ops = &ops, .until_us = until_us };
	if (sqlite3_open_v2(path, &q->handle, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
		r = fail(q->handle, e);
	} else {
		sqlite3_busy_timeout(q->handle, BUSY_MS);
		if (!has_log(q->handle))
			r = copy(q, e);
	}
	if (r >= 0)
		r = prepare(q, e);
	if (r < 0) {
		on_free(&q->source);
		return r;
	}
	*ret = &q->source;
	return 0;
}
