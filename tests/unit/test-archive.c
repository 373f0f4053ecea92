/* Rows that are archived: CSV as the server writes it, read back the same; what is equal and what is not. */
#include "archive/cell.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct archive_rows *
rows_of(size_t ncolumns, const char *const *v, size_t n)
{
	struct archive_rows *rows = archive_rows_new(ncolumns);

	for (size_t i = 0; i < n; i++) {
		struct archive_cell *row = archive_rows_add(rows);

		for (size_t j = 0; j < ncolumns; j++)
			if (v[i * ncolumns + j])
				archive_rows_set(rows, &row[j], CELL_TEXT, v[i * ncolumns + j],
				    strlen(v[i * ncolumns + j]));
	}
	return rows;
}

static void
test_csv(void **state)
{
	static const char *const cells[] = { "1", NULL, "", "a,b", "\"q\"", "x\ny\r", "\\.", " ",
		"é" };
	static const char expected[] =
	    "a,\"b \"\"\",c\n1,,\"\"\n\"a,b\",\"\"\"q\"\"\",\"x\ny\r\"\n\\., ,é\n";
	static const char *const names[] = { "a", "b \"", "c" };
	_cleanup_(archive_rows_freep) struct archive_rows *rows = rows_of(3, cells, 3),
	                                                  *back = NULL;
	_cleanup_str_ struct str text = { 0 };
	struct err e = { 0 };

	(void)state;
	archive_csv_header(names, 3, &text);
	for (size_t i = 0; i < rows->n; i++)
		archive_csv_row(archive_rows_at(rows, i), 3, &text);
	assert_string_equal(text.s, expected);
	assert_int_equal(archive_csv_parse(text.s, text.len, 3, &back, &e), 0);
	assert_int_equal(back->n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(
		    archive_row_equal(archive_rows_at(rows, i), archive_rows_at(back, i), 3, true));
}

/* One column: NULL is an empty line, and what would end COPY is quoted. */
static void
test_csv_of_one_column(void **state)
{
	static const char *const cells[] = { NULL, "", "\\." };
	_cleanup_(archive_rows_freep) struct archive_rows *rows = rows_of(1, cells, 3),
	                                                  *back = NULL;
	_cleanup_str_ struct str text = { 0 };
	struct err e = { 0 };

	(void)state;
	str_add(&text, "a\n");
	for (size_t i = 0; i < 3; i++)
		archive_csv_row(archive_rows_at(rows, i), 1, &text);
	assert_string_equal(text.s, "a\n\n\"\"\n\"\\.\"\n");
	assert_int_equal(archive_csv_parse(text.s, text.len, 1, &back, &e), 0);
	for (size_t i = 0; i < 3; i++)
		assert_true(
		    archive_row_equal(archive_rows_at(rows, i), archive_rows_at(back, i), 1, true));
}

static void
test_csv_that_is_none(void **state)
{
	static const char *const texts[] = { "", "a", "a,b", "a,b\n1\n", "a,b\n1,2,3\n", "a,b\n1,2",
		"a,b\n\"1,2\n", "a,b\n\"1\"x,2\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct archive_rows *rows = NULL;
		struct err e = { 0 };

		if (archive_csv_parse(texts[i], strlen(texts[i]), 2, &rows, &e) != -EBADMSG)
			fail_msg("taken: %s", texts[i]);
		assert_null(rows);
	}
}

static void
test_equal(void **state)
{
	static const struct {
		enum archive_kind a_kind;
		const char *a;
		enum archive_kind b_kind;
		const char *b;
		bool equal, strictly;
	} tests[] = {
		{ CELL_NULL, NULL, CELL_NULL, NULL, true, true },
		{ CELL_NULL, NULL, CELL_TEXT, "", false, false },
		{ CELL_TEXT, "1", CELL_INTEGER, "1", true, false },
		{ CELL_TEXT, "1.0", CELL_REAL, "1", true, false },
		{ CELL_TEXT, "1.0", CELL_TEXT, "1", false, false },
		{ CELL_TEXT, "Infinity", CELL_REAL, "inf", true, false },
		{ CELL_TEXT, "", CELL_REAL, "0", false, false },
		{ CELL_TEXT, "\\x4142", CELL_BLOB, "AB", true, false },
		{ CELL_TEXT, "AB", CELL_BLOB, "AB", false, false },
		{ CELL_BLOB, "AB", CELL_BLOB, "AB", true, true },
		{ CELL_TEXT, "NaN", CELL_TEXT, "NaN", true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		struct archive_cell a = archive_cell_new(
		    tests[i].a_kind, tests[i].a, tests[i].a ? strlen(tests[i].a) : 0);
		struct archive_cell b = archive_cell_new(
		    tests[i].b_kind, tests[i].b, tests[i].b ? strlen(tests[i].b) : 0);

		if (archive_cell_equal(&a, &b, false) != tests[i].equal ||
		    archive_cell_equal(&b, &a, false) != tests[i].equal ||
		    archive_cell_equal(&a, &b, true) != tests[i].strictly)
			fail_msg("number %zu", i);
		free(a.s);
		free(b.s);
	}
}

static void
test_numbers_and_bytes(void **state)
{
	static const double reals[] = { 0.1, 1e300, -0.0, 1.0 / 3, 5e-324, 123456789.125 };
	char text[32];
	size_t len;
	_cleanup_free_ char *bytes = archive_unhex("\\x00fF5c", 8, &len);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(reals); i++) {
		archive_real_text(reals[i], text);
		assert_true(strtod(text, NULL) == reals[i]);
	}
	archive_real_text(0.1, text);
	assert_string_equal(text, "0.1");
	assert_int_equal(len, 3);
	assert_memory_equal(bytes, "\0\xff\\", 3);
	assert_null(archive_unhex("\\x0", 3, &len));
	assert_null(archive_unhex("zz", 2, &len));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_csv_of_one_column),
		cmocka_unit_test(test_csv_that_is_none),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_numbers_and_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
