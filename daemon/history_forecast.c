/* Forecasts of each object of a check, out of the history; in the reader's worker. */
#include "daemon/history_wire.h"
#include "history/forecast.h"
#include <math.h>

static json_t *
slope_json(const struct forecast_slope *s)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f}", "slope", s->slope, "low", s->low, "high",
	    s->high, "span", s->span_s, "reach", s->reach_s);
}

static json_t *
forecast_json(const struct forecast *f)
{
	json_t *slopes = json_array();

	for (size_t i = 0; i < f->n; i++)
		json_array_append_new(slopes, slope_json(&f->slopes[i]));
	return json_pack("{s:I, s:I, s:f, s:o}", "first", (json_int_t)f->first_s, "until",
	    (json_int_t)f->last_s, "last", f->last, "slopes", slopes);
}

static const struct history_series *
find_series(const struct history_answer *a, const char *object)
{
	for (size_t i = 0; i < a->nseries; i++)
		if (streq(a->series[i].object, object))
			return &a->series[i];
	return NULL;
}

json_t *
history_about_forecast(const char *dir, const char *scope, const char *check, int64_t now_s)
{
	struct history_query all = { scope, check, NULL, now_s - FORECAST_PAST_S, now_s,
		FORECAST_STEP_S };
	struct history_query close = { scope, check, NULL, now_s - FORECAST_FINE_S, now_s,
		FORECAST_CLOSE_S };
	struct history_answer hours = { 0 }, fine = { 0 };
	json_t *objects = NULL;
	struct err e;

	if (history_read(dir, &all, &hours, &e) < 0)
		return NULL;
	if (history_read(dir, &close, &fine, &e) == 0)
		objects = json_object();
	for (size_t i = 0; objects && i < hours.nseries; i++) {
		const struct history_series *h = &hours.series[i],
		                            *c = find_series(&fine, h->object);
		struct forecast f;

		if (h->npoints == 0 || !c || c->npoints == 0)
			continue; /* it is not there any more */
		forecast_make(h->points, h->npoints, c->points, c->npoints, &f);
		if (isfinite(f.last))
			json_object_set_new(objects, h->object, forecast_json(&f));
	}
	history_answer_done(&hours);
	history_answer_done(&fine);
	return objects;
}
