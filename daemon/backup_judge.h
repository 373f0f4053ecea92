#pragma once
#include "daemon/backup_watch.h"
/* Verdicts about the backups of one database. */
struct backup_case {
	const struct conf_backup *policy;
	const char *database;
	bool first;        /* commands take this section by themselves */
	const char *error; /* why its folder cannot be read, or NULL: then facts hold */
	const struct backup_facts *facts;
	int64_t since_s, now_s; /* it is asked for since; wall */
	const struct jobs *jobs;
};
struct backup_rows {
	struct told_row *v;
	char **texts; /* owned: what the rows point to */
	size_t n;
};
void backup_rows_done(struct backup_rows *);
/* Adds at most one row, whose object is the section. */
typedef void (*backup_judge_fn)(const struct backup_case *, struct backup_rows *);
struct backup_check {
	const char *id;
	/* Whether this policy asks for it at all. */
	bool (*wanted)(const struct conf_backup *);
	backup_judge_fn judge;
};
extern const struct backup_check backup_checks[]; /* ended by a NULL id */
