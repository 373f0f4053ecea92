#pragma once
#include "history/history.h"
/*
 * How a number usually is at an hour of the week: the median of what the history has of this hour
 * (local time) over eight weeks, each day counting alike, and how far it usually is from it, above and
 * below.  Of a past that has not three of this hour yet, the same hour of all days from Monday to
 * Friday, or of Saturdays and Sundays; of less than two weeks nothing is said.  Pure but for the time
 * zone.
 *
 * The distance is the median absolute deviation, scaled as is usual (of even noise it is the standard
 * deviation), but never less than
 *   - 5 % of the median of this hour, and of all hours: what hardly ever varies may,
 *   - of either side, what the second most extreme day makes, divided by BASELINE_REACH: jobs that run
 *     each hour or each Monday are usual, one bad day is not.
 * What grows or shrinks from week to week is expected to go on: each past week is scaled by the median
 * slope of all weeks, up to 10 % a week.  The last 24 hours do not count: what goes on now is not yet usual.
 */
#define BASELINE_PAST_S  (INT64_C(56) * 86400)
#define BASELINE_FRESH_S INT64_C(86400)        /* so much does not count yet */
#define BASELINE_LEAST_S (INT64_C(14) * 86400) /* of a shorter past nothing is said */
#define BASELINE_STEP_S  INT64_C(300)
#define BASELINE_WEEKS   3 /* so many of this hour of the week at least, else of the kind of day */
#define BASELINE_DAYS    4
#define BASELINE_HOURS   24 /* of one answer, that of now the first */
#define BASELINE_FLOOR   0.05
#define BASELINE_SCALE   1.4826 /* so that of even noise the deviation is the standard deviation */
#define BASELINE_REACH   3.0
struct baseline_hour {
	int64_t begin_s; /* Unix seconds */
	double median;   /* NaN: not known */
	double above, below;
	unsigned days; /* that it was made of */
	bool by_week;  /* of this hour of the week; else of the kind of day */
};
/*
 * Points by time, averages of 5 minutes or of an hour; what is not finite is left out.  Returns for how
 * many hours something is known.
 */
size_t baseline_make(const struct history_point *, size_t n, int64_t now_s,
    struct baseline_hour ret[static BASELINE_HOURS]);
int64_t baseline_hour_begin(int64_t at_s); /* of the hour, by the local clock */
#define BASELINE_NAME_SIZE 40
/* "Mondays at 10:00", or by the kind of day "weekdays at 10:00". */
void baseline_hour_name(int64_t at_s, bool by_week, char ret[static BASELINE_NAME_SIZE]);
