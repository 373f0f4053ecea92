#pragma once
#include "base/base.h"
/* A section's SQL, statement by statement. */
struct migrate_statement {
	size_t at, len; /* in the text */
};
/*
 * PostgreSQL's: by the parser; where that does not know the syntax (of a newer server) by the scanner,
 * which knows strings and comments.  -EINVAL: neither can, so it is one.  ret: owned.
 */
int migrate_split(const char *sql, struct migrate_statement **ret, size_t *ret_n);
/* SQLite's, with their semicolons, whether or not they are right. */
int migrate_split_sqlite(const char *sql, struct migrate_statement **ret, size_t *ret_n);
/* A statement is where its first word is, not where the one before it ended: behind comments. */
size_t migrate_begin(const char *sql, size_t at);
/* Line of a byte of the text; first: the number of its first line. */
int migrate_line(const char *sql, size_t at, int first);

/* What its first words say of a statement. */
enum migrate_kind {
	STATEMENT_OTHER = 0,
	STATEMENT_BEGIN,
	STATEMENT_END,     /* COMMIT, END, ROLLBACK, ABORT, PREPARE TRANSACTION */
	STATEMENT_SETTING, /* SET, RESET, PRAGMA: of the session, and harmless when run again */
	STATEMENT_LEAVES,  /* may leave something though it failed: CONCURRENTLY, CALL, DO */
};
enum migrate_kind migrate_kind_of(const char *sql, size_t len);
