/* Rows of a SQLite table: read in order, found again by key, written, deleted. */
#include "archive/sqlite.h"

#include <stdio.h>

static void
take_cell(sqlite3_stmt *s, int at, const struct archive_column *c, struct archive_rows *rows,
    struct archive_cell *cell)
{
	char number[32];

	switch (sqlite3_column_type(s, at)) {
	case SQLITE_INTEGER:
		if (c->as == ARCHIVE_AS_BOOL) {
			archive_rows_set(
			    rows, cell, CELL_TEXT, sqlite3_column_int(s, at) ? "t" : "f", 1);
			return;
		}
		snprintf(number, sizeof(number), "%lld", sqlite3_column_int64(s, at));
		archive_rows_set(rows, cell, CELL_INTEGER, number, strlen(number));
		return;
	case SQLITE_FLOAT:
		archive_real_text(sqlite3_column_double(s, at), number);
		archive_rows_set(rows, cell, CELL_REAL, number, strlen(number));
		return;
	case SQLITE_TEXT:
		archive_rows_set(rows, cell, CELL_TEXT, sqlite3_column_text(s, at),
		    (size_t)sqlite3_column_bytes(s, at));
		return;
	case SQLITE_BLOB:
		archive_rows_set(rows, cell, CELL_BLOB, sqlite3_column_blob(s, at),
		    (size_t)sqlite3_column_bytes(s, at));
		return;
	default:
		return;
	}
}

static void
take_row(sqlite3_stmt *s, int from, const struct archive_table *t, struct archive_rows *rows)
{
	struct archive_cell *row = archive_rows_add(rows);

	for (size_t i = 0; i < t->ncolumns; i++)
		take_cell(s, from + (int)i, &t->columns[i], rows, &row[i]);
}

/* A text of PostgreSQL as that column keeps it; what does not fit stays text, and is told apart later. */
static void
bind_text(sqlite3_stmt *s, int at, const struct archive_column *c, const struct archive_cell *cell)
{
	char *end;
	long long n;

	if (c->as == ARCHIVE_AS_INTEGER) {
		errno = 0;
		n = strtoll(cell->s, &end, 10);
		if (errno == 0 && cell->len > 0 && *end == '\0') {
			sqlite3_bind_int64(s, at, n);
			return;
		}
	} else if (c->as == ARCHIVE_AS_BOOL && (streq(cell->s, "t") || streq(cell->s, "f"))) {
		sqlite3_bind_int(s, at, *cell->s == 't');
		return;
	} else if (c->as == ARCHIVE_AS_BYTES) {
		size_t len;
		_cleanup_free_ char *bytes = archive_unhex(cell->s, cell->len, &len);

		if (bytes) {
			sqlite3_bind_blob64(s, at, bytes, len, SQLITE_TRANSIENT);
			return;
		}
	}
	sqlite3_bind_text64(s, at, cell->s, cell->len, SQLITE_STATIC, SQLITE_UTF8);
}

static void
bind(sqlite3_stmt *s, int at, const struct archive_column *c, const struct archive_cell *cell)
{
	switch (cell->kind) {
	case CELL_NULL:
		sqlite3_bind_null(s, at);
		return;
	case CELL_TEXT:
		bind_text(s, at, c, cell);
		return;
	case CELL_INTEGER:
		sqlite3_bind_int64(s, at, strtoll(cell->s, NULL, 10));
		return;
	case CELL_REAL:
		sqlite3_bind_double(s, at, strtod(cell->s, NULL));
		return;
	case CELL_BLOB:
		sqlite3_bind_blob64(s, at, cell->s, cell->len, SQLITE_STATIC);
		return;
	}
}

/* ---- in order ---- */

static char *
select_sql(const struct archive_table *t, const struct archive_which *w, const size_t *order,
    size_t norder, bool after)
{
	_cleanup_str_ struct str sql = { 0 };
	_cleanup_free_ char *prefix = xasprintf("%s.", t->quoted);
	_cleanup_free_ char *columns = archive_columns(t, prefix),
	                    *referenced = archive_referenced(t, prefix);

	str_addf(&sql, "SELECT %s FROM %s WHERE %s", columns, t->from, w->old);
	for (size_t i = 0; i < t->nkey && t->nullable_key; i++)
		str_addf(&sql, " AND %s%s IS NOT NULL", prefix, t->columns[t->key[i]].quoted);
	if (referenced)
		str_addf(&sql, " AND NOT (%s)", referenced);
	if (after) {
		str_add(&sql, " AND (");
		for (size_t i = 0; i < norder; i++)
			str_addf(
			    &sql, "%s%s%s", i > 0 ? ", " : "", prefix, t->columns[order[i]].quoted);
		str_add(&sql, ") > (?");
		for (size_t i = 1; i < norder; i++)
			str_add(&sql, ", ?");
		str_add(&sql, ")");
	}
	str_add(&sql, " ORDER BY ");
	for (size_t i = 0; i < norder; i++)
		str_addf(&sql, "%s%s%s", i > 0 ? ", " : "", prefix, t->columns[order[i]].quoted);
	return str_take(&sql);
}

int
archive_lite_select(const struct archive_table *t, const struct archive_which *w,
    const struct archive_cell *after, size_t n, bool lock, struct archive_rows **ret, struct err *e)
{
	const struct archive_lite *q = archive_lite_of(t->db);
	_cleanup_(archive_rows_freep) struct archive_rows *rows = archive_rows_new(t->ncolumns);
	_cleanup_free_ size_t *order = xcalloc(t->nkey + 1, sizeof(*order));
	size_t norder = archive_order(t, w, order);
	_cleanup_free_ char *sql = select_sql(t, w, order, norder, after != NULL);
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = sqlite_held_prepare(&q->file, sql, &s, e);

	(void)lock;
	for (size_t i = 0; r >= 0 && after && i < norder; i++)
		bind(s, (int)i + 1, &t->columns[order[i]], &after[order[i]]);
	while (r >= 0 && rows->n < n && rows->bytes < ARCHIVE_BATCH_BYTES &&
	       (r = sqlite_held_step(&q->file, s, e)) > 0)
		take_row(s, 0, t, rows);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(rows);
	return 0;
}

/* ---- by key ---- */

static void
add_match(const struct archive_table *t, const char *prefix, struct str *sql)
{
	for (size_t i = 0; i < t->nkey; i++)
		str_addf(
		    sql, "%s%s%s = ?", i > 0 ? " AND " : "", prefix, t->columns[t->key[i]].quoted);
}

static void
bind_key(const struct archive_table *t, sqlite3_stmt *s, const struct archive_cell *row)
{
	for (size_t i = 0; i < t->nkey; i++)
		bind(s, (int)i + 1, &t->columns[t->key[i]], &row[t->key[i]]);
}

int
archive_lite_read(const struct archive_table *t, const struct archive_rows *keys, bool lock,
    struct archive_found *ret, struct archive_rows *rows, struct err *e)
{
	const struct archive_lite *q = archive_lite_of(t->db);
	_cleanup_free_ char *columns = archive_columns(t, "at."),
	                    *referenced = archive_referenced(t, "at.");
	_cleanup_str_ struct str sql = { 0 };
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	(void)lock;
	str_addf(&sql, "SELECT %s, %s FROM %s AS at WHERE ", referenced ? referenced : "0", columns,
	    t->from);
	add_match(t, "at.", &sql);
	r = sqlite_held_prepare(&q->file, sql.s, &s, e);
	for (size_t i = 0; r >= 0 && i < keys->n; i++) {
		bind_key(t, s, archive_rows_at(keys, i));
		r = sqlite_held_step(&q->file, s, e);
		if (r > 0) {
			ret[i] = (struct archive_found){ .there = true,
				.referenced = sqlite3_column_int(s, 0),
				.row = rows->n };
			take_row(s, 1, t, rows);
		}
		sqlite3_reset(s);
	}
	return MIN(r, 0);
}

int
archive_lite_insert(
    const struct archive_table *t, const struct archive_rows *rows, const bool *pick, struct err *e)
{
	const struct archive_lite *q = archive_lite_of(t->db);
	_cleanup_str_ struct str sql = { 0 };
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	size_t n = 0;
	int r;

	str_addf(&sql, "INSERT INTO %s (", t->quoted);
	for (size_t i = 0; i < t->ncolumns; i++)
		if (!t->columns[i].generated)
			str_addf(&sql, "%s%s", n++ > 0 ? ", " : "", t->columns[i].quoted);
	str_add(&sql, ") VALUES (?");
	for (size_t i = 1; i < n; i++)
		str_add(&sql, ", ?");
	str_add(&sql, ")");
	r = sqlite_held_prepare(&q->file, sql.s, &s, e);
	for (size_t i = 0; r >= 0 && i < rows->n; i++) {
		const struct archive_cell *row = archive_rows_at(rows, i);
		int at = 0;

		if (!pick[i])
			continue;
		for (size_t j = 0; j < t->ncolumns; j++)
			if (!t->columns[j].generated)
				bind(s, ++at, &t->columns[j], &row[j]);
		r = sqlite_held_step(&q->file, s, e);
		sqlite3_reset(s);
	}
	return MIN(r, 0);
}

int
archive_lite_delete(const struct archive_table *t, const struct archive_rows *rows,
    const bool *pick, size_t *ret_n, struct err *e)
{
	const struct archive_lite *q = archive_lite_of(t->db);
	_cleanup_str_ struct str sql = { 0 };
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	str_addf(&sql, "DELETE FROM %s WHERE ", t->from);
	add_match(t, "", &sql);
	r = sqlite_held_prepare(&q->file, sql.s, &s, e);
	for (size_t i = 0; r >= 0 && i < rows->n; i++) {
		if (!pick[i])
			continue;
		bind_key(t, s, archive_rows_at(rows, i));
		r = sqlite_held_step(&q->file, s, e);
		if (r >= 0)
			*ret_n += (size_t)sqlite3_changes(q->file.handle);
		sqlite3_reset(s);
	}
	return MIN(r, 0);
}
