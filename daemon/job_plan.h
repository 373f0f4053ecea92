#pragma once
#include "conf/conf.h"
#include "daemon/jobs.h"
#include "monitor/monitor.h"
/* The jobs that the configuration asks for: backups and archives with a schedule,
 * migrations at the start. */
void job_plan_apply(struct jobs *, const struct conf *);
/* Whether this section makes backups of that database: named, one that stands for itself, no bouncer. */
bool job_plan_saves(const struct conf_backup *, const struct conf_database *);
/* Whether it is migrated when the daemon starts. */
bool job_plan_migrates(const struct conf_database *);
/* A job of the family migrate ended, or (name NULL) what is known of all of them: tells the monitor. */
void job_plan_tell_migrations(
    struct monitor *, const struct jobs *, const struct conf *, const char *name);
