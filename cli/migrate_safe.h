#pragma once
#include "cli/migrate_run.h"
/*
 * --safe: what stands between a migration and a loss.  A backup by the section's backup_policy, each
 * means in order until one fits:
 *
 *   dump [up to SIZE]   a whole backup of ours, restored and compared
 *   tables              PostgreSQL: the same of the tables that the files name
 *   external            the newest backup of pgBackRest, barman or WAL-G is younger than max_age, the
 *                       archiver works: then a restore point
 *   command PATH ...    exit 0 says that a backup is there
 */
struct safe_point {
	char *what;    /* "backup 20261123T150000Z, restored and compared" */
	char *restore; /* the command that brings it back, or words */
};
void safe_point_done(struct safe_point *);
struct safe_means {
	const struct cli *cli;
	const struct admin_target *target;
	const char *arg, *database; /* as given; as it is called */
	const char *policy; /* NULL: the section's, or by default dump up to 10GB, external */
	char **sql;         /* what will run, for `tables`; NULL: not known */
};
/* -EOPNOTSUPP: none fits, the reason says why of each. */
int safe_point_make(const struct safe_means *, struct safe_point *ret, struct err *);
/* Judges what backup_policy says: for the configuration too.  -EINVAL. */
int safe_external(const struct safe_means *, int64_t max_age_us, struct safe_point *, struct err *);

/* What `dbhealth check` finds, by the same rights: "SEVERITY CHECK OBJECT" sorted. */
int safe_health(const struct admin_target *, char ***ret, struct err *);

/* Before a batch: lint, a backup, a look.  0, or an exit code after having said why. */
int migrate_safe_before(struct migrate_job *, const struct migrate_batch *);
/* After it went well: what is found now that was not before.  An exit code. */
int migrate_safe_after(struct migrate_job *);
bool migrate_is_safe(const struct cli *); /* --safe, or DB_BACKUP_ON_MIGRATE */
