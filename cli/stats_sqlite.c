/*
 * Sizes, rows, depth and order of every tree of a SQLite file, by one walk through its pages (dbstat),
 * which also counts the rows exactly.  Where one walk is too long, or a writer is always in the way, tree
 * by tree for as long as the budget lasts; what was not reached is named, its rows are an estimate.
 */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/sqlite_ask.h"
#include "cli/stats.h"
#include "report/report.h"
#include "sqlite/damage.h"
#include "sqlite/sqlite_role.h"

#include <math.h>
#include <stdio.h>

#define TREES_MAX  900 /* one by one */
#define NAME_BYTES "1000"
#define WALK                                                                                       \
	"SELECT substr(name, 1, " NAME_BYTES "), sum(pgsize), sum(pagetype = 'leaf'),"             \
	" sum(pagetype = 'internal'), sum(pagetype = 'overflow'),"                                 \
	" sum(pagetype NOT IN ('leaf', 'internal', 'overflow')),"                                  \
	" sum(CASE pagetype WHEN 'leaf' THEN ncell END),"                                          \
	" sum(CASE pagetype WHEN 'internal' THEN ncell END), sum(payload), sum(unused),"           \
	" sum(CASE pagetype WHEN 'leaf' THEN unused END),"                                         \
	" max(CASE pagetype WHEN 'leaf' THEN length(path) - length(replace(path, '/', '')) END),"  \
	" page_gaps(CASE pagetype WHEN 'leaf' THEN pageno END) FROM dbstat"

enum {
	W_NAME,
	W_BYTES,
	W_LEAF,
	W_INTERNAL,
	W_OVERFLOW,
	W_DAMAGED,
	W_LEAF_CELLS,
	W_INTERNAL_CELLS,
	W_PAYLOAD,
	W_UNUSED,
	W_LEAF_UNUSED,
	W_DEPTH,
	W_GAPS
};
enum { S_TYPE, S_NAME, S_TABLE, S_ROOT, S_FTS };
enum { L_NAME, L_TYPE, L_WITHOUT_ROWID, L_STRICT };
enum { A_TABLE, A_INDEX, A_STAT };

static const char *const pragma_names[] = { "page_size", "page_count", "freelist_count", "encoding",
	"auto_vacuum", "user_version", "application_id", "schema_version" };
#define PRAGMAS                                                                                    \
	"SELECT page_size, page_count, freelist_count, encoding, auto_vacuum, user_version,"       \
	" application_id, schema_version FROM pragma_page_size, pragma_page_count,"                \
	" pragma_freelist_count, pragma_encoding, pragma_auto_vacuum, pragma_user_version,"        \
	" pragma_application_id, pragma_schema_version"
/* A search index beside its table names rows by their rowid. */
#define SCHEMA                                                                                     \
	"SELECT type, substr(name, 1, " NAME_BYTES "), substr(tbl_name, 1, " NAME_BYTES "),"       \
	" rootpage, type = 'table' AND sql LIKE 'create virtual table%fts%content%=%'"             \
	" FROM sqlite_schema WHERE type IN ('table', 'index') ORDER BY type DESC, name"
#define TABLES                                                                                     \
	"SELECT substr(name, 1, " NAME_BYTES "), type, wr, strict FROM pragma_table_list"          \
	" WHERE schema = 'main'"
#define STAT1                                                                                      \
	"SELECT substr(tbl, 1, " NAME_BYTES "), substr(idx, 1, " NAME_BYTES "),"                   \
	" substr(CAST(stat AS TEXT), 1, 100) FROM sqlite_stat1"

/* One look. */
struct look {
	const struct stats_target *target;
	struct err *err;
	int64_t until_us;
	struct sqlite_ask ask;
	size_t pragmas, schema, tables, stat1, walk;
	json_t *trees;  /* name -> row of WALK */
	json_t *kinds;  /* name -> row of TABLES */
	json_t *then;   /* name of table, or index, -> rows at the last ANALYZE */
	json_t *failed; /* name -> why its tree was not measured */
	json_t *torn;   /* name -> null: its tree cannot be walked through */
	json_t *stats;
	int64_t page_size;
};

int64_t
stats_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

const char *
stats_get(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* ---- who is in the way ---- */

/* In write-ahead mode everybody who has it open holds the one, and most a mark on the other. */
static bool
only_has_it_open(const char *type, bool wal)
{
	return streq(type, "wal-open") || (wal && streq(type, "shared"));
}

char *
stats_lockers(const json_t *facts)
{
	json_t *holders = json_loads(stats_get(facts, "lock_holders"), 0, NULL), *h;
	bool wal = stats_int(facts, "wal_mode") == 1;
	struct str out = { 0 };
	size_t i;

	json_array_foreach (holders, i, h) {
		_cleanup_free_ char *command = show_text(stats_get(h, "command"));

		if (!only_has_it_open(stats_get(h, "type"), wal))
			str_addf(&out, "%spid %lld (%s, %s)", out.len > 0 ? ", " : "",
			    (long long)stats_int(h, "pid"), *command ? command : "?",
			    stats_get(h, "type"));
	}
	json_decref(holders);
	return str_take(&out);
}

/* ---- asking ---- */

static int
fail(const struct look *l, int code, const char *why, const char *todo)
{
	err_set(l->err, -EIO, "%s.%s", why, todo);
	return code;
}

static int
refused(const struct look *l)
{
	_cleanup_free_ char *why = show_text(stats_get(l->ask.facts, "text"));
	_cleanup_free_ char *lockers = stats_lockers(l->ask.facts);
	_cleanup_free_ char *who = xasprintf(" It is %s.", lockers);
	const char *reason = stats_get(l->ask.facts, "reason"), *todo = "";

	if (!l->ask.facts)
		return fail(
		    l, EXIT_UNAVAILABLE, *l->ask.why ? l->ask.why : "no answer in time", "");
	if (streq(reason, "privilege"))
		return fail(l, EXIT_PERMISSION, why, "");
	if (stats_int(l->ask.facts, "open_error_code") == 26) /* SQLITE_NOTADB */
		todo = " It is encrypted, or no SQLite database.";
	else if (streq(reason, "locked") && *lockers)
		todo = who;
	else if (stats_int(l->ask.facts, "journal_hot") == 1)
		todo = " Start that: it rolls back what was cut off.";
	return fail(l, EXIT_UNAVAILABLE, *why ? why : "it cannot be read", todo);
}

static int64_t
left_us(const struct look *l)
{
	return MAX(l->until_us - clock_now_us(), 10 * USEC_PER_MSEC);
}

static int
ask_all(struct look *l)
{
	int64_t whole = left_us(l), short_us = MAX(whole / 4, 10 * USEC_PER_MSEC);
	int r;

	l->pragmas = sqlite_ask_add(&l->ask, PRAGMAS, NULL, short_us);
	l->schema = sqlite_ask_add(&l->ask, SCHEMA, NULL, short_us);
	l->tables = sqlite_ask_add(&l->ask, TABLES, NULL, short_us);
	l->stat1 = sqlite_ask_add(&l->ask, STAT1, NULL, short_us);
	l->walk = sqlite_ask_add(&l->ask, WALK " GROUP BY name", NULL, whole / 2);
	r = sqlite_ask_run(&l->ask, l->target->path, l->target->copy_limit, whole);
	if (!sqlite_ask_opened(&l->ask))
		return refused(l);
	(void)r; /* what the worker did not come to is said of each statement */
	for (size_t i = 0; i < 2; i++) {
		const struct sqlite_answer *a = &l->ask.answers[i == 0 ? l->pragmas : l->schema];
		_cleanup_free_ char *text = show_text(a->text);

		if (!a->rows || (i == 0 && json_array_size(a->rows) == 0))
			return fail(l, EXIT_UNAVAILABLE, *text ? text : "it cannot be read", "");
	}
	return 0;
}

/* ---- the walk ---- */

static void
take_trees(struct look *l, const struct sqlite_answer *a)
{
	json_t *row;
	size_t i;

	json_array_foreach (a->rows, i, row)
		json_object_set(l->trees, sqlite_cell(row, W_NAME), row);
}

/* Whether another statement can be better off. */
static bool
has_dbstat(const struct sqlite_answer *a)
{
	return !strstr(a->text, "no such table");
}

/* Trees at which the walk stopped, since what it met there is no tree. */
static void
part_torn(struct look *l)
{
	_cleanup_free_ char *text = NULL;
	const char *name;
	int check = -1;
	json_t *why;
	void *next;

	json_object_foreach_safe(l->failed, next, name, why)
	{
		const char *said = json_string_value(why);
		bool torn = damage_says_corrupt(said);

		if (damage_says_full(said)) {
			if (check < 0)
				check = stats_quick_check(l->target, left_us(l), &text);
			torn = check == 1;
		}
		if (torn) {
			json_object_set_new(l->torn, name, json_null());
			json_object_del(l->failed, name);
		}
	}
}

static void
walk_one_by_one(struct look *l)
{
	struct sqlite_ask ask = { .reader = l->target->reader };
	json_t *schema = l->ask.answers[l->schema].rows, *row;
	int64_t whole = left_us(l), each = MAX(whole / 8, 10 * USEC_PER_MSEC);
	size_t i, n = 0;

	sqlite_ask_add(&ask, WALK " WHERE name = ?1 GROUP BY name", "sqlite_schema", each);
	json_array_foreach (schema, i, row)
		if (sqlite_cell_int(row, S_ROOT) > 0 && ++n < TREES_MAX)
			sqlite_ask_add(&ask, WALK " WHERE name = ?1 GROUP BY name",
			    sqlite_cell(row, S_NAME), each);
	(void)sqlite_ask_run(&ask, l->target->path, l->target->copy_limit, whole);
	n = 0;
	take_trees(l, &ask.answers[0]);
	json_array_foreach (schema, i, row) {
		const struct sqlite_answer *a;

		if (sqlite_cell_int(row, S_ROOT) <= 0)
			continue;
		a = ++n < ask.n ? &ask.answers[n] : NULL;
		if (a && a->rows)
			take_trees(l, a);
		else
			json_object_set_new(l->failed, sqlite_cell(row, S_NAME),
			    report_string(a && *a->text ? a->text : "not reached in time"));
	}
	sqlite_ask_done(&ask);
	part_torn(l);
}

static void
walk(struct look *l)
{
	const struct sqlite_answer *a = &l->ask.answers[l->walk];
	json_t *row;
	size_t i;

	if (a->rows) {
		take_trees(l, a);
	} else if (has_dbstat(a)) {
		walk_one_by_one(l);
	} else {
		json_array_foreach (l->ask.answers[l->schema].rows, i, row)
			if (sqlite_cell_int(row, S_ROOT) > 0)
				json_object_set_new(l->failed, sqlite_cell(row, S_NAME),
				    json_string("SQLite was built without dbstat"));
	}
}

static void
take_kinds(struct look *l)
{
	json_t *row;
	size_t i;

	json_array_foreach (l->ask.answers[l->tables].rows, i, row)
		json_object_set(l->kinds, sqlite_cell(row, L_NAME), row);
	json_array_foreach (l->ask.answers[l->stat1].rows, i, row) {
		json_t *n = json_integer(sqlite_cell_int(row, A_STAT));

		json_object_set(l->then, sqlite_cell(row, A_TABLE), n);
		if (!sqlite_cell_null(row, A_INDEX))
			json_object_set(l->then, sqlite_cell(row, A_INDEX), n);
		json_decref(n);
	}
}

/* ---- one tree ---- */

/*
 * Its pages as VACUUM would write them: leaves full but for the half of a cell that does not fit any
 * more, inner pages in proportion; rows that overflow take what they take.
 */
static int64_t
packed_pages(const struct look *l, const json_t *row)
{
	int64_t leaves = sqlite_cell_int(row, W_LEAF), inner = sqlite_cell_int(row, W_INTERNAL);
	int64_t cells = sqlite_cell_int(row, W_LEAF_CELLS), packed;
	double size = (double)l->page_size, used, cell;

	if (leaves <= 1 || cells == 0)
		return sqlite_cell_int(row, W_OVERFLOW) + 1;
	used = (double)leaves * size - (double)sqlite_cell_int(row, W_LEAF_UNUSED);
	cell = used / (double)cells;
	packed = (int64_t)ceil(used / (size - MIN(cell, size) / 2));
	packed = MIN(MAX(packed, 1), leaves);
	if (packed > 1)
		packed += MAX(inner * packed / leaves, 1);
	return packed + sqlite_cell_int(row, W_OVERFLOW);
}

static json_t *
pages_of(const json_t *row)
{
	json_t *o = json_object();

	json_object_set_new(o, "leaf", json_integer(sqlite_cell_int(row, W_LEAF)));
	json_object_set_new(o, "internal", json_integer(sqlite_cell_int(row, W_INTERNAL)));
	json_object_set_new(o, "overflow", json_integer(sqlite_cell_int(row, W_OVERFLOW)));
	return o;
}

static void
add_damage(struct look *l, const char *name, const char *what)
{
	json_t *o = json_object();

	json_object_set_new(o, "object", json_string(name));
	json_object_set_new(o, "what", json_string(what));
	json_array_append_new(json_object_get(l->stats, "damaged"), o);
}

/* Numbers of a tree that was walked, else nulls and the estimate of ANALYZE.  Below a damaged page may
 * be any number of rows. */
static json_t *
describe(struct look *l, const char *name, bool inner_rows)
{
	const json_t *row = json_object_get(l->trees, name);
	json_t *then = json_object_get(l->then, name), *o = json_object();
	int64_t leaves = sqlite_cell_int(row, W_LEAF), rows = sqlite_cell_int(row, W_LEAF_CELLS);
	bool whole = row && sqlite_cell_int(row, W_DAMAGED) == 0;

	if (inner_rows)
		rows += sqlite_cell_int(row, W_INTERNAL_CELLS);
	json_object_set_new(o, "name", json_string(name));
	json_object_set_new(o, "rows",
	    whole  ? json_integer(rows)
	    : then ? json_incref(then)
	           : json_null());
	json_object_set_new(o, "rows_estimated", json_boolean(!whole && then));
	json_object_set_new(o, "analyzed_rows", then ? json_incref(then) : json_null());
	if (json_object_get(l->torn, name))
		add_damage(l, name, "damaged, it cannot be walked through");
	if (!row) {
		static const char *const keys[] = { "bytes", "pages", "depth", "payload_bytes",
			"unused_bytes", "scattered", "packed_bytes" };

		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			json_object_set_new(o, keys[i], json_null());
		return o;
	}
	json_object_set_new(o, "bytes", json_integer(sqlite_cell_int(row, W_BYTES)));
	json_object_set_new(o, "pages", pages_of(row));
	json_object_set_new(o, "depth", json_integer(sqlite_cell_int(row, W_DEPTH)));
	json_object_set_new(o, "payload_bytes", json_integer(sqlite_cell_int(row, W_PAYLOAD)));
	json_object_set_new(o, "unused_bytes", json_integer(sqlite_cell_int(row, W_UNUSED)));
	json_object_set_new(o, "scattered",
	    report_number(
	        leaves > 1 ? (double)sqlite_cell_int(row, W_GAPS) / (double)(leaves - 1) : 0,
	        UNIT_RATIO));
	json_object_set_new(o, "packed_bytes", json_integer(packed_pages(l, row) * l->page_size));
	if (!whole) {
		int64_t n = sqlite_cell_int(row, W_DAMAGED);
		_cleanup_free_ char *what =
		    xasprintf("%lld damaged page%s", (long long)n, n == 1 ? "" : "s");

		add_damage(l, name, what);
	}
	return o;
}

/* ---- tables with their indexes ---- */

static const char *
kind_of(const struct look *l, const json_t *row)
{
	const json_t *known = json_object_get(l->kinds, sqlite_cell(row, S_NAME));
	const char *type = known ? sqlite_cell(known, L_TYPE) : "table";

	if (sqlite_cell_int(row, S_ROOT) <= 0 || streq(type, "virtual"))
		return "virtual";
	if (streq(type, "shadow"))
		return "shadow";
	return str_starts(sqlite_cell(row, S_NAME), "sqlite_") ? "internal" : "table";
}

static bool
is_without_rowid(const struct look *l, const char *name)
{
	return sqlite_cell_int(json_object_get(l->kinds, name), L_WITHOUT_ROWID) == 1;
}

static void
add_tree(json_t *tables, json_t *by_name, struct look *l, const json_t *row)
{
	const char *name = sqlite_cell(row, S_NAME);
	bool table = streq(sqlite_cell(row, S_TYPE), "table");
	bool without_rowid = table && is_without_rowid(l, name);
	json_t *o = describe(l, name, !table || without_rowid), *of;

	if (table) {
		json_object_set_new(o, "kind", json_string(kind_of(l, row)));
		json_object_set_new(o, "without_rowid", json_boolean(without_rowid));
		json_object_set_new(o, "indexes", json_array());
		json_object_set(by_name, name, o);
		json_array_append_new(tables, o);
		return;
	}
	of = json_object_get(by_name, sqlite_cell(row, S_TABLE));
	if (of)
		json_array_append(json_object_get(of, "indexes"), o);
	json_decref(o);
}

static json_t *
schema_entry(struct look *l)
{
	json_t *o = describe(l, "sqlite_schema", false);

	json_object_set_new(o, "kind", json_string("internal"));
	json_object_set_new(o, "without_rowid", json_false());
	json_object_set_new(o, "indexes", json_array());
	return o;
}

static void
add_tables(struct look *l)
{
	json_t *tables = json_array(), *by_name = json_object(), *row, *why;
	const char *name;
	bool fts = false;
	size_t i;

	if (json_object_get(l->trees, "sqlite_schema")) /* a file of no bytes has none */
		json_array_append_new(tables, schema_entry(l));
	json_array_foreach (l->ask.answers[l->schema].rows, i, row) {
		add_tree(tables, by_name, l, row);
		fts = fts || sqlite_cell_int(row, S_FTS) == 1;
	}
	json_decref(by_name);
	json_object_set_new(l->stats, "tables", tables);
	json_object_set_new(l->stats, "search_index_beside_table", json_boolean(fts));
	json_object_foreach (l->failed, name, why) {
		json_t *o = json_object();

		json_object_set_new(o, "object", json_string(name));
		json_object_set(o, "reason", why);
		json_array_append_new(json_object_get(l->stats, "not_measured"), o);
	}
}

/* ---- the whole ---- */

static void
copy_facts(const json_t *facts, json_t *to)
{
	static const char *const keys[][2] = { { "size", "bytes" }, { "owner", "owner" },
		{ "mode", "mode" }, { "open_how", "read" }, { "wal_size", "wal_bytes" },
		{ "journal_size", "journal_bytes" }, { "fs_type", "filesystem" },
		{ "fs_free_bytes", "filesystem_free_bytes" }, { "dir", "folder" },
		{ "writer_library", "written_by" }, { "change_counter", "change_counter" } };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		json_t *v = json_object_get(facts, keys[i][0]);

		json_object_set(to, keys[i][1], v ? v : json_null());
	}
	json_object_set_new(
	    to, "modified_at", report_time(stats_int(facts, "mtime") * USEC_PER_SEC));
}

/* Who has locks on it now, where the kernel tells. */
static json_t *
holders_of(const json_t *facts)
{
	json_t *holders = json_loads(stats_get(facts, "lock_holders"), 0, NULL);

	if (json_is_array(holders))
		return holders;
	json_decref(holders);
	return json_array();
}

static void
add_pragmas(struct look *l)
{
	const json_t *row = json_array_get(l->ask.answers[l->pragmas].rows, 0);
	json_t *pragmas = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(pragma_names); i++)
		json_object_set_new(pragmas, pragma_names[i],
		    streq(pragma_names[i], "encoding") ? report_string(sqlite_cell(row, i))
		                                       : json_integer(sqlite_cell_int(row, i)));
	json_object_set(pragmas, "journal_mode", json_object_get(l->ask.facts, "journal_mode"));
	l->page_size = stats_int(pragmas, "page_size");
	json_object_set_new(l->stats, "pragmas", pragmas);
}

static void
sum_up(json_t *stats, const json_t *pragmas)
{
	int64_t size = stats_int(pragmas, "page_size"), count = stats_int(pragmas, "page_count");
	int64_t tables = 0, indexes = 0, packed = 0;
	json_t *t, *x;
	size_t i, k;

	json_array_foreach (json_object_get(stats, "tables"), i, t) {
		tables += stats_int(t, "bytes");
		packed += stats_int(t, "packed_bytes");
		json_array_foreach (json_object_get(t, "indexes"), k, x) {
			indexes += stats_int(x, "bytes");
			packed += stats_int(x, "packed_bytes");
		}
	}
	if (stats_int(pragmas, "auto_vacuum") > 0 && size >= 512) /* a map of 5 bytes a page */
		packed += (packed / size / (size / 5) + 1) * size;
	json_object_set_new(stats, "bytes", json_integer(size * count));
	json_object_set_new(
	    stats, "free_bytes", json_integer(size * stats_int(pragmas, "freelist_count")));
	json_object_set_new(stats, "table_bytes", json_integer(tables));
	json_object_set_new(stats, "index_bytes", json_integer(indexes));
	/* Not known while a tree is not. */
	json_object_set_new(stats, "reclaimable_bytes",
	    json_array_size(json_object_get(stats, "not_measured")) > 0 ||
	            json_array_size(json_object_get(stats, "damaged")) > 0
	        ? json_null()
	        : json_integer(MAX(size * count - packed, 0)));
}

static void
build(struct look *l, int64_t start_us)
{
	json_t *file = json_object();

	l->stats = json_object();
	json_object_set_new(l->stats, "database", report_string(l->target->name));
	json_object_set_new(l->stats, "engine", json_string("sqlite"));
	json_object_set_new(l->stats, "path", report_string(l->target->path));
	json_object_set_new(l->stats, "library", json_string(sqlite_role_library()));
	json_object_set_new(l->stats, "looked_at", report_time(clock_wall_us()));
	json_object_set_new(l->stats, "damaged", json_array());
	json_object_set_new(l->stats, "not_measured", json_array());
	copy_facts(l->ask.facts, file);
	json_object_set_new(l->stats, "file", file);
	json_object_set_new(l->stats, "lock_holders", holders_of(l->ask.facts));
	add_pragmas(l);
	walk(l);
	take_kinds(l);
	add_tables(l);
	sum_up(l->stats, json_object_get(l->stats, "pragmas"));
	json_object_set_new(l->stats, "duration_ms",
	    report_number(round((double)(clock_now_us() - start_us) / 100) / 10, UNIT_COUNT));
}

int
stats_sqlite(const struct stats_target *target, int64_t budget_us, json_t **ret, struct err *err)
{
	int64_t start = clock_now_us();
	struct look l = { .target = target, .err = err, .until_us = start + budget_us };
	int r;

	l.ask.reader = target->reader;
	l.trees = json_object();
	l.kinds = json_object();
	l.then = json_object();
	l.failed = json_object();
	l.torn = json_object();
	r = ask_all(&l);
	if (r == 0) {
		build(&l, start);
		*ret = l.stats;
	}
	json_decref(l.trees);
	json_decref(l.kinds);
	json_decref(l.then);
	json_decref(l.failed);
	json_decref(l.torn);
	sqlite_ask_done(&l.ask);
	return r;
}

int
stats_fail(
    const struct cli *cli, int code, const struct stats_target *target, const struct err *why)
{
	_cleanup_free_ char *path = show_text(target->path);

	return *why->msg ? cli_fail(cli, code, "%s: %s: %s", cli->command->name, path, why->msg)
	                 : code;
}

int64_t
stats_disk(const json_t *stats)
{
	const json_t *file = json_object_get(stats, "file");

	return stats_int(file, "bytes") + stats_int(file, "wal_bytes");
}

int64_t
stats_reclaimable(const json_t *stats)
{
	return MAX(stats_int(stats, "reclaimable_bytes"), 0);
}
