/*
 * From sections to jobs.
 */
#include "daemon/job_plan.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

/* Specs and the texts in them. */
struct plan {
	struct job_spec *v;
	size_t n;
	char **texts;
};

static void
plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		void *argv = (void *)(uintptr_t)p->v[i].argv;

		free(argv);
	}
	free(p->v);
	strv_free(p->texts);
}

static char *
keep(struct plan *p, char *take)
{
	_cleanup_free_ char *text = take;

	strv_add(&p->texts, text);
	return p->texts[strv_len(p->texts) - 1];
}

/* words: up to seven, NULL-terminated; borrowed until the plan is applied. */
static struct job_spec *
add(struct plan *p, char *name, char *title, const char *const *words)
{
	char **argv = xcalloc(8, sizeof(*argv));
	struct job_spec *s;

	for (size_t i = 0; words[i] && i < 7; i++)
		argv[i] = keep(p, xstrdup(words[i]));
	p->v = xreallocarray(p->v, p->n + 1, sizeof(*p->v));
	s = &p->v[p->n++];
	*s = (struct job_spec){ .name = name, .title = title, .argv = argv };
	return s;
}

bool
job_plan_saves(const struct conf_backup *b, const struct conf_database *db)
{
	return !db->all_databases &&
	       (db->engine == ENGINE_POSTGRESQL || db->engine == ENGINE_SQLITE) &&
	       str_glob_any(b->databases, db->name);
}

bool
job_plan_migrates(const struct conf_database *db)
{
	return db->auto_migrate && !db->all_databases &&
	       conf_database_get(db, "migrations_dir") != NULL;
}

/* It verifies and removes old ones by itself, as the section says. */
static void
add_backup(struct plan *p, const struct conf_backup *b, const char *db)
{
	const char *const words[] = { "backup", "create", "--scheduled", "--policy", b->name, db,
		NULL };
	struct job_spec *s = add(p, keep(p, xasprintf("backup/%s/%s", b->name, db)),
	    keep(p, xasprintf("back up %s", db)), words);

	s->schedule = b->schedule;
	s->database = db;
	s->limit_us = b->timeout_us;
}

/* Who wrote the section has said yes to all that it moves. */
static void
add_archive(struct plan *p, const struct conf_archive *a)
{
	const char *const words[] = { "archive", "--yes", a->name, NULL };
	struct job_spec *s = add(p, keep(p, xasprintf("archive/%s", a->name)),
	    keep(p, xasprintf("archive old rows of %s in %s", a->table, a->database)), words);

	s->schedule = a->schedule;
	s->database = a->database;
}

static void
add_migration(struct plan *p, const char *db)
{
	const char *const words[] = { "migrate", "upgrade", "--safe", db, NULL };
	struct job_spec *s = add(
	    p, keep(p, xasprintf("migrate/%s", db)), keep(p, xasprintf("migrate %s", db)), words);

	s->at_start = true;
	s->database = db;
}

static void
apply(struct jobs *jobs, const char *family, struct plan *p)
{
	struct err e = { 0 };

	if (jobs_configure(jobs, family, p->v, p->n, &e) < 0)
		log_error("jobs: %s", e.msg);
	plan_done(p);
}

void
job_plan_apply(struct jobs *jobs, const struct conf *conf)
{
	struct plan backups = { 0 }, archives = { 0 }, migrations = { 0 };

	for (size_t i = 0; i < conf->nbackups; i++)
		for (size_t k = 0; conf->backups[i].schedule && k < conf->ndatabases; k++)
			if (job_plan_saves(&conf->backups[i], &conf->databases[k]))
				add_backup(&backups, &conf->backups[i], conf->databases[k].name);
	for (size_t i = 0; i < conf->ndatabases; i++)
		if (job_plan_migrates(&conf->databases[i]))
			add_migration(&migrations, conf->databases[i].name);
	apply(jobs, "backup", &backups);
	for (size_t i = 0; i < conf->narchives; i++)
		if (conf->archives[i].schedule)
			add_archive(&archives, &conf->archives[i]);
	apply(jobs, "archive", &archives);
	apply(jobs, "migrate", &migrations);
}

static bool
is_wrong(const struct job_last *l)
{
	return l->result == JOB_FAILED || l->result == JOB_TIMEOUT;
}

static void
tell_migration(struct monitor *m, const char *job, const char *db, const struct job_last *l)
{
	static const char id[] = "auto-migrate-failed";
	_cleanup_free_ char *remedy = xasprintf("dbhealth migrate status %s", db);
	_cleanup_free_ char *again = xasprintf("dbhealth jobs run %s", job);
	const struct told_row row = { .object = "",
		.detail = *l->message ? l->message : "no reason was given",
		.value = l->failures,
		.severity = SEVERITY_WARNING,
		.remedies = { remedy, again } };

	if (is_wrong(l))
		(void)monitor_tell(m, db, id, &row, 1);
	else if (l->result == JOB_OK)
		(void)monitor_tell(m, db, id, NULL, 0);
}

void
job_plan_tell_migrations(
    struct monitor *m, const struct jobs *jobs, const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->ndatabases; i++) {
		const char *db = conf->databases[i].name;
		_cleanup_free_ char *job = xasprintf("migrate/%s", db);
		struct job_last l;

		if (name && !streq(name, job))
			continue;
		if (jobs_last(jobs, job, &l))
			tell_migration(m, job, db, &l);
		else if (!conf->databases[i].all_databases)
			monitor_tell_nothing(m, db, "auto-migrate-failed");
	}
}
