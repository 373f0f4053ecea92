#pragma once
#include "base/base.h"
/*
 * What one check on one scope remembers between runs: last counters by key (rate, ratio) and the
 * last 200 values of up to 20 objects.  Pure; the store keeps it as text.
 */
#define SERIES_KEEP     200
#define SERIES_OBJECTS  20
#define SERIES_COUNTERS 10000
#define BASELINE_MIN    20
struct series;
struct series *series_new(void) _must_check_;
struct series *series_free(struct series *);
DEFINE_CLEANUP(struct series *, series_free)
/* One point a second and object; kept to 7 digits.  A new object takes the place of one that has
 * no point at wall_us, or is not kept. */
void series_add(struct series *, const char *object, int64_t wall_us, double value);
bool series_has(const struct series *, const char *object);
/* Median of the kept values, NaN under BASELINE_MIN. */
double series_baseline(const struct series *, const char *object);
/* Names of the kept objects; NULL behind the last. */
const char *series_object(const struct series *, size_t i);
struct series_point {
	int64_t wall_us;
	double value;
};
/* Oldest first; returns how many. */
size_t series_points(
    const struct series *, const char *object, struct series_point ret[static SERIES_KEEP]);

/* Counter of a key at a time (seconds of the server's clock) in an epoch (reset + server start). */
struct counter {
	double value, whole; /* whole: ratio only, else NaN */
	double at_s;         /* NaN: not told */
	char epoch[64];
};
const struct counter *series_counter(const struct series *, const char *key);
/* False when SERIES_COUNTERS others are there. */
bool series_set_counter(struct series *, const char *key, const struct counter *);
/*
 * Window sum for `window`: increments kept with their time; sum over the last window_s.  The key's
 * counter must be set before.
 */
void series_add_increment(struct series *, const char *key, double at_s, double n, double window_s);
double series_window_sum(const struct series *, const char *key, double at_s, double window_s);
void series_forget_missing(struct series *); /* drops counters not set since the last call */

/* JSON text, owned; load returns NULL for text it cannot read. */
char *series_save(struct series *) _must_check_;
struct series *series_load(const char *) _must_check_;
bool series_is_empty(const struct series *); /* nothing is kept, and the store knows it */
/* A note of whoever saves it. */
void series_saved(struct series *, int64_t now_us);
int64_t series_saved_us(const struct series *); /* 0: never */
bool series_dirty(const struct series *);       /* changed since the last save */
