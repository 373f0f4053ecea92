#pragma once
#include "base/base.h"
/*
 * When a database is changed least: its transactions by hour of the day, learned from a counter that is
 * looked at now and then.  Pure; kept over restarts as JSON.  Hours are those of UTC, so that none comes
 * twice or never.
 */
#define QUIET_HOURS 24
struct quiet {
	double changes[QUIET_HOURS], seconds[QUIET_HOURS];
	uint32_t counter;
	int64_t wall_us; /* of it; 0: none is known */
};
/* True when an hour is over since the last look: worth keeping. */
bool quiet_note(struct quiet *, int64_t wall_us, uint32_t counter);
/* The hours that are known; all of them: a day was seen. */
unsigned quiet_known(const struct quiet *);
/*
 * When to try what keeps writers waiting: now, or when the quietest hour begins; before a day was seen, the
 * next hour, whatever it is.  NULL: nothing is known.
 */
int64_t quiet_next_us(const struct quiet *, int64_t wall_us);
char *quiet_save(const struct quiet *) _must_check_;
bool quiet_load(struct quiet *, const char *json); /* false, and untouched: it is none */
