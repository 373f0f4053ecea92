#pragma once
#include "cli/cli.h"
#include "conf/conf.h"
/*
 * The database that a command changes, and by whose rights: those of its admin_dsn, of the DSN that was
 * given, or of whoever runs the command (PGUSER, PGPASSWORD, ~/.pgpass); never the monitoring role's.
 */
struct admin_target {
	struct conf *conf;              /* of this one database, with all other sections */
	const struct conf_database *db; /* borrowed from conf */
	enum engine engine;
	char *dsn;  /* PostgreSQL; secret */
	char *path; /* SQLite; absolute where that can be known */
};
/* arg: a configured name or a DSN; NULL: $DATABASE_URL.  0, or an exit code after having said why. */
int admin_target(const struct cli *, const char *arg, struct admin_target *ret);
/* How a command names it: " -c FILE NAME", " DSN" without its password, "" for $DATABASE_URL. */
char *admin_words(const struct cli *, const char *arg, const struct admin_target *) _must_check_;
void admin_target_done(struct admin_target *);
