/* Counts of durations.  The steps suit probes: a quick answer, a slow one, a timeout, a scrub. */
#include "base/histogram.h"

const int64_t histogram_step_us[HISTOGRAM_STEPS] = { 5000, 25000, 100000, 500000, 2500000,
	10000000 };

void
histogram_add(struct histogram *h, int64_t us)
{
	size_t i = 0;

	us = MAX(us, (int64_t)0);
	while (i < HISTOGRAM_STEPS && us > histogram_step_us[i])
		i++;
	h->in_step[i]++;
	h->count++;
	h->sum_us += us;
}
