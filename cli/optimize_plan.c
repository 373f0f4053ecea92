/*
 * Decides what is worth doing to a SQLite file and what had better be left: VACUUM only where it returns
 * something, fits on the disk, is in nobody's way and gives no row another number.
 */
#include "base/clock.h"
#include "base/disk.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/optimize.h"
#include "cli/sqlite_ask.h"
#include "report/report.h"

#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>

#define GAIN_MIN_BYTES (INT64_C(100) << 10)
#define GAIN_MIN_SHARE 10 /* a tenth */
#define LARGE_BYTES    (INT64_C(256) << 20)
#define LARGE_LIMIT    1000 /* rows of an index that ANALYZE reads then */
#define ANALYZE_MAX    1000
#define CANDIDATES_MAX 900
#define ASK_US         (10 * USEC_PER_SEC)

enum vacuum { VACUUM_AUTO = 0, VACUUM_ALWAYS, VACUUM_NEVER };

struct planning {
	const struct cli *cli;
	const struct stats_target *target;
	const json_t *stats;
	struct err *err;
	json_t *plan, *steps, *left_out;
	int64_t gain; /* of the database, without its log */
};

/* ---- parts of the plan ---- */

static json_t *
add_step(struct planning *p, const char *kind, const char *why)
{
	json_t *o = json_object();

	json_object_set_new(o, "kind", json_string(kind));
	json_object_set_new(o, "why", report_string(why));
	json_object_set_new(o, "state", json_string("planned"));
	json_array_append_new(p->steps, o);
	return o;
}

static void
leave_out(struct planning *p, const char *what, const char *why)
{
	json_t *o = json_object();

	json_object_set_new(o, "what", json_string(what));
	json_object_set_new(o, "why", report_string(why));
	json_array_append_new(p->left_out, o);
}

/* ---- ANALYZE ---- */

static bool
is_far(int64_t a, int64_t b)
{
	return a > b + b / 2 + 100 || b > a + a / 2 + 100;
}

/* For certain: what was not measured may have any number of rows. */
static bool
is_empty(const json_t *tree)
{
	const json_t *rows = json_object_get(tree, "rows");

	return json_is_integer(rows) && json_integer_value(rows) == 0;
}

/* Why a table is to be analyzed, or NULL. */
static char *
why_analyze(const json_t *t)
{
	int64_t rows = stats_int(t, "rows"), then = stats_int(t, "analyzed_rows");
	const json_t *indexes = json_object_get(t, "indexes"), *x;
	size_t i, missing = 0;

	if (!streq(stats_get(t, "kind"), "table") || is_empty(t))
		return NULL;
	if (json_array_size(indexes) == 0 && !json_is_true(json_object_get(t, "without_rowid")))
		return NULL;
	json_array_foreach (indexes, i, x)
		missing += !is_empty(x) && json_is_null(json_object_get(x, "analyzed_rows"));
	if (json_is_null(json_object_get(t, "analyzed_rows")))
		return xstrdup("no statistics");
	if (missing > 0)
		return xasprintf(
		    "%zu index%s without statistics", missing, missing == 1 ? "" : "es");
	if (!json_is_true(json_object_get(t, "rows_estimated")) && is_far(rows, then)) {
		_cleanup_free_ char *now = unit_format((double)rows, UNIT_COUNT);
		_cleanup_free_ char *was = unit_format((double)then, UNIT_COUNT);

		return xasprintf("%s rows, statistics of %s", now, was);
	}
	return NULL;
}

static bool
is_large(const json_t *t)
{
	return json_is_null(json_object_get(t, "bytes")) || stats_int(t, "bytes") > LARGE_BYTES;
}

static void
plan_analyze(struct planning *p)
{
	const json_t *t;
	size_t i, n = 0, more = 0;

	json_array_foreach (json_object_get(p->stats, "tables"), i, t) {
		_cleanup_free_ char *why = why_analyze(t);
		json_t *o;

		if (!why)
			continue;
		if (++n > ANALYZE_MAX) {
			more++;
			continue;
		}
		o = add_step(p, "analyze", why);
		json_object_set(o, "table", json_object_get(t, "name"));
		json_object_set_new(o, "limit", json_integer(is_large(t) ? LARGE_LIMIT : 0));
	}
	if (more > 0) {
		_cleanup_free_ char *what = xasprintf("ANALYZE of %zu more tables", more);

		leave_out(p, what, "enough for one run; run it again");
	}
}

/* ---- VACUUM: who would mind ---- */

static char *
quoted(const char *name)
{
	struct str out = { 0 };

	str_addc(&out, '"');
	for (const char *s = name; *s; s++)
		str_add(&out, *s == '"' ? "\"\"" : (char[]){ *s, '\0' });
	str_addc(&out, '"');
	return str_take(&out);
}

/* Tables whose rows have no number of their own and no index that would keep it. */
static json_t *
keyless(struct planning *p)
{
	struct sqlite_ask ask = { .reader = p->target->reader };
	json_t *known = json_object(), *out = json_array(), *row, *t;
	size_t i;

	sqlite_ask_add(&ask,
	    "SELECT substr(t.name, 1, 1000) FROM pragma_table_list AS t"
	    " WHERE t.schema = 'main' AND t.type = 'table' AND t.wr = 0 AND NOT EXISTS"
	    " (SELECT 1 FROM pragma_table_info(t.name) WHERE pk > 0 AND upper(type) = 'INTEGER')",
	    NULL, ASK_US);
	(void)sqlite_ask_run(&ask, p->target->path, p->target->copy_limit, ASK_US);
	json_array_foreach (ask.answers[0].rows, i, row)
		json_object_set_new(known, sqlite_cell(row, 0), json_true());
	json_array_foreach (json_object_get(p->stats, "tables"), i, t)
		if (streq(stats_get(t, "kind"), "table") && stats_int(t, "rows") > 0 &&
		    json_array_size(json_object_get(t, "indexes")) == 0 &&
		    !json_is_true(json_object_get(t, "without_rowid")) &&
		    (!ask.answers[0].rows || json_object_get(known, stats_get(t, "name"))))
			json_array_append(out, t);
	sqlite_ask_done(&ask);
	json_decref(known);
	return out;
}

/* Of those, the ones that VACUUM would number anew: whose numbers are not 1, 2, 3 ... already. */
static json_t *
renumbered(struct planning *p)
{
	json_t *tables = keyless(p), *out = json_array(), *t;
	struct sqlite_ask ask = { .reader = p->target->reader };
	size_t i;

	json_array_foreach (tables, i, t) {
		_cleanup_free_ char *name = quoted(stats_get(t, "name"));
		_cleanup_free_ char *sql =
		    xasprintf("SELECT min(_rowid_), max(_rowid_) FROM main.%s", name);

		if (i < CANDIDATES_MAX)
			sqlite_ask_add(&ask, sql, NULL, ASK_US);
	}
	if (ask.statements)
		(void)sqlite_ask_run(&ask, p->target->path, p->target->copy_limit, 2 * ASK_US);
	json_array_foreach (tables, i, t) {
		const json_t *row = i < ask.n ? json_array_get(ask.answers[i].rows, 0) : NULL;

		if (!row || sqlite_cell_int(row, 0) != 1 ||
		    sqlite_cell_int(row, 1) != stats_int(t, "rows"))
			json_array_append(out, json_object_get(t, "name"));
	}
	sqlite_ask_done(&ask);
	json_decref(tables);
	return out;
}

/* Who reads the log now keeps it from being written back, and VACUUM writes the whole file to it. */
static bool
has_reader(const struct planning *p, struct str *why)
{
	const json_t *h;
	size_t i;

	json_array_foreach (json_object_get(p->stats, "lock_holders"), i, h) {
		_cleanup_free_ char *command = show_text(stats_get(h, "command"));

		if (!streq(stats_get(h, "type"), "wal-read"))
			continue;
		str_addf(why, "pid %lld (%s) reads it: the log would grow by the whole file",
		    (long long)stats_int(h, "pid"), *command ? command : "?");
		return true;
	}
	return false;
}

static bool
would_renumber(struct planning *p, struct str *why)
{
	json_t *names = renumbered(p), *name;
	size_t n = json_array_size(names), i;
	bool search = json_is_true(json_object_get(p->stats, "search_index_beside_table"));

	json_object_set_new(p->plan, "renumbered", names);
	if (n == 0 || (!search && p->cli->o.vacuum == VACUUM_ALWAYS))
		return false;
	str_addf(why, "it gives the rows of %s new numbers (rowid), for want of a key or index: ",
	    n == 1 ? "a table" : "some tables");
	json_array_foreach (names, i, name)
		if (i < 3)
			str_addf(why, "%s%s", i > 0 ? ", " : "", json_string_value(name));
	str_add(why, n > 3 ? " ..." : "");
	str_add(why, search ? "; a search index (FTS) that names rows by them would be wrong"
	                    : "; --vacuum=always if nobody refers to them");
	return true;
}

/* ---- VACUUM: room ---- */

static int64_t
free_of(const char *path, char **ret_device)
{
	struct disk d = { 0 };
	int64_t n;

	if (disk_of_path(path, &d) < 0)
		return 0;
	n = d.free_bytes;
	*ret_device = d.device ? xstrdup(d.device) : xstrdup("?");
	disk_done(&d);
	return n;
}

/* SQLite's own order, then the folder of the file. */
static bool
find_room(const struct planning *p, int64_t copy, int64_t journal, char **ret_dir)
{
	_cleanup_free_ char *here = xstrdup(p->target->path), *device = NULL;
	const char *home = dirname(here);
	const char *dirs[] = { getenv("SQLITE_TMPDIR"), getenv("TMPDIR"), "/var/tmp", "/usr/tmp",
		"/tmp", home };
	int64_t beside = free_of(home, &device);

	for (size_t i = 0; beside >= journal && i < ARRAY_SIZE(dirs); i++) {
		_cleanup_free_ char *other = NULL;
		struct stat st;
		int64_t room;

		if (!dirs[i] || stat(dirs[i], &st) < 0 || !S_ISDIR(st.st_mode) ||
		    access(dirs[i], W_OK | X_OK) < 0)
			continue;
		room = free_of(dirs[i], &other);
		if (other && streq(other, device))
			room -= journal;
		if (room < copy)
			continue;
		*ret_dir = xstrdup(dirs[i]);
		return true;
	}
	return false;
}

static bool
has_no_room(struct planning *p, struct str *why)
{
	int64_t bytes = stats_int(p->stats, "bytes");
	int64_t copy = bytes - p->gain + bytes / 20, journal = bytes + bytes / 20;
	_cleanup_free_ char *dir = NULL, *a = unit_format((double)copy, UNIT_BYTES);
	_cleanup_free_ char *b = unit_format((double)journal, UNIT_BYTES);

	if (find_room(p, copy, journal, &dir)) {
		json_object_set_new(p->plan, "temp_dir", report_string(dir));
		return false;
	}
	str_addf(why,
	    "it needs %s for a copy (in $SQLITE_TMPDIR, $TMPDIR, /var/tmp, /tmp or beside the "
	    "file) and %s for the journal beside the file; the disk has less",
	    a, b);
	return true;
}

/* ---- VACUUM ---- */

static bool
is_worth_it(struct planning *p, struct str *why)
{
	int64_t bytes = stats_int(p->stats, "bytes");
	_cleanup_free_ char *gain = unit_format((double)p->gain, UNIT_BYTES);

	if (p->cli->o.vacuum == VACUUM_ALWAYS)
		return true;
	if (json_is_null(json_object_get(p->stats, "reclaimable_bytes")))
		str_add(why, "what it would return is not known (--budget); --vacuum=always");
	else if (p->gain < GAIN_MIN_BYTES || p->gain < bytes / GAIN_MIN_SHARE)
		str_addf(why, "it would return %s, less than a tenth of the file or 100 kB", gain);
	else
		return true;
	return false;
}

/* Free pages at the end can be cut off where the file was made for it; that needs no copy. */
static bool
plan_incremental(struct planning *p)
{
	int64_t unused = stats_int(p->stats, "free_bytes");
	_cleanup_free_ char *why = NULL, *text = unit_format((double)unused, UNIT_BYTES);

	if (stats_int(json_object_get(p->stats, "pragmas"), "auto_vacuum") != 2 ||
	    p->cli->o.vacuum == VACUUM_ALWAYS || unused < p->gain / 2 || unused < GAIN_MIN_BYTES)
		return false;
	why = xasprintf("%s of free pages are cut off", text);
	p->gain = unused;
	add_step(p, "incremental", why);
	return true;
}

static void
plan_vacuum(struct planning *p)
{
	_cleanup_str_ struct str why = { 0 };
	_cleanup_free_ char *gain = NULL, *reason = NULL;

	p->gain = stats_reclaimable(p->stats);
	if (p->cli->o.vacuum == VACUUM_NEVER) {
		p->gain = 0;
		return;
	}
	if (is_worth_it(p, &why) && plan_incremental(p))
		return;
	if (why.len > 0 || has_reader(p, &why) || would_renumber(p, &why) || has_no_room(p, &why)) {
		if (p->gain > 0 || p->cli->o.vacuum == VACUUM_ALWAYS ||
		    json_is_null(json_object_get(p->stats, "reclaimable_bytes")))
			leave_out(p, "VACUUM", str_text(&why));
		p->gain = 0;
		return;
	}
	gain = unit_format((double)p->gain, UNIT_BYTES);
	reason = p->gain > 0
	             ? xasprintf("about %s are free or unused; writers wait meanwhile", gain)
	             : xstrdup("as asked; writers wait meanwhile");
	add_step(p, "vacuum", reason);
}

/* ---- the log ---- */

static void
plan_checkpoint(struct planning *p)
{
	int64_t wal = stats_int(json_object_get(p->stats, "file"), "wal_bytes");
	_cleanup_free_ char *size = unit_format((double)wal, UNIT_BYTES), *why = NULL;

	if (!streq(stats_get(json_object_get(p->stats, "pragmas"), "journal_mode"), "wal") ||
	    (wal == 0 && json_array_size(p->steps) == 0))
		return;
	why = wal > 0 ? xasprintf("a log of %s is written back and emptied", size)
	              : xstrdup("what was done is written back");
	add_step(p, "checkpoint", why);
}

/* ---- may it be done at all ---- */

static int
refuse_damage(const struct planning *p)
{
	if (json_array_size(json_object_get(p->stats, "damaged")) == 0)
		return 0;
	err_set(p->err, -EIO,
	    "it is damaged; nothing was changed. What it is and what to do: dbhealth check.");
	return EXIT_CRITICAL;
}

/* Files that SQLite makes beside a database would be ours, and lock their owner out. */
static int
refuse_stranger(const struct planning *p)
{
	_cleanup_free_ char *copy = xstrdup(p->target->path);
	_cleanup_free_ char *owner =
	    show_text(stats_get(json_object_get(p->stats, "file"), "owner"));
	struct stat st;

	if (stat(p->target->path, &st) < 0) {
		err_set(p->err, -errno, "%s.", strerror(errno));
		return EXIT_UNAVAILABLE;
	}
	if (geteuid() != 0 && st.st_uid != geteuid()) {
		err_set(p->err, -EPERM,
		    "it belongs to %s. Run it as that user: sudo -u %s dbhealth optimize ...",
		    owner, owner);
		return EXIT_PERMISSION;
	}
	if (access(p->target->path, W_OK) < 0 || access(dirname(copy), W_OK | X_OK) < 0) {
		err_set(p->err, -errno, "the file and its folder must be writable: %s.",
		    strerror(errno));
		return EXIT_PERMISSION;
	}
	return 0;
}

static int
refuse_backup(const struct planning *p)
{
	const char *to = p->cli->o.backup;
	_cleanup_free_ char *shown = show_text(to ? to : ""), *dir = xstrdup(to ? to : ""),
	                    *device = NULL;

	if (!to)
		return 0;
	if (access(to, F_OK) == 0)
		return cli_fail(p->cli, EXIT_USAGE,
		    "optimize: --backup %s: there is such a file already. Name another.", shown);
	if (free_of(dirname(dir), &device) < stats_int(p->stats, "bytes"))
		return cli_fail(p->cli, EXIT_UNAVAILABLE,
		    "optimize: --backup %s: no room for it there; nothing was changed.", shown);
	return 0;
}

/* ---- all of it ---- */

/* Before what it protects, and only where something follows. */
static void
put_first(struct planning *p)
{
	json_t *check = json_object(), *backup = json_object();

	if (p->cli->o.backup) {
		json_object_set_new(backup, "kind", json_string("backup"));
		json_object_set_new(
		    backup, "why", json_string("a copy, read through before it is used"));
		json_object_set_new(backup, "to", report_string(p->cli->o.backup));
		json_object_set_new(backup, "state", json_string("planned"));
		json_array_insert(p->steps, 0, backup);
	}
	json_object_set_new(check, "kind", json_string("check"));
	json_object_set_new(check, "why", json_string("what is damaged had better stay as it is"));
	json_object_set_new(check, "state", json_string("planned"));
	json_array_insert(p->steps, 0, check);
	json_decref(check);
	json_decref(backup);
}

static json_t *
sizes_of(const json_t *stats)
{
	static const char *const keys[] = { "bytes", "free_bytes", "reclaimable_bytes" };
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_object_set(o, keys[i], json_object_get(stats, keys[i]));
	json_object_set_new(o, "disk_bytes", json_integer(stats_disk(stats)));
	json_object_set(
	    o, "journal_mode", json_object_get(json_object_get(stats, "pragmas"), "journal_mode"));
	return o;
}

static void
build(struct planning *p)
{
	bool log;

	plan_vacuum(p);
	plan_analyze(p);
	if (json_array_size(p->steps) > 0)
		add_step(p, "optimize", "SQLite's own look at its statistics");
	plan_checkpoint(p);
	log = stats_int(json_object_get(p->stats, "file"), "wal_bytes") > 0;
	if (json_array_size(p->steps) > 0 || p->cli->o.backup)
		put_first(p);
	json_object_set_new(p->plan, "expected_gain_bytes",
	    json_integer(
	        MAX(p->gain + (log ? stats_int(json_object_get(p->plan, "before"), "disk_bytes") -
	                                  stats_int(p->stats, "bytes")
	                           : 0),
	            0)));
}

bool
optimize_is_empty(const json_t *plan)
{
	return json_array_size(json_object_get(plan, "steps")) == 0;
}

int
optimize_plan(const struct cli *cli, const struct stats_target *target, const json_t *stats,
    json_t **ret, struct err *err)
{
	struct planning p = { .cli = cli, .target = target, .stats = stats, .err = err };
	int r = refuse_damage(&p);

	if (r == 0)
		r = refuse_stranger(&p);
	if (r == 0)
		r = refuse_backup(&p);
	if (r != 0)
		return r;
	p.plan = json_object();
	p.steps = json_array();
	p.left_out = json_array();
	json_object_set_new(p.plan, "database", report_string(target->name));
	json_object_set_new(p.plan, "path", report_string(target->path));
	json_object_set_new(p.plan, "dry_run", json_boolean(cli->o.dry_run));
	json_object_set_new(p.plan, "before", sizes_of(stats));
	json_object_set_new(p.plan, "after", json_null());
	json_object_set_new(p.plan, "gained_bytes", json_null());
	json_object_set_new(p.plan, "renumbered", json_array());
	json_object_set_new(p.plan, "temp_dir", json_null());
	json_object_set_new(p.plan, "steps", p.steps);
	json_object_set_new(p.plan, "left_out", p.left_out);
	build(&p);
	*ret = p.plan;
	return 0;
}
