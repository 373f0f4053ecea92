/*
 * PostgreSQL: one transaction, REPEATABLE READ and read-only; each statement in a savepoint that is
 * rolled back, so that its lock on the table is given back and a failure costs one table only.
 */
#include "base/clock.h"
#include "base/str.h"
#include "data/source.h"
#include "pg/direct.h"

#include <inttypes.h>
#include <stdio.h>

struct postgresql {
	struct data_source source;
	struct pg_direct *pg;
};

static struct postgresql *
own(struct data_source *s)
{
	return (struct postgresql *)s;
}

static void
on_free(struct data_source *s)
{
	pg_direct_free(own(s)->pg);
	free(s);
}

/* The text of a value depends on these. */
static const char begin[] =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
    "SET LOCAL lock_timeout = '1s'; SET LOCAL row_security = off;"
    "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD';"
    "SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 1;"
    "SET LOCAL bytea_output = 'hex'; SET LOCAL xmlbinary = 'base64'; SET LOCAL lc_monetary = 'C';"
    "SET LOCAL quote_all_identifiers = off;"
    /* Servers of 14 and later then notice that nobody waits any more. */
    "SELECT pg_catalog.set_config(name, '2000', true) FROM pg_catalog.pg_settings"
    " WHERE name = 'client_connection_check_interval'";

static int
ask(struct data_source *s, const char *sql, const struct data_cell *params, size_t n,
    struct data_rows *ret, struct err *e)
{
	int64_t left_us = s->until_us - clock_now_us(), left_ms;
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	_cleanup_free_ const char **values = xcalloc(n + 1, sizeof(*values));
	struct pg_direct *pg = own(s)->pg;
	struct err ignored = { 0 };
	char limit[160];
	int r;

	if (left_us <= 0)
		return err_set(e, -ETIME, "the time is over");
	if (pg_direct_state(pg) == PG_DIRECT_LOST || pg_direct_state(pg) == PG_DIRECT_IDLE)
		return err_set(e, -ENOTCONN, "the connection was lost");
	left_ms = left_us / USEC_PER_MSEC + 1;
	/* Idle: while the other side is at work. */
	snprintf(limit, sizeof(limit),
	    "SAVEPOINT one; SET LOCAL statement_timeout = '%" PRId64 "ms';"
	    " SET LOCAL idle_in_transaction_session_timeout = '%" PRId64 "ms'",
	    left_ms, left_ms + 10000);
	for (size_t i = 0; i < n; i++)
		values[i] = params[i].text;
	r = pg_direct_do(pg, limit, e);
	if (r >= 0)
		r = pg_direct_query(pg, sql, values, n, &rows, e);
	if (pg_direct_state(pg) == PG_DIRECT_LOST)
		return err_set(e, -ENOTCONN, "the connection was lost");
	(void)!pg_direct_do(pg, "ROLLBACK TO SAVEPOINT one; RELEASE SAVEPOINT one", &ignored);
	if (r < 0 && streq(e->sqlstate, "57014") && clock_now_us() >= s->until_us - USEC_PER_MSEC)
		return err_set(e, -ETIME, "the time is over");
	if (r < 0 && streq(e->sqlstate, "55P03"))
		return err_set(e, -EBUSY, "somebody has locked it");
	if (r < 0)
		return r;
	ret->n = pg_rows_count(rows);
	ret->width = pg_rows_width(rows);
	ret->v = xcalloc(ret->n * ret->width + 1, sizeof(*ret->v));
	for (size_t i = 0; i < ret->n * ret->width; i++)
		ret->v[i] = (struct data_cell){ .text = xstrdup(pg_rows_get(
			                            rows, i / ret->width, i % ret->width)),
			.type = 't' };
	return 0;
}

/*
 * Tables with a row for each column: partitions are of their root, what an extension owns is not the
 * user's.  The key is the primary one, else a unique index over columns that are NOT NULL.
 */
static const char tables_sql[] =
    "SELECT n.nspname || '.' || c.relname,"
    " CASE c.relkind WHEN 'r' THEN 'ONLY ' ELSE '' END"
    "  || format('%I.%I', n.nspname, c.relname),"
    " a.attname, array_position(k.cols, a.attnum), a.attcollation <> 0,"
    " CASE c.relkind WHEN 'p' THEN 1e9 ELSE c.relpages END"
    " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " LEFT JOIN LATERAL (SELECT x.cols FROM pg_index AS i CROSS JOIN LATERAL"
    "   (SELECT (i.indkey::int2[])[0:i.indnkeyatts - 1] AS cols) AS x"
    "  WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate"
    "   AND i.indpred IS NULL AND i.indexprs IS NULL"
    "   AND NOT EXISTS (SELECT FROM pg_attribute AS o WHERE o.attrelid = c.oid"
    "    AND NOT o.attnotnull AND o.attnum = ANY (x.cols))"
    "  ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1) AS k ON true"
    " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'"
    "  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
    "  AND c.relname <> 'dbhealth_migrations'"
    "  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e'"
    "   AND d.classid = 'pg_class'::regclass)"
    " ORDER BY c.oid, 4, a.attname COLLATE \"C\"";

static void
add_key(struct data_table *t, const char *column, bool collated)
{
	_cleanup_free_ char *quoted = data_quote(column);
	/* Two hosts may sort words each in its own way. */
	_cleanup_free_ char *order =
	    xasprintf("t.%s%s", quoted, collated ? " COLLATE pg_catalog.\"C\"" : "");
	_cleanup_free_ char *shown = xasprintf("%s::text", quoted);

	strv_add(&t->key, column);
	strv_add(&t->order, order);
	strv_add(&t->shown, shown);
}

static char *
hash(char *const *columns)
{
	struct str s = { 0 };

	str_add(&s, "left(md5(''");
	for (size_t i = 0; i < strv_len(columns); i++) {
		_cleanup_free_ char *c = data_quote(columns[i]);

		str_addf(&s, " || coalesce(length(%s::text) || ':' || %s::text, '-')", c, c);
	}
	str_add(&s, "), 15)");
	return str_take(&s);
}

static const struct data_ops ops = {
	.engine = ENGINE_POSTGRESQL,
	.tables_sql = tables_sql,
	.add_key = add_key,
	.hash = hash,
	.sum = "coalesce(sum(('x' || %s)::bit(60)::bigint), 0)::text",
	.ask = ask,
	.free = on_free,
};

int
data_open_postgresql(const char *dsn, int64_t until_us, struct data_source **ret, struct err *e)
{
	struct postgresql *p = xcalloc(1, sizeof(*p));
	struct pg_failure why = { 0 };
	int r = pg_direct_open(dsn, NULL, &p->pg, &why);

	p->source = (struct data_source){ .ops = &ops, .until_us = until_us };
	if (r < 0)
		*e = why.err;
	else
		r = pg_direct_do(p->pg, begin, e);
	if (r < 0) {
		on_free(&p->source);
		return r;
	}
	*ret = &p->source;
	return 0;
}
