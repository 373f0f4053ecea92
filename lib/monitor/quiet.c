/*
 * Transactions by hour of the day: sums that fade, so that a few weeks count and the last one most.
 */
#include "monitor/quiet.h"
#include "base/clock.h"

#include <jansson.h>
#include <math.h>

#define HOUR_US (3600 * USEC_PER_SEC)
/* So long must an hour of the day have been seen in all to be known. */
#define KNOWN_S 600
/* A week of one hour; then what came before counts half. */
#define FADE_S (7 * 3600.0)
/* What lies further apart says nothing of one hour. */
#define APART_US HOUR_US
/* Hours that differ by less are as good: the one that comes first is taken. */
#define AS_QUIET 1.25
/* Of an hour so much must be left to begin in it. */
#define LEFT_US (HOUR_US / 6)

static unsigned
hour_of(int64_t wall_us)
{
	return (unsigned)(wall_us / HOUR_US % QUIET_HOURS);
}

bool
quiet_note(struct quiet *q, int64_t wall_us, uint32_t counter)
{
	int64_t past = wall_us - q->wall_us;
	uint32_t grown = counter - q->counter; /* it wraps around */
	bool known = q->wall_us > 0 && past > 0 && past <= APART_US && grown < UINT32_MAX / 2;
	bool over = q->wall_us > 0 && wall_us / HOUR_US != q->wall_us / HOUR_US;
	unsigned h = hour_of(wall_us - past / 2);

	q->counter = counter;
	q->wall_us = wall_us;
	if (!known)
		return over;
	q->changes[h] += grown;
	q->seconds[h] += (double)past / USEC_PER_SEC;
	if (q->seconds[h] > FADE_S) {
		q->changes[h] /= 2;
		q->seconds[h] /= 2;
	}
	return over;
}

static bool
is_known(const struct quiet *q, unsigned h)
{
	return q->seconds[h] >= KNOWN_S;
}

unsigned
quiet_known(const struct quiet *q)
{
	unsigned n = 0;

	for (unsigned h = 0; h < QUIET_HOURS; h++)
		n += is_known(q, h);
	return n;
}

static double
rate(const struct quiet *q, unsigned h)
{
	return q->changes[h] / q->seconds[h];
}

int64_t
quiet_next_us(const struct quiet *q, int64_t wall_us)
{
	int64_t begin = wall_us - wall_us % HOUR_US;
	double least = INFINITY;

	if (!q || quiet_known(q) < QUIET_HOURS)
		return begin + HOUR_US;
	for (unsigned h = 0; h < QUIET_HOURS; h++)
		least = fmin(least, rate(q, h));
	if (begin + HOUR_US - wall_us < LEFT_US)
		begin += HOUR_US;
	while (rate(q, hour_of(begin)) > least * AS_QUIET)
		begin += HOUR_US;
	return MAX(begin, wall_us);
}

/* ---- over restarts ---- */

char *
quiet_save(const struct quiet *q)
{
	json_t *o = json_object(), *changes = json_array(), *seconds = json_array();
	char *text;

	for (unsigned h = 0; h < QUIET_HOURS; h++) {
		json_array_append_new(changes, json_real(round(q->changes[h])));
		json_array_append_new(seconds, json_real(round(q->seconds[h])));
	}
	json_object_set_new(o, "changes", changes);
	json_object_set_new(o, "seconds", seconds);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	assert(text);
	return text;
}

static bool
load_hours(const json_t *a, double ret[static QUIET_HOURS])
{
	if (json_array_size(a) != QUIET_HOURS)
		return false;
	for (unsigned h = 0; h < QUIET_HOURS; h++) {
		double v = json_number_value(json_array_get(a, h));

		if (!isfinite(v) || v < 0)
			return false;
		ret[h] = v;
	}
	return true;
}

bool
quiet_load(struct quiet *q, const char *json)
{
	json_t *o = json_loads(json, 0, NULL);
	struct quiet was = { 0 };
	bool ok = load_hours(json_object_get(o, "changes"), was.changes) &&
	          load_hours(json_object_get(o, "seconds"), was.seconds);

	json_decref(o);
	if (ok)
		*q = was;
	return ok;
}
