/* Names, expressions and types as PostgreSQL's parse tree has them. */
#include "migrate/lint_postgresql.h"
#include <ctype.h>
#include <stdio.h>

const char *
tree_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

const json_t *
tree_get(const json_t *o, const char *key, const char *inner)
{
	return json_object_get(json_object_get(o, key), inner);
}

const char *
tree_name(const json_t *string)
{
	return tree_text(json_object_get(string, "String"), "sval");
}

const char *
tree_last(const json_t *list)
{
	size_t n = json_array_size(list);

	return n ? tree_name(json_array_get(list, n - 1)) : "";
}

/* The reserved words of PostgreSQL 18 that a column or a table can be called by mistake. */
static bool
is_reserved(const char *name)
{
	static const char *const words[] = { "all", "analyse", "analyze", "and", "any", "array",
		"as", "asc", "asymmetric", "authorization", "binary", "both", "case", "cast",
		"check", "collate", "collation", "column", "concurrently", "constraint", "create",
		"cross", "current_catalog", "current_date", "current_role", "current_schema",
		"current_time", "current_timestamp", "current_user", "default", "deferrable",
		"desc", "distinct", "do", "else", "end", "except", "false", "fetch", "for",
		"foreign", "freeze", "from", "full", "grant", "group", "having", "ilike", "in",
		"initially", "inner", "intersect", "into", "is", "isnull", "join", "lateral",
		"leading", "left", "like", "limit", "localtime", "localtimestamp", "natural", "not",
		"notnull", "null", "offset", "on", "only", "or", "order", "outer", "overlaps",
		"placing", "primary", "references", "returning", "right", "select", "session_user",
		"similar", "some", "symmetric", "system_user", "table", "tablesample", "then", "to",
		"trailing", "true", "union", "unique", "user", "using", "variadic", "verbose",
		"when", "where", "window", "with" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (streq(words[i], name))
			return true;
	return false;
}

char *
tree_quote(const char *name)
{
	struct str s = { 0 };
	bool plain = islower((unsigned char)*name) || *name == '_';

	for (const char *p = name; *p; p++)
		plain &= islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '_';
	if (plain && !is_reserved(name))
		return xstrdup(name);
	str_addc(&s, '"');
	for (const char *p = name; *p; p++) {
		if (*p == '"')
			str_addc(&s, '"');
		str_addc(&s, *p);
	}
	str_addc(&s, '"');
	return str_take(&s);
}

static char *
joined(const json_t *list, const char *between, bool quoted)
{
	struct str s = { 0 };
	json_t *o;
	size_t i;

	json_array_foreach (list, i, o) {
		_cleanup_free_ char *name =
		    quoted ? tree_quote(tree_name(o)) : xstrdup(tree_name(o));

		str_addf(&s, "%s%s", s.len ? between : "", name);
	}
	return str_take(&s);
}

char *
tree_dotted(const json_t *list)
{
	return joined(list, ".", false);
}

char *
tree_quoted(const json_t *list)
{
	return joined(list, ".", true);
}

char *
tree_list(const json_t *list, const char *empty)
{
	return json_array_size(list) ? joined(list, ", ", true) : xstrdup(empty);
}

char *
tree_relation(const json_t *relation)
{
	const char *schema = tree_text(relation, "schemaname");

	return xasprintf("%s%s%s", schema, *schema ? "." : "", tree_text(relation, "relname"));
}

char *
tree_relation_quoted(const json_t *relation)
{
	_cleanup_free_ char *schema = tree_quote(tree_text(relation, "schemaname"));
	_cleanup_free_ char *name = tree_quote(tree_text(relation, "relname"));

	return *tree_text(relation, "schemaname") ? xasprintf("%s.%s", schema, name)
	                                          : xstrdup(name);
}

char *
tree_name_for(const char *a, const char *b, const char *ending)
{
	_cleanup_free_ char *name =
	    xasprintf("%.40s%s%.20s%s%s", a, *b ? "_" : "", b, *ending ? "_" : "", ending);

	return tree_quote(name);
}

bool
tree_has_option(const json_t *list, const char *name)
{
	json_t *o;
	size_t i;

	json_array_foreach (list, i, o)
		if (streq(tree_text(json_object_get(o, "DefElem"), "defname"), name))
			return true;
	return false;
}

/* ---- expressions ---- */

/* What users define is volatile unless it says otherwise, so those that are not are named. */
static bool
is_stable_function(const char *name)
{
	static const char *const stable[] = { "now", "transaction_timestamp", "statement_timestamp",
		"current_setting", "current_user", "session_user", "current_schema",
		"current_database", "timezone", "lower", "upper", "md5", "sha256", "encode",
		"decode", "concat", "concat_ws", "replace", "btrim", "ltrim", "rtrim", "substring",
		"length", "abs", "floor", "ceil", "ceiling", "round", "trunc", "power", "sqrt",
		"to_char", "to_date", "to_timestamp", "to_number", "to_json", "to_jsonb",
		"json_build_object", "jsonb_build_object", "json_build_array", "jsonb_build_array",
		"date_trunc", "date_part", "extract", "age", "make_date", "make_time",
		"make_timestamp", "make_timestamptz", "make_interval", "justify_days", "array_fill",
		"array_append", "array_cat", "string_to_array", "array_to_string", "to_tsvector",
		"to_tsquery", "nullif", "inet_client_addr" };

	for (size_t i = 0; i < ARRAY_SIZE(stable); i++)
		if (streq(name, stable[i]))
			return true;
	return false;
}

bool
tree_is_stable(const json_t *expr)
{
	const char *key;
	json_t *o;
	size_t i;

	if (json_is_array(expr)) {
		json_array_foreach (expr, i, o)
			if (!tree_is_stable(o))
				return false;
	} else if (json_is_object(expr)) {
		const json_t *f = json_object_get(expr, "FuncCall");

		if (f && !is_stable_function(tree_last(json_object_get(f, "funcname"))))
			return false;
		json_object_foreach ((json_t *)expr, key, o)
			if (!tree_is_stable(o))
				return false;
	}
	return true;
}

/* ---- types ---- */

char *
tree_type(const json_t *type)
{
	struct str s = { 0 };
	json_t *o;
	size_t i;

	str_add(&s, tree_last(json_object_get(type, "names")));
	json_array_foreach (json_object_get(type, "typmods"), i, o)
		str_addf(&s, "%s%lld", i ? "," : "(",
		    (long long)json_integer_value(
		        json_object_get(tree_get(o, "A_Const", "ival"), "ival")));
	if (i > 0)
		str_addc(&s, ')');
	if (json_array_size(json_object_get(type, "arrayBounds")) > 0)
		str_add(&s, "[]");
	return str_take(&s);
}

struct type {
	char base[64], tail[8]; /* tail: "[]" */
	int n, mods[2];
};

static struct type
split_type(const char *s)
{
	struct type t = { 0 };
	size_t len = strcspn(s, "([");
	const char *mods = strchr(s, '(');

	snprintf(t.base, sizeof(t.base), "%.*s", (int)MIN(len, 60), s);
	if (mods)
		t.n = MAX(sscanf(mods, "(%d,%d", &t.mods[0], &t.mods[1]), 0);
	snprintf(t.tail, sizeof(t.tail), "%s", strstr(s, "[]") ? "[]" : "");
	return t;
}

static bool
is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (streq(*words, word))
			return true;
	return false;
}

bool
type_keeps_rows(const char *from, const char *to)
{
	static const char *const widening[] = { "varchar", "varbit", "time", "timetz", "timestamp",
		"timestamptz", "interval", NULL };
	const struct type a = split_type(from), b = split_type(to);

	if (!streq(a.tail, b.tail))
		return false;
	if (!streq(a.base, b.base))
		return (streq(a.base, "varchar") && streq(b.base, "text")) ||
		       (streq(a.base, "text") && streq(b.base, "varchar") && b.n == 0) ||
		       (streq(a.base, "cidr") && streq(b.base, "inet") && !*a.tail);
	if (a.n == b.n && memcmp(a.mods, b.mods, sizeof(a.mods)) == 0)
		return true;
	if (streq(a.base, "numeric"))
		return b.n == 0 || (a.n > 0 && a.mods[1] == b.mods[1] && b.mods[0] >= a.mods[0]);
	if (!is_one_of(a.base, widening))
		return false;
	return b.n == 0 || (a.n == 1 && b.n == 1 && b.mods[0] >= a.mods[0]);
}

char *
sql_in_batches(const char *table, const char *set, const char *where)
{
	return xasprintf("%s %s%s%s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %s%s%s LIMIT 5000)); "
	                 "-- again until 0 rows",
	    set ? "UPDATE" : "DELETE FROM", table, set ? " SET " : "", set ? set : "", table,
	    *where ? " WHERE " : "", where);
}
