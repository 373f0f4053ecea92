/* Which relations a migration names, from PostgreSQL's own parse tree. */
#include "migrate/touched.h"
#include "base/str.h"
#include <jansson.h>
#include <pg_query.h>

struct walk {
	char **names;
	const char *beyond; /* what may touch others; static */
};

static void
add_quoted(struct str *s, const char *name)
{
	str_addc(s, '"');
	for (; *name; name++) {
		if (*name == '"')
			str_addc(s, '"');
		str_addc(s, *name);
	}
	str_addc(s, '"');
}

static void
add_name(struct walk *w, const char *schema, const char *name)
{
	_cleanup_str_ struct str s = { 0 };

	if (schema && *schema) {
		add_quoted(&s, schema);
		str_addc(&s, '.');
	}
	add_quoted(&s, name);
	if (!strv_has(w->names, str_text(&s)))
		strv_add(&w->names, str_text(&s));
}

/* DROP TABLE names its objects as lists of words. */
static void
add_dropped(struct walk *w, const json_t *drop)
{
	const json_t *object, *items, *item;
	const char *words[3];
	size_t i, k, n;

	json_array_foreach (json_object_get(drop, "objects"), i, object) {
		items = json_object_get(json_object_get(object, "List"), "items");
		n = 0;
		json_array_foreach (items, k, item) {
			const char *word = json_string_value(
			    json_object_get(json_object_get(item, "String"), "sval"));

			if (word && n < ARRAY_SIZE(words))
				words[n++] = word;
		}
		if (n > 0)
			add_name(w, n > 1 ? words[n - 2] : NULL, words[n - 1]);
	}
}

static const char *
beyond(const char *key, const json_t *value)
{
	const char *behavior = json_string_value(json_object_get(value, "behavior"));

	if (streq(key, "DoStmt") || streq(key, "CallStmt"))
		return "DO and CALL";
	if (streq(key, "FuncCall"))
		return "functions";
	if (behavior && streq(behavior, "DROP_CASCADE"))
		return "CASCADE";
	return NULL;
}

static void walk(struct walk *, const json_t *, int depth);

static void
walk_object(struct walk *w, const json_t *node, int depth)
{
	const char *name = json_string_value(json_object_get(node, "relname")), *key;
	json_t *value;

	if (name)
		add_name(w, json_string_value(json_object_get(node, "schemaname")), name);
	json_object_foreach ((json_t *)(uintptr_t)node, key, value) {
		if (!w->beyond)
			w->beyond = beyond(key, value);
		if (streq(key, "DropStmt"))
			add_dropped(w, value);
		walk(w, value, depth + 1);
	}
}

static void
walk(struct walk *w, const json_t *node, int depth)
{
	const json_t *item;
	size_t i;

	if (depth > 1000)
		w->beyond = "statements nested so deep";
	else if (json_is_object(node))
		walk_object(w, node, depth);
	else
		json_array_foreach (node, i, item)
			walk(w, item, depth + 1);
}

int
migrate_touched(const char *sql, char ***ret, struct err *e)
{
	PgQueryParseResult parsed = pg_query_parse(sql);
	json_t *tree = parsed.error ? NULL : json_loads(parsed.parse_tree, 0, NULL);
	struct walk w = { 0 };
	int r = 0;

	if (tree)
		walk(&w, tree, 0);
	else
		r = err_set(e, -EINVAL, "its statements are not understood: %.200s",
		    parsed.error ? parsed.error->message : "no tree");
	if (r == 0 && w.beyond)
		r = err_set(e, -EOPNOTSUPP, "%s may touch tables that they do not name", w.beyond);
	json_decref(tree);
	pg_query_free_parse_result(parsed);
	if (r < 0)
		strv_free(w.names);
	else
		*ret = w.names;
	return r;
}
