/*
 * The lines of quick_check and integrity_check, of SQLite 3.7 to 3.50, told in plain words: what is
 * wrong, where, and what follows from it.  What is not known is told as SQLite says it.
 */
#include "sqlite/damage.h"
#include "base/str.h"

#include <sqlite3.h>

#define NUMBERS_SHOWN 5
#define OTHERS_SHOWN  3
#define OTHER_BYTES   200
#define WORDS_BYTES   1500
#define INDEX_SO      "those entries cannot be read, and searches through them fail or miss rows"

enum { NUMBER_NONE = -2, NUMBER_PAGE = -1 }; /* else the captured one */

/* In the order in which they are told: what loses rows comes first. */
static const struct {
	const char *kind, *pattern; /* # is a number, * the rest */
	int number;
	const char *one, *many; /* %s are the numbers; many may be NULL where nothing is counted */
	const char *so;
	bool here;            /* the number is the page of which the line speaks */
	const char *so_index; /* in an index, which holds entries and no rows; NULL: the same */
} kinds[] = {
	{ "page-form", "btreeInitPage() returns error code #", NUMBER_PAGE,
	    "page %s is no page of a tree any more", "pages %s are no pages of a tree any more",
	    "what lies in and below is out of reach" },
	{ "page-read", "unable to get the page. error code=#", NUMBER_PAGE,
	    "page %s cannot be read", "pages %s cannot be read",
	    "what lies in and below is out of reach" },
	{ "page-gone", "invalid page number #", 0, "page %s does not exist, but is pointed to",
	    "pages %s do not exist, but are pointed to", "what was there is lost" },
	{ "page-twice", "2nd reference to page #", 0, "page %s is in use at two places",
	    "pages %s are in use at two places each",
	    "each write to one place destroys the other" },
	{ "entry-outside", "Offset # out of range #..#", NUMBER_PAGE,
	    "an entry of page %s lies outside of it", "entries of pages %s lie outside of them",
	    "those rows cannot be read", .so_index = INDEX_SO },
	{ "entry-outside", "Extends off end of page", NUMBER_PAGE,
	    "an entry of page %s runs over its end", "entries of pages %s run over their ends",
	    "those rows cannot be read", .so_index = INDEX_SO },
	{ "entry-overlap", "Multiple uses for byte # of page #", 1, "entries of page %s overlap",
	    "entries of pages %s overlap", "one of them is overwritten by the other", true },
	{ "overflow", "overflow list length is # but should be #", NUMBER_PAGE,
	    "a long value of page %s is not all there", "long values of pages %s are not all there",
	    "those values cannot be read" },
	{ "overflow", "# of # pages missing from overflow list starting at #", NUMBER_PAGE,
	    "a long value of page %s is not all there", "long values of pages %s are not all there",
	    "those values cannot be read" },
	{ "row-order", "Rowid # out of order", 0, "the row with rowid %s stands at a wrong place",
	    "the rows with rowid %s stand at wrong places",
	    "searched by number they are not found" },
	{ "row-order", "row not in PRIMARY KEY order for *", NUMBER_NONE,
	    "rows stand out of the order of their primary key", NULL,
	    "searched by key they are not found" },
	{ "depth", "Child page depth differs", NUMBER_PAGE,
	    "branches of different depth hang below page %s",
	    "branches of different depth hang below pages %s", "some are not of this tree" },
	{ "free-bytes", "free space corruption", NUMBER_PAGE,
	    "the list of free bytes of page %s is broken",
	    "the lists of free bytes of pages %s are broken",
	    "the next write there may destroy rows",
	    .so_index = "the next write there may destroy entries" },
	{ "free-bytes", "Fragmentation of # bytes reported as # on page #", 2,
	    "page %s counts its free bytes wrongly", "pages %s count their free bytes wrongly",
	    "rows may be cut off there, and the next write may destroy more", true,
	    "entries may be cut off there, and the next write may destroy more" },
	{ "free-list", "freelist leaf count too big on page #", 0,
	    "the list of free pages is broken at page %s",
	    "the list of free pages is broken at pages %s", "new rows may be written over others" },
	{ "free-list", "size is # but should be #", NUMBER_NONE,
	    "the list of free pages is not as long as the header says", NULL,
	    "new rows may be written over others" },
	{ "page-map", "Bad ptr map entry key=# expected=(#,#) got=(#,#)", 0,
	    "the map of pages (auto_vacuum) is wrong about page %s",
	    "the map of pages (auto_vacuum) is wrong about pages %s",
	    "a vacuum moves pages by it, and would destroy them" },
	{ "page-map", "Failed to read ptrmap key=#", 0,
	    "the map of pages (auto_vacuum) cannot be read for page %s",
	    "the map of pages (auto_vacuum) cannot be read for pages %s",
	    "a vacuum moves pages by it, and would destroy them" },
	{ "page-map", "Pointer map page # is referenced", 0,
	    "page %s of the map of pages is in use as another",
	    "pages %s of the map of pages are in use as others",
	    "a vacuum moves pages by it, and would destroy them" },
	{ "page-map", "pointer map referenced", NUMBER_PAGE,
	    "page %s of the map of pages is in use as another",
	    "pages %s of the map of pages are in use as others",
	    "a vacuum moves pages by it, and would destroy them" },
	{ "header", "max rootpage (#) disagrees with header (#)", NUMBER_NONE,
	    "the header names another last root page than there is", NULL,
	    "a vacuum moves pages by it" },
	{ "header", "incremental_vacuum enabled with a max rootpage of zero", NUMBER_NONE,
	    "the header asks for incremental vacuum of a file that was not made for it", NULL, "" },
	{ "index-row-missing", "row # missing from index *", 0,
	    "row %s (counted in the table's order) is missing from it",
	    "rows %s (counted in the table's order) are missing from it",
	    "searched through the index they are not found" },
	{ "index-row-differs", "row # values differ from index *", 0,
	    "its entry for row %s (counted in the table's order) holds other values than the row",
	    "its entries for rows %s (counted in the table's order) hold other values than the "
	    "rows",
	    "queries that read the index alone answer wrongly" },
	{ "index-row-differs", "rowid not at end-of-record for row # of index *", 0,
	    "its entry for row %s (counted in the table's order) does not end with the row's "
	    "number",
	    "its entries for rows %s (counted in the table's order) do not end with the rows' "
	    "numbers",
	    "they lead to other rows" },
	{ "index-count", "wrong # of entries in index *", NUMBER_NONE,
	    "it has more or fewer entries than the table has rows for it", NULL,
	    "counts through it are wrong, and rows are missing from it or gone from the table" },
	{ "index-twice", "non-unique entry in index *", NUMBER_NONE,
	    "it is unique, and keys are in it more than once", NULL,
	    "there are rows that the constraint forbids" },
	{ "null", "NULL value in *", NUMBER_NONE, "rows hold NULL though the column is NOT NULL",
	    NULL, "" },
	{ "check", "CHECK constraint failed in *", NUMBER_NONE, "rows break a CHECK constraint",
	    NULL, "" },
	{ "type", "NUMERIC value in *", NUMBER_NONE,
	    "rows hold numbers that are stored as no column of TEXT stores them", NULL,
	    "comparisons and its indexes go wrong" },
	{ "type", "TEXT value in *", NUMBER_NONE,
	    "rows hold numbers as text, as no column of numbers stores them", NULL,
	    "comparisons and its indexes go wrong" },
	{ "type", "non-* value in *", NUMBER_NONE,
	    "rows hold values of another type than the column of the STRICT table has", NULL, "" },
	{ "words", "malformed inverted index for FTS# table *", NUMBER_NONE,
	    "the words of the full-text table disagree with its rows", NULL,
	    "searches miss rows or find others" },
	{ "words", "unable to validate the inverted index for FTS# table *", NUMBER_NONE,
	    "the words of the full-text table cannot be compared with its rows", NULL, "" },
	{ "page-unused", "Page # is never used", 0, "page %s belongs to nothing",
	    "pages %s belong to nothing", "what they held is lost unless they were free", true },
	{ "page-unused", "never used", NUMBER_PAGE, "page %s belongs to nothing",
	    "pages %s belong to nothing", "what they held is lost unless they were free", true },
	{ "cut", "it could not go on: *", NUMBER_NONE, "SQLite could not look any further there",
	    NULL, "there may be more" },
};

/* ---- one line ---- */

/* The text behind a pattern, or NULL; * is up to the end, or to what follows it. */
static const char *
match(const char *s, const char *pattern, int64_t numbers[static 8])
{
	size_t n = 0;

	for (const char *p = pattern; *p; p++) {
		char *end;

		/* "wrong # of entries" is SQLite's own. */
		if (*p == '#' && *s != '#') {
			if (n == 8 || !(*s == '-' || (*s >= '0' && *s <= '9')))
				return NULL;
			numbers[n++] = strtoll(s, &end, 10);
			if (end == s)
				return NULL;
			s = end;
		} else if (*p == '*') {
			s = p[1] ? strchr(s, p[1]) : s + strlen(s);
			if (!s)
				return NULL;
		} else if (*p == *s) {
			s++;
		} else {
			return NULL;
		}
	}
	return s;
}

/* Which tree and page the line begins with. */
static const char *
take_place(const char *s, struct damage *d)
{
	static const struct {
		const char *pattern;
		int tree, page;
	} places[] = {
		{ "Tree # page # cell #: ", 0, 1 },
		{ "Tree # page # right child: ", 0, 1 },
		{ "Tree # page #: ", 0, 1 },
		{ "On tree page # cell #: ", -1, 0 },
		{ "On page # at right child: ", -1, 0 },
		{ "Page #: ", -1, 0 },
		{ "Main freelist: ", -1, -1 },
		{ "Freelist: ", -1, -1 },
		{ "List of tree roots: ", -1, -1 },
	};
	int64_t n[8] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *rest = match(s, places[i].pattern, n);

		if (!rest)
			continue;
		d->tree = places[i].tree >= 0 ? n[places[i].tree] : 0;
		d->page = places[i].page >= 0 ? n[places[i].page] : 0;
		return rest;
	}
	return s;
}

static size_t
kind_of(const char *line, struct damage *d)
{
	*d = (struct damage){ .kind = "" };
	d->text = take_place(line, d);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int64_t n[8] = { 0 };
		const char *rest = match(d->text, kinds[i].pattern, n);

		if (!rest || *rest)
			continue;
		d->kind = kinds[i].kind;
		if (kinds[i].number == NUMBER_PAGE)
			d->number = d->page;
		else if (kinds[i].number >= 0)
			d->number = n[kinds[i].number];
		if (kinds[i].here && d->page == 0)
			d->page = d->number;
		return i;
	}
	return ARRAY_SIZE(kinds);
}

void
damage_parse(const char *line, struct damage *ret)
{
	(void)kind_of(line, ret);
}

bool
damage_is_of_file(const char *line)
{
	struct damage d;

	damage_parse(line, &d);
	return !streq(line, "ok") && !streq(d.kind, "null") && !streq(d.kind, "check") &&
	       !streq(d.kind, "type");
}

bool
damage_says_corrupt(const char *text)
{
	return strstr(text, sqlite3_errstr(SQLITE_CORRUPT)) != NULL;
}

/* Asked for a page of a number that no file has, SQLite says that it is full: so it does when the sorter
 * finds no room. */
bool
damage_says_full(const char *text)
{
	return strstr(text, sqlite3_errstr(SQLITE_FULL)) != NULL;
}

/* ---- all lines of one object ---- */

struct told {
	bool index;
	size_t n[ARRAY_SIZE(kinds)];
	int64_t numbers[ARRAY_SIZE(kinds)][NUMBERS_SHOWN];
	size_t shown[ARRAY_SIZE(kinds)];
	char *others[OTHERS_SHOWN];
	size_t nothers;
};

static void
note_number(struct told *t, size_t kind, int64_t number)
{
	for (size_t i = 0; i < t->shown[kind]; i++)
		if (t->numbers[kind][i] == number)
			return;
	t->n[kind]++;
	if (t->shown[kind] < NUMBERS_SHOWN)
		t->numbers[kind][t->shown[kind]++] = number;
}

static void
add_line(struct told *t, const char *line)
{
	struct damage d;
	size_t kind = kind_of(line, &d);

	if (kind < ARRAY_SIZE(kinds) && kinds[kind].number == NUMBER_NONE) {
		t->n[kind]++;
	} else if (kind < ARRAY_SIZE(kinds)) {
		note_number(t, kind, d.number);
	} else {
		if (t->nothers < OTHERS_SHOWN)
			t->others[t->nothers] = xstrndup(line, OTHER_BYTES);
		t->nothers++;
	}
}

static void
add_numbers(struct str *out, const struct told *t, size_t kind, const char *format)
{
	const char *at = strstr(format, "%s");

	str_addf(out, "%.*s", (int)(at - format), format);
	for (size_t i = 0; i < t->shown[kind]; i++)
		str_addf(out, "%s%lld",
		    i == 0                                                  ? ""
		    : i + 1 < t->shown[kind] || t->n[kind] > t->shown[kind] ? ", "
		                                                            : " and ",
		    (long long)t->numbers[kind][i]);
	if (t->n[kind] > t->shown[kind])
		str_addf(out, " and %zu more", t->n[kind] - t->shown[kind]);
	str_add(out, at + 2);
}

static const char *
so_of(const struct told *t, size_t kind)
{
	return t->index && kinds[kind].so_index ? kinds[kind].so_index : kinds[kind].so;
}

static void
add_kind(struct str *out, const struct told *t, size_t kind, bool last_so)
{
	if (out->len > 0)
		str_add(out, "; ");
	if (kinds[kind].number == NUMBER_NONE)
		str_add(out, kinds[kind].one);
	else
		add_numbers(out, t, kind, t->n[kind] > 1 ? kinds[kind].many : kinds[kind].one);
	if (*so_of(t, kind) && last_so)
		str_addf(out, ": %s", so_of(t, kind));
}

/* What follows is said once of kinds of which the same follows. */
static bool
says_so(const struct told *t, size_t kind)
{
	for (size_t i = kind + 1; i < ARRAY_SIZE(kinds); i++)
		if (t->n[i] > 0)
			return !streq(so_of(t, i), so_of(t, kind));
	return true;
}

static void
on_step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	struct told **t = sqlite3_aggregate_context(ctx, sizeof(*t));
	const char *line = (const char *)sqlite3_value_text(argv[0]);

	(void)argc;
	if (!t || !line)
		return;
	if (!*t)
		*t = xcalloc(1, sizeof(**t));
	(*t)->index = sqlite3_value_int(argv[1]) != 0;
	add_line(*t, line);
}

static void
on_final(sqlite3_context *ctx)
{
	struct told **t = sqlite3_aggregate_context(ctx, 0);
	_cleanup_str_ struct str out = { 0 };

	if (!t || !*t)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if ((*t)->n[i] > 0 && out.len < WORDS_BYTES)
			add_kind(&out, *t, i, says_so(*t, i));
	for (size_t i = 0; i < MIN((*t)->nothers, (size_t)OTHERS_SHOWN); i++) {
		str_addf(&out, "%s%s", out.len > 0 ? "; " : "", (*t)->others[i]);
		free((*t)->others[i]);
	}
	if ((*t)->nothers > OTHERS_SHOWN)
		str_addf(&out, "; and %zu more lines", (*t)->nothers - OTHERS_SHOWN);
	free(*t);
	*t = NULL;
	sqlite3_result_text(ctx, str_text(&out), -1, SQLITE_TRANSIENT);
}

static void
on_place(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const char *line = (const char *)sqlite3_value_text(argv[0]);
	_cleanup_free_ char *text = NULL;
	struct damage d;

	(void)argc;
	if (!line)
		return;
	damage_parse(line, &d);
	text = xasprintf("{\"kind\":\"%s\",\"tree\":%lld,\"page\":%lld}", d.kind, (long long)d.tree,
	    (long long)d.page);
	sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

int
damage_register(sqlite3 *db)
{
	const int how = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
	int r = sqlite3_create_function(db, "damage_place", 1, how, NULL, on_place, NULL, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_create_function(
		    db, "damage_words", 2, how, NULL, NULL, on_step, on_final);
	return r == SQLITE_OK ? 0 : -ENOMEM;
}
