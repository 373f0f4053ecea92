/* What Prometheus reads: families, escapes, the two formats, and which of them a client takes. */
#include "base/clock.h"
#include "base/text.h"
#include "report/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct family *
gauge(struct exposition *e, const char *name)
{
	struct family *f = exposition_family(e, FAMILY_GAUGE, name, "H.");

	assert_non_null(f);
	return f;
}

static void
assert_text(struct exposition *e, const char *expected)
{
	size_t len = 0;
	_cleanup_free_ char *text = exposition_take(e, &len);

	assert_string_equal(text, expected);
	assert_int_equal(len, strlen(expected));
	exposition_free(e);
}

static void
fill_all_types(struct exposition *e)
{
	struct histogram h = { 0 };
	struct family *f;

	f = exposition_family(e, FAMILY_COUNTER, "a_seconds", "One \"a\"\\\n.");
	family_add(f, "", 1.5);
	f = exposition_family(e, FAMILY_INFO, "b", "B.");
	family_add(f, "v=\"1\"", 1);
	histogram_add(&h, 5000);
	histogram_add(&h, 5001);
	histogram_add(&h, 60 * USEC_PER_SEC);
	histogram_add(&h, -1);
	family_add_histogram(
	    exposition_family(e, FAMILY_HISTOGRAM, "c_seconds", "C."), "x=\"y\"", &h);
	gauge(e, "empty_bytes");
	family_add_time(gauge(e, "d_bytes"), "", 1500000 + 999);
}

#define HISTOGRAM_LINES                                                                            \
	"c_seconds_bucket{x=\"y\",le=\"0.005\"} 2\n"                                               \
	"c_seconds_bucket{x=\"y\",le=\"0.025\"} 3\n"                                               \
	"c_seconds_bucket{x=\"y\",le=\"0.1\"} 3\n"                                                 \
	"c_seconds_bucket{x=\"y\",le=\"0.5\"} 3\n"                                                 \
	"c_seconds_bucket{x=\"y\",le=\"2.5\"} 3\n"                                                 \
	"c_seconds_bucket{x=\"y\",le=\"10.0\"} 3\n"                                                \
	"c_seconds_bucket{x=\"y\",le=\"+Inf\"} 4\n"                                                \
	"c_seconds_sum{x=\"y\"} 60.010001\n"                                                       \
	"c_seconds_count{x=\"y\"} 4\n"

static void
test_text(void **state)
{
	struct exposition *e = exposition_new(EXPOSITION_PROMETHEUS);

	(void)state;
	fill_all_types(e);
	assert_text(e, "# HELP a_seconds_total One \"a\"\\\\\\n.\n# TYPE a_seconds_total counter\n"
	               "a_seconds_total 1.5\n"
	               "# HELP b_info B.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n"
	               "# HELP c_seconds C.\n# TYPE c_seconds histogram\n" HISTOGRAM_LINES
	               "# HELP d_bytes H.\n# TYPE d_bytes gauge\nd_bytes 1.500000\n");
}

static void
test_openmetrics(void **state)
{
	struct exposition *e = exposition_new(EXPOSITION_OPENMETRICS);

	(void)state;
	fill_all_types(e);
	assert_text(e,
	    "# HELP a_seconds One \\\"a\\\"\\\\\\n.\n# TYPE a_seconds counter\n"
	    "# UNIT a_seconds seconds\na_seconds_total 1.5\n"
	    "# HELP b B.\n# TYPE b info\nb_info{v=\"1\"} 1\n"
	    "# HELP c_seconds C.\n# TYPE c_seconds histogram\n# UNIT c_seconds "
	    "seconds\n" HISTOGRAM_LINES
	    "# HELP d_bytes H.\n# TYPE d_bytes gauge\n# UNIT d_bytes bytes\nd_bytes 1.500000\n"
	    "# EOF\n");
}

static void
test_numbers(void **state)
{
	static const struct {
		double value;
		const char *text; /* NULL: left out */
	} cases[] = {
		{ 0, "0" },
		{ -0.0, "0" },
		{ 3, "3" },
		{ -3, "-3" },
		{ 0.1, "0.1" },
		{ 1e-9, "1e-09" },
		{ 9007199254740992.0, "9007199254740992" },
		{ 9007199254740994.0, "9.00719925474099e+15" },
		{ 1e300, "1e+300" },
		{ NAN, NULL },
		{ INFINITY, NULL },
		{ -INFINITY, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exposition *e = exposition_new(EXPOSITION_PROMETHEUS);
		_cleanup_free_ char *expected =
		    cases[i].text ? xasprintf("# HELP x H.\n# TYPE x gauge\nx %s\n", cases[i].text)
		                  : xstrdup("");

		family_add(gauge(e, "x"), "", cases[i].value);
		assert_text(e, expected);
	}
}

/* Samples of two families never have one name. */
static void
test_names_are_taken_once(void **state)
{
	static const struct {
		enum family_type first;
		const char *first_name;
		enum family_type second;
		const char *second_name;
		bool possible;
	} cases[] = {
		{ FAMILY_GAUGE, "x", FAMILY_GAUGE, "x", true },
		{ FAMILY_GAUGE, "x", FAMILY_COUNTER, "x", false },
		{ FAMILY_COUNTER, "x", FAMILY_GAUGE, "x_total", false },
		{ FAMILY_GAUGE, "x_total", FAMILY_COUNTER, "x", false },
		{ FAMILY_HISTOGRAM, "x", FAMILY_GAUGE, "x_sum", false },
		{ FAMILY_GAUGE, "x_count", FAMILY_HISTOGRAM, "x", false },
		{ FAMILY_INFO, "x", FAMILY_GAUGE, "x_info", false },
		{ FAMILY_COUNTER, "x", FAMILY_GAUGE, "x_sum", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct exposition *e = exposition_new(EXPOSITION_PROMETHEUS);
		struct family *a = exposition_family(e, cases[i].first, cases[i].first_name, "a");
		struct family *b = exposition_family(e, cases[i].second, cases[i].second_name, "b");

		assert_non_null(a);
		assert_true(exposition_has(e, cases[i].first_name));
		if ((b != NULL) != cases[i].possible)
			fail_msg("case %zu", i);
		exposition_free(e);
	}
}

static void
test_label_values(void **state)
{
	static const struct {
		const char *value, *text;
	} cases[] = {
		{ "", "n=\"\"" },
		{ "plain", "n=\"plain\"" },
		{ "a\"b\\c\nd", "n=\"a\\\"b\\\\c\\nd\"" },
		{ "\r\t\x1b[0m", "n=\"\r\t\x1b[0m\"" },
		{ "\xc3\xa4", "n=\"\xc3\xa4\"" },
		{ "\xe4x\xff", "n=\"\xef\xbf\xbdx\xef\xbf\xbd\"" },
		{ "{le=\"1\"} 5\n# EOF", "n=\"{le=\\\"1\\\"} 5\\n# EOF\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_str_ struct str s = { 0 };

		label_add(&s, "n", cases[i].value);
		assert_string_equal(s.s, cases[i].text);
		label_add(&s, "m", "");
		assert_true(strstr(s.s, "\",m=\"\""));
	}
}

/* Long names stay apart, and a cut never falls inside a character. */
static void
test_long_label_values(void **state)
{
	char a[2001], b[2001], u[2001];
	_cleanup_str_ struct str x = { 0 }, y = { 0 }, z = { 0 };
	_cleanup_free_ char *valid = NULL;

	(void)state;
	memset(a, 'a', 2000);
	a[2000] = '\0';
	memcpy(b, a, sizeof(a));
	b[1999] = 'b';
	for (size_t i = 0; i < 2000; i += 2)
		memcpy(u + i, "\xc3\xa4", 2);
	u[2000] = '\0';
	label_add(&x, "n", a);
	label_add(&y, "n", b);
	label_add(&z, "n", u);
	assert_string_not_equal(x.s, y.s);
	assert_true(x.len <= LABEL_MAX_BYTES + 5 && z.len <= LABEL_MAX_BYTES + 5);
	valid = text_from_peer(z.s, z.len, z.len);
	assert_string_equal(valid, z.s);
}

static void
test_objects(void **state)
{
	static const struct {
		const char *object, *label;
	} cases[] = {
		{ "public.orders", "public.orders" },
		{ "pid 4711", "" },
		{ "pid 4711 of orders", "" },
		{ "pidgeon", "pidgeon" },
		{ "pid x", "pid x" },
		{ "10.1.2.3", "" },
		{ "10.1.2.3:5432", "" },
		{ "10.0.0.0/8", "" },
		{ "2001:db8::1", "" },
		{ "fe80::1/64", "" },
		{ "1.2.3", "1.2.3" },
		{ "/", "/" },
		{ "", "" },
		{ "a10.1.2.3", "a10.1.2.3" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(label_object(cases[i].object), cases[i].label);
}

static void
test_negotiation(void **state)
{
	static const struct {
		const char *accept;
		bool open;
	} cases[] = {
		{ NULL, false },
		{ "", false },
		{ "*/*", false },
		{ "text/plain", false },
		{ "application/json", false },
		{ "application/*", false },
		{ "application/openmetrics-text", true },
		{ "Application/OpenMetrics-Text; Version=1.0.0", true },
		{ "application/openmetrics-text;version=\"1.0.0\"", true },
		{ "application/openmetrics-text;version=0.0.1", false },
		{ "application/openmetrics-text;version=2.0.0", false },
		/* Prometheus 2.42 and 3 */
		{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
		  "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		    true },
		{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
		  "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
		  "escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		    true },
		{ "application/openmetrics-text;q=0.5, text/plain", false },
		{ "application/openmetrics-text;q=0.5, text/plain;q=0.4", true },
		{ "application/openmetrics-text;q=0.5, text/plain;q=0.5", true },
		{ "application/openmetrics-text;q=0.3, text/*;q=0.4", false },
		{ "application/openmetrics-text;q=0, */*", false },
		{ "application/openmetrics-text;q=0.000", false },
		{ "application/openmetrics-text;q=0.001, text/plain;q=0", true },
		/* the more specific range wins, wherever it stands */
		{ "application/openmetrics-text;version=1.0.0;q=0.1, "
		  "application/openmetrics-text;q=0.9, text/plain;q=0.5",
		    false },
		{ "*/*;q=0.9, application/openmetrics-text;q=0.8", false },
		/* what is malformed counts as not there */
		{ "application/openmetrics-text;q=2", false },
		{ "application/openmetrics-text;q=1.5", false },
		{ "application/openmetrics-text;q=", false },
		{ "application/openmetrics-text;q=0.1234", false },
		{ "application/openmetrics-text;q=-1", false },
		{ ",,;;q=,=;application/openmetrics-text", false },
		{ " , application/openmetrics-text ; q=1.000 ,", true },
		{ "application/openmetrics-textual", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if ((exposition_negotiate(cases[i].accept) == EXPOSITION_OPENMETRICS) !=
		    cases[i].open)
			fail_msg("Accept: %s", cases[i].accept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_openmetrics),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_names_are_taken_once),
		cmocka_unit_test(test_label_values),
		cmocka_unit_test(test_long_label_values),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_negotiation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
