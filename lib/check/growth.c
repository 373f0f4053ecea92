/* Counters that may wrap, be reset or start again with their server. */
#include "check/growth.h"
#include "base/map.h"
#include "base/text.h"
#include <math.h>
#include <stdio.h>

struct pending {
	struct counter counter;
	double grown, window_s; /* for the window, 0: none */
	bool keep_old;          /* the clock did not move: the past stays as it was */
};
struct growths {
	struct series *series; /* borrowed */
	double server_start;
	struct map *pending;
};

struct growths *
growths_new(struct series *series, double server_start)
{
	struct growths *g = xcalloc(1, sizeof(*g));

	g->series = series;
	g->server_start = server_start;
	g->pending = map_new();
	return g;
}

struct growths *
growths_free(struct growths *g)
{
	if (!g)
		return NULL;
	map_free(g->pending, free);
	free(g);
	return NULL;
}

static void
write_epoch(const struct growths *g, const char *reset, char ret[static 64])
{
	_cleanup_free_ char *text = text_from_peer(reset, strlen(reset), 40);

	if (isfinite(g->server_start))
		snprintf(ret, 64, "%.3f/%s", g->server_start, text);
	else
		snprintf(ret, 64, "?/%s", text);
}

static bool
has_grown(const struct counter *before, const struct counter *now, struct growth *ret)
{
	if (!before || !streq(before->epoch, now->epoch))
		return false;
	ret->value = now->value - before->value;
	ret->whole = now->whole - before->whole;
	ret->seconds = now->at_s - before->at_s;
	return ret->value >= 0 && !(ret->whole < 0) && !(ret->seconds <= 0);
}

bool
growths_take(struct growths *g, const char *key, const char *reset, const struct counter *now,
    struct growth *ret)
{
	const struct counter *before = series_counter(g->series, key);
	struct counter counter = *now;
	struct pending *pending = map_get(g->pending, key);
	bool grown;

	write_epoch(g, reset, counter.epoch);
	grown = has_grown(before, &counter, ret);
	if (!pending && map_size(g->pending) <= SERIES_COUNTERS) {
		pending = xcalloc(1, sizeof(*pending));
		pending->counter = counter;
		pending->keep_old = before && streq(before->epoch, counter.epoch) &&
		                    counter.at_s >= before->at_s && counter.at_s <= before->at_s;
		map_put(g->pending, key, pending);
	}
	return grown;
}

double
growths_window_sum(
    struct growths *g, const char *key, const struct growth *growth, double at_s, double window_s)
{
	struct pending *pending = map_get(g->pending, key);
	double grown = growth->value;

	/* After a pause longer than the window only its share belongs to the window. */
	if (growth->seconds > window_s)
		grown *= window_s / growth->seconds;
	if (pending && pending->window_s <= 0) {
		pending->grown = grown;
		pending->window_s = window_s;
	}
	return grown + series_window_sum(g->series, key, at_s, window_s);
}

bool
growths_finish(struct growths *g, bool complete)
{
	bool all = map_size(g->pending) <= SERIES_COUNTERS;
	const char *key;
	void *value;

	for (size_t iter = 0; map_next(g->pending, &iter, &key, &value);) {
		const struct pending *p = value;
		const struct counter *before = series_counter(g->series, key);
		struct counter old = before ? *before : p->counter;

		if (!series_set_counter(g->series, key, p->keep_old ? &old : &p->counter)) {
			all = false;
			continue;
		}
		if (p->window_s > 0)
			series_add_increment(
			    g->series, key, p->counter.at_s, p->grown, p->window_s);
	}
	if (complete)
		series_forget_missing(g->series);
	return all;
}
