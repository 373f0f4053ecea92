#pragma once
#include "base/err.h"
#include "conf/conf.h"
#include <event2/event.h>
#include <jansson.h>
/*
 * The routine of [routine]: looks for what proves its items, keeps what people and jobs say of them,
 * begins the jobs of those that are run, and tells the monitor what is overdue (routine-overdue).
 */
struct backup_watch;
struct jobs;
struct job_last;
struct monitor;
struct upkeep;
struct upkeep_callbacks {
	/* A row of kind "routine" to be kept; json NULL: forget it. */
	void (*on_state)(const char *key, const char *json, void *arg);
	/* What GET /v1/checklist answers has changed. */
	void (*on_changed)(void *arg);
};
struct upkeep *upkeep_new(struct event_base *, struct monitor *, struct jobs *,
    const struct backup_watch *, const struct upkeep_callbacks *, void *arg) _must_check_;
struct upkeep *upkeep_free(struct upkeep *); /* returns NULL */
/* What the store kept, before upkeep_start. */
void upkeep_restore(struct upkeep *, const char *json);
/* Before jobs_start: its own jobs are known then. */
void upkeep_start(struct upkeep *, const struct conf *);
/* After a reload; borrowed until the next one. */
void upkeep_set_conf(struct upkeep *, const struct conf *);
/* A run of any job ended. */
void upkeep_job_ended(struct upkeep *, const char *name, const struct job_last *);
/* docs/schema/checklist.json */
json_t *upkeep_json(struct upkeep *) _must_check_;
/* database NULL: all of the item.  -ENOENT: there is no such item, or not on that database. */
int upkeep_done(struct upkeep *, const char *item, const char *database, const char *who,
    const char *note, struct err *) _must_check_;
/* Takes back the newest mark of a person.  -ENOENT; -ESRCH: nobody has marked it. */
int upkeep_undo(struct upkeep *, const char *item, const char *database, struct err *) _must_check_;
