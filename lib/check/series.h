#pragma once
#include "base/base.h"
/*
 * What one check on one scope remembers between runs: last counters by key (rate, ratio, event)
 * and the last 200 values of up to 20 objects.  Pure; the store keeps it as text.
 */
#define SERIES_KEEP    200
#define SERIES_OBJECTS 20
#define BASELINE_MIN   20
struct series;
struct series *series_new(void) _must_check_;
struct series *series_free(struct series *);
void series_add(struct series *, const char *object, int64_t wall_us, double value);
/* Median of the kept values, NaN under BASELINE_MIN. */
double series_baseline(const struct series *, const char *object);

/* Counter of a key at a time (seconds of the server's clock) in an epoch (reset + server start). */
struct counter {
	double value, whole; /* whole: ratio only */
	double at_s;
	char epoch[64];
};
const struct counter *series_counter(const struct series *, const char *key);
void series_set_counter(struct series *, const char *key, const struct counter *);
/* Window sum for `window`: increments kept with their time; sum over the last window_s. */
void series_add_increment(struct series *, const char *key, double at_s, double n, double window_s);
double series_window_sum(const struct series *, const char *key, double at_s, double window_s);
void series_forget_missing(struct series *); /* drops counters not set since the last call */

/* JSON text, owned; load returns NULL for text it cannot read. */
char *series_save(const struct series *) _must_check_;
struct series *series_load(const char *) _must_check_;
bool series_dirty(const struct series *); /* changed since the last save */
