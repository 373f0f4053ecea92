#pragma once
#include "base/err.h"
#include "base/words.h"
/*
 * A copy to try things on: of PostgreSQL the schema without rows, in a database of its own; of SQLite the
 * file.  It goes with its owner: a process of its own removes it when that dies, however it dies, and the
 * next copy that is made what both of them left.
 */
struct blank;
/*
 * scratch: PostgreSQL a DSN of the server to make it on, secret; SQLite a folder; NULL: the same server,
 * $TMPDIR.
 */
int blank_make_postgresql(
    const char *dsn, const char *scratch, struct blank **ret, struct err *) _must_check_;
int blank_make_sqlite(
    const char *path, const char *scratch, struct blank **ret, struct err *) _must_check_;
/* Where it is: a DSN, secret, or a path. */
const char *blank_where(const struct blank *);
const char *blank_name(const struct blank *); /* for people */
struct blank *blank_free(struct blank *);     /* removes it; returns NULL */
DEFINE_CLEANUP(struct blank *, blank_free)
