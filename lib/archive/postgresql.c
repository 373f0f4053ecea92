/* A PostgreSQL database at one end: the connection, its locks and what became of a transaction. */
#include "archive/postgresql.h"
#include "base/text.h"
#include "pg/direct.h"

#include <stdio.h>

/* One number for the class of our advisory locks; no other tool's range. */
#define LOCK_CLASS "1684169059" /* "dbac" */

int
archive_pg_fail(const PGresult *res, struct err *e)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *said = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
	_cleanup_free_ char *text = NULL;
	int code = -EBADMSG;

	if (!said) {
		said = PQresultErrorMessage(res);
		if (!*said)
			said = "the connection to the server was lost";
	}
	text = xasprintf("%s%s%s", said, detail ? ": " : "", detail ? detail : "");
	if (state && (streq(state, "55P03") || streq(state, "40P01")))
		code = -EBUSY;
	else if (state && streq(state, "42501"))
		code = -EACCES;
	err_set(e, code, "%.440s", text);
	if (e && state)
		snprintf(e->sqlstate, sizeof(e->sqlstate), "%s", state);
	return code;
}

int
archive_pg_ask(struct archive_pg *p, const char *sql, const char *const *params, size_t n,
    PGresult **ret, struct err *e)
{
	_cleanup_(PQclearp) PGresult *res =
	    PQexecParams(p->pg, sql, (int)n, NULL, params, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(res);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		return archive_pg_fail(res, e);
	if (ret)
		*ret = TAKE_PTR(res);
	return 0;
}

int
archive_pg_do(struct archive_pg *p, const char *sql, struct err *e)
{
	_cleanup_(PQclearp) PGresult *res = PQexec(p->pg, sql);
	ExecStatusType status = PQresultStatus(res);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? 0
	                                                               : archive_pg_fail(res, e);
}

char *
archive_pg_literal(struct archive_pg *p, const char *text)
{
	char *quoted = PQescapeLiteral(p->pg, text, strlen(text)), *copy;

	/* Only text that is no valid UTF-8 cannot be quoted, and what the server sent is. */
	copy = xstrdup(quoted ? quoted : "NULL");
	PQfreemem(quoted);
	return copy;
}

static void
on_free(struct archive_db *db)
{
	struct archive_pg *p = archive_pg_of(db);

	pg_direct_free(p->direct);
	free(p);
}

static int
begin(struct archive_db *db, bool write, struct err *e)
{
	return archive_pg_do(archive_pg_of(db),
	    write ? "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
	          : "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY",
	    e);
}

static int
commit(struct archive_db *db, struct err *e)
{
	struct archive_pg *p = archive_pg_of(db);
	_cleanup_(PQclearp) PGresult *res = PQexec(p->pg, "COMMIT");

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		return archive_pg_fail(res, e);
	/* COMMIT of a failed transaction says ROLLBACK, and is no error to the server. */
	if (!streq(PQcmdStatus(res), "COMMIT"))
		return err_set(e, -EBADMSG, "the server rolled the transaction back");
	return 0;
}

static void
rollback(struct archive_db *db)
{
	struct archive_pg *p = archive_pg_of(db);
	struct err ignored = { 0 };

	if (PQtransactionStatus(p->pg) == PQTRANS_INTRANS ||
	    PQtransactionStatus(p->pg) == PQTRANS_INERROR)
		(void)!archive_pg_do(p, "ROLLBACK", &ignored);
}

static int
lock(const struct archive_table *t, struct err *e)
{
	static const char sql[] = "SELECT pg_catalog.pg_try_advisory_lock(" LOCK_CLASS ","
	                          " pg_catalog.hashtext($1))";
	const char *params[] = { t->identity };
	_cleanup_(PQclearp) PGresult *res = NULL;
	int r = archive_pg_ask(archive_pg_of(t->db), sql, params, 1, &res, e);

	if (r < 0)
		return r;
	if (*PQgetvalue(res, 0, 0) != 't')
		return err_set(
		    e, -EBUSY, "rows of %.150s are being archived by another run", t->name);
	return 0;
}

/*
 * The number of the transaction tells later whether it was committed; only after tens of millions of
 * further ones the server no longer knows.
 */
static int
mark(struct archive_db *db, const char *archive, char **ret_token, struct err *e)
{
	_cleanup_(PQclearp) PGresult *res = NULL;
	int r = archive_pg_ask(
	    archive_pg_of(db), "SELECT pg_catalog.pg_current_xact_id()", NULL, 0, &res, e);

	(void)archive;
	if (r >= 0)
		*ret_token = xstrdup(PQgetvalue(res, 0, 0));
	return r;
}

static int
marked(struct archive_db *db, const char *archive, const char *token, struct err *e)
{
	const char *params[] = { token };
	_cleanup_(PQclearp) PGresult *res = NULL;
	int r = archive_pg_ask(archive_pg_of(db),
	    "SELECT pg_catalog.pg_xact_status($1::pg_catalog.xid8)", params, 1, &res, e);

	(void)archive;
	if (r < 0 && e->sqlstate[0] && !streq(e->sqlstate, "22023"))
		return r;
	/* In the future: this server never had it; its rows are as they are. */
	if (r < 0)
		return streq(e->sqlstate, "22023") ? 0 : r;
	if (PQgetisnull(res, 0, 0))
		return err_set(e, -ENODATA, "the server no longer knows transaction %.20s", token);
	if (streq(PQgetvalue(res, 0, 0), "in progress"))
		return err_set(e, -EBUSY, "the run that was cut off has not ended on the server");
	return streq(PQgetvalue(res, 0, 0), "committed");
}

static int
query(struct archive_db *db, const char *sql, const char *const *params, size_t n,
    struct archive_rows **ret, struct err *e)
{
	_cleanup_(PQclearp) PGresult *res = NULL;
	_cleanup_(archive_rows_freep) struct archive_rows *rows = NULL;
	int r = archive_pg_ask(archive_pg_of(db), sql, params, n, &res, e);

	if (r < 0)
		return r;
	rows = archive_rows_new((size_t)PQnfields(res));
	for (int i = 0; i < PQntuples(res); i++) {
		struct archive_cell *row = archive_rows_add(rows);

		for (int j = 0; j < PQnfields(res); j++)
			if (!PQgetisnull(res, i, j))
				archive_rows_set(rows, &row[j], CELL_TEXT, PQgetvalue(res, i, j),
				    (size_t)PQgetlength(res, i, j));
	}
	if (ret)
		*ret = TAKE_PTR(rows);
	return 0;
}

static int
load(struct archive_db *db, struct archive_load *ret, struct err *e)
{
	struct archive_pg *p = archive_pg_of(db);
	_cleanup_free_ char *sql = xasprintf(
	    "SELECT (SELECT pg_catalog.date_part('epoch', pg_catalog.max(replay_lag))"
	    " FROM pg_catalog.pg_stat_replication),"
	    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE state = 'active'"
	    " AND backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()),"
	    " (SELECT %s)",
	    PQserverVersion(p->pg) >= 170000 ? "num_requested FROM pg_catalog.pg_stat_checkpointer"
	                                     : "checkpoints_req FROM pg_catalog.pg_stat_bgwriter");
	_cleanup_(PQclearp) PGresult *res = NULL;
	int r = archive_pg_ask(p, sql, NULL, 0, &res, e);

	if (r < 0)
		return r;
	*ret = (struct archive_load){
		.lag_s = PQgetisnull(res, 0, 0) ? -1 : strtod(PQgetvalue(res, 0, 0), NULL),
		.active = strtoll(PQgetvalue(res, 0, 1), NULL, 10),
		.forced_checkpoints = strtoll(PQgetvalue(res, 0, 2), NULL, 10),
	};
	return 0;
}

static const struct archive_db_ops ops = {
	.engine = ENGINE_POSTGRESQL,
	.find = archive_pg_find,
	.create = archive_pg_create,
	.prepare = archive_pg_prepare,
	.count = archive_pg_count,
	.lock = lock,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.select = archive_pg_select,
	.read = archive_pg_read,
	.insert = archive_pg_insert,
	.delete = archive_pg_delete,
	.mark = mark,
	.marked = marked,
	.query = query,
	.load = load,
	.free = on_free,
};

/* The person's own search_path, for the person's own condition and types; how values are printed is ours. */
static const char settings[] =
    "SELECT pg_catalog.set_config('search_path', s.reset_val, false),"
    " pg_catalog.set_config('timezone', 'UTC', false),"
    " pg_catalog.set_config('datestyle', 'ISO, MDY', false),"
    " pg_catalog.set_config('intervalstyle', 'postgres', false),"
    " pg_catalog.set_config('bytea_output', 'hex', false),"
    " pg_catalog.set_config('extra_float_digits', '1', false),"
    " pg_catalog.set_config('quote_all_identifiers', 'off', false),"
    " pg_catalog.set_config('statement_timeout', '10min', false),"
    " pg_catalog.set_config('idle_in_transaction_session_timeout', '10min', false)"
    " FROM pg_catalog.pg_settings AS s WHERE s.name = 'search_path'";

int
archive_db_open_postgresql(const char *dsn, struct archive_db **ret, struct err *e)
{
	struct archive_pg *p = xcalloc(1, sizeof(*p));
	struct pg_failure why = { 0 };
	int r = pg_direct_open(dsn, NULL, &p->direct, &why);

	p->db.ops = &ops;
	if (r < 0) {
		*e = why.err;
		e->code = r;
	} else {
		p->pg = pg_direct_raw(p->direct);
		r = archive_pg_do(p, settings, e);
	}
	if (r < 0) {
		archive_db_free(&p->db);
		return r;
	}
	*ret = &p->db;
	return 0;
}
