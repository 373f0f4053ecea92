/* lib/base: statements without what is secret in them. */
#include "base/redact.h"
#include "base/str.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants the four above before it */
#include <cmocka.h>

static void
test_redact(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ NULL, "" },
		{ "", "" },
		{ "SELECT 1", "SELECT ?" },
		{ "select  *\n\tfrom t1 where a='x' and b = 1.5e-3;",
		    "select * from t1 where a=? and b = ?;" },
		{ "SELECT 'it''s' || E'a\\'b' || x", "SELECT ? || ? || x" },
		{ "SELECT 'a\\\\', 'secret'", "SELECT ?, ?" },
		{ "SELECT 'a\\' OR secret --'", "SELECT ? ..." }, /* two readings: the rest goes */
		{ "SELECT $$secret$$, $a$b$$c$a$, $1", "SELECT ?, ?, $1" },
		{ "SELECT $a$ secret", "SELECT ? ..." },
		{ "SELECT 'secret cut of", "SELECT ? ..." },
		{ "SELECT U&'secret', x'ff', B'01', N'secret', xe'a'", "SELECT ?, ?, ?, ?, xe?" },
		{ "SELECT /* secret */ a -- secret\n, b", "SELECT a , b" },
		{ "SELECT /* a /* secret */ b */ c", "SELECT ..." },
		{ "SELECT a /* secret", "SELECT a ..." },
		{ "SELECT \"Tab\"\"le 1\".x, `y 2`", "SELECT \"Tab\"\"le 1\".x, `y 2`" },
		{ "SELECT \"secret cut of", "SELECT ..." },
		{ "ALTER ROLE bob PASSWORD secret", "ALTER ROLE bob PASSWORD ..." },
		{ "alter role bob with encrypted Password 'secret' valid until 'x'",
		    "alter role bob with encrypted Password ..." },
		{ "SELECT password_hash FROM u WHERE id = 12",
		    "SELECT password_hash FROM u WHERE id = ?" },
		{ "SELECT a[1:2], -3, .5, 0x1F, 1_000", "SELECT a[?:?], -?, ?, ?, ?" },
		{ "SELECT a.b, t2.c3, a::int4, $12, ?3", "SELECT a.b, t2.c3, a::int4, $12, ?3" },
		{ "INSERT INTO gr\xc3\xbc\xc3\x9f VALUES ('\xc3\xa4', 7)",
		    "INSERT INTO gr\xc3\xbc\xc3\x9f VALUES (?, ?)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *out = redact_sql(t[i].in, 1000);

		assert_string_equal(out, t[i].out);
	}
}

static void
test_redact_is_cut(void **state)
{
	_cleanup_str_ struct str in = { 0 };
	_cleanup_free_ char *small = NULL, *large = NULL;

	(void)state;
	small = redact_sql("SELECT abcdefghij FROM t", 10);
	assert_string_equal(small, "SELECT ...");
	for (int i = 0; i < 100000; i++)
		str_add(&in, "(a,'secret'),");
	large = redact_sql(in.s, 200);
	assert_int_equal(strlen(large), 200);
	assert_null(strstr(large, "secret"));
}

/* Wherever the server cut the text, no byte of a literal is left. */
static void
test_redact_any_cut(void **state)
{
	static const char sql[] =
	    "UPDATE t SET a = 'Qx''Qx', b = E'Qx\\'Qx', c = $q$Qx'Qx$q$, d = $$Qx$Qx$$ /* 'Qx */ "
	    "-- Qx'\n WHERE \"n'm\" = 'Qx\\Qx' AND e = U&'Qx' RETURNING password = 'Qx'";

	(void)state;
	for (size_t from = 0; from < sizeof(sql); from++) {
		_cleanup_free_ char *cut = xstrndup(sql, from), *out = redact_sql(cut, 1000);

		assert_null(strstr(out, "Q"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redact),
		cmocka_unit_test(test_redact_is_cut),
		cmocka_unit_test(test_redact_any_cut),
	};

	return cmocka_run_group_tests_name("redact", tests, NULL, NULL);
}
