/* `dbhealth history DB CHECK [OBJECT]`: the values of a check over time, drawn or as data. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/cli.h"
#include "report/plot.h"

#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>

#define SINCE_DEFAULT "1d"
#define COLUMNS       80
#define ROWS          12

static void
add_key(struct str *path, const char *key, const char *value)
{
	_cleanup_free_ char *encoded = NULL;

	if (!value)
		return;
	encoded = client_encode(value);
	str_addf(path, "&%s=%s", key, encoded);
}

static size_t
terminal_columns(void)
{
	struct winsize w = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
		return w.ws_col;
	return COLUMNS;
}

/* The locale is asked for its characters alone: numbers stay as they are. */
static bool
speaks_utf8(void)
{
	locale_t own = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	bool utf8;

	if (!own)
		return false;
	utf8 = streq(nl_langinfo_l(CODESET, own), "UTF-8");
	freelocale(own);
	return utf8;
}

static double
number_of(const json_t *v)
{
	return json_is_number(v) ? json_number_value(v) : NAN;
}

static enum unit
unit_of(const json_t *answer)
{
	const char *name = json_string_value(json_object_get(answer, "unit"));
	enum unit unit = UNIT_COUNT;

	return name && unit_parse(name, &unit) == 0 ? unit : UNIT_COUNT;
}

static int64_t
time_of(const json_t *answer, const char *key)
{
	const char *text = json_string_value(json_object_get(answer, key));
	int64_t us = 0;

	return text && clock_rfc3339_parse(text, &us) == 0 ? us / USEC_PER_SEC : 0;
}

static struct plot_point *
points_of(const json_t *answer, size_t *ret_n)
{
	const json_t *points = json_object_get(answer, "points");
	const json_t *min = json_object_get(answer, "min"), *max = json_object_get(answer, "max");
	size_t all = json_array_size(points), n = 0;
	struct plot_point *v = xcalloc(MAX(all, (size_t)1), sizeof(*v));

	for (size_t i = 0; i < all; i++) {
		const json_t *one = json_array_get(points, i);
		struct plot_point p = { json_integer_value(json_array_get(one, 0)),
			number_of(json_array_get(one, 1)), number_of(json_array_get(min, i)),
			number_of(json_array_get(max, i)) };

		if (isfinite(p.value) && isfinite(p.min) && isfinite(p.max))
			v[n++] = p;
	}
	*ret_n = n;
	return v;
}

/* ---- text ---- */

static char *
local_time(int64_t s)
{
	time_t at = (time_t)s;
	struct tm tm;
	char text[40] = "?";

	if (localtime_r(&at, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	return xstrdup(text);
}

static char *
shown_object(const json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "object"));

	return show_text(name && *name ? name : "-");
}

static void
add_head(struct str *out, const struct cli *cli, const json_t *answer)
{
	_cleanup_free_ char *database = show_text(cli->args[0]), *check = show_text(cli->args[1]);
	_cleanup_free_ char *from = local_time(time_of(answer, "since"));
	_cleanup_free_ char *to = local_time(time_of(answer, "until"));
	const char *object = json_string_value(json_object_get(answer, "object"));

	str_addf(out, "%s  %s", database, check);
	if (object && *object) {
		_cleanup_free_ char *shown = show_text(object);

		str_addf(out, "  %s", shown);
	}
	str_addf(out, "\n%s to %s", from, to);
}

static void
add_summary(struct str *out, const json_t *answer, enum unit unit)
{
	const json_t *one = json_array_get(json_object_get(answer, "objects"), 0);
	_cleanup_free_ char *last = unit_format(number_of(json_object_get(one, "last")), unit);
	_cleanup_free_ char *average =
	    unit_format(number_of(json_object_get(one, "average")), unit);
	_cleanup_free_ char *min = unit_format(number_of(json_object_get(one, "min")), unit);
	_cleanup_free_ char *max = unit_format(number_of(json_object_get(one, "max")), unit);
	_cleanup_free_ char *at = local_time(time_of(one, "last_at"));

	str_addf(out, "last %s (%s), average %s, least %s, most %s\n", last, at, average, min, max);
}

static int
by_size(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The median: a gap is not usual. */
static int64_t
usual_distance(const struct plot_point *p, size_t n)
{
	_cleanup_free_ int64_t *v = xcalloc(n, sizeof(*v));

	for (size_t i = 1; i < n; i++)
		v[i - 1] = p[i].at_s - p[i - 1].at_s;
	qsort(v, n - 1, sizeof(*v), by_size);
	return v[(n - 1) / 2];
}

static void
add_plot(struct str *out, const struct cli *cli, const json_t *answer, const struct plot_point *p,
    size_t n)
{
	int64_t step = json_integer_value(json_object_get(answer, "step"));
	int64_t kept = json_integer_value(json_object_get(answer, "resolution"));
	struct plot_options o = { .columns = terminal_columns(),
		.rows = ROWS,
		.unicode = speaks_utf8(),
		.colour = cli->colour,
		.unit = unit_of(answer),
		.from_s = time_of(answer, "since"),
		.to_s = time_of(answer, "until"),
		.step_s = MAX(step, kept) };
	_cleanup_free_ char *text = NULL;

	/* A check that runs less often than a step is long has gaps of its own. */
	if (n > 2)
		o.step_s = MAX(o.step_s, usual_distance(p, n));
	text = plot_draw(p, n, &o);
	str_add(out, text);
}

static void
add_objects(struct str *out, const struct cli *cli, const json_t *answer)
{
	const json_t *objects = json_object_get(answer, "objects"), *one;
	enum unit unit = unit_of(answer);
	size_t wide = 6, i;

	json_array_foreach ((json_t *)(uintptr_t)objects, i, one) {
		_cleanup_free_ char *shown = shown_object(one);

		wide = MIN(MAX(wide, text_columns(shown)), (size_t)40);
	}
	str_addf(out, "\n%-*s %12s %12s %12s %12s\n", (int)wide, "OBJECT", "LAST", "LEAST",
	    "AVERAGE", "MOST");
	json_array_foreach ((json_t *)(uintptr_t)objects, i, one) {
		static const char *const keys[] = { "last", "min", "average", "max" };
		_cleanup_free_ char *shown = shown_object(one);
		size_t columns = text_columns(shown);

		str_addf(out, "%s%*s", shown, (int)(columns < wide ? wide - columns : 0), "");
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
			double v = number_of(json_object_get(one, keys[k]));
			_cleanup_free_ char *text =
			    isfinite(v) ? unit_format(v, unit) : xstrdup("-");

			str_addf(out, " %12s", text);
		}
		str_addc(out, '\n');
	}
	str_addf(out, "\nOne of them: dbhealth history %s %s OBJECT\n", cli->args[0], cli->args[1]);
}

static void
print_text(const struct cli *cli, const json_t *answer)
{
	_cleanup_str_ struct str out = { 0 };
	_cleanup_free_ struct plot_point *p = NULL;
	size_t n = 0;

	p = points_of(answer, &n);
	add_head(&out, cli, answer);
	if (n > 0) {
		int64_t step = json_integer_value(json_object_get(answer, "step"));
		_cleanup_free_ char *each =
		    step > 0 ? duration_format(step * USEC_PER_SEC) : xstrdup("sample");

		str_addf(&out, ", each %s\n", each);
		add_plot(&out, cli, answer, p, n);
		add_summary(&out, answer, unit_of(answer));
	} else if (json_array_size(json_object_get(answer, "objects")) > 1) {
		str_addc(&out, '\n');
		add_objects(&out, cli, answer);
	} else {
		str_add(&out, ": nothing is kept of this time\n");
	}
	if (json_is_true(json_object_get(answer, "truncated")))
		str_add(&out, "There is more before: ask for less time, or with --step.\n");
	if (json_integer_value(json_object_get(answer, "damaged")) > 0)
		str_add(&out, "Some of it could not be read: it is damaged.\n");
	cli_print(cli, str_text(&out));
}

/* ---- data ---- */

static void
add_number(struct str *out, const json_t *v)
{
	if (json_is_number(v))
		str_addf(out, ",%.15g", json_number_value(v));
	else
		str_addc(out, ',');
}

static void
print_csv(const struct cli *cli, const json_t *answer)
{
	const json_t *points = json_object_get(answer, "points");
	_cleanup_str_ struct str out = { 0 };

	str_add(&out, "time,value,min,max,count\n");
	for (size_t i = 0; i < json_array_size(points); i++) {
		const json_t *one = json_array_get(points, i);
		char stamp[CLOCK_RFC3339_SIZE];

		clock_rfc3339(json_integer_value(json_array_get(one, 0)) * USEC_PER_SEC, stamp);
		str_add(&out, stamp);
		add_number(&out, json_array_get(one, 1));
		add_number(&out, json_array_get(json_object_get(answer, "min"), i));
		add_number(&out, json_array_get(json_object_get(answer, "max"), i));
		add_number(&out, json_array_get(json_object_get(answer, "count"), i));
		str_addc(&out, '\n');
	}
	cli_print(cli, str_text(&out));
}

static int
run(struct cli *cli)
{
	_cleanup_str_ struct str path = { 0 };
	json_t *answer = NULL;
	int r;

	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_fail(cli, EXIT_USAGE, "history: it prints text, json or csv.");
	str_add(&path, "/v1/history?since=");
	{
		_cleanup_free_ char *since =
		    client_encode(cli->o.since ? cli->o.since : SINCE_DEFAULT);

		str_add(&path, since);
	}
	add_key(&path, "until", cli->o.until);
	add_key(&path, "step", cli->o.step);
	add_key(&path, "database", cli->args[0]);
	add_key(&path, "check", cli->args[1]);
	add_key(&path, "object", cli->nargs > 2 ? cli->args[2] : NULL);
	r = client_get(cli, str_text(&path), &answer);
	if (r != 0)
		return r;
	if (cli->o.csv && json_array_size(json_object_get(answer, "objects")) > 1)
		r = cli_fail(cli, EXIT_USAGE,
		    "history: there are several objects; csv is of one. See them without -o csv.");
	else if (cli->o.csv)
		print_csv(cli, answer);
	else if (cli->o.output == OUTPUT_JSON)
		cli_print_json(cli, answer);
	else
		print_text(cli, answer);
	json_decref(answer);
	return r;
}

const struct command command_history = {
	.name = "history",
	.args = "NAME CHECK [OBJECT]",
	.summary = "the values of a check over time, drawn or as data",
	.help = "NAME is a database or a server. Without OBJECT: of the only one, or a list of\n"
	        "them. Each point is an average, with the least and the most upright. -o csv:\n"
	        "a line a point.",
	.options = { OPT_SINCE, OPT_UNTIL, OPT_STEP },
	.min_args = 2,
	.max_args = 3,
	.run = run,
};
