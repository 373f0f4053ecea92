/* lib/base: arrays of strings, the growing string, globs, the nearest word, errors, map, digest. */
#include "base/base.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/sha.h"
#include "base/str.h"
#include "base/words.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants the four above before it */
#include <cmocka.h>

static void
test_strv(void **state)
{
	_cleanup_strv_ char **v = strv_split_commas(" a, b c ,,\t, d"), **copy = NULL;

	(void)state;
	assert_int_equal(strv_len(v), 3);
	assert_string_equal(v[0], "a");
	assert_string_equal(v[1], "b c");
	assert_string_equal(v[2], "d");
	copy = strv_dup(v);
	strv_add(&copy, "e");
	strv_add(&copy, "f");
	assert_int_equal(strv_len(copy), 5);
	assert_true(strv_has(copy, "f"));
	assert_false(strv_has(v, "e"));
	assert_null(strv_split_commas(" , ,"));
	assert_int_equal(strv_len(NULL), 0);
	assert_false(strv_has(NULL, "a"));
}

static void
test_str(void **state)
{
	_cleanup_str_ struct str s = { 0 };
	_cleanup_free_ char *text = NULL, *empty = NULL;
	char blanks[] = " \t x y \n", nothing[] = "  ";

	(void)state;
	assert_string_equal(str_text(&s), "");
	empty = str_take(&s);
	assert_string_equal(empty, "");
	for (int i = 0; i < 100; i++)
		str_addf(&s, "%d,", i % 10);
	assert_int_equal(s.len, 200);
	str_reset(&s);
	assert_string_equal(str_text(&s), "");
	str_add(&s, "one");
	str_addc(&s, ' ');
	str_addn(&s, "two three", 3);
	text = str_take(&s);
	assert_string_equal(text, "one two");
	assert_int_equal(s.len, 0);
	assert_string_equal(str_trim(blanks), "x y");
	assert_string_equal(str_trim(nothing), "");
	assert_true(str_starts("postgresql://x", "postgresql:"));
	assert_false(str_starts("post", "postgresql:"));
	assert_true(str_same(NULL, NULL) && str_same(text, "one two"));
	assert_false(str_same(NULL, "") || str_same("", NULL) || str_same("a", "b"));
}

static void
test_glob(void **state)
{
	static const struct {
		const char *pattern, *s;
		bool match;
	} t[] = {
		{ "column-*", "column-type", true },
		{ "*", "orders/sales.2024", true },
		{ "*", ".hidden", true },
		{ "public.old_?", "public.old_1", true },
		{ "public.old_?", "public.old_10", false },
		{ "[a-c]x", "bx", true },
		{ "[a-c]x", "dx", false },
		{ "a", "A", false },
	};
	char *patterns[] = { (char *)"x", (char *)"y*", NULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (str_glob(t[i].pattern, t[i].s) != t[i].match)
			fail_msg("%s against %s", t[i].pattern, t[i].s);
	assert_true(str_glob_any(patterns, "yes"));
	assert_false(str_glob_any(patterns, "no"));
	assert_false(str_glob_any(NULL, "no"));
}

static void
test_nearest(void **state)
{
	static const char *const words[] = { "performance_interval", "schema_interval", "timeout",
		"note", "dsn", "socket" };
	static const struct {
		const char *word, *nearest;
	} t[] = {
		{ "perfomance_interval", "performance_interval" },
		{ "shcema_interval", "schema_interval" }, /* neighbours swapped */
		{ "TIMEOUT", "timeout" },
		{ "timeuot", "timeout" },
		{ "dns", "dsn" },
		{ "nite", "note" },
		{ "banana", NULL },
		{ "x", NULL },
		{ "", NULL },
		{ "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt",
		    NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		const char *got = str_nearest(t[i].word, words, ARRAY_SIZE(words));

		if (!t[i].nearest)
			assert_null(got);
		else
			assert_string_equal(got, t[i].nearest);
	}
}

static void
test_err(void **state)
{
	struct err e = { .sqlstate = "28P01" };
	char longest[700];

	(void)state;
	assert_int_equal(err_set(&e, -EACCES, "open %s", "x"), -EACCES);
	assert_string_equal(e.msg, "open x");
	assert_string_equal(e.sqlstate, "");
	assert_int_equal(err_prefix(&e, "orders"), -EACCES);
	assert_string_equal(e.msg, "orders: open x");
	err_set(&e, -EIO, "again: %s", e.msg);
	assert_string_equal(e.msg, "again: orders: open x");
	assert_int_equal(err_set(NULL, -EIO, "nobody asks"), -EIO);
	/* Two-byte characters that do not fit evenly: the cut never leaves half of one. */
	for (size_t i = 0; i < sizeof(longest) - 2; i += 2)
		memcpy(longest + i, "\xc3\xa9", 3);
	err_set(&e, -EIO, "%s", longest);
	assert_true(strlen(e.msg) > 500 && strlen(e.msg) % 2 == 0);
	err_prefix(&e, "x");
	assert_true(strlen(e.msg) < sizeof(e.msg));
	assert_int_equal((strlen(e.msg) - 3) % 2, 0);
}

static void
test_map_basics(void **state)
{
	struct map *m = map_new();
	int a, b;

	(void)state;
	assert_null(map_get(m, "x"));
	assert_null(map_remove(m, "x"));
	assert_null(map_put(m, "x", &a));
	assert_ptr_equal(map_put(m, "x", &b), &a);
	assert_null(map_put(m, "", &a));
	assert_int_equal(map_size(m), 2);
	assert_ptr_equal(map_get(m, "x"), &b);
	assert_ptr_equal(map_get(m, ""), &a);
	assert_ptr_equal(map_remove(m, "x"), &b);
	assert_null(map_get(m, "x"));
	assert_int_equal(map_size(m), 1);
	assert_null(map_free(m, NULL));
	assert_null(map_free(NULL, NULL));
}

static void
test_map_remove_while_iterating(void **state)
{
	struct map *m = map_new();
	char key[32];
	size_t iter = 0, seen = 0;
	const char *k;
	void *v;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		assert_null(map_put(m, key, xasprintf("%d", i)));
	}
	while (map_next(m, &iter, &k, &v)) {
		snprintf(key, sizeof(key), "key-%zu", seen);
		assert_string_equal(k, key); /* order of insertion */
		assert_string_equal(k + 4, v);
		if (seen++ % 3 != 0)
			free(map_remove(m, k));
	}
	assert_int_equal(seen, 2000);
	assert_int_equal(map_size(m), 667);
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		assert_int_equal(map_get(m, key) != NULL, i % 3 == 0);
	}
	/* A map that stays small through many puts and removes does not fill with gaps. */
	for (int i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "turn-%d", i);
		assert_null(map_put(m, key, m));
		assert_ptr_equal(map_remove(m, key), m);
	}
	iter = seen = 0;
	while (map_next(m, &iter, NULL, NULL))
		seen++;
	assert_int_equal(seen, 667);
	map_free(m, free);
}

static void
test_sha_id(void **state)
{
	char one[SHA_ID_SIZE], two[SHA_ID_SIZE], known[SHA_ID_SIZE], none[SHA_ID_SIZE];

	(void)state;
	sha_id((const char *const[]){ "ab", "c" }, 2, one);
	sha_id((const char *const[]){ "a", "bc" }, 2, two);
	assert_int_equal(strlen(one), 16);
	assert_string_not_equal(one, two);
	/* printf '\0\0\0\0\0\0\0\1x' | sha256sum */
	sha_id((const char *const[]){ "x" }, 1, known);
	assert_string_equal(known, "028f0df5b8596fbc");
	sha_id(NULL, 0, none);
	assert_string_equal(none, "e3b0c44298fc1c14");
}

static void
test_words(void **state)
{
	enum engine engine;
	enum probe probe;
	enum severity severity;

	(void)state;
	for (int i = ENGINE_POSTGRESQL; i < ENGINE_N; i++) {
		assert_int_equal(engine_parse(engine_names[i], &engine), 0);
		assert_int_equal(engine, i);
	}
	for (int i = 0; i < PROBE_N; i++) {
		assert_int_equal(probe_parse(probe_names[i], &probe), 0);
		assert_int_equal(probe, i);
	}
	for (int i = SEVERITY_INFO; i < SEVERITY_N; i++) {
		assert_int_equal(severity_parse(severity_names[i], &severity), 0);
		assert_int_equal(severity, i);
	}
	for (int i = 0; i < CHECK_STATUS_N; i++)
		assert_non_null(check_status_names[i]);
	assert_int_equal(engine_parse("", &engine), -EINVAL);
	assert_int_equal(probe_parse("Schema", &probe), -EINVAL);
	assert_int_equal(severity_parse("none", &severity), -EINVAL);
	assert_int_equal(status_worse(STATUS_OK, STATUS_UNKNOWN), STATUS_UNKNOWN);
	assert_int_equal(status_worse(STATUS_WARNING, STATUS_UNKNOWN), STATUS_WARNING);
	assert_int_equal(status_worse(STATUS_WARNING, STATUS_CRITICAL), STATUS_CRITICAL);
}

struct seen_lines {
	int n;
	enum log_level level;
	char last[200];
};

static void
on_line(enum log_level level, const char *line, void *arg)
{
	struct seen_lines *seen = arg;

	seen->n++;
	seen->level = level;
	snprintf(seen->last, sizeof(seen->last), "%s", line);
}

static void
test_log(void **state)
{
	struct seen_lines seen = { 0 };
	enum log_level level;

	(void)state;
	log_init(LOG_LEVEL_WARNING, on_line, &seen);
	errno = EPIPE;
	log_info("not asked for");
	assert_int_equal(seen.n, 0);
	log_warning("name \"%s\"", "a\n<0>forged \x1b[2J");
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.level, LOG_LEVEL_WARNING);
	assert_string_equal(seen.last, "name \"a\\n<0>forged \\x1b[2J\"");
	assert_int_equal(errno, EPIPE);
	log_init(LOG_LEVEL_INFO, NULL, NULL);
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strv),
		cmocka_unit_test(test_str),
		cmocka_unit_test(test_glob),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_map_basics),
		cmocka_unit_test(test_map_remove_while_iterating),
		cmocka_unit_test(test_sha_id),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
