#pragma once
#include "migrate/db.h"
#include "migrate/statements.h"
/* What the two engines do each in its way; private to lib/migrate. */
enum migrate_where { WHERE_IDLE = 0, WHERE_INSIDE, WHERE_FAILED, WHERE_LOST };
struct migrate_db_ops {
	enum engine engine;
	const char *begin; /* of a transaction that will write */
	int (*version)(const struct migrate_db *);
	int (*lock)(struct migrate_db *, int64_t wait_us, struct err *);
	const char *lock_sql; /* what a person's own client would say for it; NULL: nothing can */
	/* Finds theirs and ours. */
	int (*find)(struct migrate_db *, struct err *);
	int (*applied)(struct migrate_db *, struct migrate_applied **, size_t *, struct err *);
	int (*split)(const char *sql, struct migrate_statement **ret, size_t *ret_n);
	/* Statements of ours, any number. */
	int (*execute)(struct migrate_db *, const char *sql, struct err *);
	/* One of a person.  ret_at: where it is wrong, the length of sql when that is not known. */
	int (*statement)(struct migrate_db *, const char *sql, size_t *ret_at, struct err *);
	enum migrate_where (*where)(const struct migrate_db *);
	/* Before a run: what the one before it left in the session is taken back. */
	int (*settle)(struct migrate_db *, const struct migrate_run *, struct err *);
	/* The statement that limits waits for locks, or NULL where it is none; us 0: waits for ever. */
	char *(*limit)(int64_t us, bool local);
	/* Around what runs in a transaction: whether references hold; *arg is kept from first to last. */
	int (*references)(
	    struct migrate_db *, const struct migrate_run *, bool first, bool *arg, struct err *);
	void (*free)(struct migrate_db *);
};
/* The first member of each engine's own. */
struct migrate_db {
	const struct migrate_db_ops *ops;
	char *who, *table;
	char *theirs, *ours; /* quoted, found by ops->find */
	bool has_theirs, has_ours;
};
#define MIGRATE_TABLE "schema_migrations"
#define MIGRATE_OURS  "dbhealth_migrations"

void migrate_db_init(
    struct migrate_db *, const struct migrate_db_ops *, const struct migrate_who *);
/* CREATE of both tables; owned. */
char *migrate_db_tables_sql(const struct migrate_db *) _must_check_;
/* Columns of another tool's table of this name, for the reason. */
int migrate_fail_stranger(const struct migrate_db *, const char *columns, struct err *);
