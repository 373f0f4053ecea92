#pragma once
#include "base/words.h"
#include "data/data.h"
/* What the two engines do each in its way; private to lib/data. */
struct data_cell {
	char *text; /* NULL: SQL NULL */
	char type;  /* SQLite: 'i' 'r' 't' 'b' (hexadecimal); else 't' */
};
struct data_rows {
	struct data_cell *v;
	size_t n, width;
};
const char *data_text(const struct data_rows *, size_t row, size_t column);
void data_rows_done(struct data_rows *);

struct data_table {
	char *name;     /* as the other side may call it too */
	char *from;     /* behind FROM, quoted */
	char **columns; /* as they are */
	char **key, **order,
	    **shown; /* names; expressions over the table as t, to sort by and to read */
	double size; /* to begin with the small ones */
};
void data_tables_free(struct data_table *, size_t n);
int data_tables(
    struct data_source *, struct data_table **ret, size_t *ret_n, struct err *) _must_check_;

struct data_ops {
	enum engine engine;
	/*
	 * A row for each column, those of one table beneath each other and its key's in their order: name
	 * and from of the table, the column, not NULL where it is of the key, 't' where it is collated,
	 * how large the table is.
	 */
	const char *tables_sql;
	void (*add_key)(struct data_table *, const char *column, bool collated);
	/* One expression over these columns that differs where a row does; and the sum of it. */
	char *(*hash)(char *const *columns);
	const char *sum; /* "f(%s)" of a hash */
	/* -ETIME: the time is over; -ENOTCONN: this side is lost; else of this statement alone. */
	int (*ask)(struct data_source *, const char *sql, const struct data_cell *params, size_t n,
	    struct data_rows *ret, struct err *);
	void (*free)(struct data_source *);
};
/* The first member of each engine's own. */
struct data_source {
	const struct data_ops *ops;
	int64_t until_us;
};
char *data_quote(const char *name) _must_check_;
