/* The plot: what stands in it, that it fits, and that gaps and odd values do it no harm. */
#include "base/str.h"
#include "base/text.h"
#include "report/plot.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MONDAY INT64_C(1772409600)

static char *
draw(const struct plot_point *p, size_t n, size_t columns, bool unicode, enum unit unit)
{
	const struct plot_options o = { .columns = columns,
		.rows = 8,
		.unicode = unicode,
		.unit = unit,
		.from_s = p[0].at_s,
		.to_s = p[n - 1].at_s,
		.step_s = 60 };
	char *text = plot_draw(p, n, &o);

	if (getenv("SHOW"))
		print_message("%s", text);
	return text;
}

static void
fits(const char *text, size_t columns)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *save = NULL;
	size_t lines = 0;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		assert_true(text_columns(line) <= columns);
		lines++;
	}
	assert_int_equal(lines, 8 + 2);
}

static void
test_a_slope_in_ascii(void **state)
{
	struct plot_point p[9];
	_cleanup_free_ char *text = NULL;

	(void)state;
	for (int i = 0; i < 9; i++)
		p[i] = (struct plot_point){ MONDAY + i * 60, i * 10, i * 10, i * 10 };
	text = draw(p, 9, 26, false, UNIT_COUNT);
	assert_string_equal(text, "80 +                    **\n"
	                          "   |                 ***\n"
	                          "60 +               **\n"
	                          "   |          *****\n"
	                          "40 +       ***\n"
	                          "20 +    ***\n"
	                          "   |  **\n"
	                          " 0 +**\n"
	                          "   ++---------------------\n"
	                          "    00:00\n");
}

static void
test_gaps_are_gaps(void **state)
{
	struct plot_point p[60];
	_cleanup_free_ char *text = NULL;
	size_t columns = 0;

	(void)state;
	for (int i = 0; i < 60; i++)
		p[i] = (struct plot_point){ MONDAY + (i < 30 ? i : i + 60) * 60, 1, 1, 1 };
	text = draw(p, 60, 80, false, UNIT_COUNT);
	for (const char *at = text; *at; at++)
		columns += *at == '*';
	/* of 120 minutes half are there */
	assert_in_range(columns, 34, 42);
}

static void
test_every_unit_and_size_fits(void **state)
{
	static const double values[] = { 0, 1, -1, 1e-9, 0.25, 1023, 1048576, 123456789, 1e12, 9e15,
		1e300, -1e300 };

	(void)state;
	for (unsigned unit = 0; unit < UNIT_N; unit++)
		for (size_t i = 0; i < ARRAY_SIZE(values); i++)
			for (size_t k = 0; k < ARRAY_SIZE(values); k++)
				for (unsigned utf8 = 0; utf8 < 2; utf8++) {
					double a = MIN(values[i], values[k]);
					double b = MAX(values[i], values[k]);
					struct plot_point p[2] = { { MONDAY, a, a, b },
						{ MONDAY + 86400, b, a, b } };
					_cleanup_free_ char *text =
					    draw(p, 2, 80, utf8, (enum unit)unit);

					fits(text, 80);
				}
}

static void
test_labels_tell_values_apart(void **state)
{
	static const struct {
		double low, high;
		enum unit unit;
		const char *first;
	} t[] = {
		{ 0.2881, 0.2885, UNIT_RATIO, "28.85 %" },
		{ 0, 1, UNIT_RATIO, "100 %" },
		{ 3.0 * 1073741824, 4.0 * 1073741824, UNIT_BYTES, "4.0 GB" },
		{ 0.001, 0.012, UNIT_SECONDS, "15 ms" },
		{ 12000, 88000, UNIT_COUNT, "100k" },
		{ 5, 5, UNIT_COUNT, "5.4" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct plot_point p[2] = { { MONDAY, t[i].low, t[i].low, t[i].low },
			{ MONDAY + 86400, t[i].high, t[i].high, t[i].high } };
		_cleanup_free_ char *text = draw(p, 2, 80, false, t[i].unit);
		char *first = text + strspn(text, " ");

		if (strncmp(first, t[i].first, strlen(t[i].first)) != 0)
			fail_msg("%s\nwants %s", text, t[i].first);
	}
}

static void
test_braille(void **state)
{
	struct plot_point p[200];
	_cleanup_free_ char *text = NULL;

	(void)state;
	for (int i = 0; i < 200; i++) {
		double v = 50 + 40 * sin(i / 15.0);

		p[i] =
		    (struct plot_point){ MONDAY + i * 60 + (i > 120 ? 2400 : 0), v, v - 3, v + 6 };
	}
	text = draw(p, 200, 80, true, UNIT_BYTES);
	fits(text, 80);
	assert_non_null(strstr(text, "\xe2\xa0"));
	assert_non_null(strstr(text, "100 B \u2524"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_slope_in_ascii),
		cmocka_unit_test(test_gaps_are_gaps),
		cmocka_unit_test(test_every_unit_and_size_fits),
		cmocka_unit_test(test_labels_tell_values_apart),
		cmocka_unit_test(test_braille),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
