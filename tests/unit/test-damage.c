/* What SQLite's checks say, in plain words: every kind of line, of old and new versions. */
#include "base/base.h"
#include "sqlite/damage.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static sqlite3 *
open_db(void)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(damage_register(db), 0);
	return db;
}

static char *
ask(sqlite3 *db, const char *sql, const char *param)
{
	sqlite3_stmt *st = NULL;
	char *text;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	sqlite3_bind_text(st, 1, param, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	text = xstrdup((const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	return text;
}

static const struct {
	const char *line, *kind;
	int tree, page;
	const char *words; /* what the sentence begins with */
} lines[] = {
	{ "Page 7: btreeInitPage() returns error code 11", "page-form", 0, 7,
	    "page 7 is no page of a tree any more: " },
	{ "Tree 2 page 7: btreeInitPage() returns error code 11", "page-form", 2, 7,
	    "page 7 is no page of a tree" },
	{ "On tree page 3 cell 0: btreeInitPage() returns error code 11", "page-form", 0, 3,
	    "page 3 is no page" },
	{ "Page 7: unable to get the page. error code=522", "page-read", 0, 7,
	    "page 7 cannot be read: " },
	{ "On tree page 4 cell 1: invalid page number 99", "page-gone", 0, 4,
	    "page 99 does not exist, but is pointed to: " },
	{ "On page 4 at right child: 2nd reference to page 9", "page-twice", 0, 4,
	    "page 9 is in use at two places: " },
	{ "Tree 2 page 4 right child: 2nd reference to page 9", "page-twice", 2, 4,
	    "page 9 is in use at two places: " },
	{ "On tree page 5 cell 3: Offset 65535 out of range 12..1020", "entry-outside", 0, 5,
	    "an entry of page 5 lies outside of it: " },
	{ "Tree 2 page 5 cell 3: Extends off end of page", "entry-outside", 2, 5,
	    "an entry of page 5 runs over its end: " },
	{ "Page 5: Multiple uses for byte 300 of page 5", "entry-overlap", 0, 5,
	    "entries of page 5 overlap: " },
	{ "Multiple uses for byte 300 of page 5", "entry-overlap", 0, 5,
	    "entries of page 5 overlap: " },
	{ "On tree page 5 cell 3: overflow list length is 1 but should be 4", "overflow", 0, 5,
	    "a long value of page 5 is not all there: " },
	{ "On tree page 5 cell 3: 3 of 4 pages missing from overflow list starting at 8",
	    "overflow", 0, 5, "a long value of page 5 " },
	{ "On tree page 5 cell 3: Rowid -12 out of order", "row-order", 0, 5,
	    "the row with rowid -12 stands at a wrong place: " },
	{ "row not in PRIMARY KEY order for o'd \"d", "row-order", 0, 0,
	    "rows stand out of the order of their primary key: " },
	{ "On page 4 at right child: Child page depth differs", "depth", 0, 4,
	    "branches of different depth hang below page 4: " },
	{ "Page 5: free space corruption", "free-bytes", 0, 5,
	    "the list of free bytes of page 5 is broken: " },
	{ "Page 5: Fragmentation of 0 bytes reported as 5 on page 5", "free-bytes", 0, 5,
	    "page 5 counts its free bytes wrongly: " },
	{ "Main freelist: freelist leaf count too big on page 6", "free-list", 0, 0,
	    "the list of free pages is broken at page 6: " },
	{ "Main freelist: size is 3 but should be 4", "free-list", 0, 0,
	    "the list of free pages is not as long as the header says: " },
	{ "Freelist: size is 3 but should be 4", "free-list", 0, 0,
	    "the list of free pages is not as long" },
	{ "Main freelist: invalid page number -1", "page-gone", 0, 0, "page -1 does not exist" },
	{ "Page 3: Bad ptr map entry key=8 expected=(5,3) got=(1,0)", "page-map", 0, 3,
	    "the map of pages (auto_vacuum) is wrong about page 8: " },
	{ "Failed to read ptrmap key=8", "page-map", 0, 0,
	    "the map of pages (auto_vacuum) cannot be read for page 8: " },
	{ "Pointer map page 2 is referenced", "page-map", 0, 0,
	    "page 2 of the map of pages is in use as another: " },
	{ "Page 2: pointer map referenced", "page-map", 0, 2,
	    "page 2 of the map of pages is in use" },
	{ "max rootpage (3) disagrees with header (9)", "header", 0, 0,
	    "the header names another last root page" },
	{ "incremental_vacuum enabled with a max rootpage of zero", "header", 0, 0,
	    "the header asks for incremental vacuum" },
	{ "Page 12 is never used", "page-unused", 0, 12, "page 12 belongs to nothing: " },
	{ "Page 12: never used", "page-unused", 0, 12, "page 12 belongs to nothing: " },
	{ "row 5 missing from index a b", "index-row-missing", 0, 0,
	    "row 5 (counted in the table's order) is missing from it: " },
	{ "wrong # of entries in index ta", "index-count", 0, 0,
	    "it has more or fewer entries than the table has rows" },
	{ "non-unique entry in index ta", "index-twice", 0, 0,
	    "it is unique, and keys are in it more than once: " },
	{ "row 5 values differ from index ta", "index-row-differs", 0, 0,
	    "its entry for row 5 (counted in the table's order) holds other values" },
	{ "rowid not at end-of-record for row 5 of index ta", "index-row-differs", 0, 0,
	    "its entry for row 5 (counted in the table's order) does not end" },
	{ "NULL value in t.a", "null", 0, 0, "rows hold NULL though the column is NOT NULL" },
	{ "CHECK constraint failed in t", "check", 0, 0, "rows break a CHECK constraint" },
	{ "NUMERIC value in t.a", "type", 0, 0, "rows hold numbers that are stored" },
	{ "TEXT value in t.a", "type", 0, 0, "rows hold numbers as text" },
	{ "non-INT value in t.a", "type", 0, 0, "rows hold values of another type" },
	{ "malformed inverted index for FTS5 table main.f", "words", 0, 0,
	    "the words of the full-text table disagree" },
	{ "unable to validate the inverted index for FTS5 table main.f: SQL logic error", "words",
	    0, 0, "the words of the full-text table cannot be" },
	{ "it could not go on: database disk image is malformed", "cut", 0, 0,
	    "SQLite could not look any further there: " },
	/* What nobody knows stays as it is. */
	{ "something new about page 5", "", 0, 0, "something new about page 5" },
	{ "row missing from index", "", 0, 0, "row missing from index" },
	{ "Page 99999999999999999999: never used", "page-unused", 0, -1, "page " },
	{ "", "", 0, 0, "" },
};

static void
test_every_line(void **state)
{
	sqlite3 *db = open_db();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_free_ char *place = ask(db, "SELECT damage_place(?1)", lines[i].line);
		_cleanup_free_ char *words = ask(db, "SELECT damage_words(?1, 0)", lines[i].line);
		_cleanup_free_ char *want = xasprintf("{\"kind\":\"%s\",\"tree\":%d,\"page\":%d}",
		    lines[i].kind, lines[i].tree, lines[i].page);

		if (lines[i].page >= 0)
			assert_string_equal(place, want);
		if (strncmp(words, lines[i].words, strlen(lines[i].words)) != 0)
			assert_string_equal(words, lines[i].words);
	}
	sqlite3_close(db);
}

static void
test_lines_of_one_kind_are_one_sentence(void **state)
{
	static const struct {
		const char *lines, *words;
		int index;
	} cases[] = {
		{ "[\"Page 7: btreeInitPage() returns error code 11\", \"Page 8: btreeInitPage() "
		  "returns error code 11\"]",
		    "pages 7 and 8 are no pages of a tree any more: what lies in and below is out "
		    "of reach" },
		{ "[\"row 1 missing from index i\", \"row 2 missing from index i\", \"row 3 "
		  "missing from index i\","
		  " \"row 4 missing from index i\", \"row 5 missing from index i\", \"row 6 "
		  "missing from index i\","
		  " \"row 7 missing from index i\", \"wrong # of entries in index i\"]",
		    "rows 1, 2, 3, 4, 5 and 2 more (counted in the table's order) are missing from "
		    "it: searched through"
		    " the index they are not found; it has more or fewer entries than the table "
		    "has rows for it: counts"
		    " through it are wrong, and rows are missing from it or gone from the table" },
		/* The same twice is once, and what follows from both is said once. */
		{ "[\"Page 5: free space corruption\", \"Page 5: free space corruption\", \"NULL "
		  "value in t.a\", \"NULL value in t.a\"]",
		    "the list of free bytes of page 5 is broken: the next write there may destroy "
		    "rows;"
		    " rows hold NULL though the column is NOT NULL" },
		{ "[\"Page 5: btreeInitPage() returns error code 11\", \"Page 6: unable to get the "
		  "page. error code=10\"]",
		    "page 5 is no page of a tree any more; page 6 cannot be read: what lies in and "
		    "below is out of reach" },
		{ "[\"a\", \"b\", \"c\", \"d\", \"e\"]", "a; b; c; and 2 more lines" },
		/* An index holds entries, not rows. */
		{ "[\"On tree page 4 cell 5: Extends off end of page\", \"Page 5: free space "
		  "corruption\"]",
		    "an entry of page 4 runs over its end: those rows cannot be read; the list of "
		    "free bytes of page 5 is broken: the next write there may destroy rows" },
		{ "[\"On tree page 4 cell 5: Extends off end of page\", \"Page 5: free space "
		  "corruption\"]",
		    "an entry of page 4 runs over its end: those entries cannot be read, and "
		    "searches through them fail or miss rows; the list of free bytes of page 5 is "
		    "broken: the next write there may destroy entries",
		    1 },
	};
	sqlite3 *db = open_db();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *words = ask(db,
		    cases[i].index ? "SELECT damage_words(value, 1) FROM json_each(?1)"
		                   : "SELECT damage_words(value, 0) FROM json_each(?1)",
		    cases[i].lines);

		assert_string_equal(words, cases[i].words);
	}
	sqlite3_close(db);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_line),
		cmocka_unit_test(test_lines_of_one_kind_are_one_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
