#pragma once
#include "backup/backup.h"
#include "backup/child.h"
#include "pg/direct.h"
/* Private to lib/backup: what making, proving and restoring a PostgreSQL backup share. */

/* ---- pg_tools.c: PostgreSQL's own programs, and how they are told where to connect ---- */
struct pg_way {
	char **env;     /* PGHOST=... PGPASSWORD=...: all that libpq reads there; secret */
	char *conninfo; /* the rest, and dbname; no secret */
	char *dsn;      /* keywords, with the password; secret */
};
/* dbname NULL: the DSN's own, which must then be given. */
int pg_way_make(const char *dsn, const char *dbname, struct pg_way *ret, struct err *) _must_check_;
void pg_way_done(struct pg_way *);
/* The database that the DSN names; owned, NULL: none. */
char *pg_way_dbname(const char *dsn) _must_check_;
/* Path of a program whose major version is at least that; -ENOENT with words. */
int pg_tool_find(
    const char *program, int major, char **ret, int *ret_major, struct err *) _must_check_;

/* ---- pg_facts.c: what is recorded of a database, and compared with its copy ---- */
/* Adds the tables with rows of their own, the smallest first, not yet counted. */
int pg_facts_tables(struct pg_direct *, struct manifest *, struct err *) _must_check_;
/* Rows of one, by its quoted name. */
int pg_facts_count(struct pg_direct *, const char *table, int64_t *ret, struct err *) _must_check_;
/* Encoding, locale, owner, settings, large objects, how many objects of each kind. */
int pg_facts_read(
    struct pg_direct *, json_t **ret, char **ret_fingerprint, struct err *) _must_check_;

/* ---- pg_scratch.c: databases that are made, filled and named ---- */
struct pg_scratch {
	struct pg_direct *server; /* of another database of that server */
	char *name;               /* made; dropped at the end unless it was given away */
	struct pg_way way;        /* into it */
	int major;
};
/*
 * That server, by a database other than not_in; an older one than the backup's is refused.  Databases
 * that dead processes left there are dropped.
 */
int pg_scratch_open(const char *dsn, const char *not_in, const struct manifest *,
    struct backup_watch *, struct pg_scratch *ret, struct err *) _must_check_;
/* An empty database for a copy, as the original was.  kind: "verify", "restore" or "release". */
int pg_scratch_make(struct pg_scratch *, const char *dsn, const char *kind, const struct manifest *,
    struct err *) _must_check_;
void pg_scratch_done(struct pg_scratch *);
/* 0: none of dead makers is left whose name ends so; -EBUSY: not yet. */
int pg_scratch_sweep(const char *dsn, const char *end, struct err *) _must_check_;
/* Gives it the settings of the original database; false: the role may not set all of them. */
bool pg_scratch_settings(struct pg_scratch *, const struct manifest *);
/* SQL made by format() of the server, so that it does the quoting; n values. */
int pg_do_format(
    struct pg_direct *, const char *format, const char *const *values, size_t n, struct err *);
int pg_watch(void *arg, struct err *); /* for pg_direct_watch and child_spec */

/* ---- pg_restore.c ---- */
int pg_verify(struct backup_copy_job *, struct err *);
int pg_restore(struct backup_copy_job *, struct err *);
