/* Whether an item is done, due or overdue by its calendar. */
#include "routine/routine.h"

#define FUTURE_SEC INT64_C(86400) /* a mark that far ahead was made by a clock that was wrong */

const char *const routine_state_names[ROUTINE_STATE_N] = {
	[ROUTINE_DONE] = "done",
	[ROUTINE_DUE] = "due",
	[ROUTINE_OVERDUE] = "overdue",
};

/* 0: the calendar has no further one. */
static int64_t
next(const struct calendar *c, int64_t after)
{
	int64_t at;

	return after > 0 && calendar_next(c, after, &at) == 0 ? at : 0;
}

void
routine_judge(const struct calendar *begins, int64_t grace, int64_t known, int64_t done,
    int64_t now, struct routine_verdict *ret)
{
	bool ever = done > 0 && done <= now + FUTURE_SEC;
	int64_t first = next(begins, ever ? done : known);
	int64_t missed = next(begins, first), twice = next(begins, missed);
	struct routine_verdict v = { .state = ROUTINE_DUE, .since_sec = ever ? first : known };

	if (ever && (first == 0 || first > now))
		v = (struct routine_verdict){ .state = ROUTINE_DONE, .until_sec = first };
	else if (missed == 0 || now < missed + grace)
		v.until_sec = missed > 0 ? missed + grace : 0;
	else if (twice == 0 || now < twice + 2 * grace) {
		v.state = ROUTINE_OVERDUE;
		v.severity = SEVERITY_INFO;
		v.until_sec = twice > 0 ? twice + 2 * grace : 0;
	} else {
		v.state = ROUTINE_OVERDUE;
		v.severity = SEVERITY_WARNING;
	}
	*ret = v;
}
