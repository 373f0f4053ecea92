/* The statements that take most, for people: `dbhealth top` and the API. */
#include "base/clock.h"
#include "base/str.h"
#include "monitor/internal.h"
#include "monitor/statements.h"
#include "report/report.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *const statements_by_names[STATEMENTS_BY_N] = { "time", "calls", "io" };

static const struct statement_counters *
counters_of(const struct statement *s, bool window)
{
	return window ? &s->delta : &s->last;
}

static double
measure(const struct statement_counters *c, enum statements_by by)
{
	switch (by) {
	case STATEMENTS_BY_TIME:
		return c->exec_ms;
	case STATEMENTS_BY_CALLS:
		return c->calls;
	case STATEMENTS_BY_IO:
		return c->read + c->temp;
	}
	return 0;
}

struct ranked {
	double measure;
	const struct statement *s;
};

static int
by_measure(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return (x->measure < y->measure) - (x->measure > y->measure);
}

size_t
statements_top(const struct statement_watch *w, uint32_t database, enum statements_by by,
    size_t limit, const struct statement **ret, bool *ret_window)
{
	bool window = statements_window_s(w->table) > 0;
	_cleanup_free_ struct ranked *all = xcalloc(statements_count(w->table) + 1, sizeof(*all));
	const struct statement *s;
	size_t n = 0, i = 0;

	*ret_window = window;
	while ((s = statements_next(w->table, &i))) {
		double m = measure(counters_of(s, window), by);

		if ((database == 0 || s->key.database == database) && m > 0 &&
		    (window ? s->moved : s->last.calls > 0))
			all[n++] = (struct ranked){ m, s };
	}
	if (n == 0)
		return 0;
	qsort(all, n, sizeof(*all), by_measure);
	n = MIN(n, limit);
	for (i = 0; i < n; i++)
		ret[i] = all[i].s;
	return n;
}

static void
total_of(const struct statement_watch *w, bool window, struct statement_counters *ret)
{
	const struct statement *s;
	size_t i = 0;

	*ret = *statements_total(w->table);
	if (window)
		return;
	*ret = (struct statement_counters){ 0 };
	while ((s = statements_next(w->table, &i))) {
		ret->calls += s->last.calls;
		ret->exec_ms += s->last.exec_ms;
		ret->read += s->last.read;
		ret->temp += s->last.temp;
	}
}

static json_t *
real(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *
statement_json(const struct statement_watch *w, const struct statement *s, bool window,
    const struct statement_counters *total, double seconds)
{
	const struct statement_counters *c = counters_of(s, window);
	const struct statement_text *t = statements_text(w, &s->key);
	double blocks = c->hit + c->read;
	char id[24];
	json_t *o = json_object();

	snprintf(id, sizeof(id), "%" PRId64, s->key.query);
	json_object_set_new(o, "queryid", json_string(id));
	json_object_set_new(o, "user", report_string(t ? t->user : NULL));
	json_object_set_new(o, "toplevel", json_boolean(s->key.top));
	json_object_set_new(o, "own", json_boolean(s->own));
	json_object_set_new(o, "query", report_string(t ? t->query : NULL));
	json_object_set_new(o, "share", real(c->exec_ms / total->exec_ms));
	json_object_set_new(o, "calls", json_integer((json_int_t)c->calls));
	json_object_set_new(
	    o, "calls_per_second", seconds > 0 ? real(c->calls / seconds) : json_null());
	json_object_set_new(o, "total_seconds", real(c->exec_ms / 1000));
	json_object_set_new(o, "mean_seconds", real(c->exec_ms / 1000 / c->calls));
	json_object_set_new(o, "rows_per_call", real(c->rows / c->calls));
	json_object_set_new(o, "hit_ratio", blocks > 0 ? real(c->hit / blocks) : json_null());
	json_object_set_new(o, "blocks_read", json_integer((json_int_t)c->read));
	json_object_set_new(o, "temp_blocks", json_integer((json_int_t)c->temp));
	json_object_set_new(o, "io_seconds", real(c->io_ms / 1000));
	return o;
}

json_t *
statements_json(
    const struct statement_watch *w, uint32_t database, enum statements_by by, size_t limit)
{
	_cleanup_free_ const struct statement **top = xcalloc(limit + 1, sizeof(*top));
	struct statement_counters total;
	bool window = false;
	size_t n = statements_top(w, database, by, limit, top, &window);
	double seconds = window ? statements_window_s(w->table)
	                        : (isfinite(w->reset_s) ? w->at_s - w->reset_s : 0);
	json_t *o = json_object(), *list = json_array();

	total_of(w, window, &total);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, statement_json(w, top[i], window, &total, seconds));
	json_object_set_new(o, "by", json_string(statements_by_names[by]));
	json_object_set_new(o, "basis", json_string(window ? "window" : "since_reset"));
	json_object_set_new(o, "seconds", seconds > 0 ? real(seconds) : json_null());
	json_object_set_new(o, "at", report_time(statements_looked_s(w->table) * USEC_PER_SEC));
	json_object_set_new(
	    o, "busy", seconds > 0 ? real(total.exec_ms / 1000 / seconds) : json_null());
	json_object_set_new(o, "calls", json_integer((json_int_t)total.calls));
	json_object_set_new(o, "known", json_integer((json_int_t)statements_count(w->table)));
	json_object_set_new(o, "statements", list);
	return o;
}
