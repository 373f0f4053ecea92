/* What fills a SQLite file, for people: the largest first. */
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/stats.h"
#include "report/layout.h"

#define TABLES_SHOWN  20
#define INDEXES_SHOWN 10
#define NAME_WIDTH    24

static void
add_unit(struct str *out, size_t width, const json_t *v, enum unit unit)
{
	_cleanup_free_ char *text =
	    json_is_number(v) ? unit_format(json_number_value(v), unit) : xstrdup("?");

	layout_right(out, width, text);
}

static int64_t
with_indexes(const json_t *table)
{
	int64_t bytes = stats_int(table, "bytes");
	const json_t *x;
	size_t i;

	json_array_foreach (json_object_get(table, "indexes"), i, x)
		bytes += stats_int(x, "bytes");
	return bytes;
}

/* ---- trees ---- */

static void
add_tree(struct str *out, const json_t *tree, const char *indent)
{
	int64_t bytes = stats_int(tree, "bytes"), rows = stats_int(tree, "rows");
	_cleanup_free_ char *count = layout_count(rows), *name = NULL, *number = NULL;
	_cleanup_free_ char *then = layout_count(stats_int(tree, "analyzed_rows"));
	bool known = json_is_integer(json_object_get(tree, "rows"));
	bool walked = json_is_integer(json_object_get(tree, "bytes"));

	name = xasprintf("%s%s", indent, stats_get(tree, "name"));
	number = xasprintf("%s%s", json_is_true(json_object_get(tree, "rows_estimated")) ? "~" : "",
	    known ? count : "?");
	layout_cell(out, name, NAME_WIDTH);
	layout_right(out, 14, number);
	add_unit(out, 9, json_object_get(tree, "bytes"), UNIT_BYTES);
	if (walked && bytes > 0) {
		json_t *unused = json_real((double)stats_int(tree, "unused_bytes") / (double)bytes);

		add_unit(out, 8, unused, UNIT_RATIO);
		json_decref(unused);
	} else {
		layout_right(out, 8, walked ? "-" : "?");
	}
	add_unit(out, 6, json_object_get(tree, "depth"), UNIT_COUNT);
	add_unit(out, 8, json_object_get(tree, "scattered"), UNIT_RATIO);
	layout_right(out, 11, json_is_integer(json_object_get(tree, "analyzed_rows")) ? then : "-");
	str_addc(out, '\n');
}

static int
by_size(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int64_t m = with_indexes(x), n = with_indexes(y);

	return m > n ? -1 : m < n ? 1 : strcmp(stats_get(x, "name"), stats_get(y, "name"));
}

static int
index_by_size(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int64_t m = stats_int(x, "bytes"), n = stats_int(y, "bytes");

	return m > n ? -1 : m < n ? 1 : strcmp(stats_get(x, "name"), stats_get(y, "name"));
}

/* Its members in an order; borrowed members, owned array. */
static const json_t **
sorted(const json_t *array, int (*order)(const void *, const void *))
{
	size_t n = json_array_size(array), i;
	const json_t **v = xcalloc(n + 1, sizeof(*v));
	json_t *o;

	json_array_foreach (array, i, o)
		v[i] = o;
	qsort(v, n, sizeof(*v), order);
	return v;
}

static void
add_more(struct str *out, const char *indent, size_t n, const char *what)
{
	if (n > 0)
		str_addf(out, "%sand %zu more %s (-v)\n", indent, n, what);
}

static void
add_tables(struct str *out, const json_t *stats, bool all)
{
	const json_t *tables = json_object_get(stats, "tables");
	const json_t **v = sorted(tables, by_size);
	size_t n = json_array_size(tables), shown = all ? n : MIN(n, TABLES_SHOWN);

	str_addc(out, '\n');
	layout_cell(out, "TABLE, its indexes", NAME_WIDTH);
	str_add(out, "          ROWS     SIZE  UNUSED DEPTH SCATTER   ANALYZED\n");
	for (size_t i = 0; i < shown; i++) {
		const json_t *indexes = json_object_get(v[i], "indexes");
		const json_t **x = sorted(indexes, index_by_size);
		size_t k = json_array_size(indexes), some = all ? k : MIN(k, INDEXES_SHOWN);

		if (streq(stats_get(v[i], "kind"), "virtual")) {
			layout_cell(out, stats_get(v[i], "name"), NAME_WIDTH);
			str_add(out, "       virtual\n");
		} else {
			add_tree(out, v[i], "");
		}
		for (size_t m = 0; m < some; m++)
			add_tree(out, x[m], "  ");
		add_more(out, "  ", k - some, "indexes");
		free(x);
	}
	add_more(out, "", n - shown, "tables");
	free(v);
}

/* ---- the head ---- */

struct stats_count
stats_counted(const json_t *stats)
{
	struct stats_count c = { 0 };
	const json_t *t;
	size_t i;

	json_array_foreach (json_object_get(stats, "tables"), i, t) {
		if (streq(stats_get(t, "kind"), "internal"))
			continue;
		c.tables++;
		c.indexes += (int64_t)json_array_size(json_object_get(t, "indexes"));
		c.rows += stats_int(t, "rows");
		if (!streq(stats_get(t, "kind"), "virtual") &&
		    (!json_is_integer(json_object_get(t, "rows")) ||
		        json_is_true(json_object_get(t, "rows_estimated"))))
			c.estimated = true;
	}
	return c;
}

static void
add_verdict(struct str *out, const json_t *stats, bool colour)
{
	struct stats_count c = stats_counted(stats);
	int64_t bytes = stats_int(stats, "bytes");
	size_t damaged = json_array_size(json_object_get(stats, "damaged"));
	size_t missed = json_array_size(json_object_get(stats, "not_measured"));
	_cleanup_free_ char *size = unit_format((double)bytes, UNIT_BYTES), *n = NULL, *what = NULL;
	_cleanup_free_ char *back = NULL, *share = NULL, *tail = NULL;

	n = layout_count(c.rows);
	back = unit_format((double)stats_reclaimable(stats), UNIT_BYTES);
	share = unit_format(
	    bytes > 0 ? (double)stats_reclaimable(stats) / (double)bytes : 0, UNIT_RATIO);
	if (damaged > 0)
		tail = xstrdup("damaged pages");
	else if (missed > 0)
		tail = xasprintf("%zu tree%s not measured", missed, missed == 1 ? "" : "s");
	else if (stats_reclaimable(stats) == 0)
		tail = xstrdup("VACUUM would return nothing");
	else
		tail = xasprintf("VACUUM would return about %s (%s)", back, share);
	what = xasprintf("%s, %lld table%s, %lld index%s, %s%s row%s; %s", size,
	    (long long)c.tables, c.tables == 1 ? "" : "s", (long long)c.indexes,
	    c.indexes == 1 ? "" : "es", c.estimated ? "~" : "", n, c.rows == 1 ? "" : "s", tail);
	layout_verdict(out,
	    damaged > 0  ? "critical"
	    : missed > 0 ? "unknown"
	                 : "ok",
	    colour, stats_get(stats, "database"), what);
}

static void
add_size_of(struct str *out, const char *before, const json_t *file, const char *key)
{
	if (stats_int(file, key) > 0) {
		_cleanup_free_ char *text = unit_format((double)stats_int(file, key), UNIT_BYTES);

		str_addf(out, "%s%s", before, text);
	}
}

static void
add_place(struct str *out, const json_t *stats)
{
	static const char *const auto_vacuum[] = { "none", "full", "incremental" };
	const json_t *file = json_object_get(stats, "file"), *p = json_object_get(stats, "pragmas");
	_cleanup_free_ char *path = show_text(stats_get(stats, "path"));
	_cleanup_free_ char *owner = show_text(stats_get(file, "owner"));
	_cleanup_free_ char *page = unit_format((double)stats_int(p, "page_size"), UNIT_BYTES);
	_cleanup_str_ struct str line = { 0 };
	int64_t how = stats_int(p, "auto_vacuum");

	str_addf(out, "%s\n", path);
	str_addf(&line, "journal %s", stats_get(p, "journal_mode"));
	add_size_of(&line, ", WAL file ", file, "wal_bytes");
	add_size_of(&line, ", journal file ", file, "journal_bytes");
	str_addf(&line, ", read %s, owner %s, mode %s", stats_get(file, "read"), owner,
	    stats_get(file, "mode"));
	if (*stats_get(file, "filesystem"))
		str_addf(&line, ", on %s", stats_get(file, "filesystem"));
	add_size_of(&line, " with ", file, "filesystem_free_bytes");
	str_add(&line, stats_int(file, "filesystem_free_bytes") > 0 ? " free" : "");
	str_addf(&line,
	    ", pages of %s, %s, auto_vacuum %s, user_version %lld, application_id %lld, "
	    "written by SQLite %s",
	    page, stats_get(p, "encoding"),
	    auto_vacuum[how >= 0 && how < (int64_t)ARRAY_SIZE(auto_vacuum) ? how : 0],
	    (long long)stats_int(p, "user_version"), (long long)stats_int(p, "application_id"),
	    *stats_get(file, "written_by") ? stats_get(file, "written_by") : "?");
	layout_prose(out, "  ", 2, line.s);
}

static void
add_share(struct str *out, const char *what, int64_t bytes, const json_t *stats)
{
	int64_t all = stats_int(stats, "bytes");
	int64_t size = stats_int(json_object_get(stats, "pragmas"), "page_size");
	_cleanup_free_ char *pages = layout_count(size > 0 ? bytes / size : 0);
	_cleanup_free_ char *text = unit_format((double)bytes, UNIT_BYTES);
	_cleanup_free_ char *share =
	    unit_format(all > 0 ? (double)bytes / (double)all : 0, UNIT_RATIO);

	layout_cell(out, what, NAME_WIDTH);
	layout_right(out, 14, pages);
	layout_right(out, 9, text);
	layout_right(out, 8, share);
	str_addc(out, '\n');
}

static void
add_space(struct str *out, const json_t *stats)
{
	int64_t tables = stats_int(stats, "table_bytes"), indexes = stats_int(stats, "index_bytes");
	int64_t unused = stats_int(stats, "free_bytes");
	int64_t other = stats_int(stats, "bytes") - tables - indexes - unused;

	str_addc(out, '\n');
	layout_cell(out, "SPACE", NAME_WIDTH);
	str_add(out, "         PAGES     SIZE   SHARE\n");
	add_share(out, "tables", tables, stats);
	add_share(out, "indexes", indexes, stats);
	add_share(out, "free pages", unused, stats);
	if (other > 0)
		add_share(out,
		    json_array_size(json_object_get(stats, "not_measured")) > 0
		        ? "not measured, other"
		        : "other pages",
		    other, stats);
}

static void
add_faults(struct str *out, const json_t *array, const char *head, const char *key, bool all)
{
	size_t n = json_array_size(array), shown = all ? n : MIN(n, TABLES_SHOWN), i;
	const json_t *o;

	if (n > 0)
		str_addf(out, "\n%s\n", head);
	json_array_foreach (array, i, o) {
		_cleanup_free_ char *object = layout_short(stats_get(o, "object"), NAME_WIDTH + 20);
		_cleanup_free_ char *why = show_text(stats_get(o, key));
		_cleanup_free_ char *line = xasprintf("%s: %s", object, why);

		if (i < shown)
			layout_prose(out, "  ", 4, line);
	}
	add_more(out, "  ", n - shown, "");
}

char *
stats_text(const json_t *stats, const struct cli *cli)
{
	bool all = cli->o.verbose > 0;
	struct str out = { 0 };

	add_verdict(&out, stats, cli->colour);
	add_place(&out, stats);
	add_faults(&out, json_object_get(stats, "damaged"),
	    "DAMAGED; what it is and what to do: dbhealth check", "what", all);
	add_space(&out, stats);
	add_tables(&out, stats, all);
	add_faults(&out, json_object_get(stats, "not_measured"),
	    "NOT MEASURED; try a longer --budget", "reason", all);
	return str_take(&out);
}
