/* lib/base: the doors for text, numbers with units, and stamps of time. */
#include "base/clock.h"
#include "base/text.h"
#include "base/unit.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants the four above before it */
#include <cmocka.h>

#define FFFD "\xef\xbf\xbd"

static void
test_text_from_peer(void **state)
{
	static const struct {
		const char *in;
		size_t len, max;
		const char *out;
	} t[] = {
		{ "plain", 5, 100, "plain" },
		{ "gr\xc3\xbc\xc3\x9f dich \xf0\x9f\x90\x98", 16, 100,
		    "gr\xc3\xbc\xc3\x9f dich \xf0\x9f\x90\x98" },
		{ "a\0b", 3, 100, "a" FFFD "b" },
		{ "\xff\xfe", 2, 100, FFFD FFFD },
		{ "\x9b[2J", 4, 100, FFFD "[2J" },                   /* raw C1 */
		{ "\xc0\xaf", 2, 100, FFFD FFFD },                   /* overlong / */
		{ "\xe0\x80\xaf", 3, 100, FFFD FFFD FFFD },          /* overlong in three */
		{ "\xed\xa0\x80", 3, 100, FFFD FFFD FFFD },          /* surrogate */
		{ "\xf4\x90\x80\x80", 4, 100, FFFD FFFD FFFD FFFD }, /* over U+10FFFF */
		{ "x\xe2\x82", 3, 100, "x" FFFD },                   /* cut off: one for both */
		{ "\xf0\x9f\x92y", 4, 100, FFFD "y" },
		{ "\xf0\x9f\x90\x98", 4, 100, "\xf0\x9f\x90\x98" },
		{ "abcdef", 6, 3, "abc" },
		{ "ab\xc3\xbc", 4, 3, "ab" }, /* never half a character */
		{ "ab\xff", 3, 4, "ab" },     /* nor half a U+FFFD */
		{ "", 0, 10, "" },
		{ NULL, 0, 10, "" },
		{ "abc", 3, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *got = text_from_peer(t[i].in, t[i].len, t[i].max);

		if (!streq(got, t[i].out))
			fail_msg("row %zu: \"%s\"", i, got);
	}
}

static void
test_show_text(void **state)
{
	static const struct {
		const char *in, *line, *lines;
	} t[] = {
		{ "orders", "orders", "orders" },
		{ "a\nb\tc\r", "a\\nb\\tc\\r", "a\nb\\tc\\r" },
		{ "\x1b[31m\x07\x7f", "\\x1b[31m\\x07\\x7f", "\\x1b[31m\\x07\\x7f" },
		{ "\xc2\x9b"
		  "2J",
		    "\\u009b2J", "\\u009b2J" },
		{ "\x9b"
		  "2J",
		    "\\x9b2J", "\\x9b2J" },
		{ "a\xe2\x80\xae"
		  "b",
		    "a\\u202eb", "a\\u202eb" },
		{ "a\xe2\x81\xa6"
		  "b",
		    "a\\u2066b", "a\\u2066b" },
		{ "a\xe2\x80\xa8"
		  "b",
		    "a\\u2028b", "a\\u2028b" },
		{ "\xef\xbb\xbfx", "\\ufeffx", "\\ufeffx" },
		{ "\xf3\xa0\x81\x81", "\\U000e0041", "\\U000e0041" },
		{ "\xc3\xbc \xe6\x97\xa5 \xf0\x9f\x90\x98 \\",
		    "\xc3\xbc \xe6\x97\xa5 \xf0\x9f\x90\x98 \\",
		    "\xc3\xbc \xe6\x97\xa5 \xf0\x9f\x90\x98 \\" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *line = show_text(t[i].in), *lines = show_text_lines(t[i].in);

		assert_string_equal(line, t[i].line);
		assert_string_equal(lines, t[i].lines);
	}
}

static void
test_one_stop(void **state)
{
	static const char *const t[][2] = {
		{ "it is so.", "it is so." },
		{ "accepting TCP/IP connections?.", "accepting TCP/IP connections?" },
		{ "connections?. Nothing was changed.", "connections? Nothing was changed." },
		{ "gone!.", "gone!" },
		{ "it is so..", "it is so." },
		{ "it is so.. Go", "it is so. Go" },
		{ "and more...", "and more..." },
		{ "and more....", "and more..." },
		{ "dbhealth migrate --dir .. now", "dbhealth migrate --dir .. now" },
		{ "in ../..", "in ../.." },
		{ "a?.b", "a?.b" },
		{ "..", ".." },
		{ ".", "." },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *s = xstrdup(t[i][0]);

		text_one_stop(s);
		assert_string_equal(s, t[i][1]);
	}
}

static void
test_show_text_every_byte(void **state)
{
	(void)state;
	/* Whatever two bytes a name has, no control and no lone high byte comes out. */
	for (int a = 1; a < 256; a++)
		for (int b = 1; b < 256; b++) {
			char in[3] = { (char)a, (char)b, '\0' };
			_cleanup_free_ char *out = show_text(in), *again = NULL;

			for (const char *p = out; *p; p++)
				assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
			assert_null(strstr(out, "\xc2\x9b"));
			again = text_from_peer(out, strlen(out), 100);
			assert_string_equal(again, out); /* it is valid UTF-8 */
		}
}

static void
test_shell_word(void **state)
{
	static const char *const cases[][2] = {
		{ "/srv/a-b_c.db", "/srv/a-b_c.db" },
		{ "", "''" },
		{ "a b", "'a b'" },
		{ "a&b", "'a&b'" },
		{ "it's", "'it'\\''s'" },
		{ "$HOME", "'$HOME'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *word = shell_word(cases[i][0]);

		assert_string_equal(word, cases[i][1]);
	}
}

static void
test_ellipsis_and_columns(void **state)
{
	static const struct {
		const char *in;
		size_t max;
		const char *out;
	} cut[] = {
		{ "orders", 6, "orders" },
		{ "orders", 5, "or..." },
		{ "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", 6, "\xc3\xbc..." },
		{ "orders", 2, ".." },
		{ "orders", 0, "" },
	};
	static const struct {
		const char *in;
		size_t columns;
	} wide[] = {
		{ "orders", 6 },
		{ "gr\xc3\xbc\xc3\x9f", 4 },
		{ "\xe6\x97\xa5\xe6\x9c\xac", 4 }, /* two ideographs */
		{ "e\xcc\x81", 1 },                /* combining accent */
		{ "\xff", 1 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cut); i++) {
		_cleanup_free_ char *got = text_ellipsis(cut[i].in, cut[i].max);

		assert_string_equal(got, cut[i].out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wide); i++)
		assert_int_equal(text_columns(wide[i].in), wide[i].columns);
}

static void
test_duration_parse(void **state)
{
	static const struct {
		const char *in;
		int64_t us; /* -1: refused */
	} t[] = {
		{ "250ms", 250000 },
		{ "10s", 10000000 },
		{ "10 s", 10000000 },
		{ "5min", INT64_C(300000000) },
		{ "1h", INT64_C(3600000000) },
		{ "7d", INT64_C(604800000000) },
		{ "1.5h", INT64_C(5400000000) },
		{ "0", 0 },
		{ "0s", 0 },
		{ "10", -1 },
		{ "", -1 },
		{ "s", -1 },
		{ "10m", -1 },
		{ "10S", -1 },
		{ "10sec", -1 },
		{ "-5s", -1 },
		{ "0x10s", -1 },
		{ "infs", -1 },
		{ "inf", -1 },
		{ "nan", -1 },
		{ "1..5s", -1 },
		{ "1s 5ms", -1 },
		{ "106751992d", -1 }, /* over 2^63 microseconds */
		{ "1e400s", -1 },
		{ "64kB", -1 },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		int64_t us = -2;
		int r = duration_parse(t[i].in, &us, &e);

		if ((r < 0) != (t[i].us == -1) || us != (r < 0 ? -2 : t[i].us))
			fail_msg("%s gave %d, %lld", t[i].in, r, (long long)us);
	}
	assert_int_equal(duration_parse("10", &(int64_t){ 0 }, &e), -EINVAL);
	assert_string_equal(e.msg, "\"10\" has no unit; write 250ms, 10s, 5min, 1h or 7d");
	duration_parse("x", &(int64_t){ 0 }, &e);
	assert_string_equal(e.msg, "\"x\" is no duration; write 250ms, 10s, 5min, 1h or 7d");
}

static void
test_size_parse(void **state)
{
	static const struct {
		const char *in;
		int64_t bytes;
	} t[] = {
		{ "512B", 512 },
		{ "64kB", 65536 },
		{ "10MB", 10485760 },
		{ "2GB", INT64_C(2147483648) },
		{ "1.5TB", INT64_C(1649267441664) },
		{ "0", 0 },
		{ "100", -1 },
		{ "-1GB", -1 },
		{ "1gb", -1 },
		{ "8388608TB", -1 }, /* 2^63 */
		{ "5s", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		int64_t bytes = -1;
		int r = size_parse(t[i].in, &bytes, NULL);

		if ((r < 0) != (t[i].bytes == -1) || bytes != t[i].bytes)
			fail_msg("%s gave %d, %lld", t[i].in, r, (long long)bytes);
	}
}

static void
test_number_parse(void **state)
{
	static const struct {
		const char *in;
		double v; /* NAN: refused */
	} t[] = {
		{ "0.8", 0.8 },
		{ "1000", 1000 },
		{ "1e9", 1e9 },
		{ "1.5E-3", 0.0015 },
		{ "-1", -1 },
		{ "+2", 2 },
		{ "80%", 0.8 },
		{ "80 %", 0.8 },
		{ "5min", 300 },
		{ "250ms", 0.25 },
		{ "2GB", 2147483648.0 },
		{ "inf", NAN },
		{ "nan", NAN },
		{ "0x1p3", NAN },
		{ "0x10", NAN },
		{ "1e999", NAN },
		{ "1e308TB", NAN },
		{ "1,5", NAN },
		{ ".5", NAN },
		{ "5.", NAN },
		{ "5 apples", NAN },
		{ "1e", NAN },
		{ "", NAN },
		{ "--1", NAN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		double v = 42;
		int r = number_parse(t[i].in, &v, NULL);

		if (isnan(t[i].v) ? r == 0 || v != 42 : r != 0 || fabs(v - t[i].v) > 1e-12)
			fail_msg("%s gave %d, %g", t[i].in, r, v);
	}
}

static void
test_formats(void **state)
{
	static const struct {
		double v;
		enum unit unit;
		const char *text;
	} t[] = {
		{ 340, UNIT_SECONDS, "5 min 40 s" },
		{ 0.0008, UNIT_SECONDS, "0.8 ms" },
		{ 0.25, UNIT_SECONDS, "250 ms" },
		{ 0.99996, UNIT_SECONDS, "1 s" },
		{ 1.5, UNIT_SECONDS, "1.5 s" },
		{ 20, UNIT_SECONDS, "20 s" },
		{ 59.97, UNIT_SECONDS, "1 min" },
		{ 119.8, UNIT_SECONDS, "2 min" },
		{ 3599.8, UNIT_SECONDS, "1 h" },
		{ 11400, UNIT_SECONDS, "3 h 10 min" },
		{ 86399, UNIT_SECONDS, "1 d" },
		{ 1051200, UNIT_SECONDS, "12 d 4 h" },
		{ 259200, UNIT_SECONDS, "3 d" },
		{ 1e18, UNIT_SECONDS, "106,751,991 d 4 h" },
		{ -90, UNIT_SECONDS, "-1 min 30 s" },
		{ 0, UNIT_SECONDS, "0 s" },
		{ 84.0 * 1073741824, UNIT_BYTES, "84 GB" },
		{ 2.1 * 1073741824, UNIT_BYTES, "2.1 GB" },
		{ 67108864, UNIT_BYTES, "64 MB" },
		{ 512, UNIT_BYTES, "512 B" },
		{ 1023.9 * 1024, UNIT_BYTES, "1 MB" },
		{ 0, UNIT_BYTES, "0 B" },
		{ 5e15, UNIT_BYTES, "4,547 TB" },
		{ 0.75, UNIT_RATIO, "75 %" },
		{ 0.075, UNIT_RATIO, "7.5 %" },
		{ 0.9996, UNIT_RATIO, "99.9 %" },
		{ 1, UNIT_RATIO, "100 %" },
		{ 0, UNIT_RATIO, "0 %" },
		{ 0.0001, UNIT_RATIO, "< 0.1 %" },
		{ 12, UNIT_RATIO, "1,200 %" },
		{ 4310, UNIT_COUNT, "4,310" },
		{ 31, UNIT_COUNT, "31" },
		{ 0, UNIT_COUNT, "0" },
		{ 0.8, UNIT_COUNT, "0.8" },
		{ 12.34, UNIT_COUNT, "12" },
		{ -12, UNIT_COUNT, "-12" },
		{ 999999, UNIT_COUNT, "999,999" },
		{ 4300000, UNIT_COUNT, "4.3 M" },
		{ 2147483648.0, UNIT_COUNT, "2,147 M" },
		{ 1e20, UNIT_COUNT, "1e+20" },
		{ NAN, UNIT_COUNT, "?" },
		{ INFINITY, UNIT_BYTES, "?" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *got = unit_format(t[i].v, t[i].unit);

		assert_string_equal(got, t[i].text);
	}
}

static void
test_duration_text(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} t[] = {
		{ 300000000, "5min" },
		{ 250000, "250ms" },
		{ 90000000, "90s" },
		{ 1500, "1.500ms" },
		{ 0, "0s" },
		{ INT64_C(604800000000), "7d" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *got = duration_text(t[i].us);
		int64_t back;

		assert_string_equal(got, t[i].text);
		assert_int_equal(duration_parse(got, &back, NULL), 0);
		assert_true(back == t[i].us);
	}
}

static void
test_unit_names(void **state)
{
	enum unit u;

	(void)state;
	for (int i = 0; i < UNIT_N; i++) {
		assert_int_equal(unit_parse(unit_names[i], &u), 0);
		assert_int_equal(u, i);
	}
	assert_int_equal(unit_parse("percent", &u), -EINVAL);
}

static void
test_rfc3339(void **state)
{
	static const struct {
		const char *in;
		int64_t us; /* -1: refused */
		const char *out;
	} t[] = {
		{ "2026-03-01T09:12:00.123Z", INT64_C(1772356320123000),
		    "2026-03-01T09:12:00.123Z" },
		{ "2026-03-01T10:12:00+01:00", INT64_C(1772356320000000),
		    "2026-03-01T09:12:00.000Z" },
		{ "2026-03-01 09:12:00.1239999Z", INT64_C(1772356320123999),
		    "2026-03-01T09:12:00.123Z" },
		{ "2024-02-29T00:00:00Z", INT64_C(1709164800000000), "2024-02-29T00:00:00.000Z" },
		{ "1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000Z" },
		{ "2026-02-29T00:00:00Z", -1, NULL },
		{ "2026-13-01T00:00:00Z", -1, NULL },
		{ "2026-03-01T09:12:00", -1, NULL },
		{ "2026-03-01T09:12:00Zx", -1, NULL },
		{ "2026-03-01T09:12:00.Z", -1, NULL },
		{ "2026-03-01", -1, NULL },
		{ "", -1, NULL },
	};
	char buf[CLOCK_RFC3339_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		int64_t us = -1;
		int r = clock_rfc3339_parse(t[i].in, &us);

		if (us != t[i].us || (r < 0) != (t[i].us == -1))
			fail_msg("%s gave %d, %lld", t[i].in, r, (long long)us);
		if (r < 0)
			continue;
		clock_rfc3339(us, buf);
		assert_string_equal(buf, t[i].out);
	}
	clock_rfc3339(-1, buf);
	assert_string_equal(buf, "1969-12-31T23:59:59.999Z");
	clock_rfc3339(INT64_MAX, buf); /* outside four digits of year: no overrun */
	assert_int_equal(strlen(buf), 24);
	assert_true(clock_wall_us() > INT64_C(1700000000000000));
	assert_true(clock_now_us() > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_from_peer),
		cmocka_unit_test(test_show_text),
		cmocka_unit_test(test_show_text_every_byte),
		cmocka_unit_test(test_shell_word),
		cmocka_unit_test(test_one_stop),
		cmocka_unit_test(test_ellipsis_and_columns),
		cmocka_unit_test(test_duration_parse),
		cmocka_unit_test(test_size_parse),
		cmocka_unit_test(test_number_parse),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_duration_text),
		cmocka_unit_test(test_unit_names),
		cmocka_unit_test(test_rfc3339),
	};

	return cmocka_run_group_tests_name("base-text", tests, NULL, NULL);
}
