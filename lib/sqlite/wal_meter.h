#pragma once
#include "base/base.h"
/*
 * How far the log of a database grows while we read it.  A read transaction keeps the log from starting
 * over: what writers add meanwhile stays, and so does the file's size.  Reads the index that its users
 * share, from any thread, while the connection is open.
 */
struct sqlite3_file;
struct wal_meter {
	const volatile uint32_t *index; /* of the connection; NULL: there is no log to meter */
	int64_t frame_bytes, budget_bytes;
	int64_t ceiling_bytes; /* what the log reaches by itself; 0: only the budget counts */
	uint32_t base;         /* frames that were there */
	uint32_t last;         /* as last looked: what comes until the next look is like that */
	int64_t grown_bytes;   /* as last looked */
};
/*
 * After the first read of the connection.  gentle: it is not to get longer than it gets without us, which
 * is wal_bytes, its size, or what a checkpoint waits for by default.
 */
void wal_meter_init(struct wal_meter *ret, struct sqlite3_file *, int64_t wal_bytes,
    int64_t budget_bytes, bool gentle);
/* Also when it will be by the next look, at this rate. */
bool wal_meter_is_over(struct wal_meter *);
/*
 * After a view is given up that the log outgrew: until it has started over, which its writers do at their
 * next commit, the next view would keep what this one let it grow by.  Not longer than most_us.
 */
void wal_meter_settle(struct wal_meter *, int64_t most_us);
