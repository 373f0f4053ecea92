/*
 * Values as people write them: durations, sizes, numbers, thresholds, times, versions, lists.  What
 * is read, printed and read again is the same.  Input: one value a line.
 */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "check/column.h"
#include "check/need.h"
#include "check/remedy.h"
#include "check/settings.h"
#include "check/threshold.h"
#include "fuzz.h"

#include <math.h>

static void
check_numbers(const char *s)
{
	struct err e = { 0 };
	int64_t n, again;
	double d;

	if (duration_parse(s, &n, &e) == 0) {
		_cleanup_free_ char *text = duration_text(n), *shown = duration_format(n);

		CHECK_SHOW(n >= 0, s);
		CHECK_SHOW(duration_parse(text, &again, &e) == 0 && n == again, text);
		check_shown(shown, false);
	}
	if (size_parse(s, &n, &e) == 0)
		CHECK_SHOW(n >= 0, s);
	if (number_parse(s, &d, &e) == 0) {
		CHECK_SHOW(isfinite(d), s);
		for (int u = 0; u < UNIT_N; u++) {
			_cleanup_free_ char *text = unit_format(d, (enum unit)u);

			check_shown(text, false);
			CHECK_SHOW(*text && strlen(text) < 400, text);
		}
	}
	if (cell_number(s, strlen(s), &d))
		CHECK_SHOW(isfinite(d), s);
	if (clock_rfc3339_parse(s, &n) == 0) {
		char text[CLOCK_RFC3339_SIZE];

		clock_rfc3339(n, text);
		CHECK_SHOW(clock_rfc3339_parse(text, &again) == 0, text);
		CHECK_SHOW(llabs(n - again) < 1000, text);
	}
}

static void
check_threshold(const char *s)
{
	_cleanup_free_ char *text = NULL, *same = NULL, *shown = NULL;
	struct threshold t = { 0 }, again = { 0 }, none = { 0 };
	struct threshold_known known = { .baseline = 4, .median = 4, .mad = 1 };
	struct err e = { 0 };

	if (threshold_parse(s, &t, &e) < 0) {
		CHECK(*e.msg);
		return;
	}
	text = threshold_text(&t, UNIT_COUNT);
	shown = threshold_format(&t, UNIT_BYTES);
	check_shown(shown, false);
	CHECK_SHOW(threshold_parse(text, &again, &e) == 0, text);
	same = threshold_text(&again, UNIT_COUNT);
	CHECK_SHOW(streq(text, same), text);
	CHECK(!threshold_breached(&t, NAN, &known) && !threshold_holds(&t, &none, NAN, &known));
	/* What breaches holds too. */
	for (double v = -1; v < 1e9; v = v < 1 ? v + 0.25 : v * 3)
		CHECK_SHOW(
		    !threshold_breached(&t, v, &known) || threshold_holds(&t, &none, v, &known), s);
}

static void
check_rest(const char *s)
{
	struct need_list needs = { 0 };
	struct err e = { 0 };
	int64_t hold, fors[SEVERITY_N];
	int version[3];
	_cleanup_strv_ char **list = strv_split_commas(s);
	_cleanup_free_ char *param = check_param_text(s), *shown = show_text(s);
	_cleanup_free_ char *peer = text_from_peer(s, strlen(s), 64),
	                    *cut = text_ellipsis(peer, 20);

	check_shown(shown, false);
	check_utf8(peer);
	check_utf8(cut);
	CHECK(strlen(peer) <= 64 && strlen(cut) <= 20 && text_columns(peer) <= 2 * strlen(peer));
	for (size_t i = 0; list && list[i]; i++)
		CHECK(*list[i] && !strchr(list[i], ','));
	for (int when = 0; when < 2; when++)
		if (need_list_parse(s, when, &needs, &e) == 0)
			need_list_done(&needs);
	CHECK(version_parse(s, version) <= 3);
	if (check_for_parse(s, fors, &e) == 0)
		CHECK(fors[SEVERITY_WARNING] >= 0 && fors[SEVERITY_CRITICAL] >= 0);
	if (check_hold_parse(s, &hold, &e) == 0)
		CHECK(hold >= 0);
	(void)str_glob(s, "orders/public.t");
	CHECK(param || !*s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = fuzz_in(data, size);

	while (in.left > 0) {
		_cleanup_free_ char *s = fuzz_text_until(&in, '\n');

		check_numbers(s);
		check_threshold(s);
		check_rest(s);
	}
	return 0;
}
