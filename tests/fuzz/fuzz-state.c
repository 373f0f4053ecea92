/*
 * Rows of a damaged state store, given to an engine that then works with them.  Input: rows of
 * kind, key and JSON, parted by FUZZ_CELL.
 */
#include "base/clock.h"
#include "check/series.h"
#include "daemon/outlet_entry.h"
#include "engine.h"
#include "monitor/monitor.h"
#include "report/report.h"

#include <math.h>

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_quiet();
	return 0;
}

static void
on_transition(const struct transition *t, bool folded, void *arg)
{
	_cleanup_free_ char *entry = entry_transition(t, NULL, 0);

	(void)folded;
	(void)arg;
	check_utf8(entry);
}

static void
on_text(const char *server, const char *database, const char *text, void *arg)
{
	(void)server;
	(void)database;
	(void)arg;
	check_utf8(text);
}

static void
on_state(const char *kind, const char *key, const char *json, void *arg)
{
	(void)arg;
	check_utf8(kind);
	check_utf8(key);
	if (json) {
		json_t *j = json_loads(json, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);

		CHECK_SHOW(j, json);
		json_decref(j);
	}
}

static void
check_series(const char *json)
{
	struct series *s = series_load(json), *again;
	_cleanup_free_ char *text = NULL, *same = NULL;
	struct series_point points[SERIES_KEEP];
	const char *object;

	if (!s)
		return;
	for (size_t i = 0; (object = series_object(s, i)); i++) {
		size_t n = series_points(s, object, points);

		CHECK(i < SERIES_OBJECTS && n <= SERIES_KEEP);
		for (size_t k = 0; k < n; k++)
			CHECK(isfinite(points[k].value));
		(void)series_baseline(s, object);
	}
	text = series_save(s);
	again = series_load(text);
	CHECK_SHOW(again, text);
	same = series_save(again);
	CHECK_SHOW(streq(text, same), same);
	series_free(s);
	series_free(again);
}

/* What was read can be written, and read again to the same. */
static void
check_rows(struct findings *f)
{
	const struct finding *x;
	size_t iter = 0;

	while ((x = findings_next(f, &iter))) {
		int64_t now = clock_now_us();
		_cleanup_free_ char *a = finding_save(x, now), *b = NULL;
		struct findings *other = findings_new(NULL, NULL);
		const struct finding *y;
		struct err e = { 0 };
		size_t first = 0;
		json_t *j = report_finding(x);
		_cleanup_free_ char *dump = report_dump(j);

		check_shown(dump, false);
		json_decref(j);
		CHECK_SHOW(findings_load(other, a, now, clock_wall_us(), &e) == 0, a);
		y = findings_next(other, &first);
		CHECK(y);
		b = finding_save(y, now);
		CHECK_SHOW(streq(a, b), b);
		findings_free(other);
	}
}

static void
check_views(struct monitor *m)
{
	static const struct finding_filter all = { .limit = 100 },
	                                   resolved = { .state = "resolved", .limit = 100 };
	struct report_options show = { .verbose = 2, .now_wall_us = clock_wall_us() };
	json_t *status = monitor_status(m), *open = monitor_findings(m, &all);
	json_t *old = monitor_findings(m, &resolved), *one = monitor_database(m, "orders");
	_cleanup_free_ char *text = report_status_text(status, open, &show);
	_cleanup_free_ char *list = report_findings_text(old, &show), *dump = report_dump(one);

	check_report(text);
	check_report(list);
	check_shown(dump, false);
	json_decref(status);
	json_decref(open);
	json_decref(old);
	json_decref(one);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct monitor_callbacks on = {
		.on_transition = on_transition, .on_summary = on_text, .on_state = on_state
	};
	static const struct monitor_options options = { 0 };
	struct fuzz_in in = fuzz_in(data, size);
	struct event_base *base = event_base_new();
	struct err_list errors = { 0 };
	struct monitor *m = NULL;

	if (monitor_new(base, engine_conf(), catalogue_new(), &options, &on, NULL, &m, &errors) <
	    0) {
		CHECK_SAME(!*errors.v[0]);
		fuzz_fail(__FILE__, __LINE__, "a fault is told", errors.v[0]);
	}
	while (in.left > 0) {
		struct fuzz_in row = fuzz_until(&in, FUZZ_ROW);
		_cleanup_free_ char *kind = fuzz_text_until(&row, FUZZ_CELL);
		_cleanup_free_ char *key = fuzz_text_until(&row, FUZZ_CELL), *json = fuzz_text(row);

		if (streq(kind, "series"))
			check_series(json);
		monitor_restore(m, kind, key, json);
	}
	check_rows((struct findings *)(uintptr_t)monitor_findings_raw(m));
	check_views(m);
	monitor_save(m);
	monitor_free(m);
	event_base_free(base);
	return 0;
}
