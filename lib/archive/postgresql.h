#pragma once
#include "archive/db_impl.h"

#include <libpq-fe.h>
/* PostgreSQL's half, in two files; private to lib/archive. */
struct archive_pg {
	struct archive_db db;
	struct pg_direct *direct;
	PGconn *pg; /* borrowed from direct */
};
static inline struct archive_pg *
archive_pg_of(const struct archive_db *db)
{
	return (struct archive_pg *)db;
}
DEFINE_CLEANUP(PGresult *, PQclear)
/* 0 and the result, or why not; ret NULL: no rows are asked for. */
int archive_pg_ask(struct archive_pg *, const char *sql, const char *const *params, size_t n,
    PGresult **ret, struct err *);
int archive_pg_fail(const PGresult *, struct err *);
int archive_pg_do(struct archive_pg *, const char *sql, struct err *);
/* 'it', with its quotes. */
char *archive_pg_literal(struct archive_pg *, const char *) _must_check_;

int archive_pg_prepare(const struct archive_table *, struct archive_which *, struct err *);
int archive_pg_count(const struct archive_table *, const struct archive_which *,
    struct archive_count *, struct err *);
int archive_pg_select(const struct archive_table *, const struct archive_which *,
    const struct archive_cell *, size_t, bool, struct archive_rows **, struct err *);
int archive_pg_read(const struct archive_table *, const struct archive_rows *, bool,
    struct archive_found *, struct archive_rows *, struct err *);
int archive_pg_insert(
    const struct archive_table *, const struct archive_rows *, const bool *, struct err *);
int archive_pg_delete(const struct archive_table *, const struct archive_rows *, const bool *,
    size_t *, struct err *);
int archive_pg_find(struct archive_db *, const char *, struct archive_table **, struct err *);
int archive_pg_create(
    struct archive_db *, const char *, const struct archive_table *, struct err *);
