/*
 * What a hostile server returns, from its rows to every text that is made of them.
 * Input: a check (the id of a built-in one, or a file), then runs parted by FUZZ_GROUP.  A run is
 * rows, the first one the columns' names; a cell that is "~" is NULL.
 */
#include "base/clock.h"
#include "base/text.h"
#include "check/eval.h"
#include "daemon/outlet_entry.h"
#include "finding/finding.h"
#include "fuzz.h"
#include "report/report.h"

#include <jansson.h>
#include <math.h>

#define CELLS_MAX 64
#define WALL      INT64_C(1770000000000000)

static struct catalogue *catalogue;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_quiet();
	catalogue = catalogue_new();
	return 0;
}

struct world {
	struct settings *settings;
	struct series *series;
	struct findings *findings;
	int64_t now_us, wall_us;
	struct result result;
	bool valued; /* this run had a row with more than NULL */
};

/* ---- what is told ---- */

static void
on_transition(const struct transition *t, void *arg)
{
	struct world *w = arg;
	_cleanup_free_ char *entry = entry_transition(t, NULL, 0);
	json_t *j = json_loads(entry, JSON_REJECT_DUPLICATES, NULL), *value;
	const char *name;

	CHECK_SHOW(j, entry);
	json_object_foreach (j, name, value) {
		for (const char *c = name; *c; c++)
			CHECK_SHOW(
			    (*c >= 'A' && *c <= 'Z') || *c == '_' || (*c >= '0' && *c <= '9'),
			    name);
		CHECK_SHOW(json_is_string(value), name);
		if (streq(name, "MESSAGE")) {
			check_shown(json_string_value(value), false);
			CHECK(json_string_length(value) <= ENTRY_MESSAGE_MAX);
		}
	}
	json_decref(j);
	/* Nothing opens without a row that said something. */
	CHECK(t->kind != TRANSITION_OPENED || w->valued);
	CHECK(!t->finding->has_value || isfinite(t->finding->value));
	check_utf8(t->finding->message);
	check_utf8(t->finding->object);
	check_utf8(t->finding->key);
	check_utf8(t->finding->detail);
}

static void
check_finding(struct world *w, const struct finding *f)
{
	struct report_options show = { .now_wall_us = w->wall_us, .verbose = 2 };
	json_t *j = report_finding(f), *list = json_array();
	json_t *checks = json_pack("[o]", report_check(w->settings->check, USEC_PER_SEC));
	_cleanup_free_ char *dump = report_dump(j), *block = NULL, *list_text = NULL,
	                    *nagios = NULL;

	CHECK(json_object_get(j, "message") && json_object_get(j, "object"));
	check_shown(dump, false);
	json_array_append(list, j);
	block = report_finding_text(j, json_array_get(checks, 0), NULL, &show);
	list_text = report_findings_text(list, &show);
	nagios = report_nagios(list, "critical", "1 finding", checks);
	check_report(block);
	check_report(list_text);
	check_shown(nagios, true);
	CHECK(strlen(nagios) <= 4096 && !memchr(nagios, '|', 1));
	json_decref(j);
	json_decref(list);
	json_decref(checks);
}

static bool
is_tracked(const void *arg, const char *key)
{
	const struct world *w = arg;

	return findings_tracked(w->findings, "db", w->settings->check->id, key);
}

/* ---- one run ---- */

static size_t
cells_of(struct fuzz_in row, char **cells, size_t *lengths)
{
	size_t n = 0;

	do {
		struct fuzz_in cell = fuzz_until(&row, FUZZ_CELL);

		lengths[n] = cell.left;
		/* PostgreSQL's cells hold no NUL, SQLite's may: terminated, but not by the length. */
		cells[n] = xcalloc(cell.left + 1, 1);
		memcpy(cells[n++], cell.p, cell.left);
	} while (row.left > 0 && n < CELLS_MAX);
	return n;
}

static void
check_result(const struct world *w, const struct result *r)
{
	for (size_t i = 0; i < r->nsamples; i++) {
		const struct sample *s = r->samples[i];
		_cleanup_free_ char *message =
		    message_render(w->settings->check->message, w->settings, s);

		check_utf8(message);
		check_utf8(s->object);
		check_utf8(s->key);
		CHECK(!s->has_value || isfinite(s->value));
		CHECK(strlen(s->object) <= TEXT_MAX_BYTES && strlen(message) <= 4 * TEXT_MAX_BYTES);
		for (size_t k = 0; k < s->nlabels; k++) {
			check_utf8(s->labels[k].name);
			check_utf8(s->labels[k].value);
		}
	}
	CHECK(r->nvalues <= RESULT_MAX_VALUES);
	CHECK(!r->has_value || isfinite(r->value));
	CHECK(r->state != RESULT_UNKNOWN || (r->reason != REASON_NONE && *r->text));
	check_utf8(r->text);
	check_utf8(r->grant);
}

static void
take_rows(struct world *w, struct eval *eval, struct fuzz_in run)
{
	size_t columns = 0;

	w->valued = false;
	for (bool first = true; first || run.left > 0; first = false) {
		char *cells[CELLS_MAX];
		size_t lengths[CELLS_MAX], n = cells_of(fuzz_until(&run, FUZZ_ROW), cells, lengths);
		const char *given[CELLS_MAX] = { 0 };

		if (first)
			columns = n;
		for (size_t i = 0; i < columns; i++) {
			given[i] = i < n && (first || !streq(cells[i], "~")) ? cells[i] : NULL;
			if (!given[i])
				lengths[i] = 0;
			w->valued = w->valued || (!first && given[i]);
		}
		if (first)
			eval_columns(eval, columns, given);
		else
			eval_row(eval, given, lengths);
		for (size_t i = 0; i < n; i++)
			free(cells[i]);
	}
}

static void
one_run(struct world *w, struct fuzz_in in)
{
	struct eval_context context = { .series = w->series,
		.now_us = w->now_us,
		.wall_us = w->wall_us,
		.server_start = 1769000000,
		.tracked = is_tracked,
		.tracked_arg = w };
	struct run run = { .settings = w->settings,
		.scope = "db",
		.server = "srv",
		.database = "db",
		.result = &w->result,
		.now_us = w->now_us,
		.wall_us = w->wall_us,
		.interval_us = USEC_PER_SEC };
	struct eval *eval = eval_new(w->settings, &context);
	struct applied applied;
	const struct finding *f;
	size_t iter = 0;

	take_rows(w, eval, in);
	eval_finish(eval, NULL, &w->result);
	eval_free(eval);
	check_result(w, &w->result);
	findings_apply(w->findings, &run, &applied);
	CHECK(w->result.state != RESULT_UNKNOWN || applied.status != CHECK_OK);
	while ((f = findings_next(w->findings, &iter)))
		check_finding(w, f);
	result_done(&w->result);
	w->result = (struct result){ 0 };
	w->now_us += 600 * USEC_PER_SEC;
	w->wall_us += 600 * USEC_PER_SEC;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = fuzz_in(data, size);
	_cleanup_free_ char *text = fuzz_text_until(&in, FUZZ_GROUP), *series = NULL;
	struct check *own = NULL;
	const struct check *check = catalogue_find(catalogue, ENGINE_POSTGRESQL, text);
	struct world w = { .now_us = 1000 * USEC_PER_SEC, .wall_us = WALL };
	struct series *again;
	struct err e = { 0 };

	if (!check)
		check = catalogue_find(catalogue, ENGINE_SQLITE, text);
	if (!check && check_parse(text, "file", &own, &e) == 0)
		check = own;
	if (!check)
		return 0;
	w.settings = settings_new(check, 5);
	w.series = series_new();
	w.findings = findings_new(on_transition, &w);
	for (int i = 0; i < 6 && in.left > 0; i++)
		one_run(&w, fuzz_until(&in, FUZZ_GROUP));
	series = series_save(w.series);
	again = series_load(series);
	CHECK_SHOW(again, series);
	series_free(again);
	series_free(w.series);
	findings_free(w.findings);
	settings_free(w.settings);
	check_free(own);
	return 0;
}
