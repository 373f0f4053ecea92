#pragma once
#include "base/base.h"
/*
 * What scrubbing may take from one server: a share of the time, saved up to some burst, in one
 * database at a time, and nothing while the server is busy.  Pure: times are given.
 */
struct allowance {
	double share;
	int64_t burst_us;
	int64_t credit_us; /* below 0: overdrawn by a statement that was longer */
	int64_t at_us;     /* of the credit; 0: never used */
};
void allowance_set(struct allowance *, double share, int64_t burst_us);
bool allowance_is_left(struct allowance *, int64_t now_us);
void allowance_spend(struct allowance *, int64_t now_us, int64_t used_us);
/* Until it is worth to go on. */
int64_t allowance_wait_us(struct allowance *, int64_t now_us);

/* What a server does beside us, at one moment. */
struct load {
	int64_t at_us;
	double active;         /* sessions that run a statement */
	double reads, read_ms; /* counters of all databases; read_ms NaN: not measured */
	double reset;          /* when they were last set to 0 */
};
struct load_limits {
	double active;   /* more is busy; 0: any number */
	int64_t read_us; /* a read that takes longer on average; 0: however long */
};
/* In words why it is busy, or NULL; before: the look before this one, at_us 0 if there was none. */
char *load_busy(
    const struct load *before, const struct load *now, const struct load_limits *) _must_check_;
