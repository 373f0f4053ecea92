#pragma once
#include "base/err.h"
#include "base/unit.h"
#include <math.h>
/*
 * `>= 0.8`, `< 5min`, `> 10GB`; several joined by `and`; `> 5 x baseline` compares with the median
 * of the kept samples; `> 4 mad`, `< -4 mad` and (either way) `outside 4 mad` how far the value is
 * from what is usual at this hour, in median absolute deviations, `< 0.1 x usual` with it itself; `else OP VALUE` is used while there
 * is no baseline.
 */
struct threshold_term {
	int op;       /* enum compare of check.h; 0: absent */
	double value; /* base unit, or the factor */
	bool times_baseline;
	bool times_usual; /* the factor is of the median of this hour */
	bool mads;        /* the factor is of deviations; CMP_NE: outside */
	bool eta;         /* written `eta < 14d`: the value must be a remaining time */
};
struct threshold {
	struct threshold_term term[2];
	struct threshold_term fallback;
	bool set;
};
/* What the value is compared with besides; NaN: not known. */
struct threshold_known {
	double baseline;    /* median of the kept samples */
	double median, mad; /* of this hour; mad > 0 */
};
#define THRESHOLD_KNOWN_NONE                                                                       \
	((struct threshold_known){ .baseline = NAN, .median = NAN, .mad = NAN })
int threshold_parse(const char *, struct threshold *ret, struct err *);
/* A NaN value never breaches. */
bool threshold_breached(const struct threshold *, double value, const struct threshold_known *);
/*
 * Where a threshold is cleared: given `clear` if set, else warning moved 10 % of itself towards
 * ok.  True while value has not come back that far.
 */
bool threshold_holds(const struct threshold *limit, const struct threshold *clear, double value,
    const struct threshold_known *);
/* It is compared with the kept samples; with what is usual at this hour. */
bool threshold_is_relative(const struct threshold *);
bool threshold_asks_usual(const struct threshold *);
/* It names `eta`: for checks of remaining time (source history) alone. */
bool threshold_asks_eta(const struct threshold *);
#define THRESHOLD_ETA_ONLY                                                                         \
	"eta is the time left until a limit: for checks of source history, such as "               \
	"disk-full-soon"
bool threshold_equal(const struct threshold *, const struct threshold *);
/* ">= 80 %" for people; owned. */
char *threshold_format(const struct threshold *, enum unit) _must_check_;
/* As configuration reads it, ">= 80%"; UNIT_COUNT: bare numbers; owned; "" when not set. */
char *threshold_text(const struct threshold *, enum unit) _must_check_;
/* The number that messages and perfdata show: the first term's; NaN when not set. */
double threshold_value(const struct threshold *, const struct threshold_known *);
