/* What would be done to a SQLite file, or was, for people. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/optimize.h"
#include "report/layout.h"

#define STEPS_SHOWN 20
#define HEAD_WIDTH  22

static const struct {
	const char *kind, *title;
} titles[] = {
	{ "check", "quick_check" },
	{ "backup", "backup" },
	{ "vacuum", "VACUUM" },
	{ "vacuum-analyze", "VACUUM, ANALYZE" },
	{ "incremental", "incremental_vacuum" },
	{ "analyze", "ANALYZE" },
	{ "optimize", "PRAGMA optimize" },
	{ "checkpoint", "wal_checkpoint" },
	{ "reindex", "REINDEX" },
	{ "drop", "DROP INDEX" },
};

const char *
optimize_title(const json_t *step)
{
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		if (streq(titles[i].kind, stats_get(step, "kind")))
			return titles[i].title;
	return stats_get(step, "kind");
}

static bool
was_run(const json_t *plan)
{
	return json_is_object(json_object_get(plan, "after"));
}

static size_t
count_state(const json_t *plan, const char *state)
{
	const json_t *o;
	size_t i, n = 0;

	json_array_foreach (json_object_get(plan, "steps"), i, o)
		n += streq(stats_get(o, "state"), state);
	return n;
}

/* ---- lines ---- */

static void
add_step(struct str *out, const json_t *step)
{
	const char *state = stats_get(step, "state"), *text = stats_get(step, "text");
	_cleanup_free_ char *table = show_text(stats_get(step, "table"));
	_cleanup_free_ char *to = show_text(stats_get(step, "to"));
	_cleanup_free_ char *took = duration_format(stats_int(step, "ms") * USEC_PER_MSEC);
	_cleanup_free_ char *said = show_text(text), *line = NULL;
	const char *why = stats_get(step, "why");

	str_add(out, "  ");
	layout_cell(out, optimize_title(step), HEAD_WIDTH - 2);
	if (streq(state, "planned"))
		line = xasprintf("%s%s%s%s%s", table, *table ? ": " : "", to, *to ? ": " : "", why);
	else
		line = xasprintf("%s%s%s%s, %s%s%s", table, to, *table || *to ? ": " : "", state,
		    took, *said ? ": " : "", said);
	layout_prose_at(out, HEAD_WIDTH, HEAD_WIDTH, line);
}

static void
add_steps(struct str *out, const json_t *plan, bool all)
{
	const json_t *steps = json_object_get(plan, "steps"), *step;
	size_t i, hidden = 0;

	if (json_array_size(steps) > 0)
		str_addf(out, "\n%s\n", was_run(plan) ? "DONE" : "WOULD DO");
	json_array_foreach (steps, i, step) {
		bool quiet = streq(stats_get(step, "kind"), "analyze") && i >= STEPS_SHOWN && !all;
		const char *state = stats_get(step, "state");

		if (quiet && (streq(state, "done") || streq(state, "planned")))
			hidden++;
		else if (!was_run(plan) || !streq(state, "planned"))
			add_step(out, step);
	}
	if (hidden > 0)
		str_addf(out, "  and ANALYZE of %zu more tables (-v)\n", hidden);
	if (was_run(plan) && count_state(plan, "planned") > 0)
		str_addf(out, "  not done: %zu steps that follow\n", count_state(plan, "planned"));
}

static void
add_left_out(struct str *out, const json_t *plan)
{
	const json_t *array = json_object_get(plan, "left_out"), *o;
	size_t i;

	if (json_array_size(array) > 0)
		str_add(out, "\nLEFT OUT\n");
	json_array_foreach (array, i, o) {
		_cleanup_free_ char *why = show_text(stats_get(o, "why"));

		str_add(out, "  ");
		layout_cell(out, stats_get(o, "what"), HEAD_WIDTH - 2);
		layout_prose_at(out, HEAD_WIDTH, HEAD_WIDTH, why);
	}
}

/* ---- the verdict ---- */

static char *
size_of(const json_t *o, const char *key)
{
	return unit_format((double)stats_int(o, key), UNIT_BYTES);
}

static char *
result_of(const json_t *plan, const char **ret_word)
{
	_cleanup_free_ char *was = size_of(json_object_get(plan, "before"), "disk_bytes");
	_cleanup_free_ char *is = size_of(json_object_get(plan, "after"), "disk_bytes");
	_cleanup_free_ char *got = size_of(plan, "gained_bytes");
	const char *tail = "";

	*ret_word = "warning";
	if (count_state(plan, "stopped") > 0)
		tail = "; stopped, what was under way is undone";
	else if (count_state(plan, "busy") > 0)
		tail = "; somebody was in the way";
	else if (count_state(plan, "failed") > 0)
		tail = "; a step failed";
	else
		*ret_word = "ok";
	if (stats_int(plan, "gained_bytes") > 0)
		return xasprintf("%s, now %s: %s returned%s", was, is, got, tail);
	return xasprintf("%s, nothing to return%s", is, tail);
}

static char *
intention_of(const json_t *plan)
{
	_cleanup_free_ char *was = size_of(json_object_get(plan, "before"), "disk_bytes");
	_cleanup_free_ char *gain = size_of(plan, "expected_gain_bytes"), *more = NULL;
	size_t analyze = 0, i;
	const json_t *o;

	if (optimize_is_empty(plan))
		return xasprintf("%s, nothing to do", was);
	json_array_foreach (json_object_get(plan, "steps"), i, o)
		analyze += streq(stats_get(o, "kind"), "analyze");
	if (analyze > 0)
		more = xasprintf(", analyze %zu table%s", analyze, analyze == 1 ? "" : "s");
	return xasprintf(
	    "would return about %s of %s%s; nothing was changed", gain, was, more ? more : "");
}

char *
optimize_text(const json_t *plan, const struct cli *cli)
{
	const char *word = "ok";
	_cleanup_free_ char *what = was_run(plan) ? result_of(plan, &word) : intention_of(plan);
	_cleanup_free_ char *path = show_text(stats_get(plan, "path"));
	struct str out = { 0 };

	layout_verdict(&out, word, cli->colour, stats_get(plan, "database"), what);
	str_addf(&out, "%s\n", path);
	add_steps(&out, plan, cli->o.verbose > 0);
	add_left_out(&out, plan);
	return str_take(&out);
}
