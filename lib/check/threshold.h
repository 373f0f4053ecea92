#pragma once
#include "base/err.h"
#include "base/unit.h"
/*
 * `>= 0.8`, `< 5min`, `> 10GB`; several joined by `and`; `> 5 x baseline` compares with the median
 * of the kept samples; `else OP VALUE` is used while there is no baseline.
 */
struct threshold_term {
	int op;       /* enum compare of check.h; 0: absent */
	double value; /* base unit, or the factor */
	bool times_baseline;
};
struct threshold {
	struct threshold_term term[2];
	struct threshold_term fallback;
	bool set;
};
int threshold_parse(const char *, struct threshold *ret, struct err *);
/* NaN baseline: none known.  A NaN value never breaches. */
bool threshold_breached(const struct threshold *, double value, double baseline);
/*
 * Where a threshold is cleared: given `clear` if set, else warning moved 10 % of itself towards
 * ok.  True while value has not come back that far.
 */
bool threshold_holds(
    const struct threshold *limit, const struct threshold *clear, double value, double baseline);
bool threshold_equal(const struct threshold *, const struct threshold *);
/* ">= 80 %" for people; owned. */
char *threshold_format(const struct threshold *, enum unit) _must_check_;
/* As configuration reads it; owned; "" when not set. */
char *threshold_text(const struct threshold *) _must_check_;
/* The number that messages and perfdata show: the first term's; NaN when not set. */
double threshold_value(const struct threshold *, double baseline);
