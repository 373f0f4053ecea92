#pragma once
#include "history/history.h"
/*
 * Where a number of the history is going, looked at over the last hours, days, week and month.  A span
 * counts only if the number went one way through all of it, still does, and went further than what it
 * is used to come back from: rotations, seasons, purges and loads say nothing.  Pure.
 */
enum forecast_span { FORECAST_6H = 0, FORECAST_2D, FORECAST_7D, FORECAST_30D, FORECAST_SPANS };
extern const int64_t forecast_span_s[FORECAST_SPANS];
#define FORECAST_PAST_S  (INT64_C(30) * 86400)
#define FORECAST_FINE_S  (INT64_C(2) * 86400) /* the last of it, in steps of 5 minutes */
#define FORECAST_LEAST_S INT64_C(86400)       /* of a shorter past nothing is said */
#define FORECAST_STEP_S  INT64_C(3600)
#define FORECAST_CLOSE_S INT64_C(300)
struct forecast_slope {
	double slope, low, high; /* units a second, and between what it is for sure */
	double span_s;           /* what it was made of */
	double reach_s;          /* so far it is good for */
};
struct forecast {
	int64_t first_s, last_s; /* of the past that was looked at */
	double last;             /* the newest value */
	size_t n;                /* the shortest span first */
	struct forecast_slope slopes[FORECAST_SPANS];
};
/*
 * hours: averages of an hour over FORECAST_PAST_S; close: of 5 minutes over FORECAST_FINE_S; by time.
 * Without any slope where none is sure.
 */
void forecast_make(const struct history_point *hours, size_t nhours,
    const struct history_point *close, size_t nclose, struct forecast *ret);
/*
 * Seconds from now until `value` meets the limit, by the shortest span that is good for so long;
 * INFINITY: it does not, as far as can be said.  ret_slope (may be NULL): which one says it.
 */
double forecast_eta(
    const struct forecast *, double value, double limit, const struct forecast_slope **ret_slope);
