#pragma once
#include "base/base.h"
/* What keeps a connection to hostile content harmless.  Private to lib/sqlite. */
struct sqlite3;

#define GUARD_HEAP_BYTES (INT64_C(192) << 20)

/* Limits, defensive mode, pragmas that only concern this connection.  0 or an SQLite code. */
int guard_connection(struct sqlite3 *);
/* From now on only what reads may be prepared; of a user: without walking the whole file. */
void guard_authorize(struct sqlite3 *, bool user);
/* tokens.c: makes tokens() known to the connection.  0 or an SQLite code. */
int tokens_register(struct sqlite3 *);
/* badtext.c: likewise bad_text(). */
int badtext_register(struct sqlite3 *);
