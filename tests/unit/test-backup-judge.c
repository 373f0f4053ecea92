/* Verdicts about backups, from facts. */
#include "base/clock.h"
#include "daemon/backup_judge.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HOUR INT64_C(3600)
#define DAY  (24 * HOUR)
/* 2026-11-23 15:00:00 UTC */
#define NOW INT64_C(1795446000)

static struct job_last told;

/* The jobs, as this table has them. */
bool
jobs_last(const struct jobs *all, const char *name, struct job_last *ret)
{
	(void)all;
	assert_string_equal(name, "backup/nightly/orders");
	*ret = told;
	return told.result != JOB_NEVER;
}

struct row {
	const char *check;
	const char *schedule;
	int64_t max_age_h, since_h, newest_h, took_h, proved_h; /* so long ago; 0: none */
	int64_t shrink;
	double bytes, rows, usual_bytes, usual_rows;
	enum conf_backup_verify verify;
	const char *severity; /* NULL: nothing is said */
	const char *words;    /* in the detail */
};

static const struct row table[] = {
	/* by age */
	{ "backup-late", NULL, 24, 100, 23, .severity = NULL },
	{ "backup-late", NULL, 24, 100, 25, .severity = "warning", .words = "late by 1 h" },
	{ "backup-late", NULL, 24, 100, 49, .severity = "critical" },
	/* none yet: at once where somebody makes them by hand, else when the time is over */
	{ "backup-late", NULL, 24, 1, 0, .severity = "warning", .words = "no good backup yet" },
	{ "backup-late", "daily", 24, 1, 0, .severity = NULL },
	{ "backup-late", "daily", 24, 25, 0, .severity = "warning" },
	/* by the schedule, with two hours or twice what the last one took: midnight was 15 h ago */
	{ "backup-late", "daily", 0, 100, 15, .severity = NULL },
	{ "backup-late", "daily", 0, 100, 16, .severity = "warning" },
	{ "backup-late", "daily", 0, 100, 16, 8, .severity = NULL },
	{ "backup-late", "daily", 0, 100, 40, .severity = "critical" },
	{ "backup-late", "daily", 0, 14, 0, .severity = NULL },
	{ "backup-late", "daily", 0, 16, 0, .severity = "warning" },
	/* half of what it was */
	{ "backup-shrunk", .shrink = 50, .bytes = 49, .usual_bytes = 100, .rows = -1,
	    .usual_rows = -1, .severity = "warning", .words = "49 B" },
	{ "backup-shrunk", .shrink = 50, .bytes = 51, .usual_bytes = 100, .severity = NULL },
	{ "backup-shrunk", .shrink = 30, .bytes = 69, .usual_bytes = 100, .severity = "warning" },
	{ "backup-shrunk", .shrink = 50, .bytes = 99, .usual_bytes = 100, .rows = 2,
	    .usual_rows = 10, .severity = "warning", .words = "2 rows" },
	{ "backup-shrunk", .shrink = 50, .bytes = 1, .usual_bytes = -1, .severity = NULL },
	/* trials */
	{ "backup-unverified", "daily", 0, 1000, 10, .proved_h = 47, .verify = BACKUP_VERIFY_YES },
	{ "backup-unverified", "daily", 0, 1000, 10, .proved_h = 49, .verify = BACKUP_VERIFY_YES,
	    .severity = "info" },
	{ "backup-unverified", "daily", 0, 1000, 10, .proved_h = 97, .verify = BACKUP_VERIFY_YES,
	    .severity = "warning" },
	{ "backup-unverified", "daily", 0, 1000, 10, .proved_h = 9 * 24 - 1,
	    .verify = BACKUP_VERIFY_WEEKLY },
	{ "backup-unverified", "daily", 0, 1000, 10, .proved_h = 9 * 24 + 1,
	    .verify = BACKUP_VERIFY_WEEKLY, .severity = "info" },
	{ "backup-unverified", "daily", 0, 1000, 0,
	    .verify = BACKUP_VERIFY_YES }, /* that is late */
	{ "backup-unverified", "daily", 0, 20, 10, .verify = BACKUP_VERIFY_YES },
};

static const struct backup_check *
check_of(const char *id)
{
	const struct backup_check *k = backup_checks;

	while (k->id && strcmp(k->id, id) != 0)
		k++;
	assert_non_null(k->id);
	return k;
}

static int64_t
ago(int64_t hours)
{
	return hours > 0 ? NOW - hours * HOUR : 0;
}

static void
test_table(void **state)
{
	static char name[] = "nightly";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct row *t = &table[i];
		_cleanup_free_ char *schedule =
		    t->schedule ? xasprintf("%s UTC", t->schedule) : NULL;
		struct conf_backup policy = { .name = name,
			.schedule = schedule,
			.max_age_us = t->max_age_h * HOUR * USEC_PER_SEC,
			.shrink = t->shrink,
			.verify = t->verify };
		const struct backup_facts facts = { .newest_s = ago(t->newest_h),
			.oldest_s = ago(t->newest_h),
			.took_s = t->took_h * HOUR,
			.verified_s = ago(t->proved_h),
			.proved_s = ago(t->proved_h),
			.bytes = t->bytes,
			.rows = t->rows,
			.usual_bytes = t->usual_bytes,
			.usual_rows = t->usual_rows };
		const struct backup_case c = { .policy = &policy,
			.database = "orders",
			.first = true,
			.facts = &facts,
			.since_s = ago(t->since_h),
			.now_s = NOW };
		struct backup_rows rows = { 0 };

		print_message("row %zu: %s\n", i, t->check);
		assert_true(check_of(t->check)->wanted(&policy));
		check_of(t->check)->judge(&c, &rows);
		assert_int_equal(rows.n, t->severity ? 1 : 0);
		if (t->severity) {
			assert_string_equal(severity_names[rows.v[0].severity], t->severity);
			assert_string_equal(rows.v[0].object, "nightly");
			if (t->words)
				assert_non_null(strstr(rows.v[0].detail, t->words));
		}
		backup_rows_done(&rows);
	}
}

/* Whether a failed run is told, when a good backup was made by hand so long after its end. */
static void
test_failed(void **state)
{
	static const struct {
		enum job_result result;
		unsigned failures;
		int64_t good_s; /* after its end; 0: none since */
		bool refuted, error, said;
	} rows[] = {
		{ JOB_NEVER, 0, 0, false, false, false },
		{ JOB_OK, 0, 0, false, false, false },
		{ JOB_FAILED, 1, 0, false, false, true },
		{ JOB_TIMEOUT, 3, 0, false, false, true },
		{ JOB_FAILED, 1, 5, false, false, false },
		{ JOB_BUSY, 0, 0, false, false, false },
		{ JOB_INTERRUPTED, 1, 0, false, false, false },
		{ JOB_INTERRUPTED, 2, 0, false, false, true },
		{ JOB_OK, 0, 5, true, false, true },
		{ JOB_OK, 0, 5, false, true, true },
	};
	static char name[] = "nightly", why[] = "a byte is another one";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct conf_backup policy = { .name = name };
		const struct backup_facts facts = { .newest_s = NOW - 100 + rows[i].good_s,
			.refuted_s = rows[i].refuted ? NOW - 50 : 0,
			.refuted = rows[i].refuted ? why : NULL };
		const struct backup_case c = { .policy = &policy,
			.database = "orders",
			.error = rows[i].error ? "no way in" : NULL,
			.facts = &facts,
			.now_s = NOW };
		struct backup_rows said = { 0 };

		told = (struct job_last){ .result = rows[i].result,
			.failures = rows[i].failures,
			.started_us = (NOW - 110) * USEC_PER_SEC,
			.ended_us = (NOW - 100) * USEC_PER_SEC,
			.message = "no room" };
		check_of("backup-failed")->judge(&c, &said);
		assert_int_equal(said.n, rows[i].said ? 1 : 0);
		/* not the section that commands take by themselves: it is named */
		if (said.n > 0)
			assert_non_null(strstr(said.v[0].remedies[0], " --policy nightly orders"));
		backup_rows_done(&said);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
