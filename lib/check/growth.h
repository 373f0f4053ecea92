#pragma once
#include "check/series.h"
/*
 * From counters to what grew since the last run (rate, ratio).  New counters are set aside until
 * the run ends, so that two rows of one key are compared with the same past.
 */
struct growth {
	double value, whole; /* increase, not negative */
	double seconds;      /* by the server's clock; NaN when it tells none */
};
struct growths;
struct growths *growths_new(struct series *, double server_start) _must_check_;
struct growths *growths_free(struct growths *);
/* False: no verdict yet (first sample, new epoch, counter that fell, clock that did not move). */
bool growths_take(struct growths *, const char *key, const char *reset, const struct counter *now,
    struct growth *ret);
/* Sum over window_s, the growth just taken included. */
double growths_window_sum(
    struct growths *, const char *key, const struct growth *, double at_s, double window_s);
/* Stores the new counters; false when there were too many to remember. */
bool growths_finish(struct growths *, bool complete);
