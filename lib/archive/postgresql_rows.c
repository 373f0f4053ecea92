/* Rows of a PostgreSQL table: read in order, found again by key, written, deleted. */
#include "archive/postgresql.h"

#include <stdio.h>

#define FETCH "200"

static void
take_row(const PGresult *res, int from, int row, struct archive_rows *rows)
{
	struct archive_cell *cells = archive_rows_add(rows);

	for (size_t i = 0; i < rows->ncolumns; i++)
		if (!PQgetisnull(res, row, from + (int)i))
			archive_rows_set(rows, &cells[i], CELL_TEXT,
			    PQgetvalue(res, row, from + (int)i),
			    (size_t)PQgetlength(res, row, from + (int)i));
}

/* ---- in order ---- */

static void
add_order(struct archive_pg *p, const struct archive_table *t, const struct archive_which *w,
    const struct archive_cell *after, struct str *sql)
{
	_cleanup_free_ size_t *order = xcalloc(t->nkey + 1, sizeof(*order));
	size_t n = archive_order(t, w, order);

	if (after) {
		str_add(sql, " AND (");
		for (size_t i = 0; i < n; i++)
			str_addf(sql, "%s%s.%s", i > 0 ? ", " : "", t->quoted,
			    t->columns[order[i]].quoted);
		str_add(sql, ") > (");
		for (size_t i = 0; i < n; i++) {
			_cleanup_free_ char *value = archive_pg_literal(p, after[order[i]].s);

			str_addf(
			    sql, "%s%s::%s", i > 0 ? ", " : "", value, t->columns[order[i]].type);
		}
		str_add(sql, ")");
	}
	str_add(sql, " ORDER BY ");
	for (size_t i = 0; i < n; i++)
		str_addf(sql, "%s%s.%s", i > 0 ? ", " : "", t->quoted, t->columns[order[i]].quoted);
}

static char *
declare(const struct archive_table *t, const struct archive_which *w,
    const struct archive_cell *after, size_t n, bool lock)
{
	_cleanup_str_ struct str sql = { 0 };
	_cleanup_free_ char *prefix = xasprintf("%s.", t->quoted);
	_cleanup_free_ char *columns = archive_columns(t, prefix),
	                    *referenced = archive_referenced(t, prefix);

	str_addf(&sql, "DECLARE old NO SCROLL CURSOR FOR SELECT %s FROM %s WHERE %s", columns,
	    t->from, w->old);
	if (referenced)
		str_addf(&sql, " AND NOT (%s)", referenced);
	add_order(archive_pg_of(t->db), t, w, after, &sql);
	str_addf(&sql, " LIMIT %zu%s", n, lock ? " FOR UPDATE SKIP LOCKED" : "");
	return str_take(&sql);
}

int
archive_pg_select(const struct archive_table *t, const struct archive_which *w,
    const struct archive_cell *after, size_t n, bool lock, struct archive_rows **ret, struct err *e)
{
	struct archive_pg *p = archive_pg_of(t->db);
	_cleanup_(archive_rows_freep) struct archive_rows *rows = archive_rows_new(t->ncolumns);
	_cleanup_free_ char *sql = declare(t, w, after, n, lock);
	int r = archive_pg_do(p, sql, e), got = 1;

	while (r >= 0 && got > 0 && rows->bytes < ARCHIVE_BATCH_BYTES) {
		_cleanup_(PQclearp) PGresult *res = NULL;

		r = archive_pg_ask(p, "FETCH FORWARD " FETCH " FROM old", NULL, 0, &res, e);
		got = r < 0 ? 0 : PQntuples(res);
		for (int i = 0; i < got; i++)
			take_row(res, 0, i, rows);
	}
	if (r >= 0)
		r = archive_pg_do(p, "CLOSE old", e);
	if (r >= 0)
		*ret = TAKE_PTR(rows);
	return r;
}

/* ---- by key ---- */

/* One array for each column of the key, for unnest(). */
static char *
key_array(const struct archive_rows *rows, size_t column)
{
	_cleanup_str_ struct str text = { 0 };

	str_addc(&text, '{');
	for (size_t i = 0; i < rows->n; i++) {
		const struct archive_cell *c = &archive_rows_at(rows, i)[column];
		_cleanup_str_ struct str value = { 0 };

		str_add(&text, i > 0 ? ",\"" : "\"");
		archive_cell_text(c, &value);
		for (const char *s = str_text(&value); *s; s++) {
			if (*s == '"' || *s == '\\')
				str_addc(&text, '\\');
			str_addc(&text, *s);
		}
		str_addc(&text, '"');
	}
	str_addc(&text, '}');
	return str_take(&text);
}

static char **
key_arrays(const struct archive_table *t, const struct archive_rows *rows)
{
	char **arrays = xcalloc(t->nkey + 2, sizeof(*arrays));

	for (size_t i = 0; i < t->nkey; i++)
		arrays[i] = key_array(rows, t->key[i]);
	return arrays;
}

/* "unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked(k1, k2, n)" */
static void
add_asked(const struct archive_table *t, struct str *sql)
{
	str_add(sql, "unnest(");
	for (size_t i = 0; i < t->nkey; i++)
		str_addf(sql, "%s$%zu::pg_catalog.text[]", i > 0 ? ", " : "", i + 1);
	str_add(sql, ") WITH ORDINALITY AS asked(");
	for (size_t i = 0; i < t->nkey; i++)
		str_addf(sql, "k%zu, ", i + 1);
	str_add(sql, "n)");
}

static void
add_match(const struct archive_table *t, struct str *sql)
{
	for (size_t i = 0; i < t->nkey; i++)
		str_addf(sql, "%sat.%s = asked.k%zu::%s", i > 0 ? " AND " : "",
		    t->columns[t->key[i]].quoted, i + 1, t->columns[t->key[i]].type);
}

int
archive_pg_read(const struct archive_table *t, const struct archive_rows *keys, bool lock,
    struct archive_found *ret, struct archive_rows *rows, struct err *e)
{
	_cleanup_strv_ char **arrays = key_arrays(t, keys);
	_cleanup_free_ char *columns = archive_columns(t, "at."),
	                    *referenced = archive_referenced(t, "at.");
	_cleanup_str_ struct str sql = { 0 };
	_cleanup_(PQclearp) PGresult *res = NULL;
	int r;

	str_addf(&sql, "SELECT asked.n, %s, %s FROM ", referenced ? referenced : "false", columns);
	add_asked(t, &sql);
	str_addf(&sql, " JOIN %s AS at ON ", t->from);
	add_match(t, &sql);
	if (lock)
		str_add(&sql, " FOR UPDATE OF at SKIP LOCKED");
	r = archive_pg_ask(
	    archive_pg_of(t->db), sql.s, (const char *const *)arrays, t->nkey, &res, e);
	for (int i = 0; r >= 0 && i < PQntuples(res); i++) {
		size_t n = strtoull(PQgetvalue(res, i, 0), NULL, 10) - 1;

		assert(n < keys->n);
		ret[n] = (struct archive_found){
			.there = true, .referenced = *PQgetvalue(res, i, 1) == 't', .row = rows->n
		};
		take_row(res, 2, i, rows);
	}
	return r;
}

/* The text format of COPY. */
static int
add_copied(const struct archive_cell *c, struct str *out, struct err *e)
{
	_cleanup_str_ struct str text = { 0 };

	if (c->kind == CELL_NULL) {
		str_add(out, "\\N");
		return 0;
	}
	archive_cell_text(c, &text);
	if (memchr(str_text(&text), '\0', text.len))
		return err_set(
		    e, -EINVAL, "a text holds the byte 0, which PostgreSQL does not keep");
	for (const char *s = str_text(&text); *s; s++) {
		switch (*s) {
		case '\\':
			str_add(out, "\\\\");
			break;
		case '\n':
			str_add(out, "\\n");
			break;
		case '\r':
			str_add(out, "\\r");
			break;
		case '\t':
			str_add(out, "\\t");
			break;
		default:
			str_addc(out, *s);
		}
	}
	return 0;
}

static int
send_rows(struct archive_pg *p, const struct archive_table *t, const struct archive_rows *rows,
    const bool *pick, struct err *e)
{
	_cleanup_str_ struct str line = { 0 };

	for (size_t i = 0; i < rows->n; i++) {
		const struct archive_cell *row = archive_rows_at(rows, i);
		bool first = true;

		if (!pick[i])
			continue;
		str_reset(&line);
		for (size_t j = 0; j < t->ncolumns; j++) {
			if (t->columns[j].generated)
				continue;
			if (!first)
				str_addc(&line, '\t');
			first = false;
			if (add_copied(&row[j], &line, e) < 0)
				return e->code;
		}
		str_addc(&line, '\n');
		if (line.len > INT32_MAX || PQputCopyData(p->pg, line.s, (int)line.len) != 1)
			return err_set(e, -EIO, "%s", PQerrorMessage(p->pg));
	}
	return 0;
}

int
archive_pg_insert(
    const struct archive_table *t, const struct archive_rows *rows, const bool *pick, struct err *e)
{
	struct archive_pg *p = archive_pg_of(t->db);
	_cleanup_str_ struct str sql = { 0 };
	_cleanup_(PQclearp) PGresult *res = NULL;
	int r = 0;

	str_addf(&sql, "COPY %s (", t->quoted);
	for (size_t i = 0, n = 0; i < t->ncolumns; i++)
		if (!t->columns[i].generated)
			str_addf(&sql, "%s%s", n++ > 0 ? ", " : "", t->columns[i].quoted);
	str_add(&sql, ") FROM STDIN");
	res = PQexec(p->pg, sql.s);
	if (PQresultStatus(res) != PGRES_COPY_IN)
		return archive_pg_fail(res, e);
	r = send_rows(p, t, rows, pick, e);
	PQputCopyEnd(p->pg, r < 0 ? "given up" : NULL);
	for (PGresult *last; (last = PQgetResult(p->pg)); PQclear(last))
		if (r >= 0 && PQresultStatus(last) != PGRES_COMMAND_OK)
			r = archive_pg_fail(last, e);
	return r < 0 ? err_prefix(e, "%.120s", t->name) : 0;
}

int
archive_pg_delete(const struct archive_table *t, const struct archive_rows *rows, const bool *pick,
    size_t *ret_n, struct err *e)
{
	_cleanup_(archive_rows_freep) struct archive_rows *picked =
	    archive_rows_new(rows->ncolumns);
	_cleanup_strv_ char **arrays = NULL;
	_cleanup_str_ struct str sql = { 0 };
	_cleanup_(PQclearp) PGresult *res = NULL;
	int r;

	for (size_t i = 0; i < rows->n; i++)
		if (pick[i])
			archive_rows_copy(picked, archive_rows_at(rows, i));
	arrays = key_arrays(t, picked);
	str_addf(&sql, "DELETE FROM %s AS at USING ", t->from);
	add_asked(t, &sql);
	str_add(&sql, " WHERE ");
	add_match(t, &sql);
	r = archive_pg_ask(
	    archive_pg_of(t->db), sql.s, (const char *const *)arrays, t->nkey, &res, e);
	if (r >= 0)
		*ret_n = strtoull(PQcmdTuples(res), NULL, 10);
	return r;
}
