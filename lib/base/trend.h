#pragma once
#include "base/base.h"
/*
 * Where a number is going: a robust slope over its past and the time that is left until it meets a
 * limit.  Pure.
 *
 * The slope is that of Theil and Sen, the median of the slopes between all pairs of points: up to 29 %
 * of the points may be anything (a copy of a table made and dropped, an hour of clock trouble) and it
 * does not move, where least squares follows the outlier.  It needs no assumption about the noise, and
 * its confidence bounds come from the same pairs (Sen 1968, by Kendall's variance).  Of a past that
 * jumped once, as by a purge or a load, only what came after the jump counts; one that jumps again and
 * again in the same direction, as disks do whose logs are rotated, is taken as a whole.
 */
struct trend_point {
	double t; /* seconds, rising */
	double v;
};
struct trend {
	double slope;     /* units a second */
	double low, high; /* so sure are we of it: 95 % */
	double value;     /* of the line, at the last point */
	double span_s;    /* what it was made of */
	size_t n;
};
#define TREND_POINTS_MIN 12
#define TREND_POINTS_MAX 240 /* more are put together before the pairs are made */
/* -ENODATA: too few points.  Points that are not finite are left out. */
int trend_fit(const struct trend_point *, size_t n, struct trend *ret);
/*
 * Seconds after the last point until the line meets the limit: 0 when it is there, INFINITY when it
 * does not go there for sure, or later than `reach` times what was seen of the past.
 */
double trend_eta(const struct trend *, double limit, bool rising, double reach);

/* Median, and the median distance from it; NaN of none.  Both change the order of v. */
double median_of(double *v, size_t n);
double mad_of(double *v, size_t n, double median);
