#pragma once
#include "base/err.h"
#include "base/str.h"
/*
 * Rows on their way: what the server prints of a value, or what SQLite holds.  Values are compared, never
 * understood: the text that an engine prints of them, under the same settings at both ends, is what they are.
 */
enum archive_kind { CELL_NULL = 0, CELL_TEXT, CELL_INTEGER, CELL_REAL, CELL_BLOB };
struct archive_cell {
	enum archive_kind kind; /* PostgreSQL: NULL or text alone */
	char *s;                /* owned, a NUL behind it; NULL for CELL_NULL */
	size_t len;
};
struct archive_rows { /* every row has ncolumns cells */
	size_t ncolumns, n;
	struct archive_cell *cells; /* row by row */
	size_t bytes;
};
struct archive_cell archive_cell_new(enum archive_kind, const void *s, size_t len);
struct archive_rows *archive_rows_new(size_t ncolumns) _must_check_;
struct archive_rows *archive_rows_free(struct archive_rows *); /* NULL */
DEFINE_CLEANUP(struct archive_rows *, archive_rows_free)
/* ncolumns empty cells, to be filled by the caller; void after the next one. */
struct archive_cell *archive_rows_add(struct archive_rows *) _must_check_;
struct archive_cell *archive_rows_at(const struct archive_rows *, size_t row);
void archive_rows_set(
    struct archive_rows *, struct archive_cell *, enum archive_kind, const void *s, size_t len);
/* A copy of that row behind all others. */
void archive_rows_copy(struct archive_rows *to, const struct archive_cell *row);

/* As text: a BLOB is \x and hexadecimal digits, as PostgreSQL prints bytes. */
void archive_cell_text(const struct archive_cell *, struct str *);
/* strict: 1 is not '1', for SQLite at both ends. */
bool archive_cell_equal(const struct archive_cell *, const struct archive_cell *, bool strict);
bool archive_row_equal(
    const struct archive_cell *, const struct archive_cell *, size_t ncolumns, bool strict);
/* The shortest decimal number that reads back as the same double. */
void archive_real_text(double, char ret[static 32]);
/* "\x41" or "41" to bytes; owned, a NUL behind them; NULL: it is no such text. */
char *archive_unhex(const char *, size_t len, size_t *ret_len) _must_check_;

/* ---- CSV exactly as COPY ... (FORMAT csv, HEADER) of the server writes it ---- */
void archive_csv_row(const struct archive_cell *, size_t ncolumns, struct str *);
void archive_csv_header(const char *const *names, size_t ncolumns, struct str *);
/* All of it, without the header, as CELL_TEXT and CELL_NULL; -EBADMSG. */
int archive_csv_parse(const char *text, size_t len, size_t ncolumns, struct archive_rows **ret,
    struct err *) _must_check_;
