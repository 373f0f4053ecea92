/* Plain libpq, blocking: for commands of a person, who sees that it waits. */
#include "pg/direct.h"
#include "base/str.h"
#include "base/text.h"
#include "pg/flavour.h"
#include "pg/plan_impl.h"
#include "pg/session_impl.h"

#define ROWS_MAX 200000

struct pg_direct {
	PGconn *pg;
};
struct pg_rows {
	char **cells;
	size_t nrows, ncolumns;
};

static void
on_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res; /* "already exists" and the like: what is there is looked at afterwards */
}

static const char *
reported(const char *name, void *arg)
{
	return PQparameterStatus(arg, name);
}

/* What every statement here relies on; the person's own settings of the role are not ours. */
static const char preamble[] =
    "SELECT pg_catalog.set_config('search_path', 'pg_catalog', false),"
    " pg_catalog.set_config('statement_timeout', '60s', false),"
    " pg_catalog.set_config('lock_timeout', '2s', false),"
    /* It takes longer to compile a question to the catalogues than to answer it. */
    " pg_catalog.set_config('jit', 'off', false),"
    " pg_catalog.set_config('default_transaction_read_only', 'off', false)";

static int
refuse_stranger(const struct pg_direct *d, struct pg_failure *why)
{
	_cleanup_free_ char *who =
	    pg_stranger(PQparameterStatus(d->pg, "server_version"), NULL, reported, d->pg);

	if (!who)
		return 0;
	why->cause = PG_CAUSE_STRANGER;
	return err_set(
	    &why->err, -EPFNOSUPPORT, "this is %s; only PostgreSQL 13 and later is watched", who);
}

int
pg_direct_open(
    const char *dsn, const char *dbname, struct pg_direct **ret, struct pg_failure *ret_why)
{
	_cleanup_secret_ char *plain = dsn_for_libpq(dsn);
	const char *keys[] = { "dbname", "dbname", "fallback_application_name", "connect_timeout",
		"client_encoding", NULL };
	const char *values[] = { plain, dbname, "dbhealth", "10", "UTF8", NULL };
	_cleanup_(pg_direct_freep) struct pg_direct *d = xcalloc(1, sizeof(*d));
	struct err e = { 0 };
	int r;

	*ret_why = (struct pg_failure){ 0 };
	if (!dbname) {
		keys[1] = keys[4];
		values[1] = values[4];
		keys[4] = NULL;
	}
	d->pg = PQconnectdbParams(keys, values, 1);
	if (!d->pg)
		abort();
	PQsetErrorVerbosity(d->pg, PQERRORS_VERBOSE);
	if (PQstatus(d->pg) != CONNECTION_OK) {
		cause_of_connect(d->pg, CONNECTION_BAD, ret_why);
		return ret_why->err.code;
	}
	PQsetNoticeReceiver(d->pg, on_notice, NULL);
	r = refuse_stranger(d, ret_why);
	if (r < 0)
		return r;
	r = pg_direct_do(d, preamble, &e);
	if (r < 0) {
		ret_why->cause = PG_CAUSE_OTHER;
		ret_why->err = e;
		return r;
	}
	*ret = TAKE_PTR(d);
	return 0;
}

struct pg_direct *
pg_direct_free(struct pg_direct *d)
{
	if (d)
		PQfinish(d->pg);
	free(d);
	return NULL;
}

static int
fail(const PGresult *res, struct err *e)
{
	struct pg_failure f = { 0 };

	cause_of_result(res, &f);
	*e = f.err;
	e->code = streq(f.err.sqlstate, "42501") ? -EACCES : -EBADMSG;
	return e->code;
}

static struct pg_rows *
rows_take(PGresult *res)
{
	struct pg_rows *rows = xcalloc(1, sizeof(*rows));
	int n = PQntuples(res), columns = PQnfields(res);

	rows->nrows = (size_t)MIN(n, ROWS_MAX);
	rows->ncolumns = (size_t)columns;
	rows->cells = xcalloc(rows->nrows * rows->ncolumns + 1, sizeof(char *));
	for (size_t i = 0; i < rows->nrows * rows->ncolumns; i++) {
		int row = (int)(i / rows->ncolumns), column = (int)(i % rows->ncolumns);

		if (!PQgetisnull(res, row, column))
			rows->cells[i] = text_from_peer(PQgetvalue(res, row, column),
			    (size_t)PQgetlength(res, row, column), TEXT_MAX_BYTES);
	}
	return rows;
}

int
pg_direct_query(struct pg_direct *d, const char *sql, const char *const *params, size_t n,
    struct pg_rows **ret, struct err *e)
{
	PGresult *res = PQexecParams(d->pg, sql, (int)n, NULL, params, NULL, NULL, 0);
	int r = 0;

	if (PQresultStatus(res) == PGRES_TUPLES_OK)
		*ret = rows_take(res);
	else
		r = fail(res, e);
	PQclear(res);
	return r;
}

int
pg_direct_do(struct pg_direct *d, const char *sql, struct err *e)
{
	PGresult *res = PQexec(d->pg, sql);
	ExecStatusType status = PQresultStatus(res);
	int r = 0;

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		r = fail(res, e);
	PQclear(res);
	return r;
}

const char *
pg_direct_host(const struct pg_direct *d)
{
	const char *host = PQhost(d->pg);

	return host && *host ? host : "/var/run/postgresql";
}

const char *
pg_direct_port(const struct pg_direct *d)
{
	const char *port = PQport(d->pg);

	return port && *port ? port : "5432";
}

const char *
pg_direct_dbname(const struct pg_direct *d)
{
	return PQdb(d->pg);
}

size_t
pg_rows_count(const struct pg_rows *rows)
{
	return rows->nrows;
}

const char *
pg_rows_get(const struct pg_rows *rows, size_t row, size_t column)
{
	assert(row < rows->nrows && column < rows->ncolumns);
	return rows->cells[row * rows->ncolumns + column];
}

bool
pg_rows_true(const struct pg_rows *rows, size_t row, size_t column)
{
	const char *s = pg_rows_get(rows, row, column);

	return s && *s == 't';
}

struct pg_rows *
pg_rows_free(struct pg_rows *rows)
{
	for (size_t i = 0; rows && i < rows->nrows * rows->ncolumns; i++)
		free(rows->cells[i]);
	if (rows)
		free(rows->cells);
	free(rows);
	return NULL;
}
