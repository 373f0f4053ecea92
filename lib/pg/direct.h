#pragma once
#include "pg/session.h"
/*
 * A blocking session for a command that a person waits for, with a person's rights: it may write.
 * The daemon never uses it.
 */
struct pg_direct;
struct pg_rows;

/* dbname NULL: the DSN's own.  On failure *ret_why tells, as a session would. */
int pg_direct_open(const char *dsn, const char *dbname, struct pg_direct **ret,
    struct pg_failure *ret_why) _must_check_;
struct pg_direct *pg_direct_free(struct pg_direct *); /* NULL */
DEFINE_CLEANUP(struct pg_direct *, pg_direct_free)
/*
 * Calls on_wait about five times a second while a statement of pg_direct_query or pg_direct_do runs; its
 * negative errno cancels the statement and is returned.  NULL: nobody is asked.
 */
void pg_direct_watch(struct pg_direct *, int (*on_wait)(void *arg, struct err *), void *arg);
/* -EACCES: a right is missing; -EBADMSG: any other error of the statement. */
int pg_direct_query(struct pg_direct *, const char *sql, const char *const *params, size_t n,
    struct pg_rows **ret, struct err *) _must_check_;
/* libpq's own connection, for data that no cap on text fits; borrowed. */
struct pg_conn *pg_direct_raw(struct pg_direct *);
/* One or more statements without parameters or result. */
int pg_direct_do(struct pg_direct *, const char *sql, struct err *) _must_check_;
/*
 * A person's own statements, one message, with the settings that the person's role has: the session's
 * are reset first by pg_direct_as_is.  ret_at: bytes before the place that the server names, or the
 * length of sql where it names none.
 */
int pg_direct_as_is(struct pg_direct *, struct err *);
int pg_direct_run(struct pg_direct *, const char *sql, size_t *ret_at, struct err *);
enum pg_direct_state {
	PG_DIRECT_IDLE = 0,
	PG_DIRECT_IN_TRANSACTION,
	PG_DIRECT_FAILED,
	PG_DIRECT_LOST
};
enum pg_direct_state pg_direct_state(const struct pg_direct *);
/* The first warning of the last pg_direct_do, borrowed; "" when there was none: what may not be vacuumed is
 * skipped with no more than that. */
const char *pg_direct_warning(const struct pg_direct *);
/* Stops the statement that runs; to be called from a handler of signals. */
struct pg_cancel;
struct pg_cancel *pg_direct_canceller(struct pg_direct *) _must_check_;
void pg_cancel_now(struct pg_cancel *);
struct pg_cancel *pg_cancel_free(struct pg_cancel *); /* NULL */
int pg_direct_version(const struct pg_direct *);      /* 150018 */
/* The server's settings as it reports them, and where the connection leads; borrowed. */
const char *pg_direct_host(const struct pg_direct *); /* a folder for a Unix socket */
const char *pg_direct_port(const struct pg_direct *);
const char *pg_direct_dbname(const struct pg_direct *);

size_t pg_rows_count(const struct pg_rows *);
size_t pg_rows_width(const struct pg_rows *); /* columns */
/* NULL is SQL NULL; borrowed. */
const char *pg_rows_get(const struct pg_rows *, size_t row, size_t column);
bool pg_rows_true(const struct pg_rows *, size_t row, size_t column);
struct pg_rows *pg_rows_free(struct pg_rows *); /* NULL */
DEFINE_CLEANUP(struct pg_rows *, pg_rows_free)
