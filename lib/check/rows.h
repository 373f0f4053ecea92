#pragma once
#include "check/eval.h"
/*
 * What is remembered of a check's last rows, so that changed settings can judge them without asking
 * again: those that have a finding, and the worst of the others up to a small size.
 */
#define ROWS_MAX       20
#define ROWS_MAX_BYTES ((size_t)2 << 10) /* of those without a finding */
/* What eval made of a row besides reading its cells: its growth since the run before. */
struct row_memory {
	bool waiting, quiet; /* rate, ratio: no verdict yet; too little happened */
	double value, part, whole;
};
struct rows;
struct rows *rows_new(size_t n, const char *const *names) _must_check_;
struct rows *rows_free(struct rows *); /* returns NULL */
/* badness: more is worse.  A row that is not kept is counted. */
void rows_note(struct rows *, const struct row_memory *, double badness, bool tracked,
    bool breaches, const char *const *cells, const size_t *lengths);
/* Taken from the run's result: eval_again goes back to it. */
void rows_conclude(struct rows *, const struct result *);
/* A note of whoever keeps them. */
void rows_taken(struct rows *, int64_t when_us);
int64_t rows_taken_us(const struct rows *);
size_t rows_count(const struct rows *);
/* That cell of the row of that object, borrowed; NULL: no such row or column, or SQL NULL. */
const char *rows_cell(const struct rows *, const char *object, const char *column);
/*
 * The result that the run would have had with these settings.  COMPLETE only when no row that was
 * not kept can breach.  ctx: series (baseline only), tracked, item and hold as for eval_new.
 */
void eval_again(
    const struct rows *, const struct settings *, const struct eval_context *, struct result *ret);
