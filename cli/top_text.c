/* The statements that take most, as text: two lines each, numbers above what was said. */
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/top.h"
#include "report/layout.h"
#include <math.h>
#include <stdio.h>

#define QUERY_COLUMNS 76
#define NAME_COLUMNS  34

static double
number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

/* As many digits as five places hold. */
static void
add_number(struct str *out, int width, double v)
{
	char text[32];

	if (!isfinite(v))
		snprintf(text, sizeof(text), "-");
	else if (v >= 1e6)
		snprintf(text, sizeof(text), "%.3gM", v / 1e6);
	else
		snprintf(text, sizeof(text),
		    v >= 100 || v == floor(v) ? "%.0f"
		    : v >= 1                  ? "%.1f"
		                              : "%.2g",
		    v);
	str_addf(out, " %*s", width, text);
}

static void
add_ratio(struct str *out, int width, double v)
{
	if (isfinite(v))
		str_addf(out, "%*.*f%%", width - 1, v < 0.0995 ? 1 : 0, 100 * v);
	else
		str_addf(out, "%*s", width, "-");
}

static void
add_query(struct str *out, const json_t *s)
{
	const char *user = json_string_value(json_object_get(s, "user")),
	           *query = json_string_value(json_object_get(s, "query"));
	_cleanup_free_ char *whole = xasprintf("%s: %s", user ? user : "?",
	                        query ? query : "(its text comes with the next look)"),
	                    *shown = layout_short(whole, QUERY_COLUMNS);

	str_addf(out, "  %s\n", shown);
}

static void
add_statement(struct str *out, const json_t *s, double seconds)
{
	double mean = number(s, "mean_seconds");
	_cleanup_free_ char *each = isfinite(mean) ? unit_format(mean, UNIT_SECONDS) : xstrdup("-");

	add_ratio(out, 6, number(s, "share"));
	add_number(out, 8, number(s, "calls_per_second"));
	str_addf(out, " %9s", each);
	add_number(out, 9, number(s, "rows_per_call"));
	str_addc(out, ' ');
	add_ratio(out, 5, number(s, "hit_ratio"));
	add_number(out, 8,
	    seconds > 0 ? (number(s, "blocks_read") + number(s, "temp_blocks")) / seconds : NAN);
	str_addf(out, "  %20s\n", json_string_value(json_object_get(s, "queryid")));
	add_query(out, s);
}

static void
add_head(struct str *out, const json_t *answer)
{
	const char *name = json_string_value(json_object_get(answer, "database"));
	bool window = streq(json_string_value(json_object_get(answer, "basis")), "window");
	double seconds = number(answer, "seconds"), busy = number(answer, "busy");
	_cleanup_free_ char *shown = layout_short(name ? name : "", NAME_COLUMNS),
	                    *span = isfinite(seconds)
	                                ? duration_format((int64_t)(seconds * 1e6 + 0.5))
	                                : NULL;

	str_addf(out, "%s: by %s, %s %s%s\n", shown,
	    json_string_value(json_object_get(answer, "by")),
	    window ? "in" : "since the statistics were reset",
	    span     ? span
	    : window ? "a moment"
	             : "",
	    window || !span ? "" : " ago");
	if (isfinite(busy))
		str_addf(out, "In the whole server %s%.*f statements were at work on average.\n",
		    busy < 0.01 ? "less than " : "", busy < 10 ? 2 : 0, busy < 0.01 ? 0.01 : busy);
}

char *
top_text(const struct cli *cli, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "statements");
	const char *reason = json_string_value(json_object_get(answer, "reason")),
	           *remedy = json_string_value(json_object_get(answer, "remedy"));
	struct str out = { 0 };

	if (reason) {
		_cleanup_free_ char *why = show_text(reason),
		                    *what = show_text(remedy ? remedy : "");

		str_addf(&out, "%s: %s\n%s%s%s", cli->args[0], why, remedy ? "  " : "", what,
		    remedy ? "\n" : "");
		return str_take(&out);
	}
	add_head(&out, answer);
	if (json_array_size(list) == 0) {
		str_add(&out, "No statement of it took any.\n");
		return str_take(&out);
	}
	str_addf(&out, "\n%6s %8s %9s %9s %5s %8s  %20s\n", "SHARE", "CALLS/S", "MEAN", "ROWS",
	    "HIT", "BLOCKS/S", "QUERY ID");
	for (size_t i = 0; i < json_array_size(list); i++)
		add_statement(&out, json_array_get(list, i), number(answer, "seconds"));
	return str_take(&out);
}
