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
/* -EACCES: a right is missing; -EBADMSG: any other error of the statement. */
int pg_direct_query(struct pg_direct *, const char *sql, const char *const *params, size_t n,
    struct pg_rows **ret, struct err *) _must_check_;
/* One or more statements without parameters or result. */
int pg_direct_do(struct pg_direct *, const char *sql, struct err *) _must_check_;
/* The server's settings as it reports them, and where the connection leads; borrowed. */
const char *pg_direct_host(const struct pg_direct *); /* a folder for a Unix socket */
const char *pg_direct_port(const struct pg_direct *);
const char *pg_direct_dbname(const struct pg_direct *);

size_t pg_rows_count(const struct pg_rows *);
/* NULL is SQL NULL; borrowed. */
const char *pg_rows_get(const struct pg_rows *, size_t row, size_t column);
bool pg_rows_true(const struct pg_rows *, size_t row, size_t column);
struct pg_rows *pg_rows_free(struct pg_rows *); /* NULL */
DEFINE_CLEANUP(struct pg_rows *, pg_rows_free)
