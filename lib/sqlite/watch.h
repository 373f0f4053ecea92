#pragma once
#include "sqlite/gather.h"
#include "sqlite/wal_meter.h"
#include <pthread.h>
/*
 * A thread that interrupts a statement: at its deadline, and, where our SHARED lock keeps writers
 * from committing, as soon as a writer appears after the first slice; or when the log has grown as far
 * as it may while our view of the database keeps it.  A thread, because a walk
 * through a damaged tree comes by no progress handler.
 */
struct sqlite3;
enum watch_why { WATCH_NOTHING = 0, WATCH_TIMEOUT, WATCH_WRITER, WATCH_WAL };
struct watch {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stop;
	/* Of the statement at work; db is NULL between statements. */
	struct sqlite3 *db;
	int64_t timeout_at_us, yield_from_us;
	bool yields, metered;
	struct wal_meter meter;
	struct lock_watch locks;
	enum watch_why why;
};
int watch_init(struct watch *); /* 0 or negative errno */
void watch_done(struct watch *);
/* yield_after_us 0: keeps going whoever writes. */
void watch_begin(struct watch *, struct sqlite3 *, int64_t timeout_at_us, int64_t yield_after_us,
    const struct lock_watch *);
/* Of the statement that has just begun. */
void watch_meter(struct watch *, const struct wal_meter *);
enum watch_why watch_end(struct watch *); /* why it interrupted, if it did */
