/* Every statement but ALTER TABLE: what it costs those who work meanwhile. */
#include "migrate/lint_postgresql.h"
#include "migrate/sql_scan.h"

/* `CREATE UNIQUE INDEX i ...` with CONCURRENTLY in it; NULL when its text is not to be had. */
static char *
index_beside(const struct walk *w)
{
	struct sql_scan s;
	enum sql_token token;

	if (!w->alone || strstr(w->alone, "--"))
		return NULL;
	s = sql_scan(ENGINE_POSTGRESQL, w->alone, 0);
	while ((token = sql_next_word(&s)) != SQL_END)
		if (token == SQL_WORD && sql_is(&s, "index"))
			return xasprintf(
			    "%.*s CONCURRENTLY%s;", (int)s.at, w->alone, w->alone + s.at);
	return NULL;
}

static void
on_index(struct walk *w, const json_t *o)
{
	const json_t *relation = json_object_get(o, "relation");
	_cleanup_free_ char *table = tree_relation(relation);
	bool concurrent = json_is_true(json_object_get(o, "concurrent"));

	if (concurrent) {
		walk_wants_none(
		    w, "concurrently-in-transaction", "CREATE INDEX CONCURRENTLY", table);
		walk_concurrent(w);
		if (json_is_true(json_object_get(o, "if_not_exists")))
			walk_note(w, "index-may-stay-invalid", SEVERITY_WARNING, table,
			    xstrdup(
			        "IF NOT EXISTS takes the invalid index that a failed attempt left "
			        "for a good one"),
			    "Drop what an attempt may have left first.",
			    *tree_text(o, "idxname")
			        ? xasprintf("DROP INDEX CONCURRENTLY IF EXISTS %s;",
			              tree_text(o, "idxname"))
			        : NULL);
		return;
	}
	w->needs_timeout |= !map_get(w->own, table);
	/* ON ONLY: of a partitioned table, empty until the partitions' own are attached. */
	if (json_is_false(json_object_get(relation, "inh")) || !json_object_get(relation, "inh"))
		return;
	if (walk_is_harmless(w, relation))
		return;
	if (lint_recall(w->memory, "partitioned", table, ""))
		walk_note(w, "index-not-concurrent", SEVERITY_CRITICAL, table,
		    xasprintf("nobody writes to %s and its partitions while the indexes are built",
		        table),
		    "CREATE INDEX ON ONLY of the parent; CREATE INDEX CONCURRENTLY on each "
		    "partition; ALTER INDEX ... ATTACH PARTITION.",
		    NULL);
	else
		walk_note(w, "index-not-concurrent", SEVERITY_CRITICAL, table,
		    xasprintf("nobody writes to %s while its index is built", table),
		    "In a file of its own, with -- migrate:up transaction:false:", index_beside(w));
}

/* ---- CREATE ---- */

static bool
has_foreign_key(const json_t *o)
{
	const char *key;
	json_t *inner;
	size_t i;

	if (json_is_array(o)) {
		json_array_foreach (o, i, inner)
			if (has_foreign_key(inner))
				return true;
	} else if (json_is_object(o)) {
		if (streq(tree_text(o, "contype"), "CONSTR_FOREIGN"))
			return true;
		json_object_foreach ((json_t *)o, key, inner)
			if (has_foreign_key(inner))
				return true;
	}
	return false;
}

static void
create_partition(struct walk *w, const json_t *o)
{
	const json_t *parent =
	    json_object_get(json_array_get(json_object_get(o, "inhRelations"), 0), "RangeVar");
	const json_t *bound = json_object_get(o, "partbound");
	_cleanup_free_ char *table = tree_relation(parent), *own = NULL, *parent_sql = NULL;
	size_t at = (size_t)json_integer_value(json_object_get(bound, "location"));
	char *sql = NULL;

	if (map_get(w->own, table))
		return;
	own = tree_relation_quoted(json_object_get(o, "relation"));
	parent_sql = tree_relation_quoted(parent);
	if (w->alone && at > w->at && at - w->at < strlen(w->alone) &&
	    !json_object_get(o, "partspec") && !strstr(w->alone, "--"))
		sql = xasprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL);\n"
		                "ALTER TABLE %s ATTACH PARTITION %s %s%s;",
		    own, parent_sql, parent_sql, own,
		    json_is_true(json_object_get(bound, "is_default")) ? "" : "FOR VALUES ",
		    w->alone + (at - w->at));
	w->needs_timeout = true;
	walk_note(w, "partition-created", SEVERITY_WARNING, table,
	    xasprintf("CREATE TABLE ... PARTITION OF keeps everybody from %s, behind its longest "
	              "query",
	        table),
	    "A table made beside it and attached keeps nobody out (a DEFAULT partition is read "
	    "through all the same).",
	    sql);
}

static void
on_create(struct walk *w, const json_t *o)
{
	const json_t *relation = json_object_get(o, "relation"), *e;
	_cleanup_free_ char *name = tree_relation(relation);
	size_t i;

	if (json_object_get(o, "partbound"))
		create_partition(w, o);
	map_put(w->own, name, w);
	w->needs_timeout |= has_foreign_key(json_object_get(o, "tableElts"));
	if (json_object_get(o, "partspec"))
		lint_remember(w->memory, "partitioned", name, "", "yes");
	json_array_foreach (json_object_get(o, "tableElts"), i, e) {
		const json_t *column = json_object_get(e, "ColumnDef");
		_cleanup_free_ char *type =
		    column ? tree_type(json_object_get(column, "typeName")) : NULL;

		if (type)
			lint_remember(w->memory, "type", name, tree_text(column, "colname"), type);
	}
}

static void
on_create_as(struct walk *w, const json_t *o)
{
	_cleanup_free_ char *name = tree_relation(tree_get(o, "into", "rel"));

	map_put(w->own, name, w);
}

static void
on_create_trigger(struct walk *w, const json_t *o)
{
	_cleanup_free_ char *name = tree_relation(json_object_get(o, "relation"));

	w->needs_timeout |= !map_get(w->own, name);
}

/* ---- DROP ---- */

static char *
dropped_names(const json_t *objects, bool quoted)
{
	struct str s = { 0 };
	json_t *o;
	size_t i;

	json_array_foreach (objects, i, o) {
		const json_t *list = tree_get(o, "List", "items");
		_cleanup_free_ char *name = NULL;

		if (!list)
			list = tree_get(o, "TypeName", "names");
		if (!list)
			list = tree_get(o, "ObjectWithArgs", "objname");
		name = !list    ? tree_quote(tree_name(o))
		       : quoted ? tree_quoted(list)
		                : tree_dotted(list);
		str_addf(&s, "%s%s", s.len ? ", " : "", name);
	}
	return str_take(&s);
}

/* Of one relation that is dropped: who uses it. */
static char *
users_of_dropped(const struct walk *w, const json_t *objects)
{
	const json_t *list = tree_get(json_array_get(objects, 0), "List", "items");
	size_t n = json_array_size(list);
	json_t *relation;
	char *users;

	if (json_array_size(objects) != 1 || n == 0 || n > 2)
		return xstrdup("");
	relation = json_pack("{s:s, s:s}", "schemaname",
	    n == 2 ? tree_name(json_array_get(list, 0)) : "", "relname", tree_last(list));
	users = walk_users(w, relation, NULL);
	json_decref(relation);
	return users;
}

static bool
all_own(const struct walk *w, const json_t *objects)
{
	json_t *o;
	size_t i;

	json_array_foreach (objects, i, o) {
		_cleanup_free_ char *name = tree_dotted(tree_get(o, "List", "items"));

		if (!map_get(w->own, name))
			return false;
	}
	return json_array_size(objects) > 0;
}

static void
drop_with_data(struct walk *w, const json_t *o, const char *names)
{
	_cleanup_free_ char *users = users_of_dropped(w, json_object_get(o, "objects"));

	walk_destroys(w, "object-dropped", names,
	    xasprintf("%s goes with all it holds%s, and programs that name it fail at once%s",
	        names,
	        streq(tree_text(o, "behavior"), "DROP_CASCADE") ? " and all that stands on it" : "",
	        users),
	    "Two releases: first programs that do not name it any more; rename it, and drop it "
	    "when "
	    "nobody missed it, after a backup.",
	    NULL);
}

static void
on_drop(struct walk *w, const json_t *o)
{
	static const char *const with_data[] = { "OBJECT_TABLE", "OBJECT_SCHEMA", "OBJECT_MATVIEW",
		"OBJECT_SEQUENCE", "OBJECT_TYPE", "OBJECT_FOREIGN_TABLE", "OBJECT_EXTENSION",
		"OBJECT_DOMAIN" };
	static const char *const named[] = { "OBJECT_VIEW", "OBJECT_FUNCTION", "OBJECT_PROCEDURE" };
	const json_t *objects = json_object_get(o, "objects");
	_cleanup_free_ char *names = dropped_names(objects, false);
	_cleanup_free_ char *quoted = dropped_names(objects, true);
	const char *type = tree_text(o, "removeType");
	bool concurrent = json_is_true(json_object_get(o, "concurrent"));

	if (all_own(w, objects))
		return;
	w->needs_timeout |= !concurrent;
	for (size_t i = 0; i < ARRAY_SIZE(with_data); i++)
		if (streq(type, with_data[i]))
			drop_with_data(w, o, names);
	for (size_t i = 0; i < ARRAY_SIZE(named); i++)
		if (streq(type, named[i])) {
			_cleanup_free_ char *users = users_of_dropped(w, objects);

			walk_note(w, "object-dropped", SEVERITY_WARNING, names,
			    xasprintf("programs that name %s fail at once%s", names, users),
			    "First release programs that do not name it any more; CREATE OR "
			    "REPLACE "
			    "where only its body changes.",
			    NULL);
		}
	if (streq(type, "OBJECT_INDEX") && concurrent) {
		walk_wants_none(w, "concurrently-in-transaction", "DROP INDEX CONCURRENTLY", names);
		walk_concurrent(w);
	} else if (streq(type, "OBJECT_INDEX")) {
		_cleanup_free_ char *users = users_of_dropped(w, objects);

		walk_note(w, "index-drop-not-concurrent", SEVERITY_WARNING, names,
		    xasprintf("dropping %s keeps everybody from its table, behind the longest "
		              "query%s",
		        names, users),
		    "In a file of its own, with transaction:false:",
		    json_array_size(objects) == 1
		        ? xasprintf("DROP INDEX CONCURRENTLY %s%s;",
		              json_is_true(json_object_get(o, "missing_ok")) ? "IF EXISTS " : "",
		              quoted)
		        : NULL);
	}
}

static void
on_rename(struct walk *w, const json_t *o)
{
	const json_t *relation = json_object_get(o, "relation");
	_cleanup_free_ char *table = tree_relation(relation), *quoted = NULL, *users = NULL;
	const char *type = tree_text(o, "renameType"), *column = tree_text(o, "subname");
	bool whole = streq(type, "OBJECT_TABLE") || streq(type, "OBJECT_VIEW");
	_cleanup_free_ char *new = tree_quote(tree_text(o, "newname"));
	char *sql = NULL;

	w->needs_timeout |= !map_get(w->own, table);
	if (!(whole || streq(type, "OBJECT_COLUMN")) || map_get(w->own, table))
		return;
	quoted = tree_relation_quoted(relation);
	users = walk_users(w, relation, whole ? NULL : column);
	if (whole)
		sql = xasprintf(
		    "ALTER TABLE %s RENAME TO %s;\nCREATE VIEW %s AS SELECT * FROM %s%s%s;", quoted,
		    new, quoted, tree_text(relation, "schemaname"),
		    *tree_text(relation, "schemaname") ? "." : "", new);
	walk_note(w, "object-renamed", SEVERITY_CRITICAL, table,
	    xasprintf("programs that name %s%s%s fail from this moment on%s", table,
	        *column ? "." : "", column, users),
	    whole ? "Leave a view of the old name until all programs know the new one, in one "
	            "transaction:"
	          : "Add a column of the new name, kept in step by a trigger, until all programs "
	            "know it; then drop the old one.",
	    sql);
}

/* ---- types ---- */

static void
on_enum(struct walk *w, const json_t *o)
{
	_cleanup_free_ char *type = tree_dotted(json_object_get(o, "typeName"));
	_cleanup_free_ char *quoted = tree_quoted(json_object_get(o, "typeName"));
	int version = w->context->server_version;

	if (*tree_text(o, "oldVal") || map_get(w->own, type) || !w->in_transaction)
		return;
	if (version > 0 && version < 120000) {
		walk_wants_none(w, "enum-in-transaction", "ALTER TYPE ... ADD VALUE", type);
		return;
	}
	map_put(w->fresh, tree_text(o, "newVal"), w);
	walk_note(w, "enum-in-transaction", SEVERITY_WARNING, type,
	    xasprintf("the new value of %s cannot be used before this transaction has ended, and "
	              "before PostgreSQL 12 it cannot be added in one",
	        type),
	    "In a file of its own with transaction:false; what uses it comes in the next one.",
	    w->alone && !strstr(w->alone, "--") ? xasprintf("%s;", w->alone) : NULL);
	(void)quoted;
}

static void
on_create_enum(struct walk *w, const json_t *o)
{
	_cleanup_free_ char *type = tree_dotted(json_object_get(o, "typeName"));

	map_put(w->own, type, w);
}

/* ---- settings and transactions ---- */

static void
on_set(struct walk *w, const json_t *o)
{
	if (streq(tree_text(o, "name"), "lock_timeout") &&
	    streq(tree_text(o, "kind"), "VAR_SET_VALUE"))
		w->has_timeout = true;
	if (w->depth == 0 && w->nother > 0)
		w->nother--;
}

static void
on_transaction(struct walk *w, const json_t *o)
{
	const char *kind = tree_text(o, "kind");

	if (w->depth > 0)
		return;
	if (w->section->transaction) {
		walk_note(w, "transaction-inside", SEVERITY_CRITICAL, "",
		    xstrdup(
		        "BEGIN or COMMIT inside a migration ends the transaction it runs in: what "
		        "comes after is no part of it"),
		    "Leave them out, or say transaction:false.", NULL);
		return;
	}
	w->nother -= w->nother > 0;
	if (streq(kind, "TRANS_STMT_BEGIN") || streq(kind, "TRANS_STMT_START")) {
		w->in_transaction = true;
		w->nbegun = w->nother;
	} else if (streq(kind, "TRANS_STMT_COMMIT") || streq(kind, "TRANS_STMT_ROLLBACK") ||
	           streq(kind, "TRANS_STMT_PREPARE")) {
		if (w->in_transaction && w->nother > w->nbegun)
			w->nother = w->nbegun + 1;
		w->in_transaction = false;
		map_free(w->locked, NULL);
		w->locked = map_new();
		map_free(w->fresh, NULL);
		w->fresh = map_new();
	}
}

static void
on_lock(struct walk *w, const json_t *o)
{
	json_t *r;
	size_t i;

	w->needs_timeout = true;
	/* lockmode 8: ACCESS EXCLUSIVE, what LOCK TABLE takes when nothing is said. */
	if (json_integer_value(json_object_get(o, "mode")) != 8)
		return;
	json_array_foreach (json_object_get(o, "relations"), i, r) {
		_cleanup_free_ char *table = tree_relation(json_object_get(r, "RangeVar"));
		_cleanup_free_ char *quoted = tree_relation_quoted(json_object_get(r, "RangeVar"));

		map_put(w->locked, table, w);
		walk_note(w, "table-locked", SEVERITY_WARNING, table,
		    xasprintf(
		        "LOCK TABLE keeps everybody from %s until this migration has ended", table),
		    "The weakest lock that does: this one keeps writers out alone.",
		    xasprintf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE;", quoted));
	}
}

/* ---- data ---- */

static void
on_with(struct walk *w, const json_t *o)
{
	const json_t *cte;
	size_t i;

	json_array_foreach (tree_get(o, "withClause", "ctes"), i, cte)
		walk_statement(w, tree_get(cte, "CommonTableExpr", "ctequery"));
}

/* set_config('lock_timeout', ...) */
static void
on_select(struct walk *w, const json_t *o)
{
	const json_t *target;
	size_t i;

	on_with(w, o);
	json_array_foreach (json_object_get(o, "targetList"), i, target) {
		const json_t *f =
		    tree_get(tree_get(target, "ResTarget", "val"), "FuncCall", "funcname");
		const json_t *args =
		    tree_get(tree_get(target, "ResTarget", "val"), "FuncCall", "args");

		if (streq(tree_last(f), "set_config") &&
		    streq(tree_text(tree_get(json_array_get(args, 0), "A_Const", "sval"), "sval"),
		        "lock_timeout"))
			w->has_timeout = true;
	}
}

static void
on_truncate(struct walk *w, const json_t *o)
{
	json_t *r;
	size_t i;

	w->needs_timeout = true;
	json_array_foreach (json_object_get(o, "relations"), i, r) {
		_cleanup_free_ char *name = tree_relation(json_object_get(r, "RangeVar"));
		_cleanup_free_ char *quoted = tree_relation_quoted(json_object_get(r, "RangeVar"));

		if (!map_get(w->own, name))
			walk_destroys(w, "table-emptied", name,
			    xasprintf("all rows of %s go%s", name,
			        streq(tree_text(o, "behavior"), "DROP_CASCADE")
			            ? ", and those of every table whose foreign keys name it"
			            : ""),
			    "Delete what must go in batches, with transaction:false; a backup "
			    "before.",
			    sql_in_batches(quoted, NULL, ""));
	}
}

/* `a = 1` of UPDATE t SET a = 1, as it is written. */
static char *
set_of(const struct walk *w, const json_t *o)
{
	const json_t *first =
	    json_object_get(json_array_get(json_object_get(o, "targetList"), 0), "ResTarget");
	size_t at = (size_t)json_integer_value(json_object_get(first, "location"));

	if (!w->alone || at <= w->at || at - w->at >= strlen(w->alone) || strstr(w->alone, "--") ||
	    json_object_get(o, "fromClause") || json_object_get(o, "returningList"))
		return NULL;
	return xstrdup(w->alone + (at - w->at));
}

static void
on_delete(struct walk *w, const json_t *o)
{
	const json_t *relation = json_object_get(o, "relation");
	_cleanup_free_ char *name = tree_relation(relation), *quoted = NULL;

	on_with(w, o);
	if (json_object_get(o, "whereClause") || map_get(w->own, name))
		return;
	quoted = tree_relation_quoted(relation);
	walk_destroys(w, "table-emptied", name,
	    xasprintf("DELETE without WHERE: all rows of %s go", name),
	    "Delete what must go in batches, with transaction:false; a backup before.",
	    sql_in_batches(quoted, NULL, ""));
}

static void
on_update(struct walk *w, const json_t *o)
{
	const json_t *relation = json_object_get(o, "relation");
	_cleanup_free_ char *name = tree_relation(relation), *quoted = NULL, *set = NULL;
	struct lint_note *n;

	on_with(w, o);
	if (json_object_get(o, "whereClause") || walk_is_harmless(w, relation))
		return;
	quoted = tree_relation_quoted(relation);
	set = set_of(w, o);
	n = walk_note(w, "update-all-rows", SEVERITY_WARNING, name,
	    xasprintf("UPDATE without WHERE writes all rows of %s in one transaction: its rows are "
	              "locked until the end, and the old values are gone",
	        name),
	    "In batches, each its own transaction, with a condition that says which rows are still "
	    "to do:",
	    set ? xasprintf("UPDATE %s SET %s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %s WHERE "
	                    "/* still to do */ LIMIT 5000));",
	              quoted, set, quoted)
	        : NULL);
	n->destructive = true;
	w->lint->destructive = true;
}

static void
on_insert(struct walk *w, const json_t *o)
{
	on_with(w, o);
}

static void
ignore(struct walk *w, const json_t *o)
{
	(void)w;
	(void)o;
}

/* ---- upkeep ---- */

static void
on_refresh(struct walk *w, const json_t *o)
{
	const json_t *relation = json_object_get(o, "relation");
	_cleanup_free_ char *name = tree_relation(relation), *quoted = NULL;

	if (json_is_true(json_object_get(o, "concurrent")) || map_get(w->own, name) ||
	    json_is_true(json_object_get(o, "skipData")))
		return;
	quoted = tree_relation_quoted(relation);
	walk_note(w, "refresh-not-concurrent", SEVERITY_WARNING, name,
	    xasprintf("nobody reads %s while it is filled", name),
	    "It needs a unique index for this:",
	    xasprintf("REFRESH MATERIALIZED VIEW CONCURRENTLY %s;", quoted));
}

static void
on_vacuum(struct walk *w, const json_t *o)
{
	if (!json_is_true(json_object_get(o, "is_vacuumcmd")))
		return;
	walk_wants_none(w, "vacuum-in-transaction", "VACUUM", "");
	if (tree_has_option(json_object_get(o, "options"), "full"))
		walk_note(w, "table-rewritten", SEVERITY_CRITICAL, "",
		    xstrdup("VACUUM FULL writes tables anew while nobody reads or writes them"),
		    "pg_repack does so beside the traffic; else plan a time without.", NULL);
}

static void
on_cluster(struct walk *w, const json_t *o)
{
	_cleanup_free_ char *name = tree_relation(json_object_get(o, "relation"));

	walk_note(w, "table-rewritten", SEVERITY_CRITICAL, name,
	    xasprintf("CLUSTER writes %s anew while nobody reads or writes it",
	        *name ? name : "every clustered table"),
	    "pg_repack does so beside the traffic; else plan a time without.", NULL);
}

static void
on_reindex(struct walk *w, const json_t *o)
{
	static const struct {
		const char *kind, *word;
	} words[] = { { "REINDEX_OBJECT_INDEX", "INDEX" }, { "REINDEX_OBJECT_TABLE", "TABLE" },
		{ "REINDEX_OBJECT_SCHEMA", "SCHEMA" }, { "REINDEX_OBJECT_DATABASE", "DATABASE" } };
	const json_t *relation = json_object_get(o, "relation");
	_cleanup_free_ char *quoted =
	    relation ? tree_relation_quoted(relation) : tree_quote(tree_text(o, "name"));
	const char *word = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (streq(tree_text(o, "kind"), words[i].kind))
			word = words[i].word;
	if (tree_has_option(json_object_get(o, "params"), "concurrently")) {
		walk_wants_none(w, "concurrently-in-transaction", "REINDEX CONCURRENTLY", quoted);
		walk_concurrent(w);
		return;
	}
	w->needs_timeout = true;
	walk_note(w, "reindex-not-concurrent", SEVERITY_CRITICAL, quoted,
	    xasprintf("nobody writes where %s is built anew, and nobody reads by the index",
	        *quoted ? quoted : "it"),
	    "In a file of its own, with transaction:false:",
	    word ? xasprintf("REINDEX %s CONCURRENTLY %s;", word, quoted) : NULL);
}

static void
on_block(struct walk *w, const json_t *o)
{
	(void)o;
	if (w->alone)
		walk_block(w, w->alone);
}

static void
on_drop_database(struct walk *w, const json_t *o)
{
	const char *name = tree_text(o, "dbname");

	walk_destroys(w, "object-dropped", name, xasprintf("database %s is dropped", name),
	    "Not by a migration.", NULL);
}

static void
on_server_wide(struct walk *w, const json_t *o)
{
	(void)o;
	walk_wants_none(w, "not-in-transaction", "this statement", "");
}

const struct statement_kind statement_kinds[] = {
	{ "AlterTableStmt", KIND_SCHEMA, on_alter_table },
	{ "IndexStmt", KIND_SCHEMA, on_index },
	{ "CreateStmt", KIND_SCHEMA, on_create },
	{ "CreateTableAsStmt", KIND_SCHEMA, on_create_as },
	{ "CreateTrigStmt", KIND_SCHEMA, on_create_trigger },
	{ "CreateEnumStmt", KIND_SCHEMA, on_create_enum },
	{ "DropStmt", KIND_SCHEMA, on_drop },
	{ "RenameStmt", KIND_SCHEMA, on_rename },
	{ "AlterEnumStmt", KIND_SCHEMA, on_enum },
	{ "VariableSetStmt", KIND_OTHER, on_set },
	{ "SelectStmt", KIND_OTHER, on_select },
	{ "TruncateStmt", KIND_DATA, on_truncate },
	{ "DeleteStmt", KIND_DATA, on_delete },
	{ "UpdateStmt", KIND_DATA, on_update },
	{ "InsertStmt", KIND_DATA, on_insert },
	{ "MergeStmt", KIND_DATA, on_with },
	{ "CopyStmt", KIND_DATA, ignore },
	{ "RefreshMatViewStmt", KIND_OTHER, on_refresh },
	{ "VacuumStmt", KIND_OTHER, on_vacuum },
	{ "ClusterStmt", KIND_OTHER, on_cluster },
	{ "ReindexStmt", KIND_OTHER, on_reindex },
	{ "LockStmt", KIND_OTHER, on_lock },
	{ "TransactionStmt", KIND_OTHER, on_transaction },
	{ "DoStmt", KIND_OTHER, on_block },
	{ "DropdbStmt", KIND_SCHEMA, on_drop_database },
	{ "CreatedbStmt", KIND_SCHEMA, on_server_wide },
	{ "AlterSystemStmt", KIND_OTHER, on_server_wide },
	{ "CreateTableSpaceStmt", KIND_OTHER, on_server_wide },
	{ NULL, KIND_OTHER, NULL },
};
