/*
 * SQLite: its statements are short and few kinds hurt, so words are enough; whether a statement is
 * SQL at all, SQLite itself says.
 */
#include "base/str.h"
#include "migrate/lint_impl.h"
#include "migrate/sql_scan.h"
#include <ctype.h>
#include <sqlite3.h>

#define WORDS_MAX 512
#define WORD_MAX  128
#define TEXT_MAX  ((size_t)64 << 10)

struct word {
	char text[WORD_MAX]; /* upper case unless quoted */
	char raw[WORD_MAX];  /* as it is written, without quotes */
	bool quoted, sign;   /* sign: one of ( ) , = */
};
struct statement {
	struct word v[WORDS_MAX]; /* the first so many */
	size_t n, begin, end;     /* of the section's text */
	int line, last_line;
};
/* One section. */
struct walk {
	const struct migrate_section *section;
	const struct lint_context *context;
	struct lint *lint;
	struct map *own, *renamed, *filled; /* tables made, given a new name, copied from */
	struct map *anew;                   /* tables made anew in steps */
	sqlite3 *empty;                     /* in memory: for the grammar alone */
	struct statement *st;
	bool keys_off, keys_checked;
};

/* ---- statements ---- */

static void
add_word(struct statement *st, const char *s, size_t len, enum sql_token token)
{
	struct word *w;

	/* Behind the cap the last word stays known: it ends a trigger. */
	if (st->n == WORDS_MAX)
		st->n--;
	w = &st->v[st->n++];
	*w = (struct word){ .quoted = token == SQL_NAME || token == SQL_STRING,
		.sign = token == SQL_SIGN };
	if (w->quoted && len >= 2) {
		s++;
		len -= 2;
	}
	len = MIN(len, WORD_MAX - 1);
	memcpy(w->raw, s, len);
	for (size_t i = 0; i < len; i++)
		w->text[i] = w->quoted ? s[i] : (char)toupper((unsigned char)s[i]);
}

static bool
is_trigger(const struct statement *st)
{
	for (size_t i = 1; i < st->n && i < 4; i++)
		if (streq(st->v[i].text, "TRIGGER") && streq(st->v[0].text, "CREATE"))
			return true;
	return false;
}

/* A trigger's body holds `;`; it ends at END, but not at that of a CASE. */
static bool
next_statement(struct sql_scan *s, struct statement *st)
{
	enum sql_token token;
	int cases = 0;

	st->n = 0;
	while ((token = sql_next_word(s)) != SQL_END) {
		const char *text = s->text + s->begin;

		if (st->n == 0) {
			if (*text == ';')
				continue;
			st->line = s->line;
			st->begin = s->begin;
		}
		if (*text == ';' && token == SQL_SIGN) {
			const struct word *last = &st->v[st->n - 1];

			if (!is_trigger(st) ||
			    (streq(last->text, "END") && !last->quoted && cases <= 0)) {
				st->end = s->begin;
				st->last_line = s->line;
				return true;
			}
			continue;
		}
		if (token == SQL_WORD && sql_is(s, "CASE"))
			cases++;
		else if (token == SQL_WORD && sql_is(s, "END") && cases > 0)
			cases--, token = SQL_STRING;
		if (token != SQL_SIGN || strchr("(),=", *text))
			add_word(st, text, s->at - s->begin, token);
	}
	st->end = s->at;
	st->last_line = s->next_line;
	return st->n > 0;
}

static bool
is_at(const struct statement *st, size_t i, const char *word)
{
	return i < st->n && !st->v[i].quoted && streq(st->v[i].text, word);
}

/* Whether it begins with these words. */
static bool
begins(const struct statement *st, const char *words)
{
	char one[WORD_MAX];
	size_t i = 0;

	for (const char *p = words; *p; i++) {
		size_t len = strcspn(p, " ");

		memcpy(one, p, len);
		one[len] = '\0';
		if (!is_at(st, i, one))
			return false;
		p += len + (p[len] == ' ');
	}
	return true;
}

static size_t
find(const struct statement *st, const char *word)
{
	for (size_t i = 0; i < st->n; i++)
		if (is_at(st, i, word))
			return i;
	return SIZE_MAX;
}

static bool
has(const struct statement *st, const char *word)
{
	return find(st, word) != SIZE_MAX;
}

/* The word behind these, as a name: [IF [NOT] EXISTS] [schema.]name; "" when there is none. */
static const char *
name_behind(const struct statement *st, size_t i)
{
	while (is_at(st, i, "IF") || is_at(st, i, "NOT") || is_at(st, i, "EXISTS"))
		i++;
	return i < st->n ? st->v[i].raw : "";
}

static char *
quote(const char *name)
{
	bool plain = isalpha((unsigned char)*name) || *name == '_';
	struct str s = { 0 };

	for (const char *p = name; *p; p++)
		plain &= isalnum((unsigned char)*p) || *p == '_';
	if (plain && !sqlite3_keyword_check(name, (int)strlen(name)))
		return xstrdup(name);
	str_addc(&s, '"');
	for (const char *p = name; *p; p++)
		str_addf(&s, "%s%c", *p == '"' ? "\"" : "", *p);
	str_addc(&s, '"');
	return str_take(&s);
}

/* Names of tables are the same in any case. */
static char *
folded(const char *name)
{
	char *s = xstrdup(name);

	for (char *p = s; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return s;
}

static void
see(struct map *m, const char *name)
{
	_cleanup_free_ char *key = folded(name);

	map_put(m, key, m);
}

static bool
seen(const struct map *m, const char *name)
{
	_cleanup_free_ char *key = folded(name);

	return map_get(m, key) != NULL;
}

static struct lint_note *
note(struct walk *w, const char *rule, enum severity severity, const char *object,
    char *take_message, const char *remedy, char *take_sql)
{
	struct lint_note *n =
	    lint_add(w->lint, rule, severity, w->st->line, object, take_message, remedy, take_sql);

	n->last_line = w->st->last_line;
	return n;
}

static char *
users(const struct walk *w, const char *name, const char *column)
{
	_cleanup_free_ char *who =
	    w->context->users_of ? w->context->users_of("", name, column, w->context->arg) : NULL;

	return who ? xasprintf("; it is used: %s", who) : xstrdup("");
}

static bool
is_small(const struct walk *w, const char *table)
{
	double rows = w->context->rows_of ? w->context->rows_of("", table, w->context->arg) : -1;

	return seen(w->own, table) || (rows >= 0 && rows < LINT_SMALL_ROWS);
}

static void
destroys(struct walk *w, struct lint_note *n)
{
	n->destructive = true;
	w->lint->destructive = true;
}

/* ---- what the words alone say ---- */

static const struct sqlite_rule {
	const char *begins, *with, *without; /* words; with and without may be NULL */
	const char *rule;
	enum severity severity;
	bool transaction_only;
	const char *message, *remedy;
} rules[] = {
	{ "VACUUM", NULL, NULL, "vacuum-in-transaction", SEVERITY_CRITICAL, true,
	    "VACUUM fails inside a transaction", "-- migrate:up transaction:false" },
	{ "PRAGMA JOURNAL_MODE", NULL, NULL, "pragma-in-transaction", SEVERITY_CRITICAL, true,
	    "journal_mode cannot be changed inside a transaction",
	    "-- migrate:up transaction:false" },
	{ "PRAGMA FOREIGN_KEYS", NULL, NULL, "pragma-in-transaction", SEVERITY_CRITICAL, true,
	    "PRAGMA foreign_keys does nothing inside a transaction: keys stay as they are, and "
	    "DROP "
	    "TABLE of a table that is made anew deletes the rows that name it",
	    "-- migrate:up transaction:false, with BEGIN and COMMIT of its own behind the pragma, "
	    "and PRAGMA foreign_key_check before COMMIT." },
	{ "PRAGMA SYNCHRONOUS", "OFF", NULL, "durability-off", SEVERITY_CRITICAL, false,
	    "with synchronous = OFF a power cut during the migration can destroy the file",
	    "Leave it out; one transaction around the statements makes them as fast." },
	{ "PRAGMA JOURNAL_MODE", "OFF", NULL, "durability-off", SEVERITY_CRITICAL, false,
	    "without a journal a crash during the migration destroys the file, and ROLLBACK does "
	    "not work",
	    "Leave it out." },
	{ "PRAGMA JOURNAL_MODE", "MEMORY", NULL, "durability-off", SEVERITY_CRITICAL, false,
	    "with the journal in memory a crash during the migration destroys the file",
	    "Leave it out." },
	{ "PRAGMA WRITABLE_SCHEMA", NULL, NULL, "writable-schema", SEVERITY_CRITICAL, false,
	    "writing the schema by hand can make the file unreadable",
	    "Make the table anew in the 12 steps of sqlite.org/lang_altertable.html." },
	{ "PRAGMA LEGACY_ALTER_TABLE", NULL, NULL, "legacy-alter-table", SEVERITY_WARNING, false,
	    "with legacy_alter_table, triggers and views that name a table are not changed when it "
	    "is renamed, and fail later",
	    "Leave it out; make the new table first, drop the old, then rename." },
	{ "ATTACH", NULL, NULL, "attach", SEVERITY_WARNING, false,
	    "in WAL mode a transaction over two files is not one when the power fails",
	    "A migration changes its own file alone." },
	{ "BEGIN", NULL, NULL, "transaction-inside", SEVERITY_CRITICAL, true,
	    "BEGIN inside a transaction fails", "Leave it out, or say transaction:false." },
	{ "COMMIT", NULL, NULL, "transaction-inside", SEVERITY_CRITICAL, true,
	    "COMMIT ends the transaction that this migration runs in: what comes after is no part "
	    "of it",
	    "Leave it out, or say transaction:false." },
	{ "END", NULL, NULL, "transaction-inside", SEVERITY_CRITICAL, true,
	    "END ends the transaction that this migration runs in: what comes after is no part of "
	    "it",
	    "Leave it out, or say transaction:false." },
	{ "ROLLBACK", NULL, NULL, "transaction-inside", SEVERITY_CRITICAL, true,
	    "ROLLBACK undoes the transaction that this migration runs in",
	    "Leave it out, or say transaction:false." },
	{ "REPLACE", NULL, NULL, "replace-deletes", SEVERITY_WARNING, false,
	    "REPLACE deletes the row that is in its way: columns it does not name are lost, ON "
	    "DELETE of foreign keys happens",
	    "INSERT ... ON CONFLICT (key) DO UPDATE SET ..." },
	{ "INSERT OR REPLACE", NULL, NULL, "replace-deletes", SEVERITY_WARNING, false,
	    "OR REPLACE deletes the row that is in its way: columns it does not name are lost, ON "
	    "DELETE of foreign keys happens",
	    "INSERT ... ON CONFLICT (key) DO UPDATE SET ..." },
};

static void
look_at_words(struct walk *w)
{
	const struct statement *st = w->st;

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct sqlite_rule *r = &rules[i];

		if (begins(st, r->begins) && (!r->with || has(st, r->with)) &&
		    (!r->without || !has(st, r->without)) &&
		    (!r->transaction_only || w->section->transaction))
			note(w, r->rule, r->severity, "", xstrdup(r->message), r->remedy, NULL);
	}
	if (begins(st, "PRAGMA FOREIGN_KEYS") && !w->section->transaction &&
	    (has(st, "OFF") || has(st, "0") || has(st, "FALSE") || has(st, "NO")))
		w->keys_off = true;
	w->keys_checked |= begins(st, "PRAGMA FOREIGN_KEY_CHECK");
}

/* ---- tables ---- */

static void
look_at_type(struct walk *w, const char *column, const char *type)
{
	const char *gets = NULL;

	if (streq(type, "STRING"))
		gets = "NUMERIC: '007' is stored as 7; write TEXT";
	else if (strstr(type, "POINT") || streq(type, "INTERVAL"))
		gets = "INTEGER, because its name holds INT; write REAL or TEXT";
	if (gets)
		note(w, "type-name", SEVERITY_WARNING, column,
		    xasprintf("the type %s of %s gives its values the affinity %.*s", type, column,
		        (int)strcspn(gets, ":,"), gets),
		    strchr(gets, ';') + 2, NULL);
}

static void
create_table(struct walk *w, size_t at)
{
	const struct statement *st = w->st;
	const char *name = name_behind(st, at);
	bool at_column = false;

	see(w->own, name);
	if (seen(w->renamed, name))
		note(w, "rebuild-order", SEVERITY_CRITICAL, name,
		    xasprintf(
		        "%s was renamed before it is made anew: foreign keys, triggers and views "
		        "of other tables now lead to the renamed one",
		        name),
		    "Make the new table under another name, copy, drop the old one, rename the new "
		    "one last.",
		    NULL);
	for (size_t i = at; i + 1 < st->n; i++) {
		if (at_column && !st->v[i].sign && !st->v[i + 1].sign && !st->v[i + 1].quoted) {
			look_at_type(w, st->v[i].raw, st->v[i + 1].text);
			if (is_at(st, i + 1, "INT") && is_at(st, i + 2, "PRIMARY") &&
			    !has(st, "WITHOUT"))
				note(w, "type-name", SEVERITY_WARNING, st->v[i].raw,
				    xasprintf("INT PRIMARY KEY of %s is not the row's own number: "
				              "it costs "
				              "an index of its own and takes NULLs",
				        name),
				    "Write INTEGER PRIMARY KEY.", NULL);
		}
		at_column = is_at(st, i, "(") || is_at(st, i, ",");
	}
}

/* Tables whose name another that is made here gets in the end: they are made anew. */
static void
find_made_anew(struct walk *w)
{
	struct sql_scan s = sql_scan(ENGINE_SQLITE, w->section->sql, w->section->line);
	struct map *made = map_new();
	const struct statement *st = w->st;

	while (next_statement(&s, w->st)) {
		if (begins(st, "CREATE TABLE"))
			see(made, name_behind(st, 2));
		else if (begins(st, "ALTER TABLE") && is_at(st, 3, "RENAME") &&
		         is_at(st, 4, "TO") && st->n > 5 && seen(made, st->v[2].raw))
			see(w->anew, st->v[5].raw);
	}
	map_free(made, NULL);
}

static void
drop_table(struct walk *w)
{
	const char *name = name_behind(w->st, 2);
	_cleanup_free_ char *who = NULL;

	if (seen(w->own, name))
		return;
	if (!seen(w->anew, name)) {
		who = users(w, name, NULL);
		destroys(w,
		    note(w, "object-dropped", SEVERITY_CRITICAL, name,
		        xasprintf("%s goes with all its rows; where foreign keys are on, rows that "
		                  "name them go too or it fails%s",
		            name, who),
		        "Two releases: first programs that do not name it any more; rename it, and "
		        "drop it when nobody missed it, after a backup.",
		        NULL));
		return;
	}
	if (!seen(w->filled, name))
		destroys(
		    w, note(w, "rebuild-without-copy", SEVERITY_CRITICAL, name,
		           xasprintf(
		               "%s is made anew, but nothing copies its rows before it is dropped",
		               name),
		           "INSERT INTO the new table SELECT from the old one, before the DROP.",
		           NULL));
	if (!w->keys_off)
		note(w, "rebuild-with-keys-on", SEVERITY_WARNING, name,
		    xasprintf(
		        "where the connection has foreign_keys on, dropping %s deletes the rows "
		        "that name it (ON DELETE CASCADE) or fails",
		        name),
		    "With transaction:false, and around the steps:",
		    xstrdup("PRAGMA foreign_keys = OFF;\nBEGIN;\n-- the steps\nPRAGMA "
		            "foreign_key_check;\nCOMMIT;\nPRAGMA foreign_keys = ON;"));
	who = users(w, name, NULL);
	if (*who)
		note(w, "rebuild-loses", SEVERITY_WARNING, name,
		    xasprintf("indexes and triggers of %s go with it%s", name, who),
		    "Make each of them again for the new table, in the same file.", NULL);
}

/* ---- ALTER TABLE ---- */

static void
add_column(struct walk *w, const char *table)
{
	const struct statement *st = w->st;
	size_t at = find(st, "ADD") + 1, value = find(st, "DEFAULT");
	bool computed = false, keys = has(st, "REFERENCES");
	const char *column;

	at += is_at(st, at, "COLUMN");
	column = at < st->n ? st->v[at].raw : "";
	if (is_at(st, at, "CONSTRAINT") || is_at(st, at, "CHECK") || is_at(st, at, "FOREIGN") ||
	    is_at(st, at, "UNIQUE") || is_at(st, at, "PRIMARY")) {
		note(w, "not-sqlite", SEVERITY_CRITICAL, table,
		    xstrdup("SQLite's ALTER TABLE cannot add a constraint"),
		    "Make the table anew in the 12 steps of sqlite.org/lang_altertable.html; a "
		    "UNIQUE "
		    "one is CREATE UNIQUE INDEX.",
		    NULL);
		return;
	}
	if (at + 1 < st->n)
		look_at_type(w, column, st->v[at + 1].text);
	if (value != SIZE_MAX)
		computed = is_at(st, value + 1, "(") || is_at(st, value + 1, "CURRENT_TIMESTAMP") ||
		           is_at(st, value + 1, "CURRENT_DATE") ||
		           is_at(st, value + 1, "CURRENT_TIME");
	if (has(st, "NOT") && has(st, "NULL") && value == SIZE_MAX && !has(st, "AS"))
		note(w, "not-null-without-default", SEVERITY_CRITICAL, column,
		    xstrdup("a NOT NULL column without a default cannot be added"),
		    "Give it a constant default that is not NULL.", NULL);
	if (has(st, "PRIMARY") || has(st, "UNIQUE")) {
		_cleanup_free_ char *t = quote(table), *c = quote(column);

		note(w, "unique-added", SEVERITY_CRITICAL, column,
		    xstrdup("ADD COLUMN cannot make a PRIMARY KEY or UNIQUE column"),
		    "Add the column alone, then its index.",
		    has(st, "UNIQUE") ? xasprintf("CREATE UNIQUE INDEX %s_%s_key ON %s (%s);",
		                            str_is_name(table) ? table : "t",
		                            str_is_name(column) ? column : "c", t, c)
		                      : NULL);
	}
	if (computed)
		note(w, "default-not-constant", SEVERITY_CRITICAL, column,
		    xstrdup(
		        "ADD COLUMN fails with a default that is no constant when a row is there"),
		    "Add it without a default and fill it; make the table anew if the default must "
		    "stay.",
		    NULL);
	if (keys && value != SIZE_MAX && !is_at(st, value + 1, "NULL"))
		note(w, "reference-with-default", SEVERITY_CRITICAL, column,
		    xstrdup(
		        "where foreign keys are on, ADD COLUMN ... REFERENCES fails with a default "
		        "that is not NULL"),
		    "Add it with default NULL, then fill it.", NULL);
	if (has(st, "STORED"))
		note(w, "generated-stored", SEVERITY_CRITICAL, column,
		    xstrdup("ADD COLUMN cannot make a STORED generated column"),
		    "A VIRTUAL one can be added, and indexed.", NULL);
}

static void
rename_it(struct walk *w, const char *table)
{
	const struct statement *st = w->st;
	bool whole = is_at(st, 4, "TO");
	const char *column =
	    whole ? NULL : st->v[MIN(4 + (size_t)is_at(st, 4, "COLUMN"), st->n - 1)].raw;
	_cleanup_free_ char *who = users(w, table, column);

	if (whole)
		see(w->renamed, table);
	if (seen(w->own, table))
		return;
	note(w, "object-renamed", SEVERITY_CRITICAL, table,
	    xasprintf("programs that use the old name of %s%s%s fail from this moment on%s", table,
	        column ? "." : "", column ? column : "", who),
	    "Leave a view of the old name beside it until all programs know the new one.", NULL);
}

static void
drop_column(struct walk *w, const char *table)
{
	const struct statement *st = w->st;
	size_t at = 4 + (size_t)is_at(st, 4, "COLUMN");
	const char *column = at < st->n ? st->v[at].raw : "";
	_cleanup_free_ char *who = users(w, table, column);
	int version = w->context->server_version;

	if (version > 0 && version < 3035000)
		note(w, "not-sqlite", SEVERITY_CRITICAL, table,
		    xstrdup("DROP COLUMN is not known before SQLite 3.35"),
		    "Make the table anew in the 12 steps of sqlite.org/lang_altertable.html.",
		    NULL);
	destroys(w,
	    note(w, "column-dropped", SEVERITY_CRITICAL, column,
	        xasprintf("%s.%s goes with all its values; every row is written anew while nobody "
	                  "else writes, and it fails while an index, a view, a trigger or a CHECK "
	                  "names it%s",
	            table, column, who),
	        "Two releases: first programs that do not name it any more, then the drop, after a "
	        "backup.",
	        NULL));
}

static void
alter_table(struct walk *w)
{
	const struct statement *st = w->st;
	const char *table = st->n > 2 ? st->v[2].raw : "";

	if (is_at(st, 3, "ADD")) {
		add_column(w, table);
	} else if (is_at(st, 3, "RENAME") && st->n > 5) {
		rename_it(w, table);
	} else if (is_at(st, 3, "DROP") && !is_at(st, 4, "CONSTRAINT")) {
		if (!seen(w->own, table))
			drop_column(w, table);
	} else if (st->n > 3) {
		note(w, "not-sqlite", SEVERITY_CRITICAL, table,
		    xasprintf("SQLite's ALTER TABLE has no %s %s", st->v[3].text,
		        st->n > 4 ? st->v[4].text : ""),
		    "Make the table anew in the 12 steps of sqlite.org/lang_altertable.html.",
		    NULL);
	}
}

/* ---- data ---- */

static void
change_data(struct walk *w)
{
	const struct statement *st = w->st;
	bool deletes = begins(st, "DELETE FROM");
	size_t at = deletes ? 2 : 1;
	const char *table;

	if (begins(st, "UPDATE OR"))
		at += 2;
	table = at < st->n ? st->v[at].raw : "";
	if (has(st, "WHERE") || seen(w->own, table))
		return;
	if (deletes)
		destroys(w, note(w, "table-emptied", SEVERITY_CRITICAL, table,
		                xasprintf("DELETE without WHERE: all rows of %s go", table),
		                "Say which rows; a backup before.", NULL));
	else if (!is_small(w, table))
		destroys(
		    w, note(w, "update-all-rows", SEVERITY_WARNING, table,
		           xasprintf("UPDATE without WHERE writes all rows of %s while nobody else "
		                     "writes to the file, and the old values are gone",
		               table),
		           "Say which rows; in parts of some thousand, each its own transaction.",
		           NULL));
}

/* INSERT INTO new SELECT ... FROM old */
static void
remember_copy(struct walk *w)
{
	const struct statement *st = w->st;

	if (!has(st, "SELECT"))
		return;
	for (size_t i = find(st, "SELECT"); i + 1 < st->n; i++)
		if (is_at(st, i, "FROM") || is_at(st, i, "JOIN"))
			see(w->filled, st->v[i + 1].raw);
}

static void
create_index(struct walk *w)
{
	size_t at = find(w->st, "ON");
	const char *table = at != SIZE_MAX && at + 1 < w->st->n ? w->st->v[at + 1].raw : "";

	if (*table && !is_small(w, table))
		note(w, "index-build", SEVERITY_INFO, table,
		    xasprintf("nobody writes to the file while the index of %s is built", table),
		    "There is no other way; by night where the table is large, and programs with a "
		    "busy_timeout.",
		    NULL);
}

/* ---- the section ---- */

static void
check_grammar(struct walk *w)
{
	_cleanup_free_ char *text =
	    xstrndup(w->section->sql + w->st->begin, w->st->end - w->st->begin);
	sqlite3_stmt *stmt = NULL;

	if (strlen(text) > TEXT_MAX || begins(w->st, "PRAGMA") || begins(w->st, "ATTACH"))
		return;
	if (sqlite3_prepare_v2(w->empty, text, -1, &stmt, NULL) != SQLITE_OK) {
		const char *why = sqlite3_errmsg(w->empty);

		if (strstr(why, "syntax error") || strstr(why, "incomplete input") ||
		    strstr(why, "unrecognized token"))
			note(w, "not-parsed", SEVERITY_CRITICAL, "",
			    xasprintf("SQLite %s does not understand it: %.200s",
			        sqlite3_libversion(), why),
			    "Write it as sqlite.org/lang.html has it.", NULL);
	}
	sqlite3_finalize(stmt);
}

static void
look_at(struct walk *w)
{
	const struct statement *st = w->st;
	size_t at = begins(st, "CREATE TEMP") || begins(st, "CREATE TEMPORARY") ? 2 : 1;
	size_t before = w->lint->n;

	look_at_words(w);
	if (is_at(st, 0, "CREATE") && is_at(st, at, "TABLE"))
		create_table(w, at + 1);
	else if (begins(st, "CREATE INDEX") || begins(st, "CREATE UNIQUE INDEX"))
		create_index(w);
	else if (begins(st, "DROP TABLE"))
		drop_table(w);
	else if (begins(st, "ALTER TABLE"))
		alter_table(w);
	else if (begins(st, "DELETE FROM") || begins(st, "UPDATE"))
		change_data(w);
	else if (begins(st, "INSERT") || begins(st, "REPLACE"))
		remember_copy(w);
	if (w->lint->n == before)
		check_grammar(w);
}

void
lint_sqlite(
    const struct migrate_section *section, const struct lint_context *context, struct lint *ret)
{
	struct sql_scan s = sql_scan(ENGINE_SQLITE, section->sql, section->line);
	struct walk w = { .section = section,
		.context = context,
		.lint = ret,
		.own = map_new(),
		.renamed = map_new(),
		.filled = map_new(),
		.anew = map_new(),
		.st = xcalloc(1, sizeof(*w.st)) };

	find_made_anew(&w);
	if (sqlite3_open(":memory:", &w.empty) == SQLITE_OK)
		while (next_statement(&s, w.st))
			look_at(&w);
	sqlite3_close(w.empty);
	map_free(w.own, NULL);
	map_free(w.renamed, NULL);
	map_free(w.filled, NULL);
	map_free(w.anew, NULL);
	free(w.st);
}
