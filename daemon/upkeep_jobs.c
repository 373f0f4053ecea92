/* Items of the routine that the daemon runs: commands of our own, begun when they are due. */
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "daemon/upkeep_impl.h"

#define FAMILY   "routine"
#define WORDS    7
#define JOBS_OWN 2000 /* of the routine; backups and archives have theirs */

struct plan {
	struct job_spec v[JOBS_OWN];
	size_t n;
};

static char *
name_of(const char *item, const char *database)
{
	return xasprintf(FAMILY "/%s/%s", item, database);
}

/* words: what is behind the program, ended by NULL; a name that jobs may not have is left out. */
static void
add(struct plan *p, char *take_name, const char *item, const char *database,
    const char *const *words)
{
	char **argv = NULL;

	if (p->n == JOBS_OWN ||
	    strspn(take_name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	                      "._/-") != strlen(take_name)) {
		free(take_name);
		return;
	}
	for (; *words; words++)
		strv_add(&argv, *words);
	p->v[p->n++] = (struct job_spec){ .name = take_name,
		.title = xasprintf("%s of %s", item, database),
		.argv = argv,
		.database = database };
}

static void
add_archives(struct plan *p, const struct conf *c, const struct routine_entry *e)
{
	for (size_t i = 0; i < c->narchives; i++) {
		const struct conf_archive *a = &c->archives[i];
		const char *const words[] = { "archive", a->name, NULL };

		if (streq(a->database, e->database))
			add(p, name_of(e->item, a->name), e->item, e->database, words);
	}
}

static bool
has_migrations(const struct conf *c, const char *database)
{
	const struct conf_database *d = conf_find(c, database);

	return d && conf_database_get(d, "migrations_dir");
}

static void
add_entry(struct plan *p, const struct conf *c, const struct routine_entry *e)
{
	const char *const check[] = { "check", "--deep", "--fail-on", "none", e->database, NULL };
	const char *const optimize[] = { "optimize", e->database, NULL };
	const char *const verify[] = { "backup", "verify", e->database, NULL };
	const char *const lint[] = { "migrate", "lint", "--database", e->database, NULL };
	const char *const *words = NULL;

	switch (e->kind) {
	case ROUTINE_HEALTH_CHECK:
		words = check;
		break;
	case ROUTINE_OPTIMIZE:
	case ROUTINE_STATISTICS:
		words = optimize;
		break;
	case ROUTINE_BACKUP_VERIFICATION:
		words = verify;
		break;
	case ROUTINE_MIGRATIONS_REVIEW:
		/* whose migrations nobody named, a person reviews */
		if (has_migrations(c, e->database))
			words = lint;
		break;
	case ROUTINE_ARCHIVE:
		add_archives(p, c, e);
		return;
	case ROUTINE_SLOW_QUERIES:
	case ROUTINE_FINDINGS_REVIEW:
	case ROUTINE_MANUAL:
	case ROUTINE_ITEM_N:
		return;
	}
	if (words)
		add(p, name_of(e->item, e->database), e->item, e->database, words);
}

void
upkeep_plan_jobs(struct upkeep *u)
{
	struct plan *p = xcalloc(1, sizeof(*p));
	const struct routine_entry *entry;
	struct err e = { 0 };

	for (size_t iter = 0; (entry = routine_next(u->routine, &iter));)
		if (entry->runs && *entry->database)
			add_entry(p, u->conf, entry);
	if (jobs_configure(u->jobs, FAMILY, p->v, p->n, &e) < 0)
		log_error("jobs of the routine: %s", e.msg);
	for (size_t i = 0; i < p->n; i++) {
		free((char *)(uintptr_t)p->v[i].name);
		free((char *)(uintptr_t)p->v[i].title);
		strv_free((char **)(uintptr_t)p->v[i].argv);
	}
	free(p);
}

/* Those of an entry, by name, owned. */
static char **
names_of(const struct upkeep *u, const struct routine_entry *e)
{
	char **names = NULL;

	if (e->kind != ROUTINE_ARCHIVE) {
		_cleanup_free_ char *name = name_of(e->item, e->database);

		strv_add(&names, name);
	}
	for (size_t i = 0; e->kind == ROUTINE_ARCHIVE && i < u->conf->narchives; i++) {
		_cleanup_free_ char *name = name_of(e->item, u->conf->archives[i].name);

		if (streq(u->conf->archives[i].database, e->database))
			strv_add(&names, name);
	}
	return names;
}

void
upkeep_begin_job(struct upkeep *u, struct routine_entry *e, int64_t since, int64_t now)
{
	_cleanup_strv_ char **names = NULL;
	int64_t at;

	if (!e->runs || !*e->database || !u->run_at ||
	    calendar_next(u->run_at, MAX(e->tried_sec, since - 1), &at) < 0 || at > now)
		return;
	names = names_of(u, e);
	for (char **name = names; name && *name; name++)
		(void)!jobs_run_now(u->jobs, *name);
	e->tried_sec = now;
	upkeep_keep(u, e);
}

void
upkeep_job_ended(struct upkeep *u, const char *name, const struct job_last *last)
{
	struct routine_entry *e;

	if (!str_starts(name, FAMILY "/") || !u->conf)
		return;
	for (size_t iter = 0; (e = routine_next(u->routine, &iter));) {
		_cleanup_free_ char *mine = name_of(e->item, e->database);

		if (last->result == JOB_OK && e->kind != ROUTINE_ARCHIVE && streq(mine, name)) {
			routine_mark(
			    e, ROUTINE_BY_JOB, "", last->message, last->ended_us / USEC_PER_SEC);
			upkeep_keep(u, e);
		}
	}
	event_active(u->timer, EV_TIMEOUT, 1);
}

/* ---- what jobs prove ---- */

static int64_t
ok_sec(const struct upkeep *u, const char *name)
{
	struct job_last last;

	return jobs_last(u->jobs, name, &last) ? last.ok_us / USEC_PER_SEC : 0;
}

int64_t
upkeep_backup_proof(const struct upkeep *u, const char *database)
{
	struct backup_facts facts;

	return backup_watch_facts(u->backups, database, &facts) ? facts.proved_s : 0;
}

int64_t
upkeep_archive_proof(const struct upkeep *u, const char *database)
{
	int64_t oldest = INT64_MAX;

	for (size_t i = 0; i < u->conf->narchives; i++) {
		const struct conf_archive *a = &u->conf->archives[i];
		_cleanup_free_ char *own = xasprintf("archive/%s", a->name);
		_cleanup_free_ char *ours = name_of("archive", a->name);

		if (streq(a->database, database))
			oldest = MIN(oldest, MAX(ok_sec(u, own), ok_sec(u, ours)));
	}
	return oldest == INT64_MAX ? 0 : oldest;
}

/* The last run of an entry's job that was not good, for `job`; NULL: none. */
json_t *
upkeep_job_json(const struct upkeep *u, const struct routine_entry *e)
{
	_cleanup_strv_ char **names = e->runs && *e->database ? names_of(u, e) : NULL;
	struct job_last last;

	for (char **name = names; name && *name; name++) {
		char at[CLOCK_RFC3339_SIZE];

		if (!jobs_last(u->jobs, *name, &last) || last.result == JOB_NEVER)
			continue;
		clock_rfc3339(last.ended_us, at);
		return json_pack("{s:s, s:s, s:s, s:s}", "name", *name, "result",
		    job_result_names[last.result], "ended_at", at, "message",
		    last.message ? last.message : "");
	}
	return NULL;
}
