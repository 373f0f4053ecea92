/* A table of PostgreSQL: what it is, one like it elsewhere, which of its rows are old. */
#include "archive/postgresql.h"
#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>

static char *
cell(const PGresult *res, int row, int column)
{
	return PQgetisnull(res, row, column) ? NULL : xstrdup(PQgetvalue(res, row, column));
}

static bool
is_true(const PGresult *res, int row, int column)
{
	return *PQgetvalue(res, row, column) == 't';
}

/* ---- by name ---- */

static char *
lower(const char *s)
{
	char *copy = xstrdup(s);

	for (char *p = copy; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

/* As it is written, or as the server would read it without quotes. */
static int
look_up(
    struct archive_pg *p, const char *name, char **ret_oid, struct archive_table *t, struct err *e)
{
	static const char sql[] =
	    "SELECT c.oid, n.nspname, c.relname, pg_catalog.quote_ident(n.nspname),"
	    " pg_catalog.quote_ident(c.relname), c.relkind, c.relpersistence = 't'"
	    " FROM pg_catalog.pg_class AS c"
	    " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
	    " WHERE c.relname = $2 AND c.relkind IN ('r', 'p', 'f', 'v', 'm')"
	    " AND CASE WHEN $1::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)"
	    " ELSE n.nspname = $1 END";
	const char *rest = name;
	_cleanup_free_ char *first = archive_name_part(&rest),
	                    *second = *rest ? archive_name_part(&rest) : NULL;
	bool quoted = strchr(name, '"') != NULL;

	for (int folded = 0; folded < (quoted ? 1 : 2); folded++) {
		_cleanup_free_ char *a = folded ? lower(first) : xstrdup(first),
		                    *b = !second  ? NULL
		                         : folded ? lower(second)
		                                  : xstrdup(second);
		const char *params[] = { b ? a : NULL, b ? b : a };
		_cleanup_(PQclearp) PGresult *res = NULL;

		if (archive_pg_ask(p, sql, params, 2, &res, e) < 0)
			return e->code;
		if (PQntuples(res) == 0)
			continue;
		t->name = xasprintf("%s.%s", PQgetvalue(res, 0, 1), PQgetvalue(res, 0, 2));
		t->schema = cell(res, 0, 3);
		t->quoted = xasprintf("%s.%s", t->schema, PQgetvalue(res, 0, 4));
		t->from =
		    xasprintf("%s%s", *PQgetvalue(res, 0, 5) == 'r' ? "ONLY " : "", t->quoted);
		if (*PQgetvalue(res, 0, 5) != 'r' && *PQgetvalue(res, 0, 5) != 'p')
			return err_set(e, -EINVAL, "%.150s is no table", t->name);
		if (is_true(res, 0, 6))
			return err_set(e, -EINVAL, "%.150s is a temporary table", t->name);
		*ret_oid = cell(res, 0, 0);
		return 0;
	}
	return err_set(e, -ENOENT, "there is no table %.150s", name);
}

static enum archive_as
as_of(const char *type)
{
	if (streq(type, "int2") || streq(type, "int4") || streq(type, "int8"))
		return ARCHIVE_AS_INTEGER;
	return streq(type, "bool")    ? ARCHIVE_AS_BOOL
	       : streq(type, "bytea") ? ARCHIVE_AS_BYTES
	                              : ARCHIVE_AS_IS;
}

static int
read_columns(struct archive_pg *p, const char *oid, struct archive_table *t, struct err *e)
{
	static const char sql[] =
	    "SELECT a.attname, pg_catalog.quote_ident(a.attname),"
	    " pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated <> '',"
	    /* Types that came with the server are on every server; of others the text is kept. */
	    " CASE WHEN a.atttypid < 16384 AND b.typtype IN ('b', 'r', 'm')"
	    " AND b.typname NOT LIKE 'reg%' THEN"
	    " pg_catalog.format_type(a.atttypid, a.atttypmod) ELSE 'text' END, b.typname"
	    " FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS b ON b.oid = a.atttypid"
	    " WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped"
	    " ORDER BY a.attnum";
	const char *params[] = { oid };
	_cleanup_(PQclearp) PGresult *res = NULL;
	int r = archive_pg_ask(p, sql, params, 1, &res, e);

	for (int i = 0; r >= 0 && i < PQntuples(res); i++) {
		struct archive_column *c = archive_table_add(t);

		*c = (struct archive_column){ .name = cell(res, i, 0),
			.quoted = cell(res, i, 1),
			.type = cell(res, i, 2),
			.generated = is_true(res, i, 3),
			.plain = cell(res, i, 4),
			.as = as_of(PQgetvalue(res, i, 5)) };
	}
	return r;
}

static void
add_key(struct archive_table *t, const char *name)
{
	for (size_t i = 0; i < t->ncolumns; i++) {
		if (!streq(t->columns[i].name, name))
			continue;
		t->key = xreallocarray(t->key, t->nkey + 1, sizeof(*t->key));
		t->key[t->nkey++] = i;
	}
}

static int
read_key(struct archive_pg *p, const char *oid, struct archive_table *t, struct err *e)
{
	static const char sql[] =
	    "WITH one AS (SELECT i.indexrelid, i.indrelid, i.indkey::int2[] AS k, i.indnkeyatts AS "
	    "n"
	    " FROM pg_catalog.pg_index AS i WHERE i.indrelid = $1::pg_catalog.oid"
	    " AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL"
	    " AND i.indexprs IS NULL AND NOT EXISTS (SELECT 1 FROM"
	    " pg_catalog.generate_series(0, i.indnkeyatts - 1) AS s(at)"
	    " JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = "
	    "i.indkey[s.at]"
	    " WHERE NOT a.attnotnull)"
	    " ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1)"
	    " SELECT a.attname FROM one CROSS JOIN pg_catalog.generate_series(0, one.n - 1) AS "
	    "s(at)"
	    " JOIN pg_catalog.pg_attribute AS a ON a.attrelid = one.indrelid AND a.attnum = "
	    "one.k[s.at]"
	    " ORDER BY s.at";
	const char *params[] = { oid };
	_cleanup_(PQclearp) PGresult *res = NULL;
	int r = archive_pg_ask(p, sql, params, 1, &res, e);

	for (int i = 0; r >= 0 && i < PQntuples(res); i++)
		add_key(t, PQgetvalue(res, i, 0));
	return r;
}

static int
read_fks(struct archive_pg *p, const char *oid, struct archive_table *t, struct err *e)
{
	static const char sql[] =
	    "SELECT f.oid, pg_catalog.quote_ident(n.nspname) || '.' || "
	    "pg_catalog.quote_ident(c.relname),"
	    " CASE f.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL'"
	    " WHEN 'd' THEN 'SET DEFAULT' END,"
	    " pg_catalog.quote_ident(x.attname), pg_catalog.quote_ident(y.attname)"
	    " FROM pg_catalog.pg_constraint AS f JOIN pg_catalog.pg_class AS c ON c.oid = "
	    "f.conrelid"
	    " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
	    " CROSS JOIN pg_catalog.generate_subscripts(f.conkey, 1) AS s(at)"
	    " JOIN pg_catalog.pg_attribute AS x ON x.attrelid = f.conrelid AND x.attnum = "
	    "f.conkey[s.at]"
	    " JOIN pg_catalog.pg_attribute AS y ON y.attrelid = f.confrelid AND y.attnum = "
	    "f.confkey[s.at]"
	    " WHERE f.contype = 'f' AND (f.confrelid = $1::pg_catalog.oid AND NOT EXISTS ("
	    "SELECT 1 FROM pg_catalog.pg_constraint AS up WHERE up.oid = f.conparentid"
	    " AND up.confrelid = f.confrelid)"
	    /* Somebody may refer to a single partition. */
	    " OR f.conparentid = 0 AND f.confrelid IN (SELECT q.relid FROM"
	    " pg_catalog.pg_partition_tree($1::pg_catalog.oid) AS q))"
	    " ORDER BY f.oid, s.at";
	const char *params[] = { oid };
	_cleanup_(PQclearp) PGresult *res = NULL;
	int r = archive_pg_ask(p, sql, params, 1, &res, e);

	for (int i = 0; r >= 0 && i < PQntuples(res); i++) {
		struct archive_fk *fk = t->nfks > 0 ? &t->fks[t->nfks - 1] : NULL;

		if (i == 0 || !streq(PQgetvalue(res, i, 0), PQgetvalue(res, i - 1, 0))) {
			fk = archive_fk_add(t);
			fk->table = cell(res, i, 1);
			fk->on_delete = cell(res, i, 2);
			fk->plain = !fk->on_delete;
		}
		assert(fk);
		strv_add(&fk->own, PQgetvalue(res, i, 3));
		strv_add(&fk->refers_to, PQgetvalue(res, i, 4));
		free(fk->from);
		fk->from = xasprintf("%s (%s)", fk->table, fk->own[0]);
	}
	return r;
}

static int
read_identity(struct archive_pg *p, const char *oid, struct archive_table *t, struct err *e)
{
	static const char sql[] =
	    "SELECT s.system_identifier || ':' || d.oid || ':' || $1"
	    " FROM pg_catalog.pg_control_system() AS s, pg_catalog.pg_database AS d"
	    " WHERE d.datname = pg_catalog.current_database()";
	const char *params[] = { oid };
	_cleanup_(PQclearp) PGresult *res = NULL;
	struct err ignored = { 0 };

	(void)e;
	/* Where that function was taken from us the name must do. */
	if (archive_pg_ask(p, sql, params, 1, &res, &ignored) < 0)
		t->identity = xstrdup(t->quoted);
	else
		t->identity = cell(res, 0, 0);
	return 0;
}

int
archive_pg_find(struct archive_db *db, const char *name, struct archive_table **ret, struct err *e)
{
	struct archive_pg *p = archive_pg_of(db);
	_cleanup_(archive_table_freep) struct archive_table *t = xcalloc(1, sizeof(*t));
	_cleanup_free_ char *oid = NULL;
	int r = look_up(p, name, &oid, t, e);

	t->db = db;
	if (r >= 0)
		r = read_columns(p, oid, t, e);
	if (r >= 0)
		r = read_key(p, oid, t, e);
	if (r >= 0)
		r = read_fks(p, oid, t, e);
	if (r >= 0)
		r = read_identity(p, oid, t, e);
	if (r >= 0)
		*ret = TAKE_PTR(t);
	return r;
}

/* ---- a new one ---- */

/* How a column of SQLite is kept; what no row of it says otherwise. */
static const char *
type_for(const struct archive_db *db, const struct archive_table *like, size_t i)
{
	const struct archive_column *c = &like->columns[i];

	if (archive_db_engine(like->db) == ENGINE_SQLITE)
		return c->plain;
	return like->db == db ? c->type : c->plain;
}

static char *
quote(struct archive_pg *p, const char *name)
{
	char *quoted = PQescapeIdentifier(p->pg, name, strlen(name)), *copy;

	copy = xstrdup(quoted ? quoted : "\"\"");
	PQfreemem(quoted);
	return copy;
}

int
archive_pg_create(
    struct archive_db *db, const char *name, const struct archive_table *like, struct err *e)
{
	struct archive_pg *p = archive_pg_of(db);
	const char *rest = name;
	_cleanup_free_ char *first = archive_name_part(&rest),
	                    *second = *rest ? archive_name_part(&rest) : NULL;
	_cleanup_free_ char *a = quote(p, first), *b = second ? quote(p, second) : NULL;
	_cleanup_str_ struct str sql = { 0 };
	int r;

	str_addf(&sql, "CREATE TABLE %s%s%s (", a, b ? "." : "", b ? b : "");
	for (size_t i = 0; i < like->ncolumns; i++) {
		_cleanup_free_ char *column = quote(p, like->columns[i].name);

		str_addf(&sql, "%s %s, ", column, type_for(db, like, i));
	}
	str_add(&sql, "PRIMARY KEY (");
	for (size_t i = 0; i < like->nkey; i++) {
		_cleanup_free_ char *column = quote(p, like->columns[like->key[i]].name);

		str_addf(&sql, "%s%s", i > 0 ? ", " : "", column);
	}
	str_add(&sql, "))");
	r = archive_pg_do(p, sql.s, e);
	if (r < 0 && streq(e->sqlstate, "3F000") && b)
		return err_set(
		    e, -ENOENT, "there is no schema %.100s. CREATE SCHEMA %.100s", first, a);
	return r < 0 ? err_prefix(e, "cannot make %.150s", name) : 0;
}

/* ---- which rows ---- */

static int
find_cutoff(struct archive_pg *p, const char *type, struct archive_which *w, struct err *e)
{
	bool zoned = str_starts(type, "timestamp") && strstr(type, "with time zone") != NULL;
	bool plain = str_starts(type, "timestamp") && !zoned;
	/* What has no zone was written by the clock of the server's setting. */
	_cleanup_free_ char *sql = xasprintf(
	    "SELECT %s FROM pg_catalog.pg_settings AS s WHERE s.name = 'TimeZone'",
	    zoned   ? "(pg_catalog.now() - $1::pg_catalog.interval)::text"
	    : plain ? "(pg_catalog.now() AT TIME ZONE s.reset_val - $1::pg_catalog.interval)::text"
	            : "(pg_catalog.now() AT TIME ZONE s.reset_val - "
	              "$1::pg_catalog.interval)::date::text");
	_cleanup_free_ char *age =
	    xasprintf("%lld seconds", (long long)(w->older_than_us / USEC_PER_SEC));
	const char *params[] = { age };
	_cleanup_(PQclearp) PGresult *res = NULL;
	int r;

	if (!zoned && !plain && !streq(type, "date"))
		return err_set(e, -EINVAL,
		    "column %.100s is of type %.80s, which tells no age. Leave column out and say "
		    "in "
		    "where which rows are old",
		    w->column, type);
	r = archive_pg_ask(p, sql, params, 1, &res, e);
	if (r >= 0)
		w->cutoff = cell(res, 0, 0);
	return r;
}

static int
find_index(
    struct archive_pg *p, const struct archive_table *t, struct archive_which *w, struct err *e)
{
	static const char sql[] =
	    "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index AS i"
	    " JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = "
	    "i.indkey[0]"
	    " JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid"
	    " JOIN pg_catalog.pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'"
	    " WHERE i.indrelid = $1::pg_catalog.regclass AND i.indisvalid AND i.indpred IS NULL"
	    " AND a.attname = $2)";
	const char *params[] = { t->quoted, w->column };
	_cleanup_(PQclearp) PGresult *res = NULL;
	int r = archive_pg_ask(p, sql, params, 2, &res, e);

	if (r >= 0)
		w->by_column = is_true(res, 0, 0);
	return r;
}

int
archive_pg_prepare(const struct archive_table *t, struct archive_which *w, struct err *e)
{
	struct archive_pg *p = archive_pg_of(t->db);
	_cleanup_str_ struct str sql = { 0 };
	int r = 0;

	if (w->column) {
		const struct archive_column *c = &t->columns[w->column_index];
		_cleanup_free_ char *at = NULL;

		r = find_cutoff(p, c->type, w, e);
		if (r >= 0)
			r = find_index(p, t, w, e);
		if (r < 0)
			return r;
		at = archive_pg_literal(p, w->cutoff);
		str_addf(&sql, "%s.%s < %s::%s", t->quoted, c->quoted, at, c->type);
	}
	if (w->where)
		str_addf(&sql, "%s(%s)", sql.len > 0 ? " AND " : "", w->where);
	w->old = str_take(&sql);
	return r;
}

/* ---- counts ---- */

static int
say_cost(struct archive_pg *p, const struct archive_table *t, const struct archive_which *w,
    struct archive_count *ret, struct err *e)
{
	_cleanup_free_ char *sql = xasprintf("EXPLAIN SELECT 1 FROM %s WHERE %s", t->from, w->old);
	_cleanup_(PQclearp) PGresult *res = NULL;
	const char *cost;
	int r;

	if (!w->column || w->by_column)
		return 0;
	r = archive_pg_ask(p, sql, NULL, 0, &res, e);
	if (r < 0)
		return r;
	cost = strstr(PQgetvalue(res, 0, 0), "(cost=");
	ret->cost = xasprintf(
	    "no index begins with %s: each run reads the whole table, in the order of its key "
	    "%.60s",
	    t->columns[w->column_index].quoted, cost ? cost : "");
	return 0;
}

int
archive_pg_count(const struct archive_table *t, const struct archive_which *w,
    struct archive_count *ret, struct err *e)
{
	struct archive_pg *p = archive_pg_of(t->db);
	_cleanup_free_ char *prefix = xasprintf("%s.", t->quoted);
	_cleanup_free_ char *referenced = archive_referenced(t, prefix);
	_cleanup_free_ char *column =
	    w->column ? xasprintf("%s.%s", t->quoted, t->columns[w->column_index].quoted) : NULL;
	_cleanup_free_ char *sql =
	    xasprintf("SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE %s),"
	              " pg_catalog.min(%s)::text, pg_catalog.max(%s)::text,"
	              " pg_catalog.sum(pg_catalog.pg_column_size(%s.*)) FROM %s WHERE %s",
	        referenced ? referenced : "false", column ? column : "NULL::text",
	        column ? column : "NULL::text", t->quoted, t->from, w->old);
	_cleanup_(PQclearp) PGresult *res = NULL;
	int r = archive_pg_ask(p, sql, NULL, 0, &res, e);

	if (r < 0)
		return r;
	ret->referenced = strtoll(PQgetvalue(res, 0, 1), NULL, 10);
	ret->rows = strtoll(PQgetvalue(res, 0, 0), NULL, 10) - ret->referenced;
	ret->oldest = cell(res, 0, 2);
	ret->newest = cell(res, 0, 3);
	ret->bytes = strtoll(PQgetvalue(res, 0, 4), NULL, 10);
	return say_cost(p, t, w, ret, e);
}
