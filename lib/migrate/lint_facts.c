/* Rows, types and users of tables, asked of the database that a migration is for. */
#include "migrate/lint_facts.h"
#include "base/str.h"
#include "base/text.h"
#include "pg/direct.h"
#include <sqlite3.h>

#define USERS_MAX "6"

struct lint_facts {
	struct pg_direct *pg;
	sqlite3 *sqlite;
};

/* ---- PostgreSQL ---- */

/* $1 schema ("": as the search path has it most often), $2 table. */
#define THE_TABLE                                                                                  \
	"SELECT c.oid, c.relkind, c.reltuples, c.relpages, c.relhassubclass, c.relname, n.nspname" \
	" FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = "             \
	"c.relnamespace"                                                                           \
	" WHERE c.relname = $2 AND (n.nspname = $1 OR ($1 = '' AND n.nspname NOT IN "              \
	"('pg_catalog',"                                                                           \
	" 'information_schema', 'pg_toast')))"                                                     \
	" ORDER BY n.nspname = current_user DESC, n.nspname = 'public' DESC LIMIT 1"

/* The answer's first cell, owned; NULL: no row, NULL, or it could not be asked. */
static char *
ask(struct lint_facts *f, const char *sql, const char *const *params, size_t n)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	struct err ignored = { 0 };
	const char *cell;

	if (pg_direct_query(f->pg, sql, params, n, &rows, &ignored) < 0 || pg_rows_count(rows) == 0)
		return NULL;
	cell = pg_rows_get(rows, 0, 0);
	return cell ? xstrdup(cell) : NULL;
}

/* As the planner guesses: rows a page when statistics were made, times the pages of now. */
static double
pg_rows_of(const char *schema, const char *table, void *arg)
{
	static const char sql[] =
	    "WITH t AS (" THE_TABLE ")"
	    /* One that is not there is made by a file that comes before. */
	    " SELECT coalesce(sum(CASE WHEN p.relkind = 'p' THEN 0 WHEN p.reltuples >= 0 AND "
	    "p.relpages > 0"
	    " THEN p.reltuples * (pg_catalog.pg_relation_size(p.oid) / 8192.0) / p.relpages"
	    " ELSE pg_catalog.pg_relation_size(p.oid) / 8192.0 * 200 END), 0)"
	    " FROM t JOIN pg_catalog.pg_class AS p ON p.oid = t.oid OR (t.relkind = 'p' AND p.oid "
	    "IN"
	    " (SELECT relid FROM pg_catalog.pg_partition_tree(t.oid)))";
	const char *params[] = { schema, table };
	_cleanup_free_ char *rows = ask(arg, sql, params, 2);

	return rows ? strtod(rows, NULL) : -1;
}

static char *
pg_type_of(const char *schema, const char *table, const char *column, void *arg)
{
	static const char sql[] =
	    "WITH t AS (" THE_TABLE ")"
	    " SELECT CASE WHEN y.typelem <> 0 AND y.typlen = -1 THEN e.typname ELSE y.typname END"
	    " || coalesce('(' || (pg_catalog.regexp_match("
	    "pg_catalog.format_type(a.atttypid, a.atttypmod), '\\(([0-9, ]+)\\)'))[1] || ')', '')"
	    " || CASE WHEN y.typelem <> 0 AND y.typlen = -1 THEN '[]' ELSE '' END"
	    " FROM t JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attname = $3"
	    " AND NOT a.attisdropped"
	    " JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid"
	    " LEFT JOIN pg_catalog.pg_type AS e ON e.oid = y.typelem";
	const char *params[] = { schema, table, column };

	return ask(arg, sql, params, 3);
}

static bool
pg_never_null(const char *schema, const char *table, const char *column, void *arg)
{
	static const char sql[] =
	    "WITH t AS (" THE_TABLE ")"
	    " SELECT true FROM t JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid"
	    " AND a.attname = $3"
	    " WHERE a.attnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS k"
	    " WHERE k.conrelid = t.oid AND k.contype = 'c' AND k.convalidated"
	    " AND pg_catalog.pg_get_constraintdef(k.oid)"
	    " = 'CHECK ((' || pg_catalog.quote_ident(a.attname) || ' IS NOT NULL))')";
	const char *params[] = { schema, table, column };
	_cleanup_free_ char *is = ask(arg, sql, params, 3);

	return is != NULL;
}

/*
 * What stands on it by pg_depend, functions whose text names it, and whether it was read or written since
 * the counters began.
 */
static char *
pg_users_of(const char *schema, const char *name, const char *column, void *arg)
{
	static const char sql[] =
	    "WITH t AS (" THE_TABLE "),"
	    " a AS (SELECT t.oid, coalesce(a.attnum, 0) AS attnum FROM t"
	    " LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attname = $3),"
	    " users AS ("
	    " SELECT 1 AS rank, CASE v.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END"
	    " || v.relname AS what FROM a JOIN pg_catalog.pg_depend AS d ON d.refobjid = a.oid"
	    " AND d.refclassid = 'pg_catalog.pg_class'::regclass"
	    " AND d.classid = 'pg_catalog.pg_rewrite'::regclass"
	    " AND (a.attnum = 0 OR d.refobjsubid = a.attnum)"
	    " JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid"
	    " JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class AND v.oid <> a.oid"
	    " UNION SELECT 2, 'foreign key ' || k.conname FROM a"
	    " JOIN pg_catalog.pg_constraint AS k ON k.confrelid = a.oid AND k.contype = 'f'"
	    " AND k.conrelid <> a.oid AND (a.attnum = 0 OR a.attnum = ANY (k.confkey))"
	    " UNION SELECT 3, 'function ' || p.proname FROM t, pg_catalog.pg_proc AS p"
	    " JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace"
	    " JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang"
	    " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')"
	    " AND l.lanname NOT IN ('c', 'internal')"
	    " AND pg_catalog.strpos(p.prosrc, t.relname) > 0"
	    " AND ($3 = '' OR pg_catalog.strpos(p.prosrc, $3) > 0)"
	    " UNION SELECT 4, 'read ' || (s.seq_scan + coalesce(s.idx_scan, 0)) || ' times' FROM t"
	    " JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = t.oid"
	    " WHERE $3 = '' AND s.seq_scan + coalesce(s.idx_scan, 0) > 0"
	    " UNION SELECT 4, 'scanned ' || s.idx_scan || ' times' FROM t"
	    " JOIN pg_catalog.pg_stat_all_indexes AS s ON s.indexrelid = t.oid WHERE s.idx_scan > "
	    "0),"
	    " few AS (SELECT * FROM users ORDER BY rank, what LIMIT " USERS_MAX ")"
	    " SELECT pg_catalog.string_agg(what, ', ' ORDER BY rank, what)"
	    " || CASE WHEN (SELECT count(*) FROM users) > " USERS_MAX
	    " THEN ' and more' ELSE '' END"
	    " FROM few";
	const char *params[] = { schema, name, column ? column : "" };

	return ask(arg, sql, params, 3);
}

int
lint_facts_postgresql(const char *dsn, struct lint_facts **ret, struct err *e)
{
	struct lint_facts *f = xcalloc(1, sizeof(*f));
	struct pg_failure why = { 0 };

	if (pg_direct_open(dsn, NULL, &f->pg, &why) < 0) {
		free(f);
		return err_set(e, -ENOTCONN, "%s", why.err.msg);
	}
	*ret = f;
	return 0;
}

/* ---- SQLite ---- */

static char *
ask_sqlite(struct lint_facts *f, const char *sql, const char *a, const char *b)
{
	sqlite3_stmt *stmt = NULL;
	char *s = NULL;

	if (sqlite3_prepare_v2(f->sqlite, sql, -1, &stmt, NULL) == SQLITE_OK) {
		sqlite3_bind_text(stmt, 1, a, -1, SQLITE_STATIC);
		if (b)
			sqlite3_bind_text(stmt, 2, b, -1, SQLITE_STATIC);
		if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
			s = text_from_peer((const char *)sqlite3_column_text(stmt, 0),
			    (size_t)sqlite3_column_bytes(stmt, 0), TEXT_MAX_BYTES);
	}
	sqlite3_finalize(stmt);
	return s;
}

static double
sqlite_rows_of(const char *schema, const char *table, void *arg)
{
	_cleanup_str_ struct str sql = { 0 };
	_cleanup_free_ char *known = ask_sqlite(arg,
	    "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE "
	    "NOCASE",
	    table, NULL);
	_cleanup_free_ char *n = NULL;

	(void)schema;
	if (!known)
		return 0;
	str_add(&sql, "SELECT count(*) FROM (SELECT 1 FROM \"");
	for (const char *p = table; *p; p++)
		str_addf(&sql, "%s%c", *p == '"' ? "\"" : "", *p);
	str_add(&sql, "\" LIMIT 1001)");
	n = ask_sqlite(arg, sql.s, "", NULL);
	return n ? strtod(n, NULL) : -1;
}

static char *
sqlite_users_of(const char *schema, const char *name, const char *column, void *arg)
{
	static const char sql[] =
	    "SELECT group_concat(what, ', ') FROM (SELECT type || ' ' || name AS what"
	    " FROM sqlite_schema WHERE sql IS NOT NULL AND name <> ?1 COLLATE NOCASE"
	    " AND (tbl_name = ?1 COLLATE NOCASE OR instr(lower(sql), lower(?1)) > 0)"
	    " AND (?2 = '' OR instr(lower(sql), lower(?2)) > 0)"
	    " ORDER BY type DESC, name LIMIT " USERS_MAX ")";

	(void)schema;
	return ask_sqlite(arg, sql, name, column ? column : "");
}

int
lint_facts_sqlite(const char *path, struct lint_facts **ret, struct err *e)
{
	struct lint_facts *f = xcalloc(1, sizeof(*f));

	if (sqlite3_open_v2(path, &f->sqlite, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
	    sqlite3_busy_timeout(f->sqlite, 2000) != SQLITE_OK ||
	    sqlite3_exec(f->sqlite, "PRAGMA trusted_schema = OFF; SELECT 1 FROM sqlite_schema",
	        NULL, NULL, NULL) != SQLITE_OK) {
		int r = err_set(e, -ENOTCONN, "%.300s: %s", path,
		    f->sqlite ? sqlite3_errmsg(f->sqlite) : "out of memory");

		lint_facts_free(f);
		return r;
	}
	*ret = f;
	return 0;
}

/* ---- both ---- */

struct lint_facts *
lint_facts_free(struct lint_facts *f)
{
	if (f) {
		pg_direct_free(f->pg);
		sqlite3_close(f->sqlite);
	}
	free(f);
	return NULL;
}

void
lint_facts_use(struct lint_facts *f, struct lint_context *ret)
{
	ret->arg = f;
	if (f->pg) {
		ret->engine = ENGINE_POSTGRESQL;
		ret->server_version = pg_direct_version(f->pg);
		ret->rows_of = pg_rows_of;
		ret->type_of = pg_type_of;
		ret->never_null = pg_never_null;
		ret->users_of = pg_users_of;
	} else {
		ret->engine = ENGINE_SQLITE;
		ret->server_version = sqlite3_libversion_number();
		ret->rows_of = sqlite_rows_of;
		ret->users_of = sqlite_users_of;
	}
}

char *
lint_facts_alembic(struct lint_facts *f)
{
	static const char sql[] =
	    "SELECT max(version_num) FROM alembic_version HAVING count(*) = 1";
	struct err ignored = { 0 };

	if (!f->pg)
		return ask_sqlite(f, sql, "", NULL);
	/* Wherever the role's own search path finds it, as the tool does. */
	return pg_direct_do(f->pg, "RESET search_path", &ignored) < 0 ? NULL : ask(f, sql, NULL, 0);
}
