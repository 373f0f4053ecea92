#pragma once
#include "base/base.h"
/* How long something took, counted in fixed steps.  { 0 } is an empty one. */
#define HISTOGRAM_STEPS 6
extern const int64_t histogram_step_us[HISTOGRAM_STEPS]; /* upper bounds, rising */
struct histogram {
	uint64_t in_step[HISTOGRAM_STEPS + 1]; /* the last: beyond all steps */
	uint64_t count;
	int64_t sum_us;
};
void histogram_add(struct histogram *, int64_t us);
