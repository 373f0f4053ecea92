/* The schema as a document: three questions an engine, answered in one form. */
#include "data/schema.h"
#include "base/str.h"
#include "data/source.h"

/* Rows: table, kind, its comment, column, type, not null, default, generated, its comment. */
static const char pg_columns[] =
    "SELECT n.nspname || '.' || c.relname, CASE c.relkind WHEN 'v' THEN 'view'"
    "  WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'table' END,"
    " obj_description(c.oid, 'pg_class'), a.attname, format_type(a.atttypid, a.atttypmod),"
    " CASE WHEN a.attnotnull THEN 't' END, pg_get_expr(d.adbin, d.adrelid),"
    " CASE WHEN a.attidentity = 'a' THEN 'always as identity'"
    "  WHEN a.attidentity = 'd' THEN 'by default as identity'"
    "  WHEN a.attgenerated <> '' THEN 'always' END, col_description(c.oid, a.attnum)"
    " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition"
    "  AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
    "  AND c.relname <> 'dbhealth_migrations'"
    "  AND NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.objid = c.oid AND e.deptype = 'e'"
    "   AND e.classid = 'pg_class'::regclass)"
    " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", a.attnum";
/* Rows: table, name, kind, definition, the table that it points at. */
static const char pg_constraints[] =
    "SELECT n.nspname || '.' || c.relname, k.conname, CASE k.contype WHEN 'p' THEN 'primary key'"
    "  WHEN 'u' THEN 'unique' WHEN 'f' THEN 'foreign key' WHEN 'x' THEN 'exclusion'"
    "  WHEN 'n' THEN 'not null' ELSE 'check' END, pg_get_constraintdef(k.oid),"
    " CASE k.contype WHEN 'f' THEN (SELECT m.nspname || '.' || o.relname FROM pg_class AS o"
    "  JOIN pg_namespace AS m ON m.oid = o.relnamespace WHERE o.oid = k.confrelid) END"
    " FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE k.contype IN ('p', 'u', 'f', 'x', 'c') AND NOT c.relispartition AND k.conparentid = 0"
    " ORDER BY 1, position(k.contype::text IN 'pufxc'), k.conname COLLATE \"C\"";
/* Rows: table, name, definition.  Those of constraints are told by these. */
static const char pg_indexes[] =
    "SELECT n.nspname || '.' || c.relname, x.relname, pg_get_indexdef(i.indexrelid)"
    " FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid"
    " JOIN pg_class AS x ON x.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND n.nspname !~ '^pg_'"
    "  AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid"
    "   AND k.contype IN ('p', 'u', 'x'))"
    " ORDER BY 1, x.relname COLLATE \"C\"";

static const char sqlite_columns[] =
    "SELECT l.name, CASE l.type WHEN 'virtual' THEN 'virtual table' ELSE l.type END, NULL, c.name,"
    " c.type, CASE WHEN c.\"notnull\" THEN 't' END, c.dflt_value,"
    " CASE WHEN c.hidden IN (2, 3) THEN 'always' END, NULL"
    " FROM pragma_table_list AS l LEFT JOIN pragma_table_xinfo(l.name) AS c"
    " WHERE l.schema = 'main' AND l.type IN ('table', 'view', 'virtual')"
    "  AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND l.name <> 'dbhealth_migrations'"
    " ORDER BY l.name, c.cid";
static const char sqlite_constraints[] =
    "SELECT l.name, '', 'primary key', 'PRIMARY KEY (' || (SELECT group_concat(name, ', ') FROM"
    "  (SELECT c.name FROM pragma_table_xinfo(l.name) AS c WHERE c.pk > 0 ORDER BY c.pk)) || ')',"
    " NULL FROM pragma_table_list AS l WHERE l.schema = 'main' AND l.type = 'table'"
    "  AND EXISTS (SELECT 1 FROM pragma_table_xinfo(l.name) AS c WHERE c.pk > 0)"
    " UNION ALL SELECT l.name, '', 'unique', 'UNIQUE (' || (SELECT group_concat(name, ', ') FROM"
    "  (SELECT c.name FROM pragma_index_info(i.name) AS c ORDER BY c.seqno)) || ')', NULL"
    " FROM pragma_table_list AS l JOIN pragma_index_list(l.name) AS i"
    " WHERE l.schema = 'main' AND i.origin = 'u'"
    " UNION ALL SELECT l.name, '', 'foreign key', 'FOREIGN KEY (' || group_concat(f.\"from\", ', ')"
    "  || ') REFERENCES ' || f.\"table\" || coalesce('(' || group_concat(f.\"to\", ', ') || ')', "
    "'')"
    "  || CASE WHEN f.on_delete <> 'NO ACTION' THEN ' ON DELETE ' || f.on_delete ELSE '' END"
    "  || CASE WHEN f.on_update <> 'NO ACTION' THEN ' ON UPDATE ' || f.on_update ELSE '' END,"
    "  f.\"table\" FROM pragma_table_list AS l JOIN pragma_foreign_key_list(l.name) AS f"
    " WHERE l.schema = 'main' AND l.type = 'table' GROUP BY l.name, f.id";
static const char sqlite_indexes[] =
    "SELECT tbl_name, name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
    " ORDER BY tbl_name, name";

static json_t *
text(const struct data_rows *rows, size_t row, size_t column)
{
	const char *s = data_text(rows, row, column);
	json_t *j = s ? json_string(s) : NULL;

	return j ? j : json_null();
}

static json_t *
new_table(const struct data_rows *rows, size_t row)
{
	json_t *t = json_object();

	json_object_set_new(t, "name", text(rows, row, 0));
	json_object_set_new(t, "kind", text(rows, row, 1));
	json_object_set_new(t, "comment", text(rows, row, 2));
	json_object_set_new(t, "columns", json_array());
	json_object_set_new(t, "constraints", json_array());
	json_object_set_new(t, "indexes", json_array());
	json_object_set_new(t, "referenced_by", json_array());
	return t;
}

static void
put_columns(json_t *tables, json_t *by_name, const struct data_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		const char *name = data_text(rows, i, 0);
		json_t *t = json_object_get(by_name, name ? name : ""), *c;

		if (!name)
			continue;
		if (!t) {
			t = new_table(rows, i);
			json_array_append_new(tables, t);
			json_object_set(by_name, name, t);
		}
		if (!data_text(rows, i, 3))
			continue;
		c = json_object();
		json_object_set_new(c, "name", text(rows, i, 3));
		json_object_set_new(c, "type", text(rows, i, 4));
		json_object_set_new(c, "not_null", json_boolean(data_text(rows, i, 5) != NULL));
		json_object_set_new(c, "default", text(rows, i, 6));
		json_object_set_new(c, "generated", text(rows, i, 7));
		json_object_set_new(c, "comment", text(rows, i, 8));
		json_array_append_new(json_object_get(t, "columns"), c);
	}
}

static void
put_constraints(const json_t *by_name, const struct data_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		const char *name = data_text(rows, i, 0), *other = data_text(rows, i, 4);
		const json_t *t = json_object_get(by_name, name ? name : ""),
		             *target = json_object_get(by_name, other ? other : "");
		json_t *c;

		if (!t)
			continue;
		c = json_object();
		json_object_set_new(c, "name", text(rows, i, 1));
		json_object_set_new(c, "kind", text(rows, i, 2));
		json_object_set_new(c, "definition", text(rows, i, 3));
		json_object_set_new(c, "references", text(rows, i, 4));
		json_array_append_new(json_object_get(t, "constraints"), c);
		if (target)
			json_array_append_new(
			    json_object_get(target, "referenced_by"), json_string(name));
	}
}

static void
put_indexes(const json_t *by_name, const struct data_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		const char *name = data_text(rows, i, 0);
		const json_t *t = json_object_get(by_name, name ? name : "");
		json_t *x;

		if (!t)
			continue;
		x = json_object();
		json_object_set_new(x, "name", text(rows, i, 1));
		json_object_set_new(x, "definition", text(rows, i, 2));
		json_array_append_new(json_object_get(t, "indexes"), x);
	}
}

int
data_schema(struct data_source *s, json_t **ret, struct err *e)
{
	bool sqlite = s->ops->engine == ENGINE_SQLITE;
	const char *const sql[] = { sqlite ? sqlite_columns : pg_columns,
		sqlite ? sqlite_constraints : pg_constraints,
		sqlite ? sqlite_indexes : pg_indexes };
	struct data_rows rows[ARRAY_SIZE(sql)] = { 0 };
	json_t *tables, *by_name;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(sql); i++)
		r = s->ops->ask(s, sql[i], NULL, 0, &rows[i], e);
	if (r >= 0) {
		tables = json_array();
		by_name = json_object();
		put_columns(tables, by_name, &rows[0]);
		put_constraints(by_name, &rows[1]);
		put_indexes(by_name, &rows[2]);
		json_decref(by_name);
		*ret = tables;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sql); i++)
		data_rows_done(&rows[i]);
	return MIN(r, 0);
}
