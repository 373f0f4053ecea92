/* What would be done to a PostgreSQL database, or was, for people. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/optimize.h"
#include "cli/optimize_postgresql.h"
#include "cli/stats.h"
#include "report/layout.h"

#define STEPS_SHOWN 30
#define HEAD_WIDTH  18

static char *
bytes_text(const json_t *o, const char *key)
{
	return unit_format((double)stats_int(o, key), UNIT_BYTES);
}

static void
add_step(struct str *out, const json_t *step)
{
	_cleanup_free_ char *object = show_text(stats_get(step, "object"));
	_cleanup_free_ char *why = show_text(stats_get(step, "why"));
	_cleanup_free_ char *said = show_text(stats_get(step, "text"));
	_cleanup_free_ char *before = bytes_text(step, "bytes"),
	                    *after = bytes_text(step, "bytes_after");
	_cleanup_free_ char *took = duration_format(stats_int(step, "ms") * USEC_PER_MSEC);
	const char *state = stats_get(step, "state");
	bool sized = streq(stats_get(step, "kind"), "reindex");
	_cleanup_free_ char *line = NULL;

	if (streq(state, "planned"))
		line = xasprintf("%s: %s%s%s", object, sized ? before : "", sized ? ", " : "", why);
	else if (streq(state, "done"))
		line = xasprintf("%s: %s%s%s%s%s", object, took, sized ? ", from " : "",
		    sized ? before : "", sized ? " to " : "", sized ? after : "");
	else
		line = xasprintf("%s: %s after %s: %s", object, state, took, said);
	str_add(out, "  ");
	layout_cell(out, optimize_title(step), HEAD_WIDTH - 2);
	layout_prose_at(out, HEAD_WIDTH, HEAD_WIDTH, line);
}

static void
add_notes(struct str *out, const json_t *plan)
{
	const json_t *notes = json_object_get(plan, "notes"), *o;
	size_t i;

	if (json_array_size(notes) > 0)
		str_add(out, "\nNOTE\n");
	json_array_foreach (notes, i, o) {
		_cleanup_free_ char *note = show_text(json_string_value(o));

		layout_prose(out, "  ", 2, note);
	}
}

char *
optimize_postgresql_text(const json_t *plan, const struct cli *cli)
{
	const json_t *steps = json_object_get(plan, "steps"), *step;
	bool dry = json_is_true(json_object_get(plan, "dry_run"));
	size_t n = json_array_size(steps), i, most = cli->o.verbose ? SIZE_MAX : STEPS_SHOWN;
	const char *key = dry ? "expected_gain_bytes" : "gained_bytes";
	_cleanup_free_ char *name = show_text(stats_get(plan, "database"));
	_cleanup_free_ char *gain = bytes_text(plan, key);
	_cleanup_str_ struct str out = { 0 };

	str_addf(&out, "%s: %s", name, stats_get(plan, "message"));
	if (stats_int(plan, key) > 0)
		str_addf(&out, dry ? ", about %s to be had" : ", %s smaller", gain);
	str_addf(&out, "%s\n", dry && n > 0 ? "; nothing was changed" : "");
	if (n > 0)
		str_addf(&out, "\n%s\n", dry ? "WOULD DO, IN THIS ORDER" : "DONE");
	json_array_foreach (steps, i, step)
		if (i < most && (dry || !streq(stats_get(step, "state"), "planned")))
			add_step(&out, step);
	if (n > most)
		str_addf(&out, "  and %zu more (-v)\n", n - most);
	add_notes(&out, plan);
	return str_take(&out);
}
