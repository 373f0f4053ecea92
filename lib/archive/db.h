#pragma once
#include "archive/cell.h"
#include "base/words.h"
/*
 * A database that rows leave or come to, blocking: for commands and workers.  One connection; the tables
 * found on it share its transaction.
 */
struct archive_db;
struct archive_load; /* how busy it is */

/* How a column is kept in a SQLite file, so that it reads back as PostgreSQL printed it. */
enum archive_as { ARCHIVE_AS_IS = 0, ARCHIVE_AS_INTEGER, ARCHIVE_AS_BOOL, ARCHIVE_AS_BYTES };
struct archive_column {
	char *name, *quoted;
	char *type; /* as it is written there */
	char *
	    plain; /* for a table in another database: a type that is in every one of that engine */
	enum archive_as as;
	bool generated; /* never written */
};
struct archive_fk {              /* who refers to the table */
	char *from;              /* "public.items (event_id)", for people */
	char *table;             /* quoted */
	char **own, **refers_to; /* columns, quoted, in pairs */
	char *on_delete;         /* "CASCADE" */
	bool plain;              /* NO ACTION, RESTRICT: no other row goes with it */
};
struct archive_table {
	struct archive_db *db; /* borrowed */
	char *name, *quoted;   /* for people; with its schema */
	char *schema;          /* quoted; PostgreSQL */
	char *from;            /* as it stands behind FROM: ONLY */
	struct archive_column *columns;
	size_t ncolumns;
	size_t *key; /* columns of the key that is used */
	size_t nkey;
	bool nullable_key;
	struct archive_fk *fks;
	size_t nfks;
	char *identity; /* the same for the same table, whatever way leads to it */
};
struct archive_table *archive_table_free(struct archive_table *); /* NULL */
DEFINE_CLEANUP(struct archive_table *, archive_table_free)

/* Which rows are to go. */
struct archive_which {
	const char *column; /* NULL: where alone */
	const char *where;  /* or NULL */
	int64_t older_than_us;
	/* found out by archive_db_prepare */
	char *old; /* the whole condition in SQL */
	size_t column_index;
	bool by_column; /* an index leads by column: it rules the order */
	char *cutoff;   /* for people */
};
void archive_which_done(struct archive_which *);

struct archive_load {
	double lag_s; /* of the latest standby; below 0: none, or not to be seen */
	int64_t active;
	int64_t forced_checkpoints;
};
struct archive_count {
	int64_t rows, referenced, without_key, bytes;
	char *oldest, *newest; /* NULL: none, or no column */
	char *cost;            /* a warning in words, or NULL */
};
void archive_count_done(struct archive_count *);

int archive_db_open_postgresql(const char *dsn, struct archive_db **ret, struct err *) _must_check_;
/* create: the file may not be there yet. */
int archive_db_open_sqlite(
    const char *path, bool create, struct archive_db **ret, struct err *) _must_check_;
struct archive_db *archive_db_free(struct archive_db *); /* NULL */
DEFINE_CLEANUP(struct archive_db *, archive_db_free)
enum engine archive_db_engine(const struct archive_db *);

/* [SCHEMA.]TABLE as a person writes it; -ENOENT. */
int archive_db_find(
    struct archive_db *, const char *name, struct archive_table **ret, struct err *);
/* Before one like it is made elsewhere: what its columns hold. */
int archive_db_survey(struct archive_table *, struct err *);
/* A new table with the columns and the key of that one, and nothing else of it. */
int archive_db_create(
    struct archive_db *, const char *name, const struct archive_table *like, struct err *);
/* Puts the columns of the target in the order of the source; refuses what does not fit. */
int archive_table_align(
    struct archive_table *target, const struct archive_table *source, struct err *);
int archive_db_prepare(const struct archive_table *, struct archive_which *, struct err *);
int archive_db_count(const struct archive_table *, const struct archive_which *,
    struct archive_count *ret, struct err *);

/* Nobody else moves rows of this table until the connection ends; -EBUSY after wait_us. */
int archive_db_lock(const struct archive_table *, int64_t wait_us, struct err *);

/* write false: reads alone. */
int archive_db_begin(struct archive_db *, bool write, struct err *);
int archive_db_commit(struct archive_db *, struct err *);
void archive_db_rollback(struct archive_db *);
/* Up to n rows behind the row after (NULL: from the start); lock: those that nobody else has locked. */
int archive_db_select(const struct archive_table *, const struct archive_which *,
    const struct archive_cell *after, size_t n, bool lock, struct archive_rows **ret, struct err *);
/* What became of each row of rows, found by its key. */
struct archive_found {
	bool there;
	bool referenced; /* by a foreign key */
	size_t row;      /* in the rows that were read */
};
int archive_db_read(const struct archive_table *, const struct archive_rows *keys, bool lock,
    struct archive_found *ret, struct archive_rows **ret_rows, struct err *);
/* pick: of each row, whether it is meant. */
int archive_db_insert(
    const struct archive_table *, const struct archive_rows *, const bool *pick, struct err *);
int archive_db_delete(const struct archive_table *, const struct archive_rows *, const bool *pick,
    size_t *ret_n, struct err *);

/*
 * In the transaction at work: what tells afterwards, whoever asks, whether it was committed.
 * archive_db_marked: 1 yes, 0 no, -ENODATA: nobody knows any more.
 */
int archive_db_mark(struct archive_db *, const char *archive, char **ret_token, struct err *);
int archive_db_marked(struct archive_db *, const char *archive, const char *token, struct err *);

/* One statement of ours; $1 ... in this order. */
int archive_db_query(struct archive_db *, const char *sql, const char *const *params, size_t n,
    struct archive_rows **ret, struct err *);
int archive_db_load(struct archive_db *, struct archive_load *ret, struct err *);
