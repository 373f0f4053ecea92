/*
 * Check files: head, needs, thresholds, remedies, SQL; what can be read of them is bound, shown and
 * written as JSON.  Behind FUZZ_GROUP: rows of a key of [check], FUZZ_CELL and its value.
 */
#include "base/str.h"
#include "check/bind.h"
#include "check/facts.h"
#include "check/settings.h"
#include "check/sql_scan.h"
#include "fuzz.h"
#include "report/report.h"

#include <math.h>

/* Printing and reading again gives the same. */
static void
check_threshold(const struct threshold *t, enum unit unit)
{
	_cleanup_free_ char *text = threshold_text(t, unit), *shown = threshold_format(t, unit);
	_cleanup_free_ char *same = NULL;
	struct threshold again = { 0 };
	struct threshold_known known = { .baseline = 10, .median = 10, .mad = 2 };
	struct err e = { 0 };

	check_shown(shown, false);
	check_shown(text, false);
	CHECK(!threshold_breached(t, NAN, &known));
	if (!t->set)
		return;
	CHECK_SHOW(threshold_parse(text, &again, &e) == 0, text);
	same = threshold_text(&again, unit);
	CHECK_SHOW(streq(text, same), same);
	for (int i = 0; i < 2; i++)
		CHECK_SHOW(t->term[i].op == again.term[i].op &&
		               t->term[i].times_baseline == again.term[i].times_baseline &&
		               t->term[i].mads == again.term[i].mads,
		    text);
	for (double v = -1; v < 1e12; v = v < 1 ? v + 0.25 : v * 10)
		CHECK_SHOW(
		    threshold_breached(t, v, &known) == threshold_breached(&again, v, &known),
		    text);
}

/* Every parameter is bound, and a number for each stands in the text. */
static void
check_bound(const struct check *c, const struct check_body *body)
{
	struct bind bind = { 0 };
	struct sql_scan scan;
	struct sql_token token;
	struct err e = { 0 };
	size_t positions = 0;

	CHECK_SHOW(bind_parse(body->sql, c->engine, &bind, &e) == 0, body->sql);
	sql_scan_init(&scan, bind.sql, c->engine);
	do {
		CHECK_SHOW(sql_scan_next(&scan, &token, &e) == 0, bind.sql);
		CHECK_SHOW(token.kind != SQL_PARAM, bind.sql);
		CHECK_SHOW(token.kind != SQL_OTHER || *token.s != ';', bind.sql);
		positions += token.kind == SQL_POSITION;
	} while (token.kind != SQL_END);
	CHECK_SHOW(positions >= strv_len(bind.names), bind.sql);
	for (size_t i = 0; bind.names && bind.names[i]; i++) {
		bool known = check_param_get(c->params, c->nparams, bind.names[i]) != NULL;

		for (size_t k = 0; bind_engine_names[k]; k++)
			known = known || streq(bind_engine_names[k], bind.names[i]);
		(void)known; /* keys of [database] are told elsewhere */
	}
	bind_done(&bind);
}

static void
check_shows(const struct check *c)
{
	struct report_options show = { .verbose = 2 };
	json_t *j = report_check(c, 30000000), *list = json_array();
	_cleanup_free_ char *dump = report_dump(j), *explain = NULL, *table = NULL, *sql = NULL;

	CHECK(dump);
	check_shown(dump, false);
	json_array_append(list, j);
	explain = report_explain_text(list, NULL, &show);
	table = report_checks_text(list, &show);
	sql = report_sql_text(list);
	check_report(explain);
	check_report(table);
	check_report(sql);
	json_decref(list);
	json_decref(j);
}

static void
check_coverage(const struct check *c)
{
	static char *names[] = { (char *)"x", (char *)"pg_monitor" };
	struct fact_privilege privileges[] = { { names[1], true } };
	struct facts facts = { .engine = c->engine,
		.version = { 15, 18, 0 },
		.role = FACT_PRIMARY,
		.flavour = (char *)"community",
		.login = names[0],
		.datname = names[0],
		.privileges = privileges,
		.nprivileges = 1 };
	struct coverage cover;

	coverage_of(c, &facts, &cover);
	check_utf8(cover.reason);
	check_utf8(cover.grant);
	CHECK((cover.cover == COVER_YES) == (*cover.reason == '\0'));
	for (size_t i = 0; i < c->needs.n; i++)
		if (c->needs.v[i].kind == NEED_PRIVILEGE) {
			_cleanup_free_ char *sql = privilege_sql(c->needs.v[i].name);
			_cleanup_free_ char *grant = privilege_grant(c->needs.v[i].name, "a\"b");

			CHECK(sql && grant);
		}
}

static void
check_settings(const struct check *c, struct fuzz_in in)
{
	struct settings *s = settings_new(c, 50), *copy;

	while (in.left > 0) {
		struct fuzz_in row = fuzz_until(&in, FUZZ_ROW);
		_cleanup_free_ char *key = fuzz_text_until(&row, FUZZ_CELL),
		                    *value = fuzz_text(row);
		struct err e = { 0 };
		int r = settings_set(s, key, value, &e);

		CHECK(r == 0 || *e.msg);
	}
	check_threshold(&s->info, c->unit);
	check_threshold(&s->warning, c->unit);
	check_threshold(&s->critical, c->unit);
	check_threshold(&s->clear, c->unit);
	CHECK(s->max_findings > 0 && s->interval_us >= 0 && s->clear_for_us >= 0);
	copy = settings_copy(s);
	settings_free(s);
	settings_free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = fuzz_in(data, size);
	_cleanup_free_ char *text = fuzz_text_until(&in, FUZZ_GROUP);
	struct check *c = NULL;
	struct err e = { 0 };
	int r = check_parse(text, "file", &c, &e);

	CHECK((r == 0) == (c != NULL));
	if (r < 0) {
		CHECK(*e.msg);
		return 0;
	}
	CHECK(c->id && c->title && c->engine != ENGINE_NONE && c->kind != KIND_NONE);
	for (size_t i = 0; i < c->nbodies; i++)
		check_bound(c, &c->bodies[i]);
	for (size_t i = 0; i < c->nremedies; i++)
		CHECK(c->remedies[i].title && c->remedies[i].undo);
	check_shows(c);
	check_coverage(c);
	check_settings(c, in);
	check_free(c);
	return 0;
}
