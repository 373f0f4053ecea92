#pragma once
#include "base/err.h"
/*
 * A copy of an open database that is only there, under its name, once it is whole, verified and on disk.
 * Private to lib/sqlite.
 */
struct sqlite3;
/* Told after each part; nonzero stops the copy with -ECANCELED. */
typedef int (*backup_progress_fn)(int64_t done, int64_t total, void *arg);
/* -EEXIST: there is a file of that name; -EBUSY; another negative errno with words. */
int backup_make(struct sqlite3 *from, const char *path, const char *to, backup_progress_fn,
    void *arg, struct err *);
