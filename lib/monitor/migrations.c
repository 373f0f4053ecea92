/*
 * The folder of expect_migration: read by a worker before the checks that compare with it, so that what they
 * see is what is deployed now.  Their part of the run waits meanwhile; all others go on.  The files of
 * a fleet share their section's folder, which is not read for each of them.
 */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "migration/migration.h"
#include "monitor/scope_impl.h"

#define READ_US  (20 * USEC_PER_SEC)
#define QUEUE_US (60 * USEC_PER_SEC)
/* 20,000 migrations with three checksums each. */
#define TEXT_MAX ((size_t)16 << 20)
/* What was read for one file of a fleet holds for the next. */
#define SHARED_US (30 * USEC_PER_SEC)

static const char *
folder_of(const struct database *d)
{
	return migration_folder_of(conf_database_get(d->conf, "expect_migration"));
}

static struct database *
holder_of(struct database *d)
{
	return d->fleet_of ? d->fleet_of : d;
}

static bool
compares(const struct checkup *c)
{
	for (size_t i = 0; i < c->check->nbodies; i++)
		if (strv_has(checkup_binds(c)[i].names, "migrations"))
			return true;
	return false;
}

static void
set_reason(struct migrations *m, const char *reason)
{
	free(TAKE_PTR(m->text));
	free(m->reason);
	m->reason = text_from_peer(reason, strlen(reason), 180);
}

static void
go_on(struct database *d)
{
	struct part *p, *q = TAKE_PTR(d->migrations.waiting);

	while ((p = q)) {
		struct database *of = scope_database(p->task->scope);

		q = p->next;
		p->next = NULL;
		if (of->sqlite)
			sqlite_watch_go_on(of, p);
		else
			server_database_run(of, p);
	}
}

static void
on_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct database *d = arg;
	struct migrations *m = &d->migrations;

	if (type == MIGRATION_PART && m->coming.len + len <= TEXT_MAX)
		str_addn(&m->coming, payload, len);
	else if (!m->refused)
		m->refused = type == MIGRATION_REASON ? xstrndup(payload, len)
		                                      : xstrdup("the folder holds too much");
}

static void
on_end(enum worker_end end, const struct err *err, void *arg)
{
	struct database *d = arg;
	struct migrations *m = &d->migrations;
	_cleanup_free_ char *refused = NULL, *said = NULL;

	if (end == WORKER_CANCELLED)
		return; /* the database may be gone */
	m->job = NULL;
	refused = TAKE_PTR(m->refused);
	if (end != WORKER_DONE)
		said = end == WORKER_TIMEOUT
		           ? xasprintf(
		                 "%s: reading it took too long", folder_of(d) ? folder_of(d) : "")
		           : xasprintf("its reader failed: %s", err ? err->msg : "no answer");
	if (refused || said || m->coming.len == 0) {
		set_reason(m, refused ? refused : said ? said : "its reader said nothing");
	} else {
		free(TAKE_PTR(m->reason));
		free(m->text);
		m->text = str_take(&m->coming);
		m->read_us = clock_now_us();
	}
	str_done(&m->coming);
	go_on(d);
}

static bool
is_shared_now(const struct database *d, const struct migrations *m, const char *folder)
{
	return d->fleet_of && m->text && m->folder && streq(m->folder, folder) &&
	       clock_now_us() - m->read_us < MIN(SHARED_US, d->conf->interval_us[PROBE_SCHEMA] / 2);
}

bool
migrations_compared(const struct database *d, const struct checkup *c)
{
	return folder_of(d) && compares(c);
}

struct part *
migrations_hold(struct database *d, struct part *p)
{
	const char *folder = folder_of(d);
	struct database *holder = holder_of(d);
	struct migrations *m = &holder->migrations;
	struct part *held = folder ? part_split(p, compares) : NULL;
	_cleanup_free_ char *job = NULL;

	if (!held || is_shared_now(d, m, folder))
		return held;
	if (!m->job) {
		job = migration_job(folder, conf_database_get(d->conf, "migration_tool"));
		str_reset(&m->coming);
		free(m->folder);
		m->folder = xstrdup(folder);
		if (worker_submit(d->monitor->migration, MIGRATION_JOB, job, strlen(job), READ_US,
		        QUEUE_US, on_message, on_end, holder, &m->job) < 0) {
			set_reason(m, "too many folders wait to be read");
			return held;
		}
	}
	held->next = m->waiting;
	m->waiting = held;
	return NULL;
}

void
migrations_forget(struct database *d)
{
	struct database *holder = holder_of(d);
	struct part *p, *q = TAKE_PTR(holder->migrations.waiting), *ended = NULL;

	if (d->migrations.job)
		worker_cancel(TAKE_PTR(d->migrations.job));
	while ((p = q)) {
		/* The other files of its section wait on. */
		bool stays = holder != d && scope_database(p->task->scope) != d;
		struct part **list = stays ? &holder->migrations.waiting : &ended;

		q = p->next;
		p->next = *list;
		*list = p;
	}
	while ((p = ended)) {
		ended = p->next;
		scope_part_end(p, REASON_CONNECTION, NULL);
	}
}

void
migrations_done(struct database *d)
{
	struct migrations *m = &d->migrations;

	assert(!m->waiting && !m->job);
	free(m->text);
	free(m->reason);
	free(m->folder);
	free(m->refused);
	str_done(&m->coming);
	*m = (struct migrations){ 0 };
}

static const struct migrations *
read_for(const struct database *d)
{
	return d->fleet_of ? &d->fleet_of->migrations : &d->migrations;
}

const char *
migrations_text(const struct database *d)
{
	return folder_of(d) ? read_for(d)->text : NULL;
}

const char *
migrations_reason(const struct database *d)
{
	const struct migrations *m = read_for(d);

	if (!folder_of(d) || m->text)
		return NULL;
	return m->reason ? m->reason : "its folder of migrations was not read yet";
}
