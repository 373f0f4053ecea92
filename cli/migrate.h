#pragma once
#include "cli/admin.h"
#include "migrate/db.h"
#include "migrate/folder.h"
#include "migrate/lint.h"
/* What the actions of `dbhealth migrate` share: a database, its folder, and what the one lacks. */
struct migrate_job {
	const struct cli *cli;
	struct admin_target target;
	char *who, *dir, *table;
	struct migrate_db *db;
	struct migrate_folder folder;
	struct migrate_applied *applied;
	size_t napplied;
	struct migrate_plan plan;
	const char *arg, *database, *revision; /* as given, borrowed, or NULL; as it is called */
	char *restore, **before;               /* of --safe: the way back; what was found before */
	json_t *out;                           /* for -o json; owned */
};
enum {
	MIGRATE_CREATE = 1, /* a SQLite file that is not there is made */
};
/*
 * Reads `[NAME|DSN] [REVISION]`, the folder, and what is applied; a sole argument that looks like a
 * revision is one when $DATABASE_URL is set.  0, or an exit code after having said why.
 */
int migrate_job_open(const struct cli *, int flags, struct migrate_job *ret);
void migrate_job_done(struct migrate_job *);
/* Reads again what is applied, and plans anew.  Negative errno. */
int migrate_job_look(struct migrate_job *, struct err *);
/* A second connection, for when the first one is lost; drops the lock. */
int migrate_job_reopen(struct migrate_job *, struct err *);
/* Waits for other runners (--wait), then looks.  0 or an exit code after having said why. */
int migrate_job_lock(struct migrate_job *);

/* Where migrations are: --dir, the section's key, the environment, ./db/migrations; owned. */
char *migrate_dir(const struct cli *, const struct conf_database *) _must_check_;
/* Versions, borrowed, or NULL. */
const char *migrate_current(const struct migrate_plan *);
const char *migrate_head(const struct migrate_plan *);

/*
 * The end of a command: one line for people, "ok" and "message" for -o json, which is printed with all
 * that job->out holds.  code 0 is well; returns code.
 */
int migrate_end(struct migrate_job *, int code, const char *fmt, ...) _printf_(3, 4);
/* The exit code for an error of the database's. */
int migrate_exit_code(const struct err *);
/* A line for people while it goes on; nothing with -q or -o json. */
void migrate_say(const struct migrate_job *, const char *fmt, ...) _printf_(2, 3);
/* ok, message and exit code do not come from notes: what is to be known besides. */
void migrate_note(struct migrate_job *, const char *fmt, ...) _printf_(2, 3);
/* One migration for -o json, as docs/schema/migrate-status.json has it. */
json_t *migrate_step_json(const struct migrate_step *) _must_check_;
/* "dbhealth migrate ACTION" of this database and folder, as it was called; to be gone on with. */
char *migrate_command(const struct migrate_job *, const char *action) _must_check_;
/* What is wrong with a step and what to do, owned; NULL: nothing. */
char *migrate_explain(const struct migrate_job *, const struct migrate_step *) _must_check_;
