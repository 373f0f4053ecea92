/*
 * bad_text(VALUE): 1 for a text that is not well-formed or has a NUL in it, 0 for every other value.
 * SQLite itself never looks.
 */
#include "base/text.h"
#include "sqlite/guard.h"

#include <sqlite3.h>

static void
on_bad_text(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const char *s, *end;
	size_t n = 1;

	(void)argc;
	if (sqlite3_value_type(argv[0]) != SQLITE_TEXT) {
		sqlite3_result_int(ctx, 0);
		return;
	}
	s = (const char *)sqlite3_value_text(argv[0]);
	if (!s) {
		sqlite3_result_error_nomem(ctx);
		return;
	}
	for (end = s + sqlite3_value_bytes(argv[0]); n > 0 && s < end; s += n)
		n = *s ? text_character(s, (size_t)(end - s)) : 0;
	sqlite3_result_int(ctx, n == 0);
}

int
badtext_register(struct sqlite3 *db)
{
	return sqlite3_create_function(db, "bad_text", 1,
	    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL, on_bad_text, NULL, NULL);
}
