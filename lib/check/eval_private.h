#pragma once
#include "base/str.h"
#include "check/column.h"
#include "check/eval.h"
#include "check/growth.h"
#include "check/keep.h"
#include "check/rows.h"
#include "check/shape.h"
/*
 * What the files of the eval share: eval.c judges rows and concludes, eval_read.c reads them.
 */
enum outcome {
	ROW_JUDGED,  /* has a value, or needs none */
	ROW_QUIET,   /* ratio: too little happened; good, without a value */
	ROW_WAITING, /* no verdict yet */
	ROW_BAD      /* reason noted */
};

/* A row while it is judged. */
struct row {
	const char *const *cells;
	const size_t *lengths;
	const char *object, *key; /* of the eval's buffers */
	bool has_value, holds;
	double value, counter;
	struct growth growth;
	enum severity severity;
	struct usual usual; /* median NaN: not asked, or not known */
};

struct eval {
	const struct settings *settings; /* borrowed */
	const struct check *check;       /* borrowed */
	struct eval_context ctx;
	struct columns cols;
	struct keep *keep;
	struct growths *growths; /* rate, ratio; not when judging again */
	struct rows *rows;       /* to remember, or NULL */
	struct str object, key;
	struct shape *shape; /* kind snapshot */
	char *home;
	unsigned slices;
	struct object_value values[RESULT_MAX_VALUES]; /* worst ones, in no order */
	size_t nvalues;
	double min_whole, min_mad, sign; /* sign: -1 where less is worse */
	size_t max_rows, max_bytes, nrows, bytes, nbreaching;
	size_t njudged, nwaiting, nbad;
	size_t nunusual; /* of those waiting: only for want of what is usual */
	bool relative;   /* a threshold names the baseline */
	bool asks_usual; /* one is in mad */
	bool has_columns, truncated, broken;
	struct result bad; /* text and grant of the first row that could not be judged */
};

/* eval_read.c */
const char *eval_cell(
    const struct eval *, const struct row *, enum column_role, size_t *ret_len); /* or NULL */
const char *eval_label_cell(
    const struct eval *, const struct row *, const char *name, size_t *ret_len); /* or NULL */
/* "" where there is none. */
char *eval_label_text(
    const struct eval *, const struct row *, const char *name, size_t max) _must_check_;
/*
 * Text of a cell for comparing, in a buffer that the next row takes over.  What is too long gets a
 * digest of the whole at its end, so that two long names never become one.
 */
const char *eval_take_text(struct str *buf, const char *, size_t len);
enum outcome eval_read_value(struct eval *, struct row *);
void eval_note_bad(struct eval *, const struct row *, const char *column, const char *what);
/* A row that says which right is missing; false when it does not. */
bool eval_note_grant(struct eval *, const struct row *);
