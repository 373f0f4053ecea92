#pragma once
#include "conf/conf.h"
#include "daemon/jobs.h"
#include "monitor/monitor.h"
/*
 * What is known of backups: what lies in their folders, read by a worker, and how their jobs went,
 * told to the monitor as the rows of backup-late, backup-failed, backup-shrunk and backup-unverified.
 * A backup that somebody made by hand counts like any other.
 */
struct backup_watch;
struct backup_watch *backup_watch_new(struct event_base *, struct monitor *, struct jobs *,
    void (*on_state)(const char *name, const char *json, void *arg), void *arg) _must_check_;
struct backup_watch *backup_watch_free(struct backup_watch *); /* returns NULL */
/* What the store kept (kind "backup"), before backup_watch_set_conf. */
void backup_watch_restore(struct backup_watch *, const char *name, const char *json);
/* conf is borrowed until the next one. */
void backup_watch_set_conf(struct backup_watch *, const struct conf *);
/* A job ended: folders are looked at soon. */
void backup_watch_job_ended(struct backup_watch *, const char *job);

/* Times are wall clock seconds, 0: none. */
struct backup_facts {
	size_t n;           /* that are there */
	int64_t newest_s;   /* the newest that is good */
	int64_t took_s;     /* it took so long */
	int64_t oldest_s;   /* the oldest that is good */
	int64_t verified_s; /* the newest that was proved by a restore: when it was made */
	int64_t proved_s;   /* when that was proved */
	double bytes, rows; /* of the newest good one; rows -1: not counted */
	double usual_bytes, usual_rows; /* median of those before it; -1: too few */
	int64_t refuted_s;              /* the newest of all is broken: when it was made */
	char *refuted;                  /* what is wrong with it; owned by the watch; or NULL */
};
/* By the first section that names it.  False: nothing is known of its backups (yet). */
bool backup_watch_facts(
    const struct backup_watch *, const char *database, struct backup_facts *ret);

/* Of `--worker backups`: reads folders. */
extern const struct worker_role backups_role;
enum {
	BACKUPS_READ = 1, /* to it, for each: name, root, database */
	BACKUPS_FACTS,    /* from it, for each: name, JSON */
};
