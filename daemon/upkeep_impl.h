#pragma once
#include "daemon/backup_watch.h"
#include "daemon/jobs.h"
#include "daemon/upkeep.h"
#include "monitor/proof.h"
#include "routine/routine.h"
/* What the files of the routine share. */
struct upkeep {
	struct event_base *base;
	struct monitor *monitor;
	const struct conf *conf; /* NULL: not started */
	struct routine *routine;
	struct jobs *jobs; /* borrowed, as the next */
	const struct backup_watch *backups;
	struct calendar *run_at; /* of what is run */
	struct event *timer;
	struct upkeep_callbacks callbacks;
	void *arg;
	struct map *told; /* database -> its rows as text, as they were told last */
	int64_t told_us;
	char **names; /* what the entries were made for, where no database is configured */
};
void upkeep_keep(struct upkeep *, const struct routine_entry *);
/* Wall, in seconds, and why, owned: since when the state of things shows that it was done; 0. */
int64_t upkeep_proof(
    const struct upkeep *, const struct routine_entry *, char **ret_text) _must_check_;
/* upkeep_jobs.c */
void upkeep_plan_jobs(struct upkeep *); /* by the entries */
/* Due since then: its job begins once run_at has come since, and since it was tried. */
void upkeep_begin_job(struct upkeep *, struct routine_entry *, int64_t since_sec, int64_t now_sec);
/* Wall, in seconds, 0: a backup was proved by a restore; all archives were run. */
int64_t upkeep_backup_proof(const struct upkeep *, const char *database);
int64_t upkeep_archive_proof(const struct upkeep *, const char *database);
json_t *upkeep_job_json(const struct upkeep *, const struct routine_entry *) _must_check_;
