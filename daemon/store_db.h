#pragma once
#include "base/err.h"
#include <sqlite3.h>
/* The state database itself; used by the store's worker only. */
struct store_db;
/*
 * on_moved: what was there was damaged or newer than we are, and was renamed to path; "": it was taken
 * away by others.
 */
typedef void (*store_moved_fn)(const char *path, const char *why);
/* Opens DIR/state.db, makes or migrates it.  A second open of the same folder gives the same. */
int store_db_open(const char *dir, store_moved_fn, struct store_db **ret, struct err *);
void store_db_close(struct store_db **);
/* After an error: whether it was damage; then the file is moved aside and the handle is gone. */
bool store_db_salvage(struct store_db **, store_moved_fn, const struct err *);

int store_db_begin(struct store_db *, bool sync, struct err *);
bool store_db_in_transaction(const struct store_db *);
int store_db_commit(struct store_db *, struct err *);
void store_db_rollback(struct store_db *);
int store_db_put(
    struct store_db *, const char *kind, const char *key, const char *json, struct err *);
int store_db_delete(struct store_db *, const char *kind, const char *key, struct err *);
int store_db_event(struct store_db *, const char *sequence, const char *id, const char *wall_us,
    const char *json, struct err *);
int store_db_cursor(struct store_db *, const char *outlet, const char *sequence, struct err *);

/* Outlets that are no more lose their cursor; new ones begin at the end. */
int store_db_keep_outlets(struct store_db *, char *const *outlets, struct err *);
int store_db_prune(struct store_db *, int64_t wall_us, struct err *);
typedef void (*store_db_row_fn)(const char *a, const char *b, const char *c);
/* kind key json; not of kinds that end in -rows */
int store_db_rows(struct store_db *, store_db_row_fn, struct err *);
/* place json "" */
int store_db_row(struct store_db *, const char *kind, const char *key, const char *place,
    store_db_row_fn, struct err *);
int store_db_cursors(struct store_db *, store_db_row_fn, struct err *); /* outlet sequence "" */
int store_db_events(struct store_db *, store_db_row_fn, struct err *);  /* sequence json "" */
struct store_query;                                                     /* its texts: "" is any */
int store_db_select(struct store_db *, const struct store_query *, store_db_row_fn, struct err *);
int store_db_last(struct store_db *, int64_t *ret, struct err *);
/* Transitions that every outlet was told of are kept so long and so many; others so many. */
#define STORE_EVENT_AGE_US      (INT64_C(30) * 86400 * 1000000)
#define STORE_EVENT_MAX         10000
#define STORE_EVENT_PENDING_MAX 20000
