/* How each object of a check usually is in the next hours, out of the history; in the reader's worker. */
#include "daemon/history_wire.h"
#include "history/baseline.h"
#include <math.h>

#define OBJECTS  20                   /* told of: those with the newest samples */
#define ALL_READ 40                   /* up to so many are read at once */
#define LIVE_S   (INT64_C(2) * 86400) /* without a sample for so long: it is not there any more */

static json_t *
hour_json(const struct baseline_hour *h)
{
	return isnan(h->median)
	           ? json_null()
	           : json_pack("{s:f, s:f, s:f, s:i, s:b}", "median", h->median, "above", h->above,
	                 "below", h->below, "days", (int)h->days, "week", h->by_week);
}

static void
tell_series(json_t *objects, const struct history_series *s, int64_t now_s)
{
	struct baseline_hour hours[BASELINE_HOURS];
	json_t *list;

	if (json_object_size(objects) >= OBJECTS || s->npoints == 0 || s->last_s < now_s - LIVE_S ||
	    baseline_make(s->points, s->npoints, now_s, hours) == 0)
		return;
	list = json_array();
	for (size_t i = 0; i < BASELINE_HOURS; i++)
		json_array_append_new(list, hour_json(&hours[i]));
	json_object_set_new(objects, s->object,
	    json_pack("{s:I, s:o}", "begin", (json_int_t)hours[0].begin_s, "hours", list));
}

static int
newest_first(const void *a, const void *b)
{
	const struct history_series *x = a, *y = b;

	return (x->last_s < y->last_s) - (x->last_s > y->last_s);
}

/* A check whose objects come and go may have had thousands: each is read for itself. */
static void
tell_newest(const char *dir, struct history_query q, struct history_answer *all, int64_t now_s,
    json_t *objects)
{
	qsort(all->series, all->nseries, sizeof(*all->series), newest_first);
	for (size_t i = 0; i < MIN(all->nseries, (size_t)OBJECTS); i++) {
		struct history_answer one = { 0 };
		struct err e;

		q.object = all->series[i].object;
		if (history_read(dir, &q, &one, &e) < 0)
			continue;
		if (one.nseries > 0)
			tell_series(objects, &one.series[0], now_s);
		history_answer_done(&one);
	}
}

json_t *
history_about_baseline(const char *dir, const char *scope, const char *check, int64_t now_s)
{
	struct history_query q = { scope, check, NULL, now_s - BASELINE_PAST_S, now_s,
		BASELINE_STEP_S };
	struct history_query names = q;
	struct history_answer all = { 0 };
	json_t *objects;
	struct err e;

	names.step_s = BASELINE_PAST_S + 1;
	if (history_read(dir, &names, &all, &e) < 0)
		return NULL;
	objects = json_object();
	if (all.nseries > ALL_READ) {
		tell_newest(dir, q, &all, now_s, objects);
	} else {
		history_answer_done(&all);
		if (history_read(dir, &q, &all, &e) < 0)
			return objects;
		for (size_t i = 0; i < all.nseries; i++)
			tell_series(objects, &all.series[i], now_s);
	}
	history_answer_done(&all);
	return objects;
}
