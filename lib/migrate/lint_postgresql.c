/*
 * PostgreSQL: parses a section, walks its statements, judges the whole.  What the parser does not know
 * (a newer server's syntax) costs that statement alone.
 */
#include "migrate/lint_postgresql.h"
#include "migrate/sql_scan.h"
#include "migrate/statements.h"
#include <pg_query.h>

/* The parser's output recurses on the C stack, and the reader of its tree counts levels. */
#define NESTING_MAX 6000
#define BLOCK_MAX   ((size_t)256 << 10)
/* A tree takes a hundred times what its text takes: rows that are put in need none. */
#define SECTION_MAX   ((size_t)512 << 10)
#define STATEMENT_MAX ((size_t)2 << 20)
#define ROWS_MAX      ((size_t)64 << 10)

struct lint_note *
walk_note(struct walk *w, const char *rule, enum severity severity, const char *object,
    char *take_message, const char *remedy, char *take_sql)
{
	struct lint_note *n =
	    lint_add(w->lint, rule, severity, w->line, object, take_message, remedy, take_sql);

	n->last_line = w->last_line;
	return n;
}

void
walk_destroys(struct walk *w, const char *rule, const char *object, char *take_message,
    const char *remedy, char *take_sql)
{
	walk_note(w, rule, SEVERITY_CRITICAL, object, take_message, remedy, take_sql)->destructive =
	    true;
	w->lint->destructive = true;
}

bool
walk_is_harmless(const struct walk *w, const json_t *relation)
{
	_cleanup_free_ char *name = tree_relation(relation);
	double rows;

	if (map_get(w->own, name) || streq(tree_text(relation, "relpersistence"), "t"))
		return true;
	if (!w->context->rows_of)
		return false;
	rows = w->context->rows_of(
	    tree_text(relation, "schemaname"), tree_text(relation, "relname"), w->context->arg);
	return rows >= 0 && rows < LINT_SMALL_ROWS;
}

char *
walk_users(const struct walk *w, const json_t *relation, const char *column)
{
	_cleanup_free_ char *users =
	    w->context->users_of ? w->context->users_of(tree_text(relation, "schemaname"),
	                               tree_text(relation, "relname"), column, w->context->arg)
	                         : NULL;

	return users ? xasprintf("; it is used: %s", users) : xstrdup("");
}

void
walk_concurrent(struct walk *w)
{
	if (w->depth == 0 && w->nother > 0) {
		w->nother--;
		w->nconcurrent++;
	}
}

void
walk_wants_none(struct walk *w, const char *rule, const char *what, const char *object)
{
	if (w->in_transaction)
		walk_note(w, rule, SEVERITY_CRITICAL, object,
		    xasprintf("%s fails inside a transaction", what),
		    "Put it into a file of its own whose mark is: -- migrate:up "
		    "transaction:false",
		    NULL);
}

/* Tables in which migration tools note what they have done. */
static bool
is_of_a_tool(const json_t *relation)
{
	static const char *const names[] = { "alembic_version", "django_migrations",
		"flyway_schema_history", "databasechangelog", "databasechangeloglock",
		"schema_migrations", "ar_internal_metadata", "_prisma_migrations",
		"knex_migrations", "goose_db_version", "_sqlx_migrations", "dbhealth_migrations" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (streq(tree_text(relation, "relname"), names[i]))
			return true;
	return false;
}

void
walk_statement(struct walk *w, const json_t *stmt)
{
	for (const struct statement_kind *k = statement_kinds; k->name; k++) {
		const json_t *o = json_object_get(stmt, k->name);

		if (!o ||
		    (k->changes != KIND_OTHER && is_of_a_tool(json_object_get(o, "relation"))))
			continue;
		k->look(w, o);
		if (k->changes == KIND_SCHEMA && !w->has_schema) {
			w->has_schema = true;
			w->schema_line = w->line;
		} else if (k->changes == KIND_DATA && !w->has_data) {
			w->has_data = true;
			w->data_line = w->line;
		}
	}
}

/*
 * An upper bound of how deep its tree can be: tokens since the last comma, over all open parentheses.
 * By the engine's own tokens, so nothing recurses here.
 */
static bool
is_too_deep(const char *sql)
{
	struct sql_scan s = sql_scan(ENGINE_POSTGRESQL, sql, 0);
	size_t *open = xcalloc(1, sizeof(*open)), n = 1, cap = 1, total = 0;
	bool deep = false;

	while (!deep && sql_next_word(&s) != SQL_END) {
		char c = s.at - s.begin == 1 ? s.text[s.begin] : '\0';

		open[n - 1]++;
		total++;
		if (c == '(' || c == '[') {
			if (n == cap)
				open = xreallocarray(open, cap *= 2, sizeof(*open));
			open[n++] = 0;
		} else if (((c == ')' || c == ']') && n > 1) || c == ',' || c == ';') {
			total -= open[n - 1];
			open[n - 1] = 0;
			n -= c == ')' || c == ']';
			if (c == ';' && n == 1)
				total = 0;
		}
		deep = total > NESTING_MAX;
	}
	free(open);
	return deep;
}

static void
not_parsed(struct walk *w, int line, const char *why)
{
	w->line = w->last_line = line;
	walk_note(w, "not-parsed", SEVERITY_WARNING, "",
	    xasprintf("PostgreSQL 15's grammar does not understand it: %.200s", why),
	    "Where it is a newer server's syntax, look at that statement yourself: it was passed "
	    "over.",
	    NULL);
}

/* ---- DO blocks ---- */

/* What a block runs: statements as they stand there, and what it puts together when it runs. */
static void
collect_queries(const json_t *o, struct str *ret, bool *ret_dynamic)
{
	const json_t *expr = tree_get(o, "PLpgSQL_stmt_execsql", "sqlstmt");
	const char *key;
	json_t *inner;
	size_t i;

	if (json_is_array(o)) {
		json_array_foreach (o, i, inner)
			collect_queries(inner, ret, ret_dynamic);
		return;
	}
	if (expr)
		str_addf(ret, "%s;\n", tree_text(json_object_get(expr, "PLpgSQL_expr"), "query"));
	*ret_dynamic |= json_object_get(o, "PLpgSQL_stmt_dynexecute") != NULL ||
	                json_object_get(o, "PLpgSQL_stmt_dynfors") != NULL;
	json_object_foreach ((json_t *)o, key, inner)
		collect_queries(inner, ret, ret_dynamic);
}

void
walk_block(struct walk *w, const char *statement)
{
	_cleanup_str_ struct str queries = { 0 };
	PgQueryPlpgsqlParseResult parsed;
	PgQueryParseResult inner;
	bool dynamic = false;
	json_t *tree;

	if (w->depth > 0 || strlen(statement) > BLOCK_MAX)
		return;
	parsed = pg_query_parse_plpgsql(statement);
	tree = parsed.error ? NULL : json_loads(parsed.plpgsql_funcs, 0, NULL);
	if (tree)
		collect_queries(tree, &queries, &dynamic);
	if (!tree || dynamic)
		walk_note(w, "block-not-seen", SEVERITY_INFO, "",
		    xstrdup(tree ? "what it EXECUTEs is put together when it runs, and was not "
		                   "looked at"
		                 : "this block could not be looked into"),
		    "Write the statements down as they are where that can be done.", NULL);
	json_decref(tree);
	pg_query_free_plpgsql_parse_result(parsed);
	if (queries.len == 0 || is_too_deep(queries.s))
		return;
	inner = pg_query_parse(queries.s);
	tree = inner.error ? NULL : json_loads(inner.parse_tree, 0, NULL);
	if (tree) {
		const char *text = w->text;
		char *alone = w->alone;
		size_t i;
		json_t *o;

		w->depth++;
		w->alone = NULL; /* places in this tree are not those of the file */
		json_array_foreach (json_object_get(tree, "stmts"), i, o)
			walk_statement(w, json_object_get(o, "stmt"));
		w->alone = alone;
		w->text = text;
		w->depth--;
	}
	json_decref(tree);
	pg_query_free_parse_result(inner);
}

/* ---- a section ---- */

static int
line_of(const char *sql, size_t at, int first)
{
	for (size_t i = 0; i < at; i++)
		first += sql[i] == '\n';
	return first;
}

static bool
uses_fresh(const struct walk *w, const json_t *o)
{
	const char *key;
	json_t *inner;
	size_t i;

	if (json_is_array(o)) {
		json_array_foreach (o, i, inner)
			if (uses_fresh(w, inner))
				return true;
	} else if (json_is_object(o)) {
		const char *value = tree_text(tree_get(o, "A_Const", "sval"), "sval");

		if (*value && map_get(w->fresh, value))
			return true;
		json_object_foreach ((json_t *)o, key, inner)
			if (uses_fresh(w, inner))
				return true;
	}
	return false;
}

/* base: the line of text's first byte.  Statements come in order, so lines are counted once. */
static void
look_at_tree(struct walk *w, const char *text, int base, const json_t *tree)
{
	size_t whole = strlen(text), counted = 0, i;
	json_t *o;

	json_array_foreach (json_object_get(tree, "stmts"), i, o) {
		size_t at = (size_t)MAX(json_integer_value(json_object_get(o, "stmt_location")), 0);
		size_t len = (size_t)MAX(json_integer_value(json_object_get(o, "stmt_len")), 0);
		size_t end = len > 0 ? at + len : whole;

		if (end > whole || at > end || at < counted)
			continue;
		w->text = text;
		w->at = migrate_begin(text, at);
		w->at = MIN(w->at, end);
		w->line = line_of(text + counted, w->at - counted, base);
		w->last_line = line_of(text + w->at, end - w->at, w->line);
		base = w->last_line;
		counted = end;
		w->alone = xstrndup(text + w->at, end - w->at);
		w->nother++;
		if (map_size(w->fresh) > 0 && uses_fresh(w, json_object_get(o, "stmt")))
			walk_note(w, "enum-value-used", SEVERITY_CRITICAL, "",
			    xstrdup("uses a value that this transaction has added to an enum: it "
			            "fails"),
			    "Into the next migration.", NULL);
		walk_statement(w, json_object_get(o, "stmt"));
		free(w->alone);
		w->alone = NULL;
	}
}

/* False: it was not understood; why is owned. */
static bool
parse(struct walk *w, const char *text, int base, char **ret_why, size_t *ret_at)
{
	PgQueryParseResult parsed;
	json_error_t e;
	json_t *tree;
	bool ok = false;

	*ret_at = 0;
	if (strlen(text) > STATEMENT_MAX) {
		*ret_why = xstrdup("it is too long");
		return false;
	}
	if (is_too_deep(text)) {
		*ret_why = xstrdup("it is nested too deep");
		return false;
	}
	parsed = pg_query_parse(text);
	if (parsed.error) {
		*ret_why = xstrdup(parsed.error->message);
		*ret_at = parsed.error->cursorpos > 0 ? (size_t)parsed.error->cursorpos - 1 : 0;
		*ret_at = MIN(*ret_at, strlen(text));
	} else if (!(tree = json_loads(parsed.parse_tree, 0, &e))) {
		*ret_why = xstrdup("it is nested too deep");
	} else {
		ok = true;
		look_at_tree(w, text, base, tree);
		json_decref(tree);
	}
	pg_query_free_parse_result(parsed);
	return ok;
}

static bool
is_only_rows(const char *piece, size_t begin)
{
	struct sql_scan s = sql_scan(ENGINE_POSTGRESQL, piece + begin, 0);

	return strlen(piece) > ROWS_MAX && sql_next_word(&s) == SQL_WORD && sql_is(&s, "insert");
}

static void
saw_rows(struct walk *w, int line)
{
	w->nother++;
	if (!w->has_data)
		w->data_line = line;
	w->has_data = true;
}

/* One by one, each by itself. */
static void
look_at_pieces(struct walk *w)
{
	struct sql_scan s = sql_scan(ENGINE_POSTGRESQL, w->section->sql, w->section->line);
	size_t from = 0;
	int line = w->section->line;
	enum sql_token token;

	do {
		_cleanup_free_ char *piece = NULL, *why = NULL;
		size_t at, begin;

		while ((token = sql_next(&s)) != SQL_END && !(s.text[s.begin] == ';'))
			;
		piece = xstrndup(s.text + from, s.begin - from);
		begin = migrate_begin(piece, 0);
		if (is_only_rows(piece, begin))
			saw_rows(w, line_of(piece, begin, line));
		else if (piece[begin] && !parse(w, piece, line, &why, &at))
			not_parsed(w, line_of(piece, MAX(at, begin), line), why);
		line += line_of(piece, strlen(piece), 0);
		from = s.at;
	} while (token != SQL_END);
}

static struct lint_note *
whole_note(struct walk *w, const char *rule, int line, char *take_message, const char *remedy,
    const char *sql)
{
	struct lint_note *n = lint_add(w->lint, rule, SEVERITY_WARNING, line, "", take_message,
	    remedy, sql ? xstrdup(sql) : NULL);

	n->whole = true;
	return n;
}

static void
judge_whole(struct walk *w)
{
	bool one = w->section->transaction;

	if (w->needs_timeout && !w->has_timeout)
		whole_note(w, "lock-timeout-missing", w->section->line,
		    xstrdup("waits for its lock without an end, and everybody queues up behind it"),
		    "Let it give up soon, as the first statement, and try again.",
		    one ? "SET LOCAL lock_timeout = '2s';" : "SET lock_timeout = '2s';");
	if (w->has_schema && w->has_data && one && map_size(w->own) == 0)
		whole_note(w, "schema-and-data-mixed", MAX(w->schema_line, w->data_line),
		    xstrdup("changes schema and data in one transaction: the locks of the one are "
		            "held as long as the other takes"),
		    "A migration for the schema, another for the data.", NULL);
	if (!one && w->nother > 0 && w->nother + w->nconcurrent > 1)
		whole_note(w, "statements-not-atomic", w->section->line,
		    xstrdup("without a transaction each statement stands by itself: when one "
		            "fails, those before it have happened"),
		    "One statement a file, or a transaction for what needs no other.", NULL);
}

void
lint_postgresql(
    const struct migrate_section *section, const struct lint_context *context, struct lint *ret)
{
	struct lint_memory *memory = context->memory ? NULL : lint_memory_new();
	struct walk w = { .lint = ret,
		.context = context,
		.section = section,
		.in_transaction = section->transaction,
		.memory = context->memory ? context->memory : memory,
		.own = map_new(),
		.locked = map_new(),
		.fresh = map_new() };
	_cleanup_free_ char *why = NULL;
	size_t at;

	if (strlen(section->sql) > SECTION_MAX ||
	    !parse(&w, section->sql, section->line, &why, &at))
		look_at_pieces(&w);
	judge_whole(&w);
	map_free(w.own, NULL);
	map_free(w.locked, NULL);
	map_free(w.fresh, NULL);
	lint_memory_free(memory);
}
