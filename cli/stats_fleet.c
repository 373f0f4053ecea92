/*
 * What fills each file of a fleet: one after the other, the largest first, for as long as the budget
 * lasts.  What was not reached is a row too, with what the file system knows of it.
 */
#include "base/clock.h"
#include "base/str.h"
#include "cli/stats.h"
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

#define LEAST_US   (100 * USEC_PER_MSEC)
#define SHARE_FILE 4 /* of what is left of the budget, at most a quarter for one file */

static const char *const sums[] = { "bytes", "table_bytes", "index_bytes", "free_bytes",
	"reclaimable_bytes" };

struct sized {
	const struct stats_target *target;
	int64_t disk_bytes;
};

static int64_t
size_on_disk(const char *path)
{
	_cleanup_free_ char *wal = xasprintf("%s-wal", path);
	struct stat st;
	int64_t n = 0;

	if (lstat(path, &st) == 0)
		n += st.st_size;
	if (lstat(wal, &st) == 0)
		n += st.st_size;
	return n;
}

static int
by_size(const void *a, const void *b)
{
	const struct sized *x = a, *y = b;

	if (x->disk_bytes != y->disk_bytes)
		return x->disk_bytes > y->disk_bytes ? -1 : 1;
	return strcmp(x->target->name, y->target->name);
}

static struct sized *
largest_first(const struct stats_targets *t)
{
	struct sized *v = xcalloc(t->n + 1, sizeof(*v));

	for (size_t i = 0; i < t->n; i++)
		v[i] = (struct sized){ &t->v[i], size_on_disk(t->v[i].path) };
	qsort(v, t->n, sizeof(*v), by_size);
	return v;
}

/* ---- one file ---- */

static void
put_figures(json_t *row, const json_t *stats)
{
	struct stats_count c = stats_counted(stats);

	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		json_object_set(row, sums[i], json_object_get(stats, sums[i]));
	json_object_set_new(row, "disk_bytes", json_integer(stats_disk(stats)));
	json_object_set_new(row, "tables", json_integer(c.tables));
	json_object_set_new(row, "indexes", json_integer(c.indexes));
	json_object_set_new(row, "rows", json_integer(c.rows));
	json_object_set_new(row, "rows_estimated", json_boolean(c.estimated));
}

static void
put_unknown(json_t *row, int64_t disk_bytes)
{
	static const char *const others[] = { "tables", "indexes", "rows" };

	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		json_object_set_new(row, sums[i], json_null());
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		json_object_set_new(row, others[i], json_null());
	json_object_set_new(row, "disk_bytes", json_integer(disk_bytes));
	json_object_set_new(row, "rows_estimated", json_false());
}

/* The first of what is wrong, and how much more. */
static char *
reason_of(const json_t *array, const char *key)
{
	const json_t *first = json_array_get(array, 0);
	size_t more = json_array_size(array) - 1;
	struct str out = { 0 };

	str_addf(&out, "%s: %s", stats_get(first, "object"), stats_get(first, key));
	if (more > 0)
		str_addf(&out, ", and %zu more", more);
	return str_take(&out);
}

static json_t *
look_at(const struct sized *f, int64_t budget_us)
{
	json_t *row = json_object(), *stats = NULL, *damaged, *missed;
	_cleanup_free_ char *why = NULL;
	const char *state = "unread";
	struct err e = { 0 };

	json_object_set_new(row, "database", report_string(f->target->name));
	json_object_set_new(row, "path", report_string(f->target->path));
	if (budget_us <= 0) {
		why = xstrdup("not reached in time");
	} else if (stats_sqlite(f->target, MAX(budget_us, LEAST_US), &stats, &e) != 0) {
		why = xstrdup(*e.msg ? e.msg : "it cannot be read");
	} else {
		damaged = json_object_get(stats, "damaged");
		missed = json_object_get(stats, "not_measured");
		state = json_array_size(damaged) > 0  ? "damaged"
		        : json_array_size(missed) > 0 ? "partly"
		                                      : "measured";
		if (json_array_size(damaged) > 0)
			why = reason_of(damaged, "what");
		else if (json_array_size(missed) > 0)
			why = reason_of(missed, "reason");
	}
	if (stats)
		put_figures(row, stats);
	else
		put_unknown(row, f->disk_bytes);
	json_object_set_new(row, "state", json_string(state));
	json_object_set_new(row, "reason", report_string(why ? why : ""));
	json_decref(stats);
	return row;
}

/* ---- all of them ---- */

static int
worst_first(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	bool m = streq(stats_get(x, "state"), "damaged"),
	     n = streq(stats_get(y, "state"), "damaged");
	int64_t p = stats_int(x, "disk_bytes"), q = stats_int(y, "disk_bytes");

	if (m != n)
		return m ? -1 : 1;
	return p > q ? -1 : p < q ? 1 : strcmp(stats_get(x, "database"), stats_get(y, "database"));
}

static json_t *
sorted(json_t **rows, size_t n)
{
	json_t *out = json_array();

	qsort(rows, n, sizeof(*rows), worst_first);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, rows[i]);
	return out;
}

static void
sum_up(json_t *fleet, const json_t *rows)
{
	static const char *const keys[] = { "bytes", "table_bytes", "index_bytes", "free_bytes",
		"reclaimable_bytes", "disk_bytes", "tables", "indexes", "rows" };
	json_t *totals = json_object(), *row;
	int64_t measured = 0, damaged = 0;
	bool estimated = false;
	size_t i;

	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		int64_t sum = 0;

		json_array_foreach (rows, i, row)
			sum += stats_int(row, keys[k]);
		json_object_set_new(totals, keys[k], json_integer(sum));
	}
	json_array_foreach (rows, i, row) {
		measured += streq(stats_get(row, "state"), "measured");
		damaged += streq(stats_get(row, "state"), "damaged");
		estimated = estimated || json_is_null(json_object_get(row, "rows")) ||
		            json_is_true(json_object_get(row, "rows_estimated"));
	}
	json_object_set_new(totals, "rows_estimated", json_boolean(estimated));
	json_object_set_new(fleet, "measured", json_integer(measured));
	json_object_set_new(fleet, "damaged", json_integer(damaged));
	json_object_set_new(fleet, "totals", totals);
}

json_t *
stats_fleet(const struct cli *cli, const struct stats_targets *t)
{
	int64_t start = clock_now_us(), until = start + cli->o.budget_us;
	json_t *fleet = json_object(), **rows = xcalloc(t->n + 1, sizeof(*rows)), *all;
	_cleanup_free_ struct sized *v = largest_first(t);

	json_object_set_new(fleet, "fleet", report_string(t->name));
	json_object_set_new(fleet, "engine", json_string("sqlite"));
	json_object_set_new(fleet, "pattern", report_string(t->pattern));
	json_object_set_new(fleet, "looked_at", report_time(clock_wall_us()));
	json_object_set_new(fleet, "left_out", report_string(t->note));
	json_object_set_new(fleet, "files", json_integer((json_int_t)t->n));
	for (size_t i = 0; i < t->n; i++) {
		int64_t left = until - clock_now_us();

		rows[i] = look_at(&v[i], i + 1 == t->n ? left : left / SHARE_FILE);
	}
	all = sorted(rows, t->n);
	free(rows);
	sum_up(fleet, all);
	json_object_set_new(fleet, "databases", all);
	json_object_set_new(fleet, "duration_ms",
	    report_number(round((double)(clock_now_us() - start) / 100) / 10, UNIT_COUNT));
	return fleet;
}
