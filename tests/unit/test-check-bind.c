/* Parameters in SQL, and where a colon is none. */
#include "base/str.h"
#include "check/bind.h"
#include "check/sql_scan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define PG   ENGINE_POSTGRESQL
#define LITE ENGINE_SQLITE

static const struct {
	enum engine engine;
	const char *sql, *bound, *names; /* bound NULL: refused, names is the message */
} cases[] = {
	{ PG, "SELECT 1", "SELECT 1", "" },
	{ PG, "SELECT :a, :b, :a", "SELECT $1, $2, $1", "a b" },
	{ LITE, "SELECT :a, :b, :a", "SELECT ?1, ?2, ?1", "a b" },
	{ PG, "SELECT :a::bigint", "SELECT $1::bigint", "a" },
	{ PG, "SELECT x::text, 'a'::regclass, y :: int", "SELECT x::text, 'a'::regclass, y :: int",
	    "" },
	{ PG, "SELECT ':a', 'it''s :a', E'\\':a', e'x\\\\', :b",
	    "SELECT ':a', 'it''s :a', E'\\':a', e'x\\\\', $1", "b" },
	{ PG, "SELECT 'x\\', :a", "SELECT 'x\\', $1", "a" }, /* a backslash means nothing here */
	{ PG, "SELECT type'x\\', :a", "SELECT type'x\\', $1", "a" },
	{ PG, "SELECT $$ :a $$, $t$ $$ :a $x$ $t$, :b", "SELECT $$ :a $$, $t$ $$ :a $x$ $t$, $1",
	    "b" },
	{ PG, "SELECT a$b$c, :d", "SELECT a$b$c, $1", "d" },
	{ PG, "SELECT \":a\"\":b\", U&\":c\", :d", "SELECT \":a\"\":b\", U&\":c\", $1", "d" },
	{ PG, "SELECT 1 -- :a\n, :b", "SELECT 1 -- :a\n, $1", "b" },
	{ PG, "SELECT /* :a /* :b */ :c */ :d", "SELECT /* :a /* :b */ :c */ $1", "d" },
	{ LITE, "SELECT /* :a /* :b */ :d", "SELECT /* :a /* :b */ ?1", "d" },
	{ PG, "SELECT x[1:2], x[a:b], x[f(1):b], x[:n]", "SELECT x[1:2], x[a:b], x[f(1):b], x[$1]",
	    "n" },
	{ PG, "SELECT ARRAY[CASE WHEN :a THEN 1 END, :b]",
	    "SELECT ARRAY[CASE WHEN $1 THEN 1 END, $2]", "a b" },
	{ PG, "SELECT x[1:2][y:z], :a", "SELECT x[1:2][y:z], $1", "a" },
	{ LITE, "SELECT [:a], `:b`, \":c\", :d", "SELECT [:a], `:b`, \":c\", ?1", "d" },
	{ LITE, "SELECT x'00', '$$', :d", "SELECT x'00', '$$', ?1", "d" },
	{ PG, "SELECT f(a := 1), '{}'::jsonb ? 'x', a @> b, :c",
	    "SELECT f(a := 1), '{}'::jsonb ? 'x', a @> b, $1", "c" },
	{ PG, "LIMIT:n", "LIMIT $1", "n" },
	{ PG, "SELECT 1:a", "SELECT 1 $1", "a" },
	{ PG, "SELECT :_x1, :1, : a, :", "SELECT $1, :1, : a, :", "_x1" },
	{ PG, "SELECT :a:::b", "SELECT $1::$2", "a b" },
	{ PG, "", "", "" },
	{ PG, "SELECT $1", NULL, "$1: parameters are written :name" },
	{ LITE, "SELECT ?", NULL, "?: parameters are written :name" },
	{ LITE, "SELECT @a", NULL, "@a: parameters are written :name" },
	{ LITE, "SELECT $a", NULL, "$a: parameters are written :name" },
	{ PG, "SELECT 'x", NULL, "a string that never ends" },
	{ PG, "SELECT E'x\\'", NULL, "a string that never ends" },
	{ PG, "SELECT $a$ $$ ", NULL, "a string that never ends" },
	{ PG, "SELECT \"x", NULL, "a quoted identifier that never ends" },
	{ LITE, "SELECT [x", NULL, "a quoted identifier that never ends" },
	{ PG, "/* /* */", NULL, "a comment that never ends" },
	{ ENGINE_PGBOUNCER, "SHOW POOLS", "SHOW POOLS", "" },
	{ ENGINE_PGBOUNCER, "SHOW :a", NULL, ":a: parameters cannot be used here" },
};

static void
test_bind(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(bind_done) struct bind bind = { 0 };
		_cleanup_str_ struct str names = { 0 };
		struct err e = { 0 };
		int r = bind_parse(cases[i].sql, cases[i].engine, &bind, &e);

		if (!cases[i].bound) {
			assert_true(r < 0);
			assert_string_equal(e.msg, cases[i].names);
			continue;
		}
		if (r < 0)
			fail_msg("%s: %s", cases[i].sql, e.msg);
		assert_string_equal(bind.sql, cases[i].bound);
		for (size_t j = 0; bind.names && bind.names[j]; j++)
			str_addf(&names, "%s%s", j > 0 ? " " : "", bind.names[j]);
		assert_string_equal(str_text(&names), cases[i].names);
	}
}

static void
test_too_many(void **state)
{
	_cleanup_str_ struct str sql = { 0 };
	struct bind bind;
	struct err e = { 0 };
	(void)state;

	for (int i = 0; i < 65; i++)
		str_addf(&sql, ":p%d,", i);
	assert_true(bind_parse(sql.s, PG, &bind, &e) < 0);
	assert_string_equal(e.msg, "more than 64 parameters");
}

/*
 * Whatever the text: the tokens are all of it, in order, and binding what was bound changes nothing
 * but the engine's own parameters, which it refuses.
 */
static void
test_random(void **state)
{
	static const char *const pieces[] = { "'", "\"", "`", "[", "]", ":", "a", "E'", "$$", "$a$",
		"$1", "?", "--", "\n", "/*", "*/", " ", "\\", "::", ":x", "1", "(", ")", ";",
		"\xc3\xa9", "\x80", "e" };
	uint64_t x = 88172645463325252u;
	size_t bound = 0;
	(void)state;

	for (int round = 0; round < 50000; round++) {
		_cleanup_str_ struct str sql = { 0 };
		_cleanup_(bind_done) struct bind bind = { 0 };
		struct err e = { 0 };
		struct sql_scan scan;
		struct sql_token t = { 0 };
		size_t seen = 0;

		for (size_t n = 0; n < 10; n++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			str_add(&sql, pieces[x % ARRAY_SIZE(pieces)]);
		}
		sql_scan_init(&scan, sql.s, round % 2 ? PG : LITE);
		do {
			if (sql_scan_next(&scan, &t, &e) < 0)
				break;
			assert_ptr_equal(t.s, sql.s + seen);
			assert_true(t.len > 0 || t.kind == SQL_END);
			seen += t.len;
		} while (t.kind != SQL_END);
		assert_true(e.code < 0 || seen == sql.len);
		if (bind_parse(sql.s, round % 2 ? PG : LITE, &bind, NULL) >= 0) {
			bound++;
			assert_true(e.code == 0 && bind.sql);
		}
	}
	assert_true(bound > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bind),
		cmocka_unit_test(test_too_many), cmocka_unit_test(test_random) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
