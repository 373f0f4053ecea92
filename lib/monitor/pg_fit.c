/*
 * Whether the data role has as few rights as code of the target should run with: asked of the session
 * itself, before anything else is run on it.
 */
#include "base/log.h"
#include "base/text.h"
#include "monitor/pg_run_impl.h"
#include <stdio.h>

#define WHY_MAX_BYTES ((size_t)300)

/*
 * $1 is who monitors.  What everybody may do says nothing about this role, and an option role= may
 * have made it another than the one that logged in.
 */
static const char fit_sql[] =
    "WITH me AS MATERIALIZED (SELECT r.* FROM pg_catalog.pg_roles AS r"
    " WHERE r.rolname IN (current_user, session_user)),"
    " ours AS (SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace AS n"
    " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')"
    " SELECT w.why FROM ("
    "(SELECT 1 AS o, 'it is a superuser' AS why FROM me WHERE me.rolsuper LIMIT 1)"
    " UNION ALL (SELECT 2, 'it may make roles (CREATEROLE)' FROM me WHERE me.rolcreaterole LIMIT 1)"
    " UNION ALL (SELECT 3, 'it may replicate (REPLICATION)' FROM me WHERE me.rolreplication LIMIT "
    "1)"
    " UNION ALL (SELECT 4, 'it is the login that monitors, or has its rights'"
    " FROM me JOIN pg_catalog.pg_roles AS m ON m.rolname = $1"
    " AND pg_catalog.pg_has_role(me.oid, m.oid, 'MEMBER') LIMIT 1)"
    " UNION ALL (SELECT 5, pg_catalog.format('it is a member of %I', g.rolname)"
    " FROM me JOIN pg_catalog.pg_roles AS g ON g.oid < 16384 AND g.rolname ~ '^pg_'"
    " AND g.rolname <> 'pg_database_owner' AND pg_catalog.pg_has_role(me.oid, g.oid, 'MEMBER')"
    " ORDER BY g.rolname LIMIT 1)"
    " UNION ALL (SELECT 6, 'it owns the database' FROM me JOIN pg_catalog.pg_database AS d"
    " ON d.datname = pg_catalog.current_database() AND pg_catalog.pg_has_role(me.oid, d.datdba, "
    "'MEMBER')"
    " LIMIT 1)"
    " UNION ALL (SELECT 7, pg_catalog.format('it owns %I.%I', n.nspname, c.relname)"
    " FROM me CROSS JOIN pg_catalog.pg_class AS c JOIN ours AS n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relpersistence <> 't'"
    " AND pg_catalog.pg_has_role(me.oid, c.relowner, 'MEMBER') LIMIT 1)"
    " UNION ALL (SELECT 8, pg_catalog.format('it may write %I.%I', n.nspname, c.relname)"
    " FROM me CROSS JOIN pg_catalog.pg_class AS c JOIN ours AS n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'f', 'v') AND c.relpersistence <> 't' AND c.relacl IS NOT NULL"
    " AND pg_catalog.has_table_privilege(me.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
    " AND NOT pg_catalog.has_table_privilege('public', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
    " LIMIT 1)"
    " UNION ALL (SELECT 9, pg_catalog.format('it may write %I.%I.%I', n.nspname, c.relname, "
    "a.attname)"
    " FROM me CROSS JOIN pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = "
    "a.attrelid"
    " JOIN ours AS n ON n.oid = c.relnamespace"
    " WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped"
    " AND pg_catalog.has_column_privilege(me.oid, c.oid, a.attnum, 'INSERT, UPDATE')"
    " AND NOT pg_catalog.has_column_privilege('public', c.oid, a.attnum, 'INSERT, UPDATE') LIMIT 1)"
    ") AS w ORDER BY w.o LIMIT 1";

static bool
on_fit(const char *const *cells, const size_t *lengths, void *arg)
{
	struct ask *a = arg;

	free(TAKE_PTR(a->run->unfit));
	if (cells[0])
		a->run->unfit = text_from_peer(cells[0], lengths[0], WHY_MAX_BYTES);
	return true;
}

static void
on_fit_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct ask *a = arg;
	struct pg_run *r = a->run;

	(void)duration_us;
	ask_unlink(r, a);
	ask_free(a);
	pg_run_note_loss(r, f);
	if (f) {
		free(r->unfit);
		r->unfit = xasprintf("its rights could not be looked at: %s", f->err.msg);
	}
	r->fit_told = true;
	pg_run_pump(r);
}
static const struct pg_request_callbacks fit_callbacks = { NULL, on_fit, on_fit_done };

static void
refuse(struct pg_run *r)
{
	_cleanup_free_ char *why = xasprintf(
	    "data_role %s is not used: %s; it should be a role of its own that may only read "
	    "(dbhealth init --level data --data-role %s)",
	    r->job.data_role, r->unfit, r->job.data_role);

	log_warning("%s: %s", r->job.part->task->scope->name, why);
	scope_part_stop_data(r->job.part, why, REASON_PRIVILEGE);
}

bool
pg_run_pump_fit(struct pg_run *r)
{
	const char *const params[] = { r->job.monitor_login };
	struct pg_statement st = {
		.sql = fit_sql, .params = params, .nparams = ARRAY_SIZE(params)
	};

	if (r->in_flight > 0)
		return true;
	if (r->fit_told) {
		r->stage = r->unfit ? STAGE_END : STAGE_SCRUB;
		if (r->unfit)
			refuse(r);
		return false;
	}
	if (ask_send(r, ask_new(r, NULL), &st, &fit_callbacks, r->job.timeout_us) < 0) {
		pg_run_session_is_gone(r);
		r->stage = STAGE_END;
		return false;
	}
	return true;
}
