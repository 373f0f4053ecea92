/* What became of what was known: words of differences, what is hidden, what is kept. */
#include "base/str.h"
#include "monitor/past.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
/* after the four that cmocka.h itself forgets */
#include <cmocka.h>

static void
add_words(const char *what, const char *text, size_t count, void *arg)
{
	str_addf(arg, "%s|%zu|%s;", what, count, text);
}

/* Each case: a first look that says nothing, then a second, of which it says words. */
static void
test_words(void **state)
{
	static const struct {
		enum past_group group;
		const char *was, *now, *words;
	} cases[] = {
		{ PAST_SERVER, "{\"role\":\"primary\",\"start\":\"a\"}",
		    "{\"role\":\"primary\",\"start\":\"a\"}", "" },
		{ PAST_SERVER, "{\"start\":\"2026-01-01 01:00:00\"}",
		    "{\"start\":\"2026-01-02 02:00:00\"}",
		    "restarted|1|restarted, running since 2026-01-02 02:00:00 UTC;" },
		{ PAST_SERVER, "{\"version\":\"15.1\"}", "{\"version\":\"16.2\"}",
		    "version|1|PostgreSQL 15.1 -> 16.2;" },
		{ PAST_SERVER, "{\"role\":\"standby\",\"timeline\":\"1\"}",
		    "{\"role\":\"primary\",\"timeline\":\"2\"}",
		    "role|1|became a primary, was a standby, timeline 1 -> 2;" },
		{ PAST_SERVER, "{\"role\":\"primary\"}", "{\"role\":\"standby\"}",
		    "role|1|became a standby, was a primary;" },
		{ PAST_SERVER, "{\"role\":\"primary\",\"timeline\":\"1\",\"start\":\"a\"}",
		    "{\"role\":\"primary\",\"timeline\":\"2\",\"start\":\"b\"}",
		    "timeline|1|failed over or recovered, timeline 1 -> 2, running since b UTC;" },
		{ PAST_SERVER, "{\"role\":\"standby\",\"timeline\":\"1\"}",
		    "{\"role\":\"standby\",\"timeline\":\"2\"}", "timeline|1|timeline 1 -> 2;" },
		/* not told by one look: no change */
		{ PAST_SERVER, "{\"timeline\":\"1\"}", "{}", "" },
		{ PAST_SETTINGS, "{\"work_mem\":\"4MB\",\"gone\":\"1\"}",
		    "{\"work_mem\":\"1GB\",\"new\":\"1\"}",
		    "settings|1|settings changed: work_mem 4MB -> 1GB;" },
		{ PAST_SETTINGS, "{\"a\":\"\"}", "{\"a\":\"x\"}",
		    "settings|1|settings changed: a '' -> x;" },
		{ PAST_SETTINGS, "{\"primary_conninfo\":\"#123456\"}",
		    "{\"primary_conninfo\":\"#654321\"}",
		    "settings|1|settings changed: primary_conninfo (value not shown);" },
		{ PAST_SETTINGS, "{\"archive_command\":\"\"}", "{\"archive_command\":\"#654321\"}",
		    "settings|1|settings changed: archive_command (value not shown);" },
		{ PAST_SETTINGS,
		    "{\"a\":\"1\",\"b\":\"1\",\"c\":\"1\",\"d\":\"1\",\"e\":\"1\",\"f\":\"1\","
		    "\"g\":\"1\"}",
		    "{\"a\":\"2\",\"b\":\"2\",\"c\":\"2\",\"d\":\"2\",\"e\":\"2\",\"f\":\"2\","
		    "\"g\":\"2\"}",
		    "settings|7|settings changed: a 1 -> 2, b 1 -> 2, c 1 -> 2, d 1 -> 2, e 1 -> 2 "
		    "and 2 "
		    "more;" },
		{ PAST_PENDING, "{\"\":\"\"}", "{\"\":\"\",\"max_connections\":\"\"}",
		    "settings|1|settings wait for a restart: max_connections;" },
		{ PAST_PENDING, "{\"\":\"\",\"max_connections\":\"\"}", "{\"\":\"\"}", "" },
		{ PAST_DATABASES, "{\"1\":\"a\",\"2\":\"b\"}", "{\"2\":\"c\",\"3\":\"d\"}",
		    "database|1|dropped: database a;database|1|renamed: database b -> c;"
		    "database|1|created: database d;" },
		{ PAST_EXTENSIONS, "{\"a\":\"1\",\"b\":\"1\"}", "{\"b\":\"2\",\"c\":\"1.3\"}",
		    "extension|3|extensions: a dropped, b 1 -> 2, c 1.3 installed;" },
		{ PAST_STATISTICS, "{\"of x\":\"\"}", "{\"of x\":\"t\"}",
		    "statistics|1|statistics were reset: of x at t UTC;" },
		{ PAST_STATISTICS, "{}", "{\"of x\":\"t\"}", "" },
		{ PAST_STATISTICS, "{\"of x\":\"t\"}", "{\"of x\":\"u\"}",
		    "statistics|1|statistics were reset: of x at u UTC;" },
		{ PAST_RIGHTS, "{\"pg_monitor\":\"true\",\"x\":\"false\"}",
		    "{\"pg_monitor\":\"false\",\"x\":\"true\",\"y\":\"true\"}",
		    "rights|1|the monitoring role lost pg_monitor;rights|1|the monitoring role got "
		    "x;" },
		{ PAST_FILE, "{\"inode\":\"1\",\"wal\":\"0\",\"user_version\":\"3\"}",
		    "{\"inode\":\"2\",\"wal\":\"1\",\"user_version\":\"4\"}",
		    "file|1|the file was replaced by another (inode 1 -> 2);"
		    "file|1|the journal mode became WAL;file|1|changed: user_version 3 -> 4;" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct past *p = past_new();
		_cleanup_str_ struct str words = { 0 };
		_cleanup_free_ char *kept = NULL;
		bool same = !*cases[i].words;

		assert_true(past_take(
		    p, cases[i].group, json_loads(cases[i].was, 0, NULL), 1, add_words, &words));
		assert_string_equal(str_text(&words), "");
		/* over a restart */
		kept = past_save(p);
		past_free(p);
		p = past_new();
		assert_int_equal(past_load(p, kept), 0);
		assert_int_equal(p->seen[cases[i].group].wall_us, 1);
		for (int again = 0; again < 2; again++) {
			bool news = past_take(p, cases[i].group, json_loads(cases[i].now, 0, NULL),
			    2, add_words, &words);

			assert_true(!news || !again);
			assert_true(news || same || again);
			assert_string_equal(str_text(&words), cases[i].words);
		}
		past_free(p);
	}
}

static void
test_settings(void **state)
{
	static const struct {
		const char *name, *value, *unit, *kept; /* NULL: hidden */
	} cases[] = {
		{ "shared_buffers", "16384", "8kB", "128MB" },
		{ "work_mem", "4096", "kB", "4MB" },
		{ "work_mem", "4097", "kB", "4097kB" },
		{ "temp_file_limit", "-1", "kB", "-1" },
		{ "statement_timeout", "0", "ms", "0" },
		{ "checkpoint_timeout", "300", "s", "5min" },
		{ "vacuum_cost_delay", "2.5", "ms", "2.5ms" },
		{ "log_rotation_age", "1440", "min", "1d" },
		{ "jit", "on", "", "on" },
		{ "archive_command", "", "", "" },
		{ "archive_command", "scp x", "", NULL },
		{ "primary_conninfo", "host=a password=b", "", NULL },
		{ "ssl_passphrase_command", "echo x", "", NULL },
		{ "app.api_key", "x", "", NULL },
		{ "app.url", "https://u:p@host/", "", NULL },
		{ "password_encryption", "md5", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *kept =
		    past_setting(cases[i].name, cases[i].value, cases[i].unit);

		if (cases[i].kept) {
			assert_string_equal(kept, cases[i].kept);
			continue;
		}
		assert_int_equal(kept[0], '#');
		assert_null(strstr(kept, cases[i].value));
	}
}

static void
test_another_system_is_not_compared(void **state)
{
	struct past *p = past_new();
	_cleanup_str_ struct str words = { 0 };

	(void)state;
	assert_false(past_is_of_other(p, "1"));
	(void)past_take(p, PAST_EXTENSIONS, json_pack("{s:s}", "a", "1"), 1, add_words, &words);
	assert_false(past_is_of_other(p, NULL));
	assert_false(past_is_of_other(p, "1"));
	assert_true(past_is_of_other(p, "2"));
	assert_true(past_take(p, PAST_EXTENSIONS, json_object(), 1, add_words, &words));
	assert_string_equal(str_text(&words), "");
	assert_int_equal(past_load(p, "[]"), -EINVAL);
	assert_int_equal(past_load(p, "{"), -EINVAL);
	past_free(p);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_another_system_is_not_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
