#pragma once
#include "base/words.h"
#include "migrate/plan.h"
/*
 * A database that is migrated, by a person's rights or those of admin_dsn: blocks, so for commands and
 * workers.  Both engines have the same two tables:
 *
 *   schema_migrations(version varchar(128) PRIMARY KEY)   dbmate's: what is applied
 *   dbhealth_migrations(version, file, sum, who, state, statements, applied_at, took_ms, error)   ours
 *
 * What a row of ours says: `done` as dbmate's, with when, how long, of what file and by whom; `running`
 * that it began outside a transaction, of which `statements` are known to be through.  Who is killed
 * inside a transaction leaves nothing; outside, a row `running` (or `reverting`).  So each state after a
 * kill can be told from the others, and dbmate may come and go: what it does has no row of ours, and
 * what it took back is not applied whatever ours says.
 */
struct migrate_db;
struct migrate_who {
	const char *name; /* of the person, as it is kept */
	const char
	    *table; /* dbmate's, "schema_migrations" when NULL; PostgreSQL: or SCHEMA.TABLE */
};
int migrate_db_open_postgresql(const char *dsn, const struct migrate_who *, struct migrate_db **ret,
    struct err *) _must_check_;
/* create: the file may not be there yet. */
int migrate_db_open_sqlite(const char *path, bool create, const struct migrate_who *,
    struct migrate_db **ret, struct err *) _must_check_;
struct migrate_db *migrate_db_free(struct migrate_db *); /* returns NULL; gives the lock back */
DEFINE_CLEANUP(struct migrate_db *, migrate_db_free)

enum engine migrate_db_engine(const struct migrate_db *);
int migrate_db_server_version(const struct migrate_db *); /* 150018; SQLite: 3040001 */
/* As its statements write it; borrowed, NULL before anybody looked. */
const char *migrate_db_table(const struct migrate_db *);

/*
 * Nobody else migrates until it is freed: an advisory lock of the session, or flock() of the
 * file, which SQLite does not use itself; both are given back whatever becomes of us.  -EBUSY after wait_us:
 * the reason says who.
 */
int migrate_db_lock(struct migrate_db *, int64_t wait_us, struct err *);
/* Owned rows, any order; none where the tables are not there: nothing is made by looking. */
int migrate_db_applied(
    struct migrate_db *, struct migrate_applied **ret, size_t *ret_n, struct err *);
void migrate_applied_free(struct migrate_applied *, size_t n);

struct migrate_run {
	const struct migrate_script *script;
	bool down;
	/* How long its statements wait for locks unless they say their own; 0: as the database has it. */
	int64_t lock_timeout_us;
	size_t skip; /* outside a transaction: so many statements are through already */
};
/*
 * Runs one section and says so in both tables.  In a transaction all of it happens or nothing.  The
 * reason names file and line.  -EBUSY: a lock was not had in time, nothing happened, try again.
 * -EINPROGRESS: outside a transaction some statements are through, the rest is not: the tables say so.
 * -ENOTCONN: the connection is lost, so nobody here knows what became of it: look again.
 */
int migrate_db_run(
    struct migrate_db *, const struct migrate_run *, int64_t *ret_took_us, struct err *);
/*
 * A person says what it is: applied (with the file as it is now), or not at all.  Nothing of it is run.
 * Of what is missing the script needs no more than a version and a file.
 */
int migrate_db_resolve(
    struct migrate_db *, const struct migrate_script *, bool applied, struct err *);

/* For --sql: all statements that migrate_db_lock and migrate_db_run would send, for psql or sqlite3. */
char *migrate_db_sql_begin(struct migrate_db *) _must_check_;
char *migrate_db_sql(struct migrate_db *, const struct migrate_run *) _must_check_;
/* How many statements a section has, and the line in its file where one of them (from 0) begins. */
size_t migrate_db_count(struct migrate_db *, const struct migrate_section *);
int migrate_db_line(struct migrate_db *, const struct migrate_section *, size_t statement);
