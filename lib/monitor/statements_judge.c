/*
 * What the last look says to the checks of source statements, as rows for the evaluator like those of SQL.
 */
#include "base/clock.h"
#include "base/str.h"
#include "monitor/internal.h"
#include "monitor/statements.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define COLUMNS_MAX      12
#define ROWS_MAX         50
#define WANTED_MAX_BYTES ((size_t)4000)
/* Regressions under this are not worth a row. */
#define FACTOR_SHOWN 1.5

struct view {
	const struct statement_watch *w; /* borrowed, as all here */
	const struct checkup *c;
	uint32_t database;
	bool once; /* one look is all there is */
};
/* What a check would tell of one statement. */
struct told {
	const struct statement *s;
	double value; /* of the check */
	double calls, ms, usual_ms, share;
};

static double
param(const struct checkup *c, const char *name)
{
	const char *raw = check_param_get(c->settings->params, c->settings->nparams, name);
	_cleanup_free_ char *text = raw ? check_param_text(raw) : NULL;

	return text ? strtod(text, NULL) : 0;
}

/* Enough of the server's time, and of a connection's, to be worth a word. */
static bool
weighs(const struct view *v, struct told *t)
{
	double all = statements_total(v->w->table)->exec_ms,
	       window_s = statements_window_s(v->w->table);

	if (!t->s->moved || window_s <= 0 || all <= 0)
		return false;
	t->calls = t->s->delta.calls;
	t->ms = t->s->delta.exec_ms;
	t->share = t->ms / all;
	return t->calls >= param(v->c, "min_calls") && t->share >= param(v->c, "min_share") &&
	       t->ms / 1000 / window_s >= param(v->c, "min_busy");
}

static bool
is_regression(const struct view *v, struct told *t)
{
	if (!weighs(v, t))
		return false;
	t->usual_ms = statements_usual_ms(v->w->table, t->s, param(v->c, "min_calls"));
	t->value = t->ms / t->calls / t->usual_ms;
	return isfinite(t->value) && t->value >= FACTOR_SHOWN;
}

static bool
is_new_heavy(const struct view *v, struct told *t)
{
	if (!weighs(v, t) || !statements_is_new(v->w->table, t->s, (int64_t)param(v->c, "learn"),
	                         (int64_t)param(v->c, "known_after")))
		return false;
	t->value = t->share;
	return true;
}

static bool
is_slow(const struct view *v, struct told *t)
{
	if (v->once) {
		t->calls = t->s->last.calls;
		t->ms = t->s->last.exec_ms;
	} else {
		statements_lately(v->w->table, t->s, &t->calls, &t->ms);
	}
	t->value = t->ms / t->calls / 1000;
	return t->calls >= param(v->c, "min_calls") && t->value >= param(v->c, "min_mean");
}

static bool (*test_of(const struct check *c))(const struct view *, struct told *)
{
	if (streq(c->id, "statement-regression"))
		return is_regression;
	if (streq(c->id, "statement-new-heavy"))
		return is_new_heavy;
	return streq(c->id, "statement-slow") ? is_slow : NULL;
}

/* By the time that it takes of the server. */
static int
by_time(const void *a, const void *b)
{
	const struct told *x = a, *y = b;

	return (x->ms < y->ms) - (x->ms > y->ms);
}

static size_t
gather(const struct view *v, struct told ret[static ROWS_MAX])
{
	bool (*test)(const struct view *, struct told *) = test_of(v->c->check);
	double limit = param(v->c, "top");
	_cleanup_free_ struct told *all = NULL;
	const struct statement *s;
	size_t n = 0, room = 0, i = 0;

	while (test && (s = statements_next(v->w->table, &i))) {
		struct told t = { .s = s, .usual_ms = NAN };

		if (s->own || s->key.database != v->database || !test(v, &t))
			continue;
		if (n == room)
			all = xreallocarray(all, room = MAX(room * 2, (size_t)16), sizeof(*all));
		all[n++] = t;
	}
	if (n == 0)
		return 0;
	qsort(all, n, sizeof(*all), by_time);
	n = MIN(n, limit >= 1 && limit < ROWS_MAX ? (size_t)limit : (size_t)ROWS_MAX);
	memcpy(ret, all, n * sizeof(*all));
	return n;
}

static struct view
view_of(const struct statement_watch *w, const struct checkup *c, uint32_t database)
{
	return (struct view){ w, c, database, c->scope->monitor->options.one_shot };
}

static bool
breaches(const struct checkup *c, const struct told *t)
{
	return !streq(c->check->id, "statement-regression") ||
	       threshold_breached(&c->settings->warning, t->value, &THRESHOLD_KNOWN_NONE);
}

char *
statements_wanted(const struct statement_watch *w, const struct checkup *c, uint32_t database)
{
	struct view v = view_of(w, c, database);
	struct told told[ROWS_MAX];
	size_t n = gather(&v, told);
	_cleanup_str_ struct str s = { 0 };

	for (size_t i = 0; i < n; i++)
		if (breaches(c, &told[i]) && !statements_text(w, &told[i].s->key))
			str_addf(&s, "%s%" PRId64, s.len ? "," : "", told[i].s->key.query);
	return s.len ? str_take(&s) : NULL;
}

void
statements_want(struct statement_watch *w, const char *ids)
{
	char *was = w->wanted;

	if (was && strlen(was) + strlen(ids) > WANTED_MAX_BYTES)
		return; /* those that are left are wanted again */
	w->wanted = xasprintf("%s%s%s", was ? was : "", was ? "," : "", ids);
	free(was);
}

/* ---- rows ---- */

static const char *const columns[] = { "object", "key", "value", "user", "query", "calls", "mean",
	"usual", "share" };

static void
add_row(struct eval *ev, const struct statement_watch *w, const struct told *t)
{
	const struct statement *s = t->s;
	const struct statement_text *text = statements_text(w, &s->key);
	_cleanup_free_ char *object = xasprintf("query %" PRId64, s->key.query),
	                    *key = xasprintf("%" PRId64 "/%u/%s", s->key.query, s->key.user,
	                        s->key.top ? "top" : "nested"),
	                    *value = xasprintf("%.6g", t->value),
	                    *calls = xasprintf("%.0f", t->calls),
	                    *mean = unit_format(t->ms / t->calls / 1000, UNIT_SECONDS),
	                    *usual = isfinite(t->usual_ms)
	                                 ? unit_format(t->usual_ms / 1000, UNIT_SECONDS)
	                                 : NULL,
	                    *share = unit_format(t->share, UNIT_RATIO);
	const char *cells[] = { object, key, value, text && text->user ? text->user : "a user",
		text && text->query ? text->query : "its text is not told", calls, mean, usual,
		share };
	size_t lengths[ARRAY_SIZE(columns)];

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		lengths[i] = cells[i] ? strlen(cells[i]) : 0;
	eval_row(ev, cells, lengths);
}

static void
add_dealloc(struct eval *ev, const struct statement_watch *w)
{
	static const char *const names[] = { "object", "value", "reset", "at", "max", "remedy" };
	char value[32], reset[32], at[32], max[32], remedy[100];
	const char *cells[] = { "", value, reset, at, max, remedy };
	size_t lengths[ARRAY_SIZE(names)];

	snprintf(value, sizeof(value), "%.0f", w->dealloc);
	snprintf(reset, sizeof(reset), "%.3f", w->reset_s);
	snprintf(at, sizeof(at), "%.6f", w->at_s);
	snprintf(max, sizeof(max), "%.0f", w->max);
	snprintf(remedy, sizeof(remedy), "ALTER SYSTEM SET pg_stat_statements.max = %.0f;",
	    MAX(w->max * 2, 10000));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		lengths[i] = strlen(cells[i]);
	eval_columns(ev, ARRAY_SIZE(names), names);
	eval_row(ev, cells, lengths);
}

static bool
has_past(const struct statement_watch *w, const struct checkup *c)
{
	bool once = c->scope->monitor->options.one_shot;

	if (streq(c->check->id, "statement-slow"))
		return true;
	return !once && statements_window_s(w->table) > 0;
}

void
statements_judge(struct statement_watch *w, struct checkup *c, const struct facts *f,
    double server_start, int64_t duration_us)
{
	int64_t now = clock_now_us(), wall = clock_wall_us();
	struct result res = { 0 };
	struct outcome o = { .checkup = c,
		.result = &res,
		.started_us = now,
		.started_wall_us = wall,
		.duration_us = duration_us };
	struct view v = view_of(w, c, f->oid);
	struct told told[ROWS_MAX];
	struct eval *ev;

	if (streq(c->check->id, "pgss-dealloc") && isnan(w->dealloc)) {
		struct coverage cov = { .cover = COVER_NOT };

		snprintf(cov.reason, sizeof(cov.reason),
		    "needs pg_stat_statements 1.9 or later; %s is installed", w->version);
		scope_record_uncovered(c->scope, c, &cov);
		return;
	}
	ev = checkup_eval(c, NULL, server_start, now, wall);
	if (streq(c->check->id, "pgss-dealloc")) {
		add_dealloc(ev, w);
	} else {
		size_t n = has_past(w, c) ? gather(&v, told) : 0;

		eval_columns(ev, ARRAY_SIZE(columns), columns);
		for (size_t i = 0; i < n; i++)
			add_row(ev, w, &told[i]);
	}
	eval_finish(ev, NULL, &res);
	if (!streq(c->check->id, "pgss-dealloc") && !has_past(w, c)) {
		res.state = RESULT_WAITING;
		snprintf(res.text, sizeof(res.text), "%s",
		    v.once ? "needs the time that the daemon watches"
		           : "nothing to compare with yet");
	}
	scope_record(c->scope, &o);
	result_done(&res);
	eval_free(ev);
}
