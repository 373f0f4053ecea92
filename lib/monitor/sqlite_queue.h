#pragma once
#include "base/base.h"
/*
 * Who waits for a worker of SQLite files, first come first served.  Their jobs are made when their
 * turn comes: thousands of them are most of what the daemon would hold in memory.
 */
struct sqlite_queue {
	struct sqlite_turn *first, *last;
};
/* Embedded in who waits. */
struct sqlite_turn {
	struct sqlite_turn *prev, *next;
	bool waits;
};
void sqlite_queue_join(struct sqlite_queue *, struct sqlite_turn *);
void sqlite_queue_leave(
    struct sqlite_queue *, struct sqlite_turn *);             /* also when it does not wait */
struct sqlite_turn *sqlite_queue_take(struct sqlite_queue *); /* NULL: nobody waits */
