#pragma once
#include "base/words.h"
#include "monitor/scope.h"
/*
 * Workers that a signal ended while they read one file: a finding on that file (worker-crashed),
 * there until the same work has come to its end again.
 */
struct sqlite_crashes {
	char *text[PROBE_N][2]; /* by what was asked: a probe, its long part apart; NULL: well */
};
void sqlite_crashes_done(struct sqlite_crashes *);
/* id: the check that it was at, or NULL where it had not come to one.  Tells at once. */
void sqlite_crash_tell(struct scope *, struct sqlite_crashes *, enum probe, bool is_long,
    const char *how, const char *id);
/* The same work ended well. */
void sqlite_crash_over(struct sqlite_crashes *, enum probe, bool is_long);
/* The verdict of worker-crashed itself. */
void sqlite_crash_judge(struct checkup *, const struct sqlite_crashes *);
