#pragma once
#include "archive/db.h"
/* What the two engines do each in its way; private to lib/archive. */
struct archive_db_ops {
	enum engine engine;
	int (*find)(struct archive_db *, const char *, struct archive_table **, struct err *);
	/* What each column's rows hold, for a table of another engine; NULL: its types say it. */
	int (*survey)(struct archive_table *, struct err *);
	int (*create)(
	    struct archive_db *, const char *, const struct archive_table *, struct err *);
	int (*prepare)(const struct archive_table *, struct archive_which *, struct err *);
	int (*count)(const struct archive_table *, const struct archive_which *,
	    struct archive_count *, struct err *);
	int (*lock)(const struct archive_table *, struct err *); /* -EBUSY at once */
	int (*begin)(struct archive_db *, bool write, struct err *);
	int (*commit)(struct archive_db *, struct err *);
	void (*rollback)(struct archive_db *);
	int (*select)(const struct archive_table *, const struct archive_which *,
	    const struct archive_cell *, size_t, bool, struct archive_rows **, struct err *);
	int (*read)(const struct archive_table *, const struct archive_rows *, bool,
	    struct archive_found *, struct archive_rows *, struct err *);
	int (*insert)(
	    const struct archive_table *, const struct archive_rows *, const bool *, struct err *);
	int (*delete)(const struct archive_table *, const struct archive_rows *, const bool *,
	    size_t *, struct err *);
	int (*mark)(struct archive_db *, const char *, char **, struct err *);
	int (*marked)(struct archive_db *, const char *, const char *, struct err *);
	int (*query)(struct archive_db *, const char *, const char *const *, size_t,
	    struct archive_rows **, struct err *);
	int (*load)(struct archive_db *, struct archive_load *, struct err *);
	void (*free)(struct archive_db *);
};
struct archive_db {
	const struct archive_db_ops *ops;
};
/* More than this is not taken into one batch, but for a single row. */
#define ARCHIVE_BATCH_BYTES ((size_t)16 << 20)

/* One part of a dotted name as a person writes it, unquoted; *p goes behind it and its dot. */
char *archive_name_part(const char **p) _must_check_;
/* Whether some row refers to the one whose columns stand behind the prefix; owned, NULL: none can. */
char *archive_referenced(const struct archive_table *, const char *prefix) _must_check_;
/* The columns' quoted names, behind the prefix each, with commas. */
char *archive_columns(const struct archive_table *, const char *prefix) _must_check_;
struct archive_column *archive_table_add(struct archive_table *);
struct archive_fk *archive_fk_add(struct archive_table *);
/* What orders the rows: column first if an index leads by it, then the key. */
size_t archive_order(const struct archive_table *, const struct archive_which *, size_t *ret);
