#pragma once
#include "base/words.h"
#include "migrate/script.h"
/*
 * What is unsafe in a migration that runs on a live database, with the safe way.  Pure.  PostgreSQL's
 * statements are parsed by PostgreSQL's own grammar (libpg_query), SQLite's by what SQLite documents of
 * each ALTER (sqlite.org/lang_altertable.html).  docs/migrations.md has the rules.
 *
 * Critical: it keeps others out for as long as the table is large, it loses data, or it fails.
 */
struct lint_note {
	const char *rule; /* "index-not-concurrent"; static */
	enum severity severity;
	bool destructive;    /* it takes data away, whatever else */
	bool whole;          /* of the section, not of one statement */
	int line, last_line; /* of its statement in the file; 0: the file as a whole */
	char *object;        /* "" when none */
	char *message;       /* why, no full stop */
	char *remedy;        /* what to do instead, in words */
	char *sql;           /* the same, ready to run, a statement a line; NULL: words must do */
	char *allowed; /* why the file has it so (`-- lint:allow RULE why`); then it is info */
};
struct lint {
	struct lint_note *v;
	size_t n, cap;
	bool destructive; /* any statement is */
};
/*
 * What files before this one leave behind for the next: checks that are valid, types of columns.  So
 * that a change made safely in three files is seen to be safe in each of them.
 */
struct lint_memory;
struct lint_memory *lint_memory_new(void) _must_check_;
struct lint_memory *lint_memory_free(struct lint_memory *); /* returns NULL */
DEFINE_CLEANUP(struct lint_memory *, lint_memory_free)

/* What the linter may know of where it runs.  Each function may be NULL: it is not known. */
struct lint_context {
	enum engine engine;
	int server_version; /* 150000; 0: not known */
	/* Of a table by name: its rows, so that small ones are let off; negative: not known. */
	double (*rows_of)(const char *schema, const char *table, void *arg);
	/* A column's type now, "varchar(50)"; NULL: not known.  Owned by the caller. */
	char *(*type_of)(const char *schema, const char *table, const char *column, void *arg);
	/* Whether a validated CHECK says that it has no NULL. */
	bool (*never_null)(const char *schema, const char *table, const char *column, void *arg);
	/* Who uses it, in words; column NULL: all of it.  NULL: nobody that is known.  Owned. */
	char *(*users_of)(const char *schema, const char *name, const char *column, void *arg);
	void *arg;
	struct lint_memory *memory; /* borrowed; NULL: of this section alone */
};
/*
 * down: of the way back instead of the way up, where taking away is what is asked for.  Adds to ret;
 * nothing can fail but what it reads, and that is a note too.
 */
void lint_script(
    const struct migrate_script *, bool down, const struct lint_context *, struct lint *ret);
/* What its head still owes: notes that were asked for and are empty. */
void lint_notes(const struct migrate_script *, struct lint *ret);
/* SQL that is no file of ours: what a tool said that it would run. */
void lint_text(const char *sql, bool in_transaction, const struct lint_context *, struct lint *ret);
enum severity lint_worst(const struct lint *);
void lint_done(struct lint *);
