/*
 * Asks, before checks of the schema, who rebuilds it: pg_restore, a COPY into a table that is new, a
 * migration tool by its lock.  What they have not come to yet is no fault.
 */
#include "base/str.h"
#include "base/text.h"
#include "monitor/pg_run_impl.h"
#include <inttypes.h>
#include <stdio.h>

#define WHO_MAX_BYTES 400

/* ---- numbers of advisory locks ---- */

static uint32_t
crc32_of(uint32_t crc, const char *bytes, size_t n)
{
	crc = ~crc;
	for (size_t i = 0; i < n; i++) {
		crc ^= (unsigned char)bytes[i];
		for (int k = 0; k < 8; k++)
			crc = crc & 1 ? (crc >> 1) ^ 0xedb88320u : crc >> 1;
	}
	return ~crc;
}

/* The locks that migration tools take by a number of their own or of the database's name. */
static char *
tools_sql(const char *datname)
{
	static const char ours[] =
	    "public\0schema_migrations"; /* golang-migrate, as it is set up */
	uint32_t crc = crc32_of(0, datname, strlen(datname));
	uint32_t go = crc32_of(0, ours, sizeof(ours));
	const int64_t flyway = INT64_C(77431708279161); /* "Flyway", and a hash of 32 bits */
	struct str s = { 0 };

	go = crc32_of(go, datname, strlen(datname)) * UINT32_C(1486364155);
	str_addf(&s, "('golang-migrate', %" PRIu32 "::int8, %" PRIu32 "::int8),", go, go);
	str_addf(&s, "('rails', %" PRId64 ", %" PRId64 "),", INT64_C(2053462845) * crc,
	    INT64_C(2053462845) * crc);
	str_addf(&s, "('sqlx', %" PRId64 ", %" PRId64 "),", INT64_C(1026731422) * crc,
	    INT64_C(1026731422) * crc);
	str_addf(
	    &s, "('flyway', %" PRId64 ", %" PRId64 "),", flyway + INT32_MIN, flyway + INT32_MAX);
	str_add(&s, "('prisma', 72707369, 72707369),"
	            "('node-pg-migrate', 7241865325823964, 7241865325823964),"
	            "('goose', 4097083626, 4097083626),"
	            "('goose', 5887940537704921958, 5887940537704921958)");
	return str_take(&s);
}

/* ---- the statement ---- */

/* 14 and later tell. */
static const char copies[] =
    "SELECT p.pid, p.relid FROM pg_catalog.pg_stat_progress_copy AS p"
    " WHERE p.datname = pg_catalog.current_database() AND p.command = 'COPY FROM'";
static const char copies_13[] =
    "SELECT l.pid, l.relation AS relid FROM here AS l JOIN session AS s ON s.pid = l.pid"
    " WHERE l.mode = 'RowExclusiveLock' AND s.state = 'active'"
    " AND s.query ~* '^\\s*COPY\\s.*\\sFROM\\s'";

/*
 * Nothing tells when a table was made.  What counts is that nobody has analysed it yet, nor vacuumed:
 * autovacuum does within minutes of a load, and TRUNCATE does not take it back from the statistics,
 * so that a staging table that is filled each night is not new.
 *
 * The tables by which Liquibase and Knex say that they work are read where we may, and only as plain
 * tables: no policy and no view, whose code would run as ours.
 */
static const char change_sql[] =
    "WITH RECURSIVE session AS MATERIALIZED ("
    " SELECT a.pid, a.application_name, a.backend_start, a.query_start, a.state, a.query"
    " FROM pg_catalog.pg_stat_activity AS a"
    " WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()"
    " AND a.backend_type = 'client backend'"
    "), here AS MATERIALIZED ("
    " SELECT l.pid, l.locktype, l.relation, l.mode, l.classid, l.objid, l.objsubid"
    " FROM pg_catalog.pg_locks AS l WHERE l.granted AND l.database = (SELECT d.oid"
    " FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())"
    "), copy AS (%s"
    "), below AS ("
    " SELECT c.pid, c.relid AS root, c.relid AS oid FROM copy AS c"
    " UNION ALL SELECT b.pid, b.root, h.inhrelid FROM below AS b"
    " JOIN pg_catalog.pg_inherits AS h ON h.inhparent = b.oid"
    "), fresh AS ("
    " SELECT b.pid, b.root FROM below AS b JOIN pg_catalog.pg_class AS c ON c.oid = b.oid"
    " AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' GROUP BY b.pid, b.root"
    " HAVING pg_catalog.bool_and(c.reltuples <= 0 AND coalesce("
    "pg_catalog.pg_stat_get_last_analyze_time(c.oid), "
    "pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid),"
    " pg_catalog.pg_stat_get_last_vacuum_time(c.oid), "
    "pg_catalog.pg_stat_get_last_autovacuum_time(c.oid))"
    " IS NULL)"
    "), tool (name, low, high) AS (VALUES %s"
    "), taken AS ("
    " SELECT n.nspname, c.relname, a.attname FROM pg_catalog.pg_class AS c"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND NOT a.attisdropped AND ("
    "c.relname = 'databasechangeloglock' AND a.attname = 'locked' AND a.atttypid = 16"
    " OR c.relname = 'knex_migrations_lock' AND a.attname = 'is_locked' AND a.atttypid = 23)"
    " WHERE c.relname IN ('databasechangeloglock', 'knex_migrations_lock') AND c.relkind = 'r'"
    " AND c.relpersistence <> 't' AND NOT c.relrowsecurity"
    " AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
    " AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"
    " AND c.oid NOT IN (SELECT h.relation FROM here AS h WHERE h.locktype = 'relation'"
    " AND h.mode = 'AccessExclusiveLock') OFFSET 0"
    "), seen (who) AS ("
    " SELECT pg_catalog.format('pg_restore is at work (session %%s)', s.pid) FROM session AS s"
    " WHERE s.application_name = 'pg_restore'"
    " AND s.backend_start > pg_catalog.now() - pg_catalog.make_interval(secs => $1::float8)"
    " UNION ALL"
    " SELECT pg_catalog.format('COPY fills the new table %%I.%%I (session %%s)', n.nspname, "
    "c.relname, f.pid)"
    " FROM fresh AS f JOIN session AS s ON s.pid = f.pid"
    " JOIN pg_catalog.pg_class AS c ON c.oid = f.root"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE s.query_start > pg_catalog.now() - pg_catalog.make_interval(secs => $1::float8)"
    " UNION ALL"
    " SELECT pg_catalog.format('%%s migrates (lock of session %%s)', t.name, h.pid)"
    " FROM here AS h JOIN tool AS t"
    " ON (h.classid::int8 << 32) | h.objid::int8 BETWEEN t.low AND t.high"
    " WHERE h.locktype = 'advisory' AND h.objsubid = 1"
    " UNION ALL"
    " SELECT pg_catalog.format('a migration writes to %%I.%%I (session %%s)', n.nspname, "
    "c.relname, h.pid)"
    " FROM here AS h JOIN session AS s ON s.pid = h.pid"
    " JOIN pg_catalog.pg_class AS c ON c.oid = h.relation AND c.relkind = 'r'"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE h.locktype = 'relation' AND h.mode NOT IN ('AccessShareLock', 'RowShareLock')"
    " AND c.relname ~ "
    "'^(alembic_version|flyway_schema_history|schema_migrations|ar_internal_metadata"
    "|django_migrations|databasechangelog(lock)?|knex_migrations(_lock)?|_prisma_migrations"
    "|goose_db_version|_sqlx_migrations)$'"
    " AND s.query !~* '^\\s*(vacuum|analy[sz]e)'"
    " UNION ALL"
    " SELECT pg_catalog.format('a migration has marked %%I.%%I', t.nspname, t.relname) FROM taken "
    "AS t"
    " WHERE pg_catalog.xpath_exists('/row', pg_catalog.query_to_xml(pg_catalog.format("
    "'SELECT 1 AS x FROM ONLY %%I.%%I WHERE %%I::pg_catalog.int4 <> 0 LIMIT 1',"
    " t.nspname, t.relname, t.attname), false, true, ''))"
    ") SELECT pg_catalog.string_agg(s.who, '; ' ORDER BY s.who) FROM ("
    "SELECT DISTINCT who FROM seen ORDER BY who LIMIT 3) AS s";

static bool
on_change(const char *const *cells, const size_t *lengths, void *arg)
{
	struct ask *a = arg;

	free(a->keep);
	a->keep = cells[0] ? text_from_peer(cells[0], lengths[0], WHO_MAX_BYTES) : NULL;
	return true;
}

static void
on_change_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct ask *a = arg;
	struct pg_run *r = a->run;

	(void)duration_us;
	ask_unlink(r, a);
	pg_run_note_loss(r, f);
	if (!f) /* else what was known holds */
		scope_note_change(r->job.part->task->scope, a->keep);
	ask_free(a);
	r->stage = STAGE_CHECKS;
	pg_run_pump(r);
}
static const struct pg_request_callbacks change_callbacks = { NULL, on_change, on_change_done };

static bool
is_minded(const struct part *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (checkup_minds_change(p->taken[i]))
			return true;
	return false;
}

bool
pg_run_pump_change(struct pg_run *r)
{
	const struct facts *facts = r->job.facts;
	_cleanup_free_ char *tools = NULL, *sql = NULL;
	char secs[32];
	const char *params[] = { secs };
	struct pg_statement st = { .params = params, .nparams = ARRAY_SIZE(params) };

	if (r->in_flight > 0)
		return true;
	if (!facts->datname || facts->version[0] == 0 || !is_minded(r->job.part)) {
		r->stage = STAGE_CHECKS;
		return false;
	}
	tools = tools_sql(facts->datname);
	sql = xasprintf(change_sql, facts->version[0] >= 14 ? copies : copies_13, tools);
	snprintf(secs, sizeof(secs), "%" PRId64,
	    r->job.part->task->scope->conf->schema_change_us / USEC_PER_SEC);
	st.sql = sql;
	if (ask_send(r, ask_new(r, NULL), &st, &change_callbacks, r->job.timeout_us) < 0) {
		pg_run_session_is_gone(r);
		r->stage = STAGE_CHECKS;
		return false;
	}
	return true;
}
