#pragma once
#include "base/err.h"
/*
 * The rows of two databases beside each other: how many, from which key to which, and where a key tells
 * rows apart which of them differ.  Each side is read in one snapshot that cannot write, by a person's
 * rights; blocks, so for commands.
 */
struct data_source;
/* until_us: nothing is asked after it, and no statement lasts longer. */
int data_open_postgresql(
    const char *dsn, int64_t until_us, struct data_source **ret, struct err *) _must_check_;
int data_open_sqlite(
    const char *path, int64_t until_us, struct data_source **ret, struct err *) _must_check_;
struct data_source *data_source_free(struct data_source *); /* returns NULL */
DEFINE_CLEANUP(struct data_source *, data_source_free)

enum data_state {
	DATA_SAME = 0,
	DATA_DIFFERS,
	DATA_ONLY_A, /* there is no such table in the other */
	DATA_ONLY_B,
	DATA_NOT_COMPARED, /* why says why */
	DATA_STATE_N
};
extern const char *const data_state_names[DATA_STATE_N];
enum data_row { DATA_ROW_ONLY_A = 0, DATA_ROW_ONLY_B, DATA_ROW_CHANGED, DATA_ROW_N };
extern const char *const data_row_names[DATA_ROW_N];
struct data_key {
	char *text; /* of one row; columns joined by ", " */
	enum data_row what;
};
/* Rows behind `after` up to `to`; NULL: from the first, to the last. */
struct data_range {
	char *after, *to;
	int64_t rows[2];
};
struct data_result {
	char *name; /* as people write it */
	enum data_state state;
	int64_t rows[2]; /* negative: not known */
	char *key;       /* its columns; NULL: none that both have */
	char *first[2], *last[2];
	bool by_row;    /* each row's content was compared, else only what is above */
	char *why;      /* why not, or why not all of it */
	char *unshared; /* columns that only one side has, or NULL */
	struct data_key *keys;
	struct data_range *ranges;
	size_t nkeys, nranges;
	bool more; /* than those */
};
struct data_options {
	int64_t rows_max; /* larger tables are compared by count and keys only */
	size_t keys_max;  /* rows and ranges named of one table */
};
/* By name; data_results_free for the answer.  A side that is lost makes what is left not compared. */
int data_compare(struct data_source *a, struct data_source *b, const struct data_options *,
    struct data_result **ret, size_t *ret_n, struct err *);
void data_results_free(struct data_result *, size_t n);
