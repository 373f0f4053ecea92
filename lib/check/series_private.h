#pragma once
#include "base/map.h"
#include "check/series.h"
/* Shared by the series and its text form only. */
struct value_point {
	uint32_t wall_s;
	float value;
};
struct value_ring { /* oldest at start once n is SERIES_KEEP */
	char *object;
	struct value_point *v;
	size_t n, start, cap;
};
struct increment {
	double at_s, n;
};
struct counter_entry {
	struct counter counter;
	unsigned generation;          /* of the run that set it */
	struct increment *increments; /* oldest first */
	size_t nincrements;
};
struct series {
	struct value_ring *rings; /* as many as there are: most checks have none */
	struct map *counters;     /* of struct counter_entry; NULL: none yet */
	unsigned nrings, generation;
	bool dirty;
	int64_t saved_us;
};
struct map *series_counters(struct series *); /* made when there is none */
