/* What fills the files of a fleet, for people: damaged ones, then the largest; then what was not read. */
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/stats.h"
#include "report/layout.h"

#define ROWS_SHOWN 20
#define NAME_WIDTH 28

static void
add_bytes(struct str *out, size_t width, const json_t *row, const char *key)
{
	const json_t *v = json_object_get(row, key);
	_cleanup_free_ char *text =
	    json_is_number(v) ? unit_format(json_number_value(v), UNIT_BYTES) : xstrdup("?");

	layout_right(out, width, text);
}

static void
add_rows(struct str *out, size_t width, const json_t *row)
{
	_cleanup_free_ char *n = layout_count(stats_int(row, "rows")), *text = NULL;

	text = json_is_integer(json_object_get(row, "rows"))
	           ? xasprintf(
	                 "%s%s", json_is_true(json_object_get(row, "rows_estimated")) ? "~" : "", n)
	           : xstrdup("?");
	layout_right(out, width, text);
}

/* The part of a name that tells it from the others of its fleet. */
static const char *
own_name(const json_t *fleet, const json_t *row)
{
	const char *name = stats_get(row, "database"), *of = stats_get(fleet, "fleet");
	size_t len = strlen(of);

	return str_starts(name, of) && name[len] == '/' ? name + len + 1 : name;
}

static bool
is_read(const json_t *row)
{
	return !streq(stats_get(row, "state"), "unread");
}

static void
add_line(struct str *out, const char *name, const json_t *row)
{
	layout_cell(out, name, NAME_WIDTH);
	add_bytes(out, 9, row, "disk_bytes");
	add_bytes(out, 9, row, "table_bytes");
	add_bytes(out, 9, row, "index_bytes");
	add_bytes(out, 9, row, "reclaimable_bytes");
	add_rows(out, 15, row);
	str_addc(out, '\n');
}

static void
add_more(struct str *out, const char *indent, size_t n)
{
	if (n > 0)
		str_addf(out, "%sand %zu more (-v)\n", indent, n);
}

static void
add_table(struct str *out, const json_t *fleet, bool all)
{
	size_t i, shown = 0, hidden = 0;
	const json_t *row;

	str_addc(out, '\n');
	layout_cell(out, "FILE", NAME_WIDTH);
	str_add(out, "  ON DISK   TABLES  INDEXES  RETURNS           ROWS\n");
	json_array_foreach (json_object_get(fleet, "databases"), i, row) {
		if (!is_read(row))
			continue;
		if (all || shown < ROWS_SHOWN) {
			add_line(out, own_name(fleet, row), row);
			shown++;
		} else {
			hidden++;
		}
	}
	add_more(out, "", hidden);
	add_line(out, "all together", json_object_get(fleet, "totals"));
}

static void
add_faults(struct str *out, const json_t *fleet, bool damaged, const char *head, bool all)
{
	size_t i, shown = 0, hidden = 0;
	const json_t *row;

	json_array_foreach (json_object_get(fleet, "databases"), i, row) {
		_cleanup_free_ char *name = layout_short(own_name(fleet, row), NAME_WIDTH + 20);
		_cleanup_free_ char *why = show_text(stats_get(row, "reason")), *line = NULL;

		if (!*stats_get(row, "reason") ||
		    damaged != streq(stats_get(row, "state"), "damaged"))
			continue;
		if (shown == 0)
			str_addf(out, "\n%s\n", head);
		line = xasprintf("%s: %s", name, why);
		if (all || shown < ROWS_SHOWN) {
			layout_prose(out, "  ", 4, line);
			shown++;
		} else {
			hidden++;
		}
	}
	add_more(out, "  ", hidden);
}

static char *
verdict(const json_t *fleet, const char **ret_word)
{
	const json_t *totals = json_object_get(fleet, "totals");
	int64_t files = stats_int(fleet, "files"), damaged = stats_int(fleet, "damaged");
	int64_t missed = files - damaged - stats_int(fleet, "measured");
	_cleanup_free_ char *n = layout_count(files),
	                    *rows = layout_count(stats_int(totals, "rows"));
	_cleanup_free_ char *size =
	    unit_format((double)stats_int(totals, "disk_bytes"), UNIT_BYTES);
	_cleanup_free_ char *back =
	    unit_format((double)stats_int(totals, "reclaimable_bytes"), UNIT_BYTES);
	struct str out = { 0 };

	*ret_word = damaged > 0 ? "critical" : missed > 0 || files == 0 ? "unknown" : "ok";
	if (files == 0)
		return xstrdup("no file matches");
	str_addf(&out, "%s file%s, %s, %s%s rows; ", n, files == 1 ? "" : "s", size,
	    json_is_true(json_object_get(totals, "rows_estimated")) ? "~" : "", rows);
	if (damaged > 0)
		str_addf(&out, "%lld damaged, ", (long long)damaged);
	if (missed > 0)
		str_addf(&out, "%lld not measured, ", (long long)missed);
	str_addf(&out, "VACUUM would return about %s", back);
	return str_take(&out);
}

char *
stats_fleet_text(const json_t *fleet, const struct cli *cli)
{
	const char *word;
	_cleanup_free_ char *what = verdict(fleet, &word), *pattern = NULL, *left = NULL;
	bool all = cli->o.verbose > 0;
	struct str out = { 0 };

	pattern = show_text(stats_get(fleet, "pattern"));
	left = show_text(stats_get(fleet, "left_out"));
	layout_verdict(&out, word, cli->colour, stats_get(fleet, "fleet"), what);
	str_addf(&out, "%s\n", pattern);
	if (*left) {
		_cleanup_free_ char *line = xasprintf("left out: %s", left);

		layout_prose(&out, "  ", 4, line);
	}
	add_faults(&out, fleet, true, "DAMAGED; see: dbhealth explain sqlite-quick-check", all);
	if (stats_int(fleet, "files") > 0)
		add_table(&out, fleet, all);
	add_faults(&out, fleet, false, "NOT MEASURED", all);
	return str_take(&out);
}
