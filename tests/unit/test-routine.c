/* The routine: done, due and overdue by calendars with their edges; marks; rows of the store. */
#include "base/base.h"
#include "routine/routine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define GRACE_US (INT64_C(12) * 3600 * 1000000)

/* Local time of Berlin; 0 for "". */
static int64_t
at(const char *text)
{
	struct tm tm = { .tm_isdst = -1 };

	if (!*text)
		return 0;
	assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
	tm.tm_isdst = -1;
	return mktime(&tm);
}

static int
berlin(void **state)
{
	(void)state;
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	return 0;
}

static void
test_verdicts(void **state)
{
	static const struct {
		const char *begins, *known, *done, *now, *state, *severity, *since, *until;
	} cases[] = {
		/* a day: to its last second, then due, overdue by noon of the day after, worse */
		{ "00:00", "2026-03-01 10:00", "2026-03-02 08:00", "2026-03-02 23:59", "done",
		    "none", "", "2026-03-03 00:00" },
		{ "00:00", "2026-03-01 10:00", "2026-03-02 08:00", "2026-03-03 00:00", "due",
		    "none", "2026-03-03 00:00", "2026-03-04 12:00" },
		{ "00:00", "2026-03-01 10:00", "2026-03-02 08:00", "2026-03-04 11:59", "due",
		    "none", "2026-03-03 00:00", "2026-03-04 12:00" },
		{ "00:00", "2026-03-01 10:00", "2026-03-02 08:00", "2026-03-04 12:00", "overdue",
		    "info", "2026-03-03 00:00", "2026-03-06 00:00" },
		{ "00:00", "2026-03-01 10:00", "2026-03-02 08:00", "2026-03-06 00:00", "overdue",
		    "warning", "2026-03-03 00:00", "" },
		/* done at the very beginning counts for what begins */
		{ "00:00", "2026-03-01 10:00", "2026-03-02 00:00", "2026-03-02 23:00", "done",
		    "none", "", "2026-03-03 00:00" },
		/* work days alone: Friday's lasts over the weekend */
		{ "Mon..Fri 00:00", "2026-03-01 10:00", "2026-03-06 08:00", "2026-03-08 22:00",
		    "done", "none", "", "2026-03-09 00:00" },
		/* a week begins on Monday */
		{ "Mon 00:00", "2026-03-01 10:00", "2026-03-03 08:00", "2026-03-08 23:59", "done",
		    "none", "", "2026-03-09 00:00" },
		{ "Mon 00:00", "2026-03-01 10:00", "2026-03-03 08:00", "2026-03-16 13:00",
		    "overdue", "info", "2026-03-09 00:00", "2026-03-24 00:00" },
		/* months of 28 and 31 days; the last of January is done in January */
		{ "*-*-01 00:00", "2026-01-01 10:00", "2026-01-31 23:00", "2026-02-01 00:00", "due",
		    "none", "2026-02-01 00:00", "2026-03-01 12:00" },
		{ "*-*-01 00:00", "2026-01-01 10:00", "2026-01-31 23:00", "2026-03-01 12:00",
		    "overdue", "info", "2026-02-01 00:00", "2026-04-02 00:00" },
		/* clocks are set forward on 2026-03-29, back on 2026-10-25: still midnight to midnight */
		{ "00:00", "2026-03-01 10:00", "2026-03-28 08:00", "2026-03-29 12:00", "due",
		    "none", "2026-03-29 00:00", "2026-03-30 12:00" },
		{ "00:00", "2026-03-01 10:00", "2026-03-29 23:30", "2026-03-29 23:59", "done",
		    "none", "", "2026-03-30 00:00" },
		{ "00:00", "2026-03-01 10:00", "2026-10-25 01:00", "2026-10-25 23:59", "done",
		    "none", "", "2026-10-26 00:00" },
		/* a day that begins in the hour that is left out begins at the jump */
		{ "02:30", "2026-03-01 10:00", "2026-03-28 08:00", "2026-03-29 03:00", "due",
		    "none", "2026-03-29 03:00", "2026-03-30 14:30" },
		/* never done: due at once, overdue by the first whole period */
		{ "00:00", "2026-03-02 10:00", "", "2026-03-02 10:00", "due", "none",
		    "2026-03-02 10:00", "2026-03-04 12:00" },
		{ "*-*-01 00:00", "2026-03-31 10:00", "", "2026-04-30 10:00", "due", "none",
		    "2026-03-31 10:00", "2026-05-01 12:00" },
		{ "00:00", "2026-03-02 10:00", "", "2026-03-04 12:00", "overdue", "info",
		    "2026-03-02 10:00", "2026-03-06 00:00" },
		/* a mark of a clock that was years ahead proves nothing; of one a moment ahead it does */
		{ "00:00", "2026-03-02 10:00", "2036-01-01 00:00", "2026-03-02 11:00", "due",
		    "none", "2026-03-02 10:00", "2026-03-04 12:00" },
		{ "00:00", "2026-03-02 10:00", "2026-03-02 11:01", "2026-03-02 11:00", "done",
		    "none", "", "2026-03-03 00:00" },
		/* a calendar that is over: done for ever, or due without end */
		{ "2026-01-01 00:00", "2026-01-02 10:00", "2026-01-02 11:00", "2030-01-01 00:00",
		    "done", "none", "", "" },
		{ "2026-01-01 00:00", "2026-01-02 10:00", "", "2030-01-01 00:00", "due", "none",
		    "2026-01-02 10:00", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct routine_verdict v;
		struct calendar *c = NULL;

		assert_int_equal(calendar_parse(cases[i].begins, &c, NULL), 0);
		routine_judge(c, GRACE_US / 1000000, at(cases[i].known), at(cases[i].done),
		    at(cases[i].now), &v);
		calendar_free(c);
		print_message(
		    "%zu: %s, done %s, now %s\n", i, cases[i].begins, cases[i].done, cases[i].now);
		assert_string_equal(routine_state_names[v.state], cases[i].state);
		assert_string_equal(severity_names[v.severity], cases[i].severity);
		assert_int_equal(v.since_sec, at(cases[i].since));
		assert_int_equal(v.until_sec, at(cases[i].until));
	}
}

static char *const begins[ROUTINE_PERIOD_N] = { (char *)"00:00", (char *)"Mon 00:00",
	(char *)"*-*-01", (char *)"quarterly", (char *)"yearly" };

static void
on_forget(const struct routine_entry *e, void *arg)
{
	(void)e;
	++*(size_t *)arg;
}

static struct routine *
routine_of(struct routine *r, bool drill)
{
	routine_begin(r, begins, GRACE_US);
	routine_add(r, "backup-verification", ROUTINE_DAILY, false, "a", at("2026-03-01 10:00"));
	routine_add(r, "backup-verification", ROUTINE_DAILY, true, "b", at("2026-03-01 10:00"));
	if (drill)
		routine_add(r, "Drill", ROUTINE_WEEKLY, false, "", at("2026-03-01 10:00"));
	routine_end(r, NULL, NULL);
	return r;
}

static void
test_marks_survive(void **state)
{
	struct routine *r = routine_of(routine_new(), true), *other = routine_new();
	struct routine_entry *drill = routine_get(r, "Drill", ""), *e;
	struct err err = { 0 };
	struct routine_verdict v;
	char *json;

	(void)state;
	assert_int_equal(drill->kind, ROUTINE_MANUAL);
	assert_int_equal(
	    routine_get(r, "backup-verification", "b")->kind, ROUTINE_BACKUP_VERIFICATION);
	assert_null(routine_get(r, "Drill", "a"));
	assert_false(routine_unmark(drill));
	for (int i = 0; i < 2 * ROUTINE_MARKS; i++)
		routine_mark(drill, ROUTINE_BY_PERSON, "alice", "", at("2026-01-01 10:00") + i);
	assert_int_equal(drill->nmarks, ROUTINE_MARKS);
	routine_mark(drill, ROUTINE_BY_ITSELF, "", "seen", at("2026-03-02 10:00"));
	routine_mark(
	    drill, ROUTINE_BY_PERSON, "bob", "it's \"done\"\n\xc3\xa4", at("2026-03-03 10:00"));
	/* one that comes late has its place by time */
	routine_mark(drill, ROUTINE_BY_JOB, "", "", at("2026-03-02 11:00"));
	json = routine_save(drill);
	assert_int_equal(routine_load(other, json, &err), 0);
	free(json);
	/* what was kept is out of sight until it is configured */
	assert_null(routine_get(other, "Drill", ""));
	routine_of(other, true);
	e = routine_get(other, "Drill", "");
	assert_int_equal(e->nmarks, ROUTINE_MARKS);
	assert_string_equal(e->marks[0].who, "bob");
	assert_string_equal(e->marks[0].note, "it's \"done\"\n\xc3\xa4");
	assert_int_equal(e->marks[1].how, ROUTINE_BY_JOB);
	assert_int_equal(e->marks[2].how, ROUTINE_BY_ITSELF);
	routine_verdict_of(other, e, at("2026-03-04 10:00"), &v);
	assert_int_equal(v.state, ROUTINE_DONE);
	/* a person's word is taken back, not what the daemon saw */
	assert_true(routine_unmark(e));
	assert_int_equal(e->marks[0].how, ROUTINE_BY_JOB);
	/* out of the configuration and in again: nothing is lost */
	routine_of(other, false);
	assert_null(routine_get(other, "Drill", ""));
	assert_false(routine_has(other, "Drill"));
	routine_of(other, true);
	assert_int_equal(routine_get(other, "Drill", "")->nmarks, ROUTINE_MARKS - 1);
	assert_int_equal(
	    routine_load(other, "{\"item\":\"a/b\",\"database\":\"\"}", &err), -EINVAL);
	assert_int_equal(routine_load(other, "[]", &err), -EINVAL);
	assert_int_equal(routine_load(other, "{\"item\":", &err), -EINVAL);
	routine_free(r);
	routine_free(other);
}

static void
test_what_is_forgotten(void **state)
{
	struct routine *r = routine_new();
	size_t gone = 0, n = 0;
	char name[32];

	(void)state;
	routine_begin(r, begins, GRACE_US);
	for (int i = 0; i < ROUTINE_FOREIGN_MAX + 10; i++) {
		snprintf(name, sizeof(name), "Item %d", i);
		routine_add(r, name, ROUTINE_DAILY, false, "", 1000 + i);
	}
	routine_end(r, on_forget, &gone);
	assert_int_equal(gone, 0);
	routine_begin(r, begins, GRACE_US);
	routine_end(r, on_forget, &gone);
	assert_int_equal(gone, 10);
	/* the newest are kept */
	routine_begin(r, begins, GRACE_US);
	routine_add(r, "Item 0", ROUTINE_DAILY, false, "", 9000);
	routine_add(r, "Item 509", ROUTINE_DAILY, false, "", 9000);
	routine_end(r, on_forget, &gone);
	assert_int_equal(routine_get(r, "Item 0", "")->known_sec, 9000);
	assert_int_equal(routine_get(r, "Item 509", "")->known_sec, 1509);
	for (size_t iter = 0; routine_next(r, &iter);)
		n++;
	assert_int_equal(n, 2);
	routine_free(r);
}

static void
test_worst_first(void **state)
{
	struct routine *r = routine_of(routine_new(), true);
	json_t *o, *items;

	(void)state;
	routine_mark(routine_get(r, "backup-verification", "a"), ROUTINE_BY_ITSELF, "", "seen",
	    at("2026-03-09 02:11"));
	routine_mark(routine_get(r, "backup-verification", "b"), ROUTINE_BY_PERSON, "alice", "",
	    at("2026-03-02 02:11"));
	o = routine_json(r, at("2026-03-09 10:00"));
	items = json_object_get(o, "items");
	assert_int_equal(json_array_size(items), 3);
	for (size_t i = 0; i < 3; i++) {
		static const char *const want[][3] = { { "backup-verification", "b", "overdue" },
			{ "Drill", NULL, "due" }, { "backup-verification", "a", "done" } };
		const json_t *e = json_array_get(items, i);
		const char *database = json_string_value(json_object_get(e, "database"));

		assert_string_equal(json_string_value(json_object_get(e, "item")), want[i][0]);
		assert_string_equal(json_string_value(json_object_get(e, "state")), want[i][2]);
		assert_true(!database == !want[i][1]);
		if (database)
			assert_string_equal(database, want[i][1]);
	}
	json_decref(o);
	routine_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_marks_survive),
		cmocka_unit_test(test_what_is_forgotten),
		cmocka_unit_test(test_worst_first),
	};

	return cmocka_run_group_tests(tests, berlin, NULL);
}
