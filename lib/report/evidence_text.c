/*
 * What stood behind a finding, then and now, as small tables: as many columns as a line holds; the
 * others, and statements, stand below each row.
 */
#include "base/clock.h"
#include "base/text.h"
#include "base/unit.h"
#include "report/layout.h"
#include "report/report.h"
#include <math.h>
#include <strings.h>

#define INDENT       ((size_t)2)
#define COLUMNS_MAX  32
#define COLUMN_WIDTH ((size_t)24) /* of one that has room */
#define COLUMN_LEAST ((size_t)9)  /* of one that has none, where its texts are longer */
#define ROWS_SHOWN   8            /* without -v */

struct table {
	const json_t *columns, *rows;
	size_t n;
	size_t width[COLUMNS_MAX];
	bool has[COLUMNS_MAX], below[COLUMNS_MAX];
};

static const char *
cell(const struct table *t, size_t row, size_t column)
{
	const char *s = json_string_value(json_array_get(json_array_get(t->rows, row), column));

	return s ? s : "";
}

static const char *
name_of(const struct table *t, size_t column)
{
	const char *s = json_string_value(json_array_get(t->columns, column));

	return s ? s : "";
}

static bool
is_statement(const char *name)
{
	return strcasestr(name, "query") || strcasestr(name, "statement") ||
	       strcasestr(name, "sql");
}

static size_t
line_width(const struct table *t)
{
	size_t sum = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->has[i] && !t->below[i])
			sum += (sum ? 2 : 0) + t->width[i];
	return sum;
}

/* The last columns go below until the others fit at their least; then the widest give way. */
static void
fit(struct table *t)
{
	const size_t room = LAYOUT_WIDTH - INDENT;
	size_t used = 0;

	for (size_t i = 0; i < t->n; i++) {
		size_t least = MIN(t->width[i], COLUMN_LEAST);

		if (!t->has[i] || t->below[i])
			continue;
		t->below[i] = used > 0 && used + 2 + least > room;
		if (!t->below[i])
			used += (used > 0 ? 2 : 0) + least;
	}
	while (line_width(t) > room) {
		size_t widest = 0;

		for (size_t i = 0; i < t->n; i++)
			if (t->has[i] && !t->below[i] && t->width[i] > t->width[widest])
				widest = i;
		if (!t->has[widest] || t->below[widest] || t->width[widest] <= COLUMN_LEAST)
			return;
		t->width[widest]--;
	}
}

static void
measure(struct table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		_cleanup_free_ char *name = show_text(name_of(t, i));

		t->width[i] = text_columns(name);
		t->below[i] = is_statement(name);
		for (size_t row = 0; row < json_array_size(t->rows); row++) {
			_cleanup_free_ char *shown = show_text(cell(t, row, i));

			t->has[i] |= *shown != '\0';
			t->width[i] = MAX(t->width[i], text_columns(shown));
		}
		t->width[i] = t->has[i] && !t->below[i] ? MIN(t->width[i], COLUMN_WIDTH) : 0;
	}
	fit(t);
}

/* row NULL: the names. */
static void
line(struct str *out, const struct table *t, const size_t *row)
{
	_cleanup_str_ struct str text = { 0 };

	layout_pad(&text, INDENT);
	for (size_t i = 0; i < t->n; i++) {
		if (!t->has[i] || t->below[i])
			continue;
		if (text.len > INDENT)
			str_add(&text, "  ");
		layout_cell(&text, row ? cell(t, *row, i) : name_of(t, i), t->width[i]);
	}
	while (text.len > 0 && text.s[text.len - 1] == ' ')
		text.s[--text.len] = '\0';
	str_addf(out, "%s\n", str_text(&text));
}

static void
below(struct str *out, const struct table *t, size_t row)
{
	_cleanup_str_ struct str rest = { 0 };

	for (size_t i = 0; i < t->n; i++)
		if (t->below[i] && !is_statement(name_of(t, i)) && *cell(t, row, i))
			str_addf(
			    &rest, "%s%s %s", rest.len ? ", " : "", name_of(t, i), cell(t, row, i));
	if (rest.len > 0)
		layout_prose(out, "      ", 6, str_text(&rest));
	for (size_t i = 0; i < t->n; i++)
		if (is_statement(name_of(t, i)) && *cell(t, row, i))
			layout_prose(out, "      ", 8, cell(t, row, i));
}

static void
table_text(struct str *out, const json_t *look, const struct report_options *o)
{
	struct table t = { .columns = json_object_get(look, "columns"),
		.rows = json_object_get(look, "rows") };
	size_t n = json_array_size(t.rows), shown = o->verbose ? n : MIN(n, (size_t)ROWS_SHOWN);
	bool more = json_is_true(json_object_get(look, "truncated"));

	t.n = MIN(json_array_size(t.columns), (size_t)COLUMNS_MAX);
	if (n == 0) {
		str_add(out, "  nothing is there\n");
		return;
	}
	measure(&t);
	line(out, &t, NULL);
	for (size_t row = 0; row < shown; row++) {
		line(out, &t, &row);
		below(out, &t, row);
	}
	if (shown < n)
		str_addf(out, "  and %zu more%s: dbhealth explain -v\n", n - shown,
		    more ? " of those that are kept" : "");
	else if (more)
		str_add(out, "  and more that were not kept\n");
}

static void
look_text(struct str *out, const char *label, const json_t *look, const struct report_options *o)
{
	const char *moment = layout_get(look, "moment"), *error = layout_get(look, "error");
	_cleanup_free_ char *at = layout_clock(layout_get_time(look, "at"), o->now_wall_us);
	_cleanup_str_ struct str head = { 0 };
	double value = layout_get_number(look, "value");
	enum unit unit = UNIT_COUNT;

	if (!streq(moment, "now"))
		str_addf(&head, "%s ", streq(moment, "before") ? "the last time" : moment);
	str_add(&head, at);
	if (*layout_get(look, "severity"))
		str_addf(&head, ", %s", layout_get(look, "severity"));
	if (isfinite(value)) {
		_cleanup_free_ char *v = NULL;

		(void)unit_parse(layout_get(look, "unit"), &unit);
		v = unit_format(value, unit);
		str_addf(&head, ", %s", v);
	}
	str_addf(out, "\n%-9s%s\n", label, str_text(&head));
	if (*error)
		layout_prose(out, "  ", INDENT, error);
	else
		table_text(out, look, o);
}

char *
report_evidence_text(const json_t *then, const json_t *now, const struct report_options *o)
{
	_cleanup_str_ struct str out = { 0 };
	const json_t *look;
	size_t i;

	json_array_foreach (then, i, look)
		look_text(&out, "THEN", look, o);
	if (json_is_object(now))
		look_text(&out, "NOW", now, o);
	return str_take(&out);
}
