/*
 * How scattered a tree lies in its file: an aggregate that needs no more memory than one number,
 * where a window function would keep a row for each page.
 */
#include "sqlite/gaps.h"
#include "base/base.h"

#include <sqlite3.h>

struct gaps {
	sqlite3_int64 last, n;
	bool begun;
};

static void
on_step(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct gaps *g = sqlite3_aggregate_context(context, sizeof(*g));
	sqlite3_int64 now;

	(void)argc;
	if (!g || sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	now = sqlite3_value_int64(argv[0]);
	if (g->begun && (now == INT64_MIN || now - 1 != g->last))
		g->n++;
	g->last = now;
	g->begun = true;
}

static void
on_final(sqlite3_context *context)
{
	const struct gaps *g = sqlite3_aggregate_context(context, 0);

	sqlite3_result_int64(context, g ? g->n : 0);
}

int
gaps_register(sqlite3 *db)
{
	const int how = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;

	if (sqlite3_create_function_v2(
	        db, "page_gaps", 1, how, NULL, NULL, on_step, on_final, NULL) != SQLITE_OK)
		return -ENOMEM;
	return 0;
}
