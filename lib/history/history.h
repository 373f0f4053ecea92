#pragma once
#include "base/err.h"
#include "base/str.h"
#include "base/unit.h"
/*
 * Samples over time, in a folder of their own: each as it came for 48 h, then averages of 5 minutes
 * with the least and the most, then of an hour.  One process writes; any may read meanwhile.  All of
 * it may block: for workers.
 */
enum history_level { HISTORY_RAW = 0, HISTORY_5MIN, HISTORY_1H, HISTORY_LEVEL_N };
extern const int64_t history_level_s[HISTORY_LEVEL_N]; /* 1, 300, 3600 */
#define HISTORY_RAW_KEEP_S  (INT64_C(48) * 3600)
#define HISTORY_5MIN_KEEP_S (INT64_C(30) * 86400)
#define HISTORY_OBJECTS     20 /* of a check on a database, the worst */
#define HISTORY_SERIES_MAX  500000
#define HISTORY_NAME_MAX    ((size_t)1024)
#define HISTORY_POINTS_MAX  11000 /* of one answer */
struct history_point {
	int64_t at_s; /* Unix seconds; of an average: where its time begins */
	double value; /* the average */
	double min, max;
	double count; /* samples in it */
};

/* ---- what is handed to the writer: any number of runs, one after the other ---- */
struct history_value {
	const char *object;
	double value;
};
/* One run of one check; worst first.  What is not finite is left out. */
void history_batch_add(struct str *batch, const char *scope, const char *check, enum unit,
    int64_t at_s, const struct history_value *, size_t n);

/* ---- writing ---- */
struct history;
struct history_limits {
	int64_t keep_s, max_bytes;
};
/* Something is lost or not kept: one sentence for people. */
typedef void (*history_lost_fn)(const char *what, void *arg);
/* Makes the folder where it is not, mends what an end without warning left. */
int history_open(const char *dir, const struct history_limits *, history_lost_fn, void *arg,
    struct history **ret, struct err *) _must_check_;
struct history *history_close(struct history *); /* returns NULL */
void history_set_limits(struct history *, const struct history_limits *);
/*
 * On the disk when it returns 0; of an error nothing of it is.  The same batch may be given again.
 * now_s: the wall clock.
 */
int history_append(
    struct history *, const char *batch, size_t len, int64_t now_s, struct err *) _must_check_;
/*
 * One step of what is to be done from time to time: closing, averaging, removing.  1: more is to be
 * done, 0: nothing, or negative errno.
 */
int history_maintain(struct history *, int64_t now_s, struct err *) _must_check_;

/* ---- reading ---- */
struct history_series {
	char *object;
	enum unit unit;
	struct history_point *points; /* by time */
	size_t npoints;
	double last; /* the newest sample or average in the range; NaN: none */
	int64_t last_s;
};
struct history_answer {
	struct history_series *series; /* by name of the object */
	size_t nseries;
	int64_t resolution_s; /* the coarsest that was used: 1, 300 or 3600 */
	bool known;           /* there is such a series, be it without a point in the range */
	bool truncated;       /* only the newest HISTORY_POINTS_MAX of each */
	size_t damaged;       /* blocks or files that could not be read */
};
struct history_query {
	const char *scope, *check, *object; /* object NULL: each */
	int64_t from_s, to_s;               /* both in it */
	int64_t step_s;                     /* 0: as they are kept */
};
/* What history_read gives of one object without a name of its own is of the object "". */
int history_read(const char *dir, const struct history_query *, struct history_answer *ret,
    struct err *) _must_check_;
void history_answer_done(struct history_answer *);
