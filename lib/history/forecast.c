/* Slopes over several spans, and what keeps them from crying wolf. */
#include "history/forecast.h"
#include "base/trend.h"
#include <math.h>

#define PARTS 8 /* a span in as many pieces, each with a median */
/* Every quarter of a span, and its last eighth, goes at least so much of its share of the way. */
#define STEADY 0.25
/* A rise is over when so much of it is taken back. */
#define TAKEN_BACK 0.6
/* So much further than what came back twice it must have gone, to be something else. */
#define BEYOND 1.5
/* From so much of a past on, what came back once (a purge) is no habit; before, it may be one. */
#define HABIT_S (INT64_C(14) * 86400)
/*
 * Until a week and a day were seen, what has gone one way since the past began may be the first of
 * many rotations.  What began later is foreseen only by half of the time that it has lasted.
 */
#define WEEK_S (INT64_C(8) * 86400)
#define BEGIN  0.25 /* of the past */
/* A span must be there, but for a little. */
#define MOSTLY 0.75

const int64_t forecast_span_s[FORECAST_SPANS] = { INT64_C(6) * 3600, INT64_C(2) * 86400,
	INT64_C(7) * 86400, INT64_C(30) * 86400 };
/* So many times its own length a span is good for: what is seen of hours says little of days. */
static const double reach_of[FORECAST_SPANS] = { 4, 4, 10, 10 };

/* ---- what it is used to come back from ---- */

struct swings {
	double largest, second; /* that were taken back */
	double now;             /* the one that is on */
	int64_t since_s;        /* so long */
};

static void
keep_swing(struct swings *s, double size)
{
	if (size > s->largest) {
		s->second = s->largest;
		s->largest = size;
	} else {
		s->second = MAX(s->second, size);
	}
}

/*
 * sign 1: rises, -1: falls, which are rises of the mirror image.  A rise is as large as its way back,
 * if that is longer: of the first one the past may show only the end.
 */
static struct swings
swings_of(const struct history_point *p, size_t n, double sign)
{
	struct swings s = { 0 };
	double foot = NAN, top = NAN, back_from = NAN, rise = 0;

	for (size_t i = 0; i < n; i++) {
		double v = sign * p[i].value;

		if (!isfinite(v))
			continue;
		top = fmax(top, v);
		if (top > foot && top - v >= TAKEN_BACK * (top - foot)) {
			keep_swing(&s, fmax(rise, back_from - foot));
			rise = top - foot;
			back_from = top;
			foot = NAN;
		}
		if (isnan(foot) || v < foot) {
			foot = top = v;
			s.since_s = p[i].at_s;
		}
	}
	keep_swing(&s, fmax(rise, isnan(back_from) ? 0 : back_from - foot));
	s.now = isnan(foot) ? 0 : top - foot;
	return s;
}

/* went: over the span that is looked at, where a season keeps taking a part of the rise back. */
static bool
is_unusual(const struct swings *s, double went, int64_t past_s)
{
	return MAX(s->now, went) > BEYOND * (past_s < HABIT_S ? s->largest : s->second);
}

/* What a young past cannot tell from a habit is not foreseen. */
static double
reach_in(const struct forecast *f, const struct swings *s)
{
	double past_s = (double)(f->last_s - f->first_s);

	if (f->last_s - f->first_s >= HABIT_S)
		return INFINITY;
	if (f->last_s - f->first_s >= WEEK_S)
		return past_s / 2;
	if ((double)(s->since_s - f->first_s) < BEGIN * past_s)
		return 0;
	return (double)(f->last_s - s->since_s) / 2;
}

/* ---- one span ---- */

/* By time, so that a hole in the past is no step: a part without a point has none. */
static void
part_medians(const struct trend_point *p, size_t n, double ret[static PARTS])
{
	_cleanup_free_ double *v = xcalloc(n, sizeof(*v));
	double from = p[0].t, width = (p[n - 1].t - from) / PARTS;
	size_t at = 0;

	for (size_t k = 0; k < PARTS; k++) {
		double end = from + (double)(k + 1) * width;
		size_t m = 0;

		while (at < n && (p[at].t < end || k == PARTS - 1))
			v[m++] = p[at++].v;
		ret[k] = median_of(v, m);
	}
}

static bool
is_steady(const struct trend_point *p, size_t n, double slope)
{
	double part[PARTS], share = slope * (p[n - 1].t - p[0].t) / PARTS;

	part_medians(p, n, part);
	for (size_t k = 0; k < PARTS; k++)
		if (isnan(part[k]))
			return false;
	for (size_t k = 2; k < PARTS; k += 2) {
		double moved = (part[k] + part[k + 1] - part[k - 2] - part[k - 1]) / 2;

		if (moved / (2 * share) < STEADY)
			return false;
	}
	return (part[PARTS - 1] - part[PARTS - 2]) / share >= STEADY;
}

static bool
slope_of(const struct history_point *from, size_t n, int64_t span_s, struct forecast_slope *ret)
{
	_cleanup_free_ struct trend_point *p = xcalloc(n + 1, sizeof(*p));
	int64_t begin_s = n > 0 ? from[n - 1].at_s - span_s : 0;
	struct trend t;
	size_t m = 0, skip = 0;

	for (size_t i = 0; i < n; i++)
		if (from[i].at_s >= begin_s && isfinite(from[i].value))
			p[m++] = (struct trend_point){ (double)from[i].at_s, from[i].value };
	if (m < TREND_POINTS_MIN || trend_fit(p, m, &t) < 0)
		return false;
	/* What is behind a jump must itself be most of a day, or of a shorter span. */
	if (t.span_s < MOSTLY * (double)MIN(span_s, FORECAST_LEAST_S))
		return false;
	if (t.low <= 0 && t.high >= 0)
		return false;
	while (m - skip > TREND_POINTS_MIN && p[skip].t < p[m - 1].t - t.span_s)
		skip++;
	if (!is_steady(p + skip, m - skip, t.slope))
		return false;
	*ret = (struct forecast_slope){ t.slope, t.low, t.high, t.span_s, 0 };
	return true;
}

/* ---- all of them ---- */

void
forecast_make(const struct history_point *hours, size_t nhours, const struct history_point *close,
    size_t nclose, struct forecast *ret)
{
	struct swings up = swings_of(hours, nhours, 1), down = swings_of(hours, nhours, -1);
	struct forecast f = { .last = NAN };
	int64_t past_s;

	if (nhours > 0) {
		f.first_s = hours[0].at_s;
		f.last_s = hours[nhours - 1].at_s;
		f.last = hours[nhours - 1].value;
	}
	if (nclose > 0 && close[nclose - 1].at_s >= f.last_s) {
		f.last_s = close[nclose - 1].at_s;
		f.last = close[nclose - 1].value;
	}
	past_s = f.last_s - f.first_s;
	for (enum forecast_span k = 0; k < FORECAST_SPANS && past_s >= FORECAST_LEAST_S; k++) {
		bool fine = forecast_span_s[k] <= FORECAST_FINE_S;
		const struct swings *way;
		struct forecast_slope s;

		/* The last span is all there is. */
		if (k < FORECAST_30D && (double)past_s < MOSTLY * (double)forecast_span_s[k])
			continue;
		if (!slope_of(fine ? close : hours, fine ? nclose : nhours, forecast_span_s[k], &s))
			continue;
		way = s.slope > 0 ? &up : &down;
		if (!is_unusual(way, fabs(s.slope) * s.span_s, past_s))
			continue;
		s.reach_s = MIN(reach_of[k] * s.span_s, reach_in(&f, way));
		if (s.reach_s > 0)
			f.slopes[f.n++] = s;
	}
	*ret = f;
}

double
forecast_eta(
    const struct forecast *f, double value, double limit, const struct forecast_slope **ret_slope)
{
	double left = limit - value;

	for (size_t i = 0; i < f->n; i++) {
		const struct forecast_slope *s = &f->slopes[i];
		double eta = left / s->slope;

		if (!isfinite(eta) || eta < 0 || eta > s->reach_s)
			continue;
		if (ret_slope)
			*ret_slope = s;
		return eta;
	}
	return INFINITY;
}
