/* Points to averages of longer times. */
#include "history/private.h"

static int64_t
begin_of(int64_t at_s, int64_t step_s)
{
	int64_t rest = at_s % step_s;

	return at_s - (rest < 0 ? rest + step_s : rest);
}

static int
by_time(const void *a, const void *b)
{
	const struct history_point *x = a, *y = b;

	return x->at_s < y->at_s ? -1 : x->at_s > y->at_s;
}

size_t
history_average(struct history_point *p, size_t n, int64_t step_s)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		p[i].at_s = begin_of(p[i].at_s, step_s);
	if (n > 0)
		qsort(p, n, sizeof(*p), by_time);
	for (size_t i = 0; i < n; i++) {
		struct history_point *last = kept ? &p[kept - 1] : NULL;

		if (!last || last->at_s != p[i].at_s) {
			p[kept++] = p[i];
			continue;
		}
		last->count += p[i].count;
		last->value += (p[i].value - last->value) * (p[i].count / last->count);
		last->min = MIN(last->min, p[i].min);
		last->max = MAX(last->max, p[i].max);
	}
	return kept;
}
