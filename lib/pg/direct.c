/* Plain libpq, blocking: for commands of a person, who sees that it waits. */
#include "pg/direct.h"
#include "base/str.h"
#include "base/text.h"
#include "pg/flavour.h"
#include "pg/plan_impl.h"
#include "pg/session_impl.h"

#include <poll.h>

#define ROWS_MAX 200000
#define WAIT_MS  200

struct pg_direct {
	PGconn *pg;
	int (*on_wait)(void *arg, struct err *);
	void *arg;
	char *warning;
};
struct pg_cancel {
	PGcancel *cancel;
};
struct pg_rows {
	char **cells;
	size_t nrows, ncolumns;
};

static void
on_notice(void *arg, const PGresult *res)
{
	struct pg_direct *d = arg;
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	/* "already exists" and the like: what is there is looked at afterwards */
	if (!d->warning && severity && streq(severity, "WARNING") && text)
		d->warning = text_from_peer(text, strlen(text), TEXT_MAX_BYTES);
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
	PQsetNoticeReceiver(d->pg, on_notice, d);
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
	if (d) {
		PQfinish(d->pg);
		free(d->warning);
	}
	free(d);
	return NULL;
}

struct pg_conn *
pg_direct_raw(struct pg_direct *d)
{
	return d->pg;
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

void
pg_direct_watch(struct pg_direct *d, int (*on_wait)(void *arg, struct err *), void *arg)
{
	d->on_wait = on_wait;
	d->arg = arg;
}

static void
cancel(struct pg_direct *d)
{
	PGcancel *c = PQgetCancel(d->pg);
	char why[256];

	if (c)
		(void)PQcancel(c, why, sizeof(why));
	PQfreeCancel(c);
}

/* The last result, or the first that is an error, as PQexec would; sent is what PQsendQuery said. */
static PGresult *
finish(struct pg_direct *d, int sent, int *ret_stopped, struct err *e)
{
	PGresult *last = NULL, *res;

	*ret_stopped = 0;
	while (sent && PQisBusy(d->pg)) {
		struct pollfd fd = { .fd = PQsocket(d->pg), .events = POLLIN };

		if (*ret_stopped == 0 && poll(&fd, 1, WAIT_MS) == 0) {
			*ret_stopped = d->on_wait(d->arg, e);
			if (*ret_stopped < 0)
				cancel(d);
			continue;
		}
		if (!PQconsumeInput(d->pg))
			break;
		if (*ret_stopped < 0)
			poll(&fd, 1, WAIT_MS);
	}
	while ((res = PQgetResult(d->pg))) {
		if (last && PQresultStatus(last) == PGRES_FATAL_ERROR) {
			PQclear(res);
			continue;
		}
		PQclear(last);
		last = res;
	}
	return last ? last : PQmakeEmptyPGresult(d->pg, PGRES_FATAL_ERROR);
}

static PGresult *
ask(struct pg_direct *d, const char *sql, const char *const *params, size_t n, int *ret_stopped,
    struct err *e)
{
	*ret_stopped = 0;
	if (!d->on_wait)
		return PQexecParams(d->pg, sql, (int)n, NULL, params, NULL, NULL, 0);
	return finish(
	    d, PQsendQueryParams(d->pg, sql, (int)n, NULL, params, NULL, NULL, 0), ret_stopped, e);
}

static PGresult *
execute(struct pg_direct *d, const char *sql, int *ret_stopped, struct err *e)
{
	*ret_stopped = 0;
	return d->on_wait ? finish(d, PQsendQuery(d->pg, sql), ret_stopped, e) : PQexec(d->pg, sql);
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
	int stopped, r = 0;
	PGresult *res = ask(d, sql, params, n, &stopped, e);

	if (stopped < 0)
		r = stopped;
	else if (PQresultStatus(res) == PGRES_TUPLES_OK)
		*ret = rows_take(res);
	else
		r = fail(res, e);
	PQclear(res);
	return r;
}

const char *
pg_direct_warning(const struct pg_direct *d)
{
	return d->warning ? d->warning : "";
}

int
pg_direct_do(struct pg_direct *d, const char *sql, struct err *e)
{
	int stopped, r = 0;
	ExecStatusType status;
	PGresult *res;

	free(d->warning);
	d->warning = NULL;
	res = execute(d, sql, &stopped, e);
	status = PQresultStatus(res);
	if (stopped < 0)
		r = stopped;
	else if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		r = fail(res, e);
	PQclear(res);
	return r;
}

int
pg_direct_as_is(struct pg_direct *d, struct err *e)
{
	return pg_direct_do(d, "RESET ALL", e);
}

/* The server counts characters, from 1. */
static size_t
place_of(const PGresult *res, const char *sql)
{
	const char *text = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
	unsigned long n = text ? strtoul(text, NULL, 10) : 0;
	const char *p = sql;

	if (n == 0)
		return strlen(sql);
	while (*p && n > 0)
		if (((unsigned char)*p++ & 0xc0) != 0x80)
			n--;
	return (size_t)(p - sql) - (n == 0);
}

int
pg_direct_run(struct pg_direct *d, const char *sql, size_t *ret_at, struct err *e)
{
	PGresult *res = PQexec(d->pg, sql);
	ExecStatusType status = PQresultStatus(res);
	int r = 0;

	if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
		/* Its data would come from here, and there is none. */
		*ret_at = 0;
		PQreset(d->pg);
		r = err_set(e, -EINVAL, "COPY FROM STDIN or TO STDOUT cannot run here");
	} else if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
	           status != PGRES_EMPTY_QUERY) {
		*ret_at = place_of(res, sql);
		r = fail(res, e);
		if (streq(e->sqlstate, "55P03"))
			e->code = r = -EBUSY;
	}
	PQclear(res);
	return r;
}

enum pg_direct_state
pg_direct_state(const struct pg_direct *d)
{
	switch (PQtransactionStatus(d->pg)) {
	case PQTRANS_IDLE:
		return PG_DIRECT_IDLE;
	case PQTRANS_INTRANS:
		return PG_DIRECT_IN_TRANSACTION;
	case PQTRANS_INERROR:
		return PG_DIRECT_FAILED;
	case PQTRANS_ACTIVE:
	case PQTRANS_UNKNOWN:
		break;
	}
	return PG_DIRECT_LOST;
}

struct pg_cancel *
pg_direct_canceller(struct pg_direct *d)
{
	struct pg_cancel *c = xcalloc(1, sizeof(*c));

	c->cancel = PQgetCancel(d->pg);
	return c;
}

/* PQcancel is safe in a handler: libpq's documentation, "Canceling Queries in Progress". */
void
pg_cancel_now(struct pg_cancel *c)
{
	char why[1];

	if (c->cancel)
		(void)PQcancel(c->cancel, why, sizeof(why));
}

struct pg_cancel *
pg_cancel_free(struct pg_cancel *c)
{
	if (c)
		PQfreeCancel(c->cancel);
	free(c);
	return NULL;
}

int
pg_direct_version(const struct pg_direct *d)
{
	return PQserverVersion(d->pg);
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
pg_rows_width(const struct pg_rows *r)
{
	return r->ncolumns;
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
