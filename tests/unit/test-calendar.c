/* base/calendar: what is read, when it comes, over time zones; and as systemd-analyze says it. */
#include "base/calendar.h"
#include "base/str.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static void
set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static int64_t
utc(const char *text)
{
	struct tm tm = { 0 };

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return timegm(&tm);
}

static void
assert_next(const char *zone, const char *expr, const char *after, const char *expected)
{
	struct calendar *c = NULL;
	struct err e = { 0 };
	int64_t at = 0;
	char got[32];
	time_t t;
	struct tm tm;
	int r;

	set_zone(zone);
	if (calendar_parse(expr, &c, &e) < 0)
		fail_msg("%s: %s", expr, e.msg);
	r = calendar_next(c, utc(after), &at);
	calendar_free(c);
	if (!expected) {
		assert_int_equal(r, -ENOENT);
		return;
	}
	assert_int_equal(r, 0);
	t = (time_t)at;
	assert_non_null(gmtime_r(&t, &tm));
	strftime(got, sizeof(got), "%Y-%m-%d %H:%M:%S", &tm);
	if (!streq(got, expected))
		fail_msg("%s after %s in %s: %s, expected %s", expr, after, zone, got, expected);
}

static void
test_next_comes_when_it_should(void **state)
{
	static const struct {
		const char *expr, *after, *expected;
	} table[] = {
		{ "daily", "2026-03-01 00:00:00", "2026-03-02 00:00:00" },
		{ "hourly", "2026-12-31 23:30:00", "2027-01-01 00:00:00" },
		{ "minutely", "2026-03-01 10:00:00", "2026-03-01 10:01:00" },
		{ "weekly", "2026-03-01 12:00:00", "2026-03-02 00:00:00" },
		{ "quarterly", "2026-03-01 12:00:00", "2026-04-01 00:00:00" },
		{ "Sat 02:00", "2026-03-01 00:00:00", "2026-03-07 02:00:00" },
		{ "sat,SUNDAY 02:00", "2026-03-01 00:00:00", "2026-03-01 02:00:00" },
		{ "Mon..Fri 22:30", "2026-03-06 22:30:00", "2026-03-09 22:30:00" },
		{ "Sun *-*-1..7 03:00", "2026-03-01 03:00:00", "2026-04-05 03:00:00" },
		{ "*-*~01 03:00", "2026-02-01 00:00:00", "2026-02-28 03:00:00" },
		{ "*-02~03 03:00", "2028-01-01 00:00:00", "2028-02-27 03:00:00" },
		{ "*-*~03/1 00:00", "2026-04-28 12:00:00", "2026-04-29 00:00:00" },
		{ "*-*~03..05 00:00", "2026-04-28 12:00:00", "2026-05-27 00:00:00" },
		{ "*-02-29", "2026-01-01 00:00:00", "2028-02-29 00:00:00" },
		{ "Mon *-02-29", "2026-01-01 00:00:00", "2044-02-29 00:00:00" },
		{ "12-24 18:00", "2026-12-24 18:00:00", "2027-12-24 18:00:00" },
		{ "*:0/15", "2026-03-01 10:46:00", "2026-03-01 11:00:00" },
		{ "8..17/3:05:09", "2026-03-01 11:05:09", "2026-03-01 14:05:09" },
		{ "2026-03-05 08,20:00", "2026-03-05 08:00:00", "2026-03-05 20:00:00" },
		{ "2026-03-05 08:00 UTC", "2026-03-05 08:00:00", NULL },
		{ "26-03-05", "2026-03-01 08:00:00", "2026-03-05 00:00:00" },
		{ "*-*-31", "2026-03-31 00:00:00", "2026-05-31 00:00:00" },
		{ "*-02-30", "2026-03-31 00:00:00", NULL },
		{ "*:*:*", "2026-03-31 00:00:00", "2026-03-31 00:00:01" },
		{ "Tue", "2026-03-31 00:00:00", "2026-04-07 00:00:00" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_next("UTC", table[i].expr, table[i].after, table[i].expected);
}

static void
test_clocks_that_are_set_are_followed(void **state)
{
	static const char berlin[] = "CET-1CEST,M3.5.0,M10.5.0/3";

	(void)state;
	assert_next(berlin, "02:30", "2026-03-28 12:00:00", "2026-03-29 01:00:00");
	assert_next(berlin, "02:30", "2026-03-29 01:00:00", "2026-03-30 00:30:00");
	assert_next(berlin, "03:00", "2026-03-28 12:00:00", "2026-03-29 01:00:00");
	assert_next(berlin, "02:30", "2026-10-24 12:00:00", "2026-10-25 00:30:00");
	assert_next(berlin, "02:30", "2026-10-25 00:30:00", "2026-10-25 01:30:00");
	assert_next(berlin, "02:30", "2026-10-25 01:30:00", "2026-10-26 01:30:00");
	assert_next(berlin, "*:30", "2026-10-25 00:30:00", "2026-10-25 01:30:00");
	assert_next(berlin, "*:30", "2026-03-29 00:30:00", "2026-03-29 01:00:00");
	assert_next(berlin, "Sun 02:30 UTC", "2026-03-28 12:00:00", "2026-03-29 02:30:00");
	assert_next(berlin, "12:00", "2026-03-28 12:00:00", "2026-03-29 10:00:00");
	assert_next(berlin, "07-01 12:00", "2026-07-01 11:00:00", "2027-07-01 10:00:00");
	assert_next("EST5", "00:00", "2026-03-28 12:00:00", "2026-03-29 05:00:00");
}

static void
test_what_is_no_time_is_refused(void **state)
{
	static const char *const bad[] = { "", " ", "sometimes", "Sat 25:00", "Sat 02", "02:60",
		"Foo 02:00", "Fri..Mon 02:00", "*-13-01", "*-00-01", "*-*-32", "*-*~29", "1-1-1-1",
		"*-*-* 02:00:00.5", "*-*-* 02:00 Europe/Berlin", "12345-01-01", "*/2:00",
		"02:00:00:00", "17..8:00", "0/0:00", "8..9/5:00", "Mon,,Tue", "Mon 02:00 x",
		"2300-01-01", "*", "5", "-1:00", "*-*-", "02:", "~1", "daily daily",
		"99999999999999999999:00" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct calendar *c = NULL;
		struct err e = { 0 };

		if (calendar_parse(bad[i], &c, &e) >= 0)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_null(c);
		assert_true(e.msg[0] != '\0');
	}
}

/* Where systemd-analyze is: ten times of each expression, one after the other. */
static void
test_systemd_says_the_same(void **state)
{
	static const char *const exprs[] = { "daily", "hourly", "weekly", "monthly", "quarterly",
		"semiannually", "yearly", "Sat 02:00", "Mon..Fri 22:30", "Sun *-*-1..7 03:00",
		"*-*~01 03:00", "*-*~03/1 00:00", "*-*~03..05 00:00", "*-02-29", "Mon *-02-29",
		"*:0/15", "8..17/3:05:09", "*-1/2-1,15..17 12:00:00/20", "30-02..03-1 1:2:3",
		"Wed,Fri..Sun 12-01..31 00:00" };
	enum { TIMES = 10 };

	(void)state;
	if (system("systemd-analyze --version >/dev/null 2>&1") != 0) /* NOLINT(cert-env33-c) */
		skip();
	set_zone("UTC");
	for (size_t i = 0; i < ARRAY_SIZE(exprs); i++) {
		_cleanup_free_ char *command = xasprintf(
		    "TZ=UTC LC_ALL=C systemd-analyze calendar --iterations=%d "
		    "--base-time='2026-02-17 13:14:15' '%s' | sed -nE 's/^ *(Next elapse|Iter.*): "
		    "... (.*) UTC$/\\2/p'",
		    TIMES, exprs[i]);
		FILE *f = popen(command, "r"); /* NOLINT(cert-env33-c) */
		int64_t at = utc("2026-02-17 13:14:15");
		struct calendar *c = NULL;
		char line[64];
		int n = 0;

		assert_non_null(f);
		assert_int_equal(calendar_parse(exprs[i], &c, NULL), 0);
		while (fgets(line, sizeof(line), f)) {
			if (calendar_next(c, at, &at) < 0)
				break;
			if (at != utc(line))
				fail_msg("%s: %d: systemd says %s", exprs[i], n, line);
			n++;
		}
		pclose(f);
		calendar_free(c);
		assert_true(n > 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next_comes_when_it_should),
		cmocka_unit_test(test_clocks_that_are_set_are_followed),
		cmocka_unit_test(test_what_is_no_time_is_refused),
		cmocka_unit_test(test_systemd_says_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
