#pragma once
#include "check/check.h"
/* Which column of a result means what. */
enum column_role {
	COLUMN_OBJECT = 0,
	COLUMN_KEY,
	COLUMN_VALUE,
	COLUMN_SEVERITY,
	COLUMN_DETAIL,
	COLUMN_PART,
	COLUMN_WHOLE,
	COLUMN_RESET,
	COLUMN_GRANT,
	COLUMN_AT,
	COLUMN_FIRST_SEEN,
	COLUMN_RESUME, /* scrub in parts: for the engine alone */
	COLUMN_KEEP,   /* likewise */
	COLUMN_REMEDY, /* and the next REMEDY_MAX - 1 */
	COLUMN_N = COLUMN_REMEDY + REMEDY_MAX
};
#define COLUMN_MAX_LABELS 32
struct columns {
	int index[COLUMN_N]; /* -1: not there */
	struct {
		char *name;
		size_t index;
	} labels[COLUMN_MAX_LABELS];
	size_t nlabels, n;
};
void columns_init(struct columns *, size_t n, const char *const *names);
void columns_done(struct columns *);
/* The column that this kind cannot do without and that is not there, or NULL. */
const char *columns_missing(const struct columns *, const struct check *);
/* A finite decimal number and nothing else. */
bool cell_number(const char *s, size_t len, double *ret);
/* Text for keeping; a cell longer than the cap is cut, with what was lost in *ret_cut. */
char *cell_text(const char *s, size_t len, bool *ret_cut) _must_check_;
