/*
 * Share of time for scrubbing as a bucket that fills by the clock, and the signs by which a server
 * is too busy for it.
 */
#include "monitor/allowance.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/unit.h"
#include <math.h>

/* Fewer reads say nothing about how long one takes. */
#define READS_TO_JUDGE 50
/* Older looks would tell of another hour. */
#define LOAD_MAX_AGE_US (120 * USEC_PER_SEC)

void
allowance_set(struct allowance *a, double share, int64_t burst_us)
{
	a->share = share;
	a->burst_us = burst_us;
}

static void
fill(struct allowance *a, int64_t now_us)
{
	if (a->at_us == 0)
		a->credit_us = a->burst_us;
	else if (now_us > a->at_us)
		a->credit_us += (int64_t)((double)(now_us - a->at_us) * a->share);
	a->credit_us = MIN(a->credit_us, a->burst_us);
	a->at_us = now_us;
}

bool
allowance_is_left(struct allowance *a, int64_t now_us)
{
	fill(a, now_us);
	return a->credit_us > 0;
}

void
allowance_spend(struct allowance *a, int64_t now_us, int64_t used_us)
{
	fill(a, now_us);
	a->credit_us -= used_us;
}

/* Half of the burst is enough to go on with, so that connections are not made for a blink. */
int64_t
allowance_wait_us(struct allowance *a, int64_t now_us)
{
	int64_t want = a->burst_us / 2;

	fill(a, now_us);
	if (a->credit_us >= want)
		return 0;
	return (int64_t)ceil((double)(want - a->credit_us) / a->share);
}

char *
load_busy(const struct load *before, const struct load *now, const struct load_limits *lim)
{
	double reads, us;

	if (lim->active > 0 && now->active > lim->active)
		return xasprintf(
		    "%.0f sessions are active, the limit is %.0f", now->active, lim->active);
	if (lim->read_us <= 0 || before->at_us == 0 ||
	    now->at_us - before->at_us > LOAD_MAX_AGE_US || now->reset != before->reset)
		return NULL;
	reads = now->reads - before->reads;
	us = (now->read_ms - before->read_ms) * USEC_PER_MSEC;
	if (!(reads >= READS_TO_JUDGE) || !(us / reads > (double)lim->read_us))
		return NULL;
	return xasprintf("a read takes %.1f ms, the limit is %.1f ms", us / reads / USEC_PER_MSEC,
	    (double)lim->read_us / USEC_PER_MSEC);
}
