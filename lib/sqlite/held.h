#pragma once
#include "base/err.h"

#include <sqlite3.h>
/*
 * A SQLite file that a command changes by the caller's own rights: its connection, and a descriptor for
 * flock(), which keeps other runs of ours out.  SQLite's own locks are fcntl's: flock() does not touch
 * them on local file systems, but closing any descriptor of a file drops all that a process has on it, so
 * the descriptor is open before SQLite's and closed after.
 */
struct sqlite_held {
	sqlite3 *handle;
	char *path; /* owned */
	int fd;
	bool named; /* what SQLite says begins with the path */
};
/* Set by the caller: named.  sqlite_held_done is due in any case; mode: of a file that is created. */
int sqlite_held_open(struct sqlite_held *, const char *path, bool create, mode_t mode, int busy_ms,
    struct err *) _must_check_;
void sqlite_held_done(struct sqlite_held *);
/* -EBUSY: somebody has locked it; else -EIO. */
int sqlite_held_fail(const struct sqlite_held *, struct err *);
int sqlite_held_prepare(
    const struct sqlite_held *, const char *sql, sqlite3_stmt **ret, struct err *);
/* 1: a row; 0: the end. */
int sqlite_held_step(const struct sqlite_held *, sqlite3_stmt *, struct err *);
/* All statements of it; rows are left out. */
int sqlite_held_do(const struct sqlite_held *, const char *sql, struct err *);

static inline void
sqlite_held_finalize(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}
#define _cleanup_stmt_ _cleanup_(sqlite_held_finalize)
