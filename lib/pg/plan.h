#pragma once
#include "base/err.h"
/*
 * A connection resolved so far that libpq needs neither names nor files: made by the `resolve`
 * worker (service file, password file, hostaddr list, TLS files copied to a private folder) or, for
 * plain Unix sockets without a password file, at once by pg_plan_local.  Reference counted, holds a
 * password: never logged, wiped at the end.
 */
struct pg_plan;
struct pg_plan *pg_plan_ref(struct pg_plan *);
struct pg_plan *pg_plan_unref(struct pg_plan *); /* returns NULL */
/* NULL-terminated keyword and value arrays for PQconnectStartParams, without dbname. */
const char *const *pg_plan_keywords(const struct pg_plan *);
const char *const *pg_plan_values(const struct pg_plan *);
const char *pg_plan_dbname(const struct pg_plan *);
/* The user's own start-up options (part of the keywords too), or NULL. */
const char *pg_plan_options(const struct pg_plan *);
/* What a person should know, e.g. that the password file was ignored; NULL: nothing. */
const char *pg_plan_note(const struct pg_plan *);
/* "/var/run/postgresql:5432 as dbhealth": host list, port and user, no secret; equal for two plans
 * that reach the same endpoint as the same role. */
const char *pg_plan_endpoint(const struct pg_plan *);
bool pg_plan_equal(const struct pg_plan *, const struct pg_plan *);
bool pg_plan_is_local(const struct pg_plan *); /* Unix socket or loopback */

/*
 * The plan at once, when nothing but the DSN and the environment is needed: only sockets and
 * numeric addresses, a user, a password or passfile=/dev/null (or /dev/null/none), no service, no TLS file.  -EAGAIN:
 * it needs the worker.
 */
int pg_plan_local(const char *dsn, struct pg_plan **ret, struct err *) _must_check_;

/* DSN forms: strips a driver suffix (+asyncpg), accepts URI and keyword strings. */
enum dsn_kind { DSN_NONE = 0, DSN_POSTGRESQL, DSN_SQLITE, DSN_PGBOUNCER };
/* Never touches the network or the disk, but for the bare-file form (stat) when allow_file. */
enum dsn_kind dsn_kind_of(const char *dsn, bool allow_file);
/* Checks syntax by PQconninfoParse; the message never repeats the DSN's password. */
int dsn_check(const char *dsn, struct err *);
/* What a PostgreSQL DSN says beside the database's name (secrets too: for comparison only), and that
 * name or NULL.  Equal endpoints are one server. */
int dsn_split(const char *dsn, char **ret_endpoint, char **ret_dbname, struct err *) _must_check_;
/* The same DSN for another role, whose password is in the password file, if it has one: that of the
 * DSN is not its.  Holds secrets. */
int dsn_for_role(const char *dsn, const char *role, char **ret, struct err *) _must_check_;
/* Another database of the same server, without secrets: for commands that people run. */
char *dsn_beside(const char *dsn, const char *dbname) _must_check_;
/* sqlite:PATH, sqlite:///relative, sqlite:////absolute, bare path: the path, owned. */
int dsn_sqlite_path(const char *dsn, char **ret, struct err *);
/* For people: password and other secrets as ***; owned. */
char *dsn_show(const char *dsn) _must_check_;

/* ---- role "resolve": payload of the job and of its one answer is JSON ---- */
extern const struct worker_role resolve_role;
enum { RESOLVE_JOB = 1, RESOLVE_ANSWER = 2 };
/* Job for a DSN: the environment that libpq would read (PGHOST ...) is read by the worker. */
char *resolve_job(const char *dsn) _must_check_;
/* The answer: a plan, or the cause (dns, config, auth file ...) in err. */
int resolve_answer(
    const char *payload, size_t len, struct pg_plan **ret, struct err *) _must_check_;
/* What resolve_answer's code says: -EADDRNOTAVAIL a name without an address, -EACCES a file that may
 * not be read, -EINVAL anything else wrong with the DSN, its service or its files. */
/* Sockets found in /var/run/postgresql and /tmp: a JSON array of "directory:port" (same role). */
enum { RESOLVE_DISCOVER = 3, RESOLVE_SOCKETS = 4 };
