/*
 * The folder of expect_migration: read by a worker before the checks that compare with it, so that what they
 * see is what is deployed now.  Their part of the run waits meanwhile; all others go on.
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

static const char *
folder_of(const struct database *d)
{
	return migration_folder_of(conf_database_get(d->conf, "expect_migration"));
}

static bool
compares(const struct checkup *c)
{
	for (size_t i = 0; i < c->check->nbodies; i++)
		if (strv_has(c->binds[i].names, "migrations"))
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
		q = p->next;
		p->next = NULL;
		server_database_run(d, p);
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
	}
	str_done(&m->coming);
	go_on(d);
}

struct part *
migrations_hold(struct database *d, struct part *p)
{
	const char *folder = folder_of(d);
	struct migrations *m = &d->migrations;
	struct part *held = folder ? part_split(p, compares) : NULL;
	_cleanup_free_ char *job = NULL;

	if (!held)
		return NULL;
	if (!m->job) {
		job = migration_job(folder, conf_database_get(d->conf, "migration_tool"));
		str_reset(&m->coming);
		if (worker_submit(d->monitor->migration, MIGRATION_JOB, job, strlen(job), READ_US,
		        QUEUE_US, on_message, on_end, d, &m->job) < 0) {
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
	struct part *p, *q = TAKE_PTR(d->migrations.waiting);

	if (d->migrations.job)
		worker_cancel(TAKE_PTR(d->migrations.job));
	while ((p = q)) {
		q = p->next;
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
	free(m->refused);
	str_done(&m->coming);
	*m = (struct migrations){ 0 };
}

const char *
migrations_text(const struct database *d)
{
	return folder_of(d) ? d->migrations.text : NULL;
}

const char *
migrations_reason(const struct database *d)
{
	if (!folder_of(d) || d->migrations.text)
		return NULL;
	return d->migrations.reason ? d->migrations.reason
	                            : "its folder of migrations was not read yet";
}
