/*
 * Late, failed, shrunk, unverified: what becomes of facts about backups.
 */
#include "daemon/backup_judge.h"
#include "base/calendar.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/unit.h"

#define HOUR_S INT64_C(3600)
#define DAY_S  (24 * HOUR_S)
/* One that was begun at its time may take that long, or twice as long as the last one took. */
#define SLACK_S (2 * HOUR_S)

void
backup_rows_done(struct backup_rows *r)
{
	free(r->v);
	strv_free(r->texts);
	*r = (struct backup_rows){ 0 };
}

static const char *
keep(struct backup_rows *r, char *take)
{
	_cleanup_free_ char *text = take;

	strv_add(&r->texts, text);
	return r->texts[strv_len(r->texts) - 1];
}

/* action: of `dbhealth backup`. */
static void
add(struct backup_rows *r, const struct backup_case *c, double value, enum severity severity,
    const char *action, char *take_detail)
{
	const char *sep = c->first ? "" : " --policy ", *policy = c->first ? "" : c->policy->name;
	struct told_row *row;

	r->v = xreallocarray(r->v, r->n + 1, sizeof(*r->v));
	row = &r->v[r->n++];
	*row = (struct told_row){ .object = c->policy->name,
		.detail = keep(r, take_detail),
		.value = value,
		.severity = severity,
		.remedies = { keep(r,
		    xasprintf("dbhealth backup %s%s%s %s", action, sep, policy, c->database)) } };
}

static char *
age_text(int64_t seconds)
{
	return duration_format(MAX(seconds, 0) * USEC_PER_SEC);
}

/* ---- late ---- */

static bool
has_limit(const struct conf_backup *b)
{
	return b->schedule || b->max_age_us > 0;
}

/* When the backup after that one had to be there, and the one after it; 0: never. */
static void
by_schedule(const struct backup_case *c, int64_t from_s, int64_t *ret_due, int64_t *ret_next)
{
	int64_t slack = MAX(SLACK_S, 2 * c->facts->took_s);
	struct calendar *calendar = NULL;
	struct err e;

	*ret_due = *ret_next = 0;
	if (calendar_parse(c->policy->schedule, &calendar, &e) < 0)
		return;
	if (calendar_next(calendar, from_s, ret_due) == 0) {
		if (calendar_next(calendar, *ret_due, ret_next) == 0)
			*ret_next += slack;
		*ret_due += slack;
	}
	calendar_free(calendar);
}

static void
judge_late(const struct backup_case *c, struct backup_rows *r)
{
	int64_t newest = c->facts->newest_s, from = newest ? newest : c->since_s;
	int64_t due, worse;
	_cleanup_free_ char *age = age_text(c->now_s - from), *late = NULL;

	if (c->error)
		return;
	if (c->policy->max_age_us > 0) {
		int64_t max = c->policy->max_age_us / USEC_PER_SEC;

		/* Where nothing is scheduled and nothing is there, nobody waits for one. */
		due = newest || c->policy->schedule ? from + max : from;
		worse = from + 2 * max;
	} else {
		by_schedule(c, from, &due, &worse);
	}
	if (due == 0 || c->now_s < due)
		return;
	late = age_text(c->now_s - due);
	add(r, c, (double)(c->now_s - from),
	    worse > 0 && c->now_s >= worse ? SEVERITY_CRITICAL : SEVERITY_WARNING, "create",
	    newest ? xasprintf("the newest good backup is %s old, late by %s", age, late)
	           : xasprintf("no good backup yet; [backup %s] asks for one since %s",
	                 c->policy->name, age));
}

/* ---- failed ---- */

static bool
always(const struct conf_backup *b)
{
	(void)b;
	return true;
}

/* A run that was cut off once is made up by itself. */
static bool
went_wrong(const struct job_last *l)
{
	switch (l->result) {
	case JOB_FAILED:
	case JOB_TIMEOUT:
		return true;
	case JOB_INTERRUPTED:
		return l->failures > 1;
	case JOB_NEVER:
	case JOB_OK:
	case JOB_BUSY:
	case JOB_RESULT_N:
		break;
	}
	return false;
}

static void
judge_failed(const struct backup_case *c, struct backup_rows *r)
{
	_cleanup_free_ char *name = xasprintf("backup/%s/%s", c->policy->name, c->database);
	const struct backup_facts *f = c->facts;
	struct job_last l;

	if (c->error) {
		add(r, c, 1, SEVERITY_WARNING, "list",
		    xasprintf("the folder of its backups cannot be read: %s", c->error));
	} else if (f->refuted_s) {
		add(r, c, 1, SEVERITY_WARNING, "create",
		    xasprintf("the newest backup cannot be relied on: %s", f->refuted));
	} else if (jobs_last(c->jobs, name, &l) && went_wrong(&l) &&
	           /* what was made or proved since then, was by hand */
	           MAX(f->newest_s, f->proved_s) <= l.ended_us / USEC_PER_SEC) {
		const char *sep = *l.message ? ": " : "";

		add(r, c, l.failures, SEVERITY_WARNING, "create",
		    l.failures > 1
		        ? xasprintf("the last %u backups failed%s%s", l.failures, sep, l.message)
		        : xasprintf("the last backup failed%s%s", sep, l.message));
	}
}

/* ---- shrunk ---- */

static bool
minds_size(const struct conf_backup *b)
{
	return b->shrink > 0;
}

static bool
is_shrunk(double now, double usual, double keeps)
{
	return now >= 0 && usual > 0 && now < usual * keeps;
}

static void
judge_shrunk(const struct backup_case *c, struct backup_rows *r)
{
	const struct backup_facts *f = c->facts;
	double keeps = 1 - (double)c->policy->shrink / 100;
	_cleanup_free_ char *now = NULL, *usual = NULL;
	bool rows = is_shrunk(f->rows, f->usual_rows, keeps);

	if (c->error || (!rows && !is_shrunk(f->bytes, f->usual_bytes, keeps)))
		return;
	now = unit_format(rows ? f->rows : f->bytes, rows ? UNIT_COUNT : UNIT_BYTES);
	usual = unit_format(rows ? f->usual_rows : f->usual_bytes, rows ? UNIT_COUNT : UNIT_BYTES);
	add(r, c, rows ? f->rows / f->usual_rows : f->bytes / f->usual_bytes, SEVERITY_WARNING,
	    "list",
	    xasprintf("the newest backup has %s%s, those before it had %s", now,
	        rows ? " rows" : "", usual));
}

/* ---- unverified ---- */

static bool
wants_proof(const struct conf_backup *b)
{
	return b->verify != BACKUP_VERIFY_NO && (b->schedule || b->max_age_us > 0);
}

static void
judge_unverified(const struct backup_case *c, struct backup_rows *r)
{
	const struct backup_facts *f = c->facts;
	int64_t allowed = c->policy->verify == BACKUP_VERIFY_YES ? 2 * DAY_S : 9 * DAY_S;
	int64_t from = f->proved_s ? f->proved_s : MAX(f->oldest_s, c->since_s);
	_cleanup_free_ char *age = age_text(c->now_s - from);

	/* A newer one that nobody looked at; without any, it is late and no more. */
	if (c->error || f->newest_s == 0 || f->newest_s <= f->verified_s ||
	    c->now_s - from < allowed)
		return;
	add(r, c, (double)(c->now_s - from),
	    c->now_s - from >= 2 * allowed ? SEVERITY_WARNING : SEVERITY_INFO, "verify",
	    f->proved_s ? xasprintf("the last one restored for a trial was so %s ago", age)
	                : xasprintf("none was restored for a trial within %s", age));
}

const struct backup_check backup_checks[] = {
	{ "backup-late", has_limit, judge_late },
	{ "backup-failed", always, judge_failed },
	{ "backup-shrunk", minds_size, judge_shrunk },
	{ "backup-unverified", wants_proof, judge_unverified },
	{ NULL },
};
