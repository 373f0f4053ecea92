/* What would be done to the files of a fleet, or was, for people: those that give back most come first. */
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/optimize.h"
#include "report/layout.h"

#define ROWS_SHOWN 20
#define NAME_WIDTH 28
#define WORK_AT    50

static bool
was_run(const json_t *plan)
{
	return json_is_object(json_object_get(plan, "after"));
}

static int64_t
gain_of(const json_t *plan)
{
	return stats_int(plan, was_run(plan) ? "gained_bytes" : "expected_gain_bytes");
}

static int
by_gain(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int64_t m = gain_of(x), n = gain_of(y);

	return m > n ? -1 : m < n ? 1 : strcmp(stats_get(x, "database"), stats_get(y, "database"));
}

static const char *
own_name(const json_t *fleet, const json_t *o)
{
	const char *name = stats_get(o, "database"), *of = stats_get(fleet, "fleet");
	size_t len = strlen(of);

	return str_starts(name, of) && name[len] == '/' ? name + len + 1 : name;
}

/* "vacuum, analyze 3, checkpoint; analyze failed: disk full" */
static char *
work_of(const json_t *plan)
{
	const json_t *steps = json_object_get(plan, "steps"), *o;
	_cleanup_free_ char *trouble = NULL;
	struct str out = { 0 };
	size_t i, analyze = 0;

	json_array_foreach (steps, i, o) {
		const char *kind = stats_get(o, "kind"), *state = stats_get(o, "state");

		if (!streq(state, "planned") && !streq(state, "done") && !trouble) {
			_cleanup_free_ char *said = show_text(stats_get(o, "text"));

			trouble = xasprintf("%s %s%s%s", kind, state, *said ? ": " : "", said);
		}
		if (streq(kind, "analyze"))
			analyze++;
		if (streq(kind, "vacuum") || streq(kind, "incremental") ||
		    streq(kind, "checkpoint"))
			str_addf(&out, "%s%s", out.len > 0 ? ", " : "", kind);
	}
	if (analyze > 0)
		str_addf(&out, "%sanalyze %zu", out.len > 0 ? ", " : "", analyze);
	if (trouble)
		str_addf(&out, "%s%s", out.len > 0 ? "; " : "", trouble);
	return out.len > 0 ? str_take(&out) : xstrdup("-");
}

static void
add_plan(struct str *out, const json_t *fleet, const json_t *plan)
{
	_cleanup_free_ char *work = work_of(plan);
	_cleanup_free_ char *size = unit_format(
	    (double)stats_int(json_object_get(plan, "before"), "disk_bytes"), UNIT_BYTES);
	_cleanup_free_ char *gain = unit_format((double)MAX(gain_of(plan), INT64_C(0)), UNIT_BYTES);

	layout_cell(out, own_name(fleet, plan), NAME_WIDTH);
	layout_right(out, 9, size);
	layout_right(out, 10, gain);
	layout_pad(out, WORK_AT - NAME_WIDTH - 19);
	layout_prose_at(out, WORK_AT, WORK_AT, work);
}

static void
add_more(struct str *out, size_t n)
{
	if (n > 0)
		str_addf(out, "  and %zu more (-v)\n", n);
}

static void
add_plans(struct str *out, const json_t *fleet, bool all)
{
	const json_t *plans = json_object_get(fleet, "plans"), *o;
	size_t n = json_array_size(plans), i, shown = 0, hidden = 0;
	_cleanup_free_ const json_t **v = xcalloc(n + 1, sizeof(*v));

	json_array_foreach (plans, i, o)
		v[i] = o;
	qsort(v, n, sizeof(*v), by_gain);
	for (i = 0; i < n; i++) {
		if (optimize_is_empty(v[i]))
			continue;
		if (shown == 0) {
			str_addc(out, '\n');
			layout_cell(out, "FILE", NAME_WIDTH);
			str_addf(out, "     SIZE  %s   WORK\n",
			    json_is_true(json_object_get(fleet, "dry_run")) ? " RETURNS"
			                                                    : "RETURNED");
		}
		if (all || shown < ROWS_SHOWN) {
			add_plan(out, fleet, v[i]);
			shown++;
		} else {
			hidden++;
		}
	}
	add_more(out, hidden);
}

static void
add_left_out(struct str *out, const json_t *fleet, bool all)
{
	const json_t *plan, *o;
	size_t i, k, shown = 0, hidden = 0;

	json_array_foreach (json_object_get(fleet, "plans"), i, plan)
		json_array_foreach (json_object_get(plan, "left_out"), k, o) {
			_cleanup_free_ char *name = layout_short(own_name(fleet, plan), 48);
			_cleanup_free_ char *why = show_text(stats_get(o, "why")), *line = NULL;

			if (shown == 0)
				str_add(out, "\nLEFT OUT\n");
			line = xasprintf("%s: %s: %s", name, stats_get(o, "what"), why);
			if (all || shown < ROWS_SHOWN) {
				layout_prose(out, "  ", 4, line);
				shown++;
			} else {
				hidden++;
			}
		}
	add_more(out, hidden);
}

static void
add_refused(struct str *out, const json_t *fleet, bool all)
{
	const json_t *refused = json_object_get(fleet, "refused"), *o;
	size_t n = json_array_size(refused), shown = all ? n : MIN(n, ROWS_SHOWN), i;

	if (n > 0)
		str_add(out, "\nNOT TOUCHED\n");
	json_array_foreach (refused, i, o) {
		_cleanup_free_ char *name = layout_short(own_name(fleet, o), 48);
		_cleanup_free_ char *why = show_text(stats_get(o, "why")), *line = NULL;

		line = xasprintf("%s: %s", name, why);
		if (i < shown)
			layout_prose(out, "  ", 4, line);
	}
	add_more(out, n - shown);
}

/* ---- the verdict ---- */

static char *
verdict(const json_t *fleet)
{
	bool dry = json_is_true(json_object_get(fleet, "dry_run"));
	int64_t files = stats_int(fleet, "files"), idle = stats_int(fleet, "nothing_to_do");
	int64_t bytes = stats_int(fleet, dry ? "expected_gain_bytes" : "gained_bytes");
	size_t refused = json_array_size(json_object_get(fleet, "refused")), i, work = 0;
	_cleanup_free_ char *gain = unit_format((double)MAX(bytes, INT64_C(0)), UNIT_BYTES);
	_cleanup_free_ char *was =
	    unit_format((double)stats_int(fleet, "before_disk_bytes"), UNIT_BYTES);
	const json_t *plan;
	struct str out = { 0 };

	if (files == 0)
		return xstrdup("no file matches");
	json_array_foreach (json_object_get(fleet, "plans"), i, plan)
		work += !optimize_is_empty(plan);
	str_addf(&out, "%lld file%s, %s; ", (long long)files, files == 1 ? "" : "s", was);
	if (work == 0)
		str_add(&out, "nothing to do");
	else
		str_addf(&out,
		    dry ? "would return about %s, work on %zu of them"
		        : "%s returned, %zu of them worked on",
		    gain, work);
	if (idle > 0 && work > 0)
		str_addf(&out, ", %lld need nothing", (long long)idle);
	if (refused > 0)
		str_addf(&out, ", %zu not touched", refused);
	if (stats_int(fleet, "not_reached") > 0)
		str_addf(
		    &out, ", stopped before %lld more", (long long)stats_int(fleet, "not_reached"));
	if (dry)
		str_add(&out, "; nothing was changed");
	return str_take(&out);
}

static const char *
word_of(const json_t *fleet)
{
	if (stats_int(fleet, "files") == 0)
		return "unknown";
	return json_array_size(json_object_get(fleet, "refused")) > 0 ||
	               stats_int(fleet, "not_reached") > 0
	           ? "warning"
	           : "ok";
}

char *
optimize_fleet_text(const json_t *fleet, const struct cli *cli)
{
	_cleanup_free_ char *what = verdict(fleet),
	                    *pattern = show_text(stats_get(fleet, "pattern"));
	_cleanup_free_ char *left = show_text(stats_get(fleet, "left_out"));
	bool all = cli->o.verbose > 0;
	struct str out = { 0 };

	layout_verdict(&out, word_of(fleet), cli->colour, stats_get(fleet, "fleet"), what);
	str_addf(&out, "%s\n", pattern);
	if (*left) {
		_cleanup_free_ char *line = xasprintf("left out: %s", left);

		layout_prose(&out, "  ", 4, line);
	}
	add_plans(&out, fleet, all);
	add_left_out(&out, fleet, all);
	add_refused(&out, fleet, all);
	return str_take(&out);
}
