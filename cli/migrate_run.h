#pragma once
#include "cli/migrate.h"
/* Running migrations, for upgrade, downgrade and resolve. */
struct migrate_batch {
	const struct migrate_step *const *v; /* borrowed */
	size_t n;
	bool down;
	size_t skip; /* of the first one */
};
/* Prints what would run, for --sql.  An exit code. */
int migrate_print_sql(struct migrate_job *, const struct migrate_batch *);
/* What takes data away is asked for, or refused where nobody can be asked.  0 or an exit code. */
int migrate_may_destroy(struct migrate_job *, const struct migrate_batch *);
/*
 * Runs them in order, under the lock, with retries; tells each.  0, or an exit code after having said
 * what failed and what state the database is in.  The plan is read anew in either case.
 */
int migrate_run_batch(struct migrate_job *, const struct migrate_batch *);
