/*
 * Judges rows one by one as they come.  A row that cannot be judged never counts as good: it makes
 * the run unknown, with the reason of the first such row.
 */
#include "base/text.h"
#include "check/eval_private.h"
#include "check/sql_scan.h"
#include <math.h>
#include <stdio.h>

/* The threshold that opens a finding first: clearing is measured from it. */
static const struct threshold *
lowest(const struct settings *s)
{
	return s->info.set ? &s->info : s->warning.set ? &s->warning : &s->critical;
}

static bool
names_baseline(const struct settings *s)
{
	return threshold_is_relative(&s->info) || threshold_is_relative(&s->warning) ||
	       threshold_is_relative(&s->critical) || threshold_is_relative(&s->clear);
}

static bool
is_numeric(const struct check *c)
{
	return c->kind == KIND_GAUGE || c->kind == KIND_RATE || c->kind == KIND_RATIO;
}

/* 0 where there is none. */
static double
number_param(const struct settings *s, const char *name)
{
	const char *text = check_param_get(s->params, s->nparams, name);
	double v;

	return text && number_parse(text, &v, NULL) >= 0 ? v : 0;
}

struct eval *
eval_new(const struct settings *settings, const struct eval_context *ctx)
{
	struct eval *e = xcalloc(1, sizeof(*e));
	enum compare op = (enum compare)lowest(settings)->term[0].op;
	bool user = settings->check->user;

	e->settings = settings;
	e->check = settings->check;
	e->ctx = *ctx;
	e->relative = names_baseline(settings);
	e->asks_usual = settings_ask_usual(settings);
	e->min_mad = number_param(settings, "min_mad");
	e->keep = keep_new(settings->max_findings);
	e->sign = op == CMP_LT || op == CMP_LE ? -1 : 1;
	e->max_rows = user ? EVAL_USER_MAX_ROWS : EVAL_MAX_ROWS;
	e->max_bytes = user ? EVAL_USER_MAX_BYTES : EVAL_MAX_BYTES;
	e->min_whole = number_param(settings, "min_whole");
	if (e->check->kind == KIND_SNAPSHOT)
		e->shape = shape_new();
	if ((e->check->kind == KIND_RATE || e->check->kind == KIND_RATIO) && !ctx->again) {
		assert(ctx->series);
		e->growths = growths_new(ctx->series, ctx->server_start);
	}
	return e;
}

struct eval *
eval_free(struct eval *e)
{
	if (!e)
		return NULL;
	columns_done(&e->cols);
	keep_free(e->keep);
	growths_free(e->growths);
	rows_free(e->rows);
	shape_free(e->shape);
	free(e->home);
	str_done(&e->object);
	str_done(&e->key);
	for (size_t i = 0; i < e->nvalues; i++)
		free(e->values[i].object);
	result_done(&e->bad);
	if (e->ctx.release)
		e->ctx.release(e->ctx.hold);
	free(e);
	return NULL;
}

void
eval_columns(struct eval *e, size_t n, const char *const *names)
{
	const char *missing;

	columns_done(&e->cols);
	columns_init(&e->cols, n, names);
	e->has_columns = true;
	rows_free(e->rows);
	e->rows = e->ctx.remember ? rows_new(n, names) : NULL;
	missing = columns_missing(&e->cols, e->check);
	if (missing) {
		e->broken = true;
		result_unknown(
		    &e->bad, REASON_NO_VALUE, "the query returned no column %s", missing);
	}
}

/* Kind snapshot: one more of what there is. */
static void
add_to_shape(struct eval *e, const struct row *row)
{
	size_t len;
	const char *parts = eval_label_cell(e, row, "parts", &len);
	_cleanup_free_ char *sort = eval_label_text(e, row, "sort", 60);
	_cleanup_free_ char *slices = eval_label_text(e, row, "slices", 20);
	struct err err = { 0 };

	if (shape_add(e->shape, sort, row->object, parts, len, &err) < 0)
		eval_note_bad(e, row, "parts", "is no JSON object");
	if (!e->home)
		e->home = eval_label_text(e, row, "home", 200);
	if (!e->slices)
		e->slices = (unsigned)strtoul(slices, NULL, 10);
}

static bool
ask_usual(const struct eval *e, struct row *row)
{
	if (!e->ctx.usual ||
	    !e->ctx.usual(e->ctx.usual_arg, row->object, e->ctx.wall_us, row->value, &row->usual)) {
		row->usual.median = NAN;
		return false;
	}
	row->usual.mad = MAX(row->usual.mad, e->min_mad);
	return true;
}

/* None of its thresholds can say anything about it. */
static bool
waits_for_usual(const struct eval *e, const struct row *row)
{
	const struct settings *s = e->settings;
	const struct threshold *limits[] = { &s->critical, &s->warning, &s->info };

	if (!e->asks_usual || !row->has_value || !isnan(row->usual.median))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (limits[i]->set &&
		    (!threshold_asks_usual(limits[i]) || limits[i]->fallback.op != CMP_NONE))
			return false;
	return true;
}

static void
judge_value(struct eval *e, struct row *row)
{
	const struct settings *s = e->settings;
	const struct threshold *limits[] = { &s->critical, &s->warning, &s->info };
	const enum severity levels[] = { SEVERITY_CRITICAL, SEVERITY_WARNING, SEVERITY_INFO };
	struct threshold_known known = THRESHOLD_KNOWN_NONE;

	if (!row->has_value)
		return;
	if (e->relative && e->ctx.series)
		known.baseline = series_baseline(e->ctx.series, row->object);
	if (e->asks_usual && ask_usual(e, row)) {
		known.median = row->usual.median;
		known.mad = row->usual.mad;
	}
	for (size_t i = 0; i < ARRAY_SIZE(limits) && row->severity == SEVERITY_NONE; i++)
		if (threshold_breached(limits[i], row->value, &known))
			row->severity = levels[i];
	row->holds = threshold_holds(lowest(s), &s->clear, row->value, &known);
}

/* The row's own severity first, then thresholds, then the head's. */
static bool
judge(struct eval *e, struct row *row)
{
	size_t len;
	const char *word = eval_cell(e, row, COLUMN_SEVERITY, &len);
	struct sql_token token = { .s = word, .len = len };

	if (word) {
		for (int s = SEVERITY_NONE; s < SEVERITY_N; s++)
			if (sql_token_is(&token, severity_names[s])) {
				row->severity = (enum severity)s;
				row->holds = row->severity != SEVERITY_NONE;
				return true;
			}
		eval_note_bad(e, row, "severity", "is none of none, info, warning, critical");
		return false;
	}
	if (!check_severity_by_sql(e->check))
		judge_value(e, row);
	else
		row->severity = e->check->severity;
	row->holds = row->holds || row->severity != SEVERITY_NONE;
	return true;
}

static void
apply_settings(const struct settings *s, bool young, struct row *row)
{
	if (row->severity == SEVERITY_NONE)
		return;
	if (s->force != SEVERITY_NONE)
		row->severity = s->force;
	else if (young && row->severity == SEVERITY_WARNING)
		row->severity = SEVERITY_INFO;
	row->severity = MIN(row->severity, s->cap);
}

static char *
cell_copy(const struct row *row, size_t i, bool *ret_cut)
{
	*ret_cut = false;
	return row->cells[i] ? cell_text(row->cells[i], row->lengths[i], ret_cut) : NULL;
}

#define USUAL_LABELS 3

/* Told with the finding, and for its message: {hour}, {usual:UNIT}, {mad:UNIT}. */
static void
label_usual(const struct row *row, struct sample *s)
{
	const struct usual *u = &row->usual;

	if (isnan(u->median))
		return;
	assert(s->labels);
	s->labels[s->nlabels++] =
	    (struct label){ .name = xstrdup("hour"), .value = xstrdup(u->hour) };
	s->labels[s->nlabels++] =
	    (struct label){ .name = xstrdup("usual"), .value = xasprintf("%.6g", u->median) };
	s->labels[s->nlabels++] =
	    (struct label){ .name = xstrdup("mad"), .value = xasprintf("%.4g", u->mad) };
}

static struct sample *
make_sample(const struct eval *e, const struct row *row)
{
	struct sample *s = xcalloc(1, sizeof(*s));
	const struct columns *cols = &e->cols;
	bool cut;

	*s = (struct sample){ .object = xstrdup(row->object),
		.key = xstrdup(row->key),
		.item = xstrdup(e->ctx.item),
		.has_value = row->has_value,
		.value = row->has_value ? row->value : 0,
		.part = e->check->kind == KIND_RATIO && row->has_value ? row->growth.value : NAN,
		.whole = e->check->kind == KIND_RATIO && row->has_value ? row->growth.whole : NAN,
		.severity = row->severity,
		.holds = row->holds };
	if (cols->index[COLUMN_DETAIL] >= 0)
		s->detail = cell_copy(row, (size_t)cols->index[COLUMN_DETAIL], &cut);
	s->labels = cols->nlabels > 0 || !isnan(row->usual.median)
	                ? xcalloc(cols->nlabels + USUAL_LABELS, sizeof(*s->labels))
	                : NULL;
	for (size_t i = 0; i < cols->nlabels; i++) {
		char *value = cell_copy(row, cols->labels[i].index, &cut);

		if (value)
			s->labels[s->nlabels++] =
			    (struct label){ .name = xstrdup(cols->labels[i].name), .value = value };
	}
	label_usual(row, s);
	for (size_t i = 0; i < REMEDY_MAX; i++) {
		int col = cols->index[COLUMN_REMEDY + i];
		char *text = col >= 0 ? cell_copy(row, (size_t)col, &cut) : NULL;

		/* Half a statement must never be run. */
		if (text && (cut || !*text)) {
			free(text);
			text = NULL;
		}
		if (!text && i < e->check->nremedies && e->check->remedies[i].text)
			text = message_render(e->check->remedies[i].text, e->settings, s);
		s->remedies[i] = text;
	}
	return s;
}

static void
keep_row(struct eval *e, const struct row *row)
{
	struct keep_rank rank = { .severity = row->severity,
		.has_value = row->has_value,
		.value = row->has_value ? row->value * e->sign : 0,
		.key = row->key };
	bool breaches = row->severity != SEVERITY_NONE;
	bool tracked = e->ctx.tracked && e->ctx.tracked(e->ctx.tracked_arg, row->key);

	if (breaches && !keep_has(e->keep, row->key))
		e->nbreaching++;
	if ((breaches || tracked) && keep_wants(e->keep, &rank, tracked))
		keep_take(e->keep, &rank, tracked, make_sample(e, row));
}

/* NaN is the least of all. */
static bool
value_worse(const struct eval *e, double a, double b)
{
	return isnan(b) ? !isnan(a) : a * e->sign > b * e->sign;
}

static void
note_value(struct eval *e, const struct row *row)
{
	struct object_value v = { .value = row->has_value ? row->value : NAN,
		.counter = row->counter };
	size_t least = 0;

	if (row->has_value && e->ctx.series && !e->ctx.again &&
	    series_has(e->ctx.series, row->object))
		series_add(e->ctx.series, row->object, e->ctx.wall_us, row->value);
	for (size_t i = 0; i < e->nvalues; i++) {
		if (streq(e->values[i].object, row->object)) {
			if (value_worse(e, v.value, e->values[i].value))
				e->values[i].value = v.value;
			return;
		}
		if (value_worse(e, e->values[least].value, e->values[i].value))
			least = i;
	}
	if (e->nvalues < RESULT_MAX_VALUES)
		least = e->nvalues++;
	else if (value_worse(e, v.value, e->values[least].value))
		free(e->values[least].object);
	else
		return;
	v.object = xstrdup(row->object);
	e->values[least] = v;
}

static bool
count_row(struct eval *e, const size_t *lengths, const char *const *cells)
{
	if (e->nrows == e->max_rows) {
		e->truncated = true;
		return false;
	}
	for (size_t i = 0; i < e->cols.n; i++)
		e->bytes += cells[i] ? lengths[i] : 0;
	if (e->bytes > e->max_bytes) {
		e->truncated = true;
		return false;
	}
	e->nrows++;
	return true;
}

static void
remember(struct eval *e, const struct row *row, enum outcome outcome)
{
	const struct row_memory m = { .waiting = outcome == ROW_WAITING,
		.quiet = outcome == ROW_QUIET,
		.value = row->has_value ? row->value : 0,
		.part = row->growth.value,
		.whole = row->growth.whole };
	double badness = row->has_value ? row->value * e->sign : (double)row->severity;

	if (e->rows)
		rows_note(e->rows, &m, badness,
		    e->ctx.tracked && e->ctx.tracked(e->ctx.tracked_arg, row->key),
		    row->severity != SEVERITY_NONE, row->cells, row->lengths);
}

bool
eval_row(struct eval *e, const char *const *cells, const size_t *lengths)
{
	struct row row = {
		.cells = cells, .lengths = lengths, .counter = NAN, .usual = { .median = NAN }
	};
	enum outcome outcome;
	bool unusual;
	size_t len;
	const char *s;

	if (!e->has_columns || e->broken || e->truncated || !count_row(e, lengths, cells))
		return false;
	s = eval_cell(e, &row, COLUMN_OBJECT, &len);
	row.object = eval_take_text(&e->object, s ? s : "", len);
	s = eval_cell(e, &row, COLUMN_KEY, &len);
	row.key = s ? eval_take_text(&e->key, s, len) : row.object;
	if (e->settings->ignore && str_glob_any(e->settings->ignore, row.object)) {
		if (!e->growths) /* else its counter is not kept, and nothing to judge later */
			remember(e, &row, ROW_JUDGED);
		return true;
	}
	if (eval_note_grant(e, &row))
		return true;
	if (e->shape) {
		add_to_shape(e, &row);
		return true;
	}
	outcome = eval_read_value(e, &row);
	if (outcome == ROW_BAD)
		return true;
	if (outcome == ROW_JUDGED && !judge(e, &row))
		return true;
	unusual = outcome == ROW_JUDGED && waits_for_usual(e, &row);
	e->nunusual += unusual;
	row.holds = row.holds || outcome == ROW_WAITING || unusual;
	if (outcome == ROW_WAITING || unusual)
		e->nwaiting++;
	else
		e->njudged++;
	apply_settings(e->settings, e->ctx.young, &row);
	keep_row(e, &row);
	remember(e, &row, outcome);
	if (is_numeric(e->check))
		note_value(e, &row);
	return true;
}

static void
hand_values(struct eval *e, struct result *ret)
{
	for (size_t i = 1; i < e->nvalues; i++) /* few: insertion sort, worst first */
		for (size_t j = i;
		     j > 0 && value_worse(e, e->values[j].value, e->values[j - 1].value); j--) {
			struct object_value v = e->values[j];

			e->values[j] = e->values[j - 1];
			e->values[j - 1] = v;
		}
	for (size_t i = 0; i < e->nvalues; i++)
		if (e->ctx.series && !e->ctx.again && !isnan(e->values[i].value))
			series_add(
			    e->ctx.series, e->values[i].object, e->ctx.wall_us, e->values[i].value);
	memcpy(ret->values, e->values, sizeof(ret->values));
	ret->nvalues = e->nvalues;
	e->nvalues = 0;
	if (ret->nvalues > 0 && !isnan(ret->values[0].value)) {
		ret->has_value = true;
		ret->value = ret->values[0].value;
		ret->value_object = xstrdup(ret->values[0].object);
	}
}

static void
tell_why(struct result *ret, const struct result *why)
{
	ret->reason = why->reason;
	memcpy(ret->text, why->text, sizeof(ret->text));
	memcpy(ret->grant, why->grant, sizeof(ret->grant));
}

/* State of a run that came to its end. */
static void
conclude(const struct eval *e, bool counted_all, struct result *ret)
{
	ret->state = RESULT_COMPLETE;
	if (!e->has_columns) {
		ret->state = RESULT_UNKNOWN;
		ret->reason = REASON_NO_VALUE;
		snprintf(ret->text, sizeof(ret->text), "the query returned no columns");
	} else if (e->broken || e->nbad > 0) {
		ret->state = RESULT_UNKNOWN;
		tell_why(ret, &e->bad);
		if (e->nbad > 1) {
			size_t used = strlen(ret->text);

			snprintf(ret->text + used, sizeof(ret->text) - used,
			    " and %zu more of %zu rows", e->nbad - 1, e->nrows);
		}
	} else if (e->truncated && e->nrows == 0) {
		ret->state = RESULT_UNKNOWN;
		ret->reason = REASON_NO_VALUE;
		snprintf(ret->text, sizeof(ret->text), "its first row has %zu kB, over %zu kB",
		    e->bytes >> 10, e->max_bytes >> 10);
	} else if (e->truncated || !counted_all) {
		ret->state = RESULT_TRUNCATED;
		if (e->truncated)
			snprintf(ret->text, sizeof(ret->text), "stopped after %zu rows, %zu kB",
			    e->nrows, e->bytes >> 10);
		else
			snprintf(
			    ret->text, sizeof(ret->text), "more than %d counters", SERIES_COUNTERS);
	} else if (e->nwaiting > 0 && e->njudged == 0) {
		ret->state = RESULT_WAITING;
		if (e->nunusual > 0)
			snprintf(ret->text, sizeof(ret->text),
			    "what is usual at this hour is not known yet");
	}
}

void
eval_finish(struct eval *e, const struct result *why, struct result *ret)
{
	struct result r = { 0 };
	bool complete = !why && e->has_columns && !e->truncated, counted_all = true;

	if (e->growths)
		counted_all = growths_finish(e->growths, complete);
	if (!why)
		conclude(e, counted_all, &r);
	else {
		r.state = e->njudged + e->nwaiting > 0 ? RESULT_TRUNCATED : RESULT_UNKNOWN;
		tell_why(&r, why);
	}
	r.samples = keep_finish(e->keep, &r.nsamples);
	r.nrows = e->nrows;
	r.nbreaching = e->nbreaching;
	hand_values(e, &r);
	r.shape = TAKE_PTR(e->shape);
	r.home = TAKE_PTR(e->home);
	r.slices = e->slices;
	r.settings = e->settings;
	if (e->rows && rows_count(e->rows) > 0) {
		rows_conclude(e->rows, &r);
		r.rows = TAKE_PTR(e->rows);
	}
	*ret = r;
}
