/* Median slopes, their bounds, and jumps in the past. */
#include "base/trend.h"
#include <errno.h>
#include <math.h>

/* From the median distance to a standard deviation, where the noise is normal. */
#define MAD_SIGMA 1.4826
/* A jump is larger than so many deviations of the steps around it, and stays. */
#define JUMP_SIGMAS 8.0
#define JUMP_SIDE   6 /* points before and after it that must agree */
/* So many jumps in one direction are how this number lives. */
#define JUMPS_PERIODIC 3
#define Z95            1.96

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double
median_of(double *v, size_t n)
{
	if (n == 0)
		return NAN;
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double
mad_of(double *v, size_t n, double median)
{
	for (size_t i = 0; i < n; i++)
		v[i] = fabs(v[i] - median);
	return median_of(v, n);
}

/* Equal spans of time, a median each; fewer points than spans stay as they are. */
static size_t
thin(const struct trend_point *p, size_t n, struct trend_point ret[static TREND_POINTS_MAX])
{
	_cleanup_free_ double *span = xcalloc(MAX(n, (size_t)1), sizeof(*span));
	double first = NAN, width;
	size_t used = 0, m = 0, finite = 0;
	int64_t at = -1;

	for (size_t i = 0; i < n; i++)
		finite += isfinite(p[i].t) && isfinite(p[i].v);
	for (size_t i = 0; i < n && isnan(first); i++)
		if (isfinite(p[i].t) && isfinite(p[i].v))
			first = p[i].t;
	width = finite > TREND_POINTS_MAX ? (p[n - 1].t - first) / TREND_POINTS_MAX : 0;
	for (size_t i = 0; i <= n; i++) {
		bool end = i == n;
		int64_t place = 0;

		if (!end && !(isfinite(p[i].t) && isfinite(p[i].v)))
			continue;
		if (!end)
			place = width > 0 ? MIN((int64_t)((p[i].t - first) / width),
			                        (int64_t)TREND_POINTS_MAX - 1)
			                  : (int64_t)i;
		if (m > 0 && (end || place != at)) {
			ret[used].v = median_of(span, m);
			used++;
			m = 0;
		}
		if (end)
			break;
		at = place;
		span[m++] = p[i].v;
		ret[used].t = p[i].t; /* its last moment */
	}
	return used;
}

static double
median_between(const struct trend_point *p, size_t from, size_t to)
{
	double v[JUMP_SIDE];
	size_t n = 0;

	for (size_t i = from; i < to && n < JUMP_SIDE; i++)
		v[n++] = p[i].v;
	return median_of(v, n);
}

/* Where the past that counts begins: behind the last jump, unless jumps are how it lives. */
static size_t
begin_of(const struct trend_point *p, size_t n)
{
	double step[TREND_POINTS_MAX], spread[TREND_POINTS_MAX], middle, noise;
	size_t begin = 0, up = 0, down = 0;

	assert(n > 1);
	for (size_t i = 1; i < n; i++)
		spread[i - 1] = step[i - 1] = p[i].v - p[i - 1].v;
	middle = median_of(spread, n - 1);
	noise = MAD_SIGMA * mad_of(spread, n - 1, middle);
	noise = MAX(noise, fabs(middle));
	for (size_t i = 1; i < n; i++) {
		double change = step[i - 1] - middle, stays;

		if (!(fabs(change) > JUMP_SIGMAS * noise) || i < JUMP_SIDE || n - i < JUMP_SIDE)
			continue;
		stays = median_between(p, i, n) - median_between(p, i - JUMP_SIDE, i);
		if (stays * change <= 0 || fabs(stays) < fabs(change) / 2)
			continue;
		begin = i;
		if (change > 0)
			up++;
		else
			down++;
	}
	return MAX(up, down) >= JUMPS_PERIODIC ? 0 : begin;
}

int
trend_fit(const struct trend_point *points, size_t n, struct trend *ret)
{
	struct trend_point all[TREND_POINTS_MAX], *p = all;
	_cleanup_free_ double *slopes = NULL;
	double rest[TREND_POINTS_MAX], sure;
	size_t pairs = 0, begin, low, high;

	n = thin(points, n, all);
	if (n < TREND_POINTS_MIN)
		return -ENODATA;
	begin = begin_of(p, n);
	p += begin;
	n -= begin;
	if (n < TREND_POINTS_MIN)
		return -ENODATA;
	slopes = xcalloc(n * (n - 1) / 2, sizeof(*slopes));
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (p[j].t > p[i].t)
				slopes[pairs++] = (p[j].v - p[i].v) / (p[j].t - p[i].t);
	if (pairs == 0)
		return -ENODATA;
	ret->slope = median_of(slopes, pairs);
	sure = Z95 * sqrt((double)n * (double)(n - 1) * (double)(2 * n + 5) / 18);
	low = (size_t)MAX(((double)pairs - sure) / 2, 0.0);
	high = MIN((size_t)(((double)pairs + sure) / 2), pairs - 1);
	ret->low = slopes[low];
	ret->high = slopes[high];
	for (size_t i = 0; i < n; i++)
		rest[i] = p[i].v - ret->slope * (p[i].t - p[n - 1].t);
	ret->value = median_of(rest, n);
	ret->span_s = p[n - 1].t - p[0].t;
	ret->n = n;
	return 0;
}

double
trend_eta(const struct trend *t, double limit, bool rising, double reach)
{
	double left = limit - t->value, eta;

	if (rising ? left <= 0 : left >= 0)
		return 0;
	/* Both ends of what we are sure of must go there. */
	if (rising ? t->low <= 0 : t->high >= 0)
		return INFINITY;
	eta = left / t->slope;
	return eta > reach * t->span_s ? INFINITY : eta;
}
