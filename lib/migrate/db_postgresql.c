/* PostgreSQL: transactions hold DDL, an advisory lock of the session keeps other runners out. */
#include "base/clock.h"
#include "base/str.h"
#include "migrate/db_impl.h"
#include "pg/direct.h"

#include <stdio.h>
#include <time.h>

/* The same for every runner of ours on a database; taken from no other tool's range. */
#define LOCK_CLASS   "1684170856" /* "dbhh" */
#define LOCK_STEP_US (200 * USEC_PER_MSEC)

struct postgresql {
	struct migrate_db db;
	struct pg_direct *pg;
	bool notices_loss; /* the server looks, while it works, whether we are still there */
};

static struct postgresql *
own(struct migrate_db *db)
{
	return (struct postgresql *)db;
}

static void
on_free(struct migrate_db *db)
{
	struct postgresql *p = own(db);

	pg_direct_free(p->pg);
	free(p);
}

static int
version(const struct migrate_db *db)
{
	return pg_direct_version(((const struct postgresql *)db)->pg);
}

static enum migrate_where
where(const struct migrate_db *db)
{
	switch (pg_direct_state(((const struct postgresql *)db)->pg)) {
	case PG_DIRECT_IDLE:
		return WHERE_IDLE;
	case PG_DIRECT_IN_TRANSACTION:
		return WHERE_INSIDE;
	case PG_DIRECT_FAILED:
		return WHERE_FAILED;
	case PG_DIRECT_LOST:
		break;
	}
	return WHERE_LOST;
}

/* A lock that was not had in time, or a deadlock that we lost: it may go well the next time. */
static int
judge(int r, struct err *e)
{
	if (r < 0 && (streq(e->sqlstate, "55P03") || streq(e->sqlstate, "40P01")))
		return e->code = -EBUSY;
	return r;
}

static int
execute(struct migrate_db *db, const char *sql, struct err *e)
{
	return judge(pg_direct_do(own(db)->pg, sql, e), e);
}

static int
statement(struct migrate_db *db, const char *sql, size_t *ret_at, struct err *e)
{
	return judge(pg_direct_run(own(db)->pg, sql, ret_at, e), e);
}

/* ---- the tables ---- */

/*
 * dbmate's table is where its search_path finds it, or in the schema that its name says; if it is not
 * there, both are made there, or where the person's search_path makes tables.
 */
static const char find_sql[] =
    "SELECT pg_catalog.quote_ident(s.nspname), pg_catalog.quote_ident(w.name), c.oid IS NOT NULL,"
    " EXISTS (SELECT FROM pg_catalog.pg_class AS o WHERE o.relname = '" MIGRATE_OURS "'"
    " AND o.relnamespace = s.oid AND o.relkind IN ('r', 'p')),"
    " (SELECT pg_catalog.string_agg(a.attname || ' ' ||"
    " pg_catalog.format_type(a.atttypid, NULL), ', ' ORDER BY a.attnum)"
    " FROM pg_catalog.pg_attribute AS a"
    " WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),"
    " (SELECT pg_catalog.count(*) = 1 AND pg_catalog.bool_and(a.attname = 'version' AND"
    " a.atttypid IN ('pg_catalog.varchar'::pg_catalog.regtype, "
    "'pg_catalog.text'::pg_catalog.regtype))"
    " FROM pg_catalog.pg_attribute AS a"
    " WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)"
    " FROM (SELECT CASE WHEN $1 LIKE '%.%' THEN pg_catalog.split_part($1, '.', 1) END AS schema,"
    " CASE WHEN $1 LIKE '%.%' THEN pg_catalog.substr($1, pg_catalog.strpos($1, '.') + 1) ELSE $1 "
    "END"
    " AS name) AS w"
    " LEFT JOIN pg_catalog.pg_class AS c ON c.relname = w.name AND c.relkind IN ('r', 'p')"
    " AND CASE WHEN w.schema IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE "
    "c.relnamespace ="
    " (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = w.schema) END"
    " LEFT JOIN pg_catalog.pg_namespace AS s ON s.oid = coalesce(c.relnamespace,"
    " (SELECT n.oid FROM pg_catalog.pg_namespace AS n"
    " WHERE n.nspname = coalesce(w.schema, pg_catalog.current_schema())))";

static int
find(struct migrate_db *db, struct err *e)
{
	const char *params[] = { db->table };
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(own(db)->pg, find_sql, params, 1, &rows, e);

	if (r < 0)
		return r;
	if (pg_rows_count(rows) == 0 || !pg_rows_get(rows, 0, 0))
		return err_set(e, -ENOENT,
		    "no schema for %.100s: neither its name nor the search_path of this role names "
		    "one "
		    "that is there",
		    db->table);
	free(db->theirs);
	free(db->ours);
	db->theirs = xasprintf("%s.%s", pg_rows_get(rows, 0, 0), pg_rows_get(rows, 0, 1));
	db->ours = xasprintf("%s." MIGRATE_OURS, pg_rows_get(rows, 0, 0));
	db->has_theirs = pg_rows_true(rows, 0, 2);
	db->has_ours = pg_rows_true(rows, 0, 3);
	if (db->has_theirs && !pg_rows_true(rows, 0, 5))
		return migrate_fail_stranger(db, pg_rows_get(rows, 0, 4), e);
	return 0;
}

static char *
cell(const struct pg_rows *rows, size_t row, size_t column)
{
	return xstrdup(pg_rows_get(rows, row, column));
}

static int
applied(struct migrate_db *db, struct migrate_applied **ret, size_t *ret_n, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	_cleanup_free_ char *sql = xasprintf(
	    "SELECT coalesce(t.version, o.version), t.version IS NOT NULL, o.version IS NOT NULL, "
	    "o.file,"
	    " o.sum, o.who, o.error, o.state <> 'done',"
	    " (pg_catalog.date_part('epoch', o.applied_at) * 1000000)::bigint, o.took_ms * 1000,"
	    " o.state = 'reverting', o.statements"
	    " FROM %s AS t FULL JOIN %s AS o ON o.version = t.version",
	    db->has_theirs ? db->theirs : "(SELECT NULL::text AS version WHERE false)",
	    db->has_ours ? db->ours
	                 : "(SELECT NULL::text AS version, NULL::text AS file, NULL::text AS sum,"
	                   " NULL::text AS who, NULL::text AS error, NULL::text AS state,"
	                   " NULL::timestamptz AS applied_at, NULL::bigint AS took_ms,"
	                   " NULL::integer AS statements WHERE false)");
	int r = pg_direct_query(own(db)->pg, sql, NULL, 0, &rows, e);
	if (r < 0)
		return r;
	*ret_n = pg_rows_count(rows);
	*ret = xcalloc(*ret_n + 1, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++) {
		const char *at = pg_rows_get(rows, i, 8), *took = pg_rows_get(rows, i, 9);
		const char *through = pg_rows_get(rows, i, 11);

		(*ret)[i] = (struct migrate_applied){
			.version = cell(rows, i, 0),
			.recorded = pg_rows_true(rows, i, 1),
			.known = pg_rows_true(rows, i, 2),
			.file = cell(rows, i, 3),
			.sum = cell(rows, i, 4),
			.who = cell(rows, i, 5),
			.error = cell(rows, i, 6),
			.unfinished = pg_rows_true(rows, i, 7),
			.reverting = pg_rows_true(rows, i, 10),
			.through = through ? strtoll(through, NULL, 10) : 0,
			.wall_us = at ? strtoll(at, NULL, 10) : 0,
			.took_us = took ? strtoll(took, NULL, 10) : 0,
		};
	}
	return 0;
}

/* ---- the lock ---- */

static void
say_who_holds(struct postgresql *p, struct err *e)
{
	static const char sql[] =
	    "SELECT a.pid, a.usename, coalesce(nullif(a.application_name, ''), 'no name'),"
	    " coalesce(pg_catalog.host(a.client_addr), 'this host'),"
	    " pg_catalog.to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS')"
	    " FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid"
	    " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = " LOCK_CLASS
	    " AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d"
	    " WHERE d.datname = pg_catalog.current_database()) LIMIT 1";
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	struct err ignored = { 0 };

	if (pg_direct_query(p->pg, sql, NULL, 0, &rows, &ignored) < 0 || pg_rows_count(rows) == 0) {
		err_set(e, -EBUSY, "somebody else migrates this database now");
		return;
	}
	err_set(e, -EBUSY,
	    "somebody else migrates this database now: pid %s, %s, %s, from %s, since %s",
	    pg_rows_get(rows, 0, 0), pg_rows_get(rows, 0, 1), pg_rows_get(rows, 0, 2),
	    pg_rows_get(rows, 0, 3), pg_rows_get(rows, 0, 4));
}

static int
lock(struct migrate_db *db, int64_t wait_us, struct err *e)
{
	static const char sql[] = "SELECT pg_catalog.pg_try_advisory_lock(" LOCK_CLASS ", 0)";
	struct postgresql *p = own(db);
	int64_t until = clock_now_us() + wait_us;

	for (;;) {
		_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
		int r = pg_direct_query(p->pg, sql, NULL, 0, &rows, e);

		if (r < 0)
			return r;
		if (pg_rows_true(rows, 0, 0))
			return 0;
		if (clock_now_us() >= until)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_STEP_US * 1000 }, NULL);
	}
	say_who_holds(p, e);
	return e->code;
}

/* ---- one migration ---- */

/*
 * Each file begins with the session as the role has it: a search_path that a dump set, or a SET ROLE,
 * ends with the file that said so.
 */
static int
settle(struct migrate_db *db, const struct migrate_run *run, struct err *e)
{
	struct postgresql *p = own(db);
	int r = pg_direct_as_is(p->pg, e);

	(void)run;
	if (r >= 0)
		r = pg_direct_do(p->pg, "RESET SESSION AUTHORIZATION", e);
	/* Killed, we leave no statement behind that goes on with its locks. */
	if (r >= 0 && p->notices_loss)
		r = pg_direct_do(p->pg, "SET client_connection_check_interval = '1s'", e);
	return r;
}

static char *
limit(int64_t us, bool local)
{
	return xasprintf("SET %slock_timeout = '%lldms'", local ? "LOCAL " : "",
	    (long long)(us / USEC_PER_MSEC));
}

static int
references(
    struct migrate_db *db, const struct migrate_run *run, bool first, bool *arg, struct err *e)
{
	(void)db;
	(void)run;
	(void)first;
	(void)arg;
	(void)e;
	return 0; /* enforced by the server */
}

static const struct migrate_db_ops ops = {
	.engine = ENGINE_POSTGRESQL,
	.begin = "BEGIN",
	.version = version,
	.lock = lock,
	.lock_sql = "SELECT pg_catalog.pg_advisory_lock(" LOCK_CLASS ", 0);\n",
	.find = find,
	.applied = applied,
	.split = migrate_split,
	.execute = execute,
	.statement = statement,
	.where = where,
	.settle = settle,
	.limit = limit,
	.references = references,
	.free = on_free,
};

int
migrate_db_open_postgresql(
    const char *dsn, const struct migrate_who *who, struct migrate_db **ret, struct err *e)
{
	struct pg_failure why = { 0 };
	struct postgresql *p = xcalloc(1, sizeof(*p));
	int r = pg_direct_open(dsn, NULL, &p->pg, &why);

	migrate_db_init(&p->db, &ops, who);
	if (r < 0)
		*e = why.err;
	else
		r = pg_direct_as_is(p->pg, e);
	p->notices_loss = r >= 0 && pg_direct_version(p->pg) >= 140000;
	if (r < 0) {
		migrate_db_free(&p->db);
		return r;
	}
	*ret = &p->db;
	return 0;
}
