/* What is recorded of a PostgreSQL database with its backup, and what a copy of it is compared by. */
#include "backup/pg.h"
#include "base/sha.h"
#include "base/str.h"
#include <stdio.h>

/* Tables that hold rows themselves; those of extensions are the extension's, but for what it says. */
static const char tables_sql[] =
    "SELECT format('%I.%I', n.nspname, c.relname)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'r' AND c.relpersistence <> 't'"
    " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
    "  AND d.objid = c.oid AND d.deptype = 'e')"
    " ORDER BY c.relpages, 1";

int
pg_facts_tables(struct pg_direct *d, struct manifest *m, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(d, tables_sql, NULL, 0, &rows, e);

	for (size_t i = 0; r == 0 && i < pg_rows_count(rows); i++)
		manifest_add_table(m, pg_rows_get(rows, i, 0), -1);
	return r;
}

int
pg_facts_count(struct pg_direct *d, const char *table, int64_t *ret, struct err *e)
{
	/* The name is quoted by the server.  ONLY: children are counted for themselves. */
	_cleanup_free_ char *sql = xasprintf("SELECT count(*) FROM ONLY %s", table);
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(d, sql, NULL, 0, &rows, e);

	if (r < 0)
		return r;
	*ret = strtoll(pg_rows_get(rows, 0, 0), NULL, 10);
	return 0;
}

/*
 * One line for each object that a dump brings back, the same before and after: without expressions,
 * whose text changes when it is read again, without the order of columns, which inheritance changes,
 * and without what an extension owns.
 */
static const char shape_sql[] =
    "SELECT * FROM (WITH s AS (SELECT oid, nspname FROM pg_namespace"
    "  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),"
    " own AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),"
    " r AS (SELECT c.*, format('%I.%I', s.nspname, c.relname) AS name FROM pg_class c"
    "  JOIN s ON s.oid = c.relnamespace WHERE c.relpersistence <> 't'"
    "  AND ('pg_class'::regclass, c.oid) NOT IN (SELECT classid, objid FROM own))"
    " SELECT 'schema' AS kind, quote_ident(nspname) AS name, '' AS body FROM s"
    "  WHERE nspname <> 'public' AND ('pg_namespace'::regclass, oid) NOT IN (SELECT * FROM own)"
    " UNION ALL SELECT 'extension', quote_ident(extname), '' FROM pg_extension"
    " UNION ALL SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'"
    "   WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END, name,"
    "   relkind::text || relpersistence::text || relispartition::text || relrowsecurity::text"
    "   || (SELECT coalesce(string_agg(format('%I %s %s %s %s %s', a.attname,"
    "    format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef, a.attidentity::text,"
    "    a.attgenerated::text), ',' ORDER BY a.attname COLLATE \"C\"), '') FROM pg_attribute a"
    "    WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped)"
    "  FROM r WHERE relkind IN ('r','p','v','m','f','c')"
    " UNION ALL SELECT 'sequence', r.name, concat_ws(' ', format_type(q.seqtypid, NULL),"
    "   q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcycle)"
    "  FROM r JOIN pg_sequence q ON q.seqrelid = r.oid"
    " UNION ALL SELECT 'index', format('%I', c.relname) || ' on ' || r.name,"
    "   CASE WHEN i.indexprs IS NULL AND i.indpred IS NULL THEN pg_get_indexdef(c.oid) ELSE '' END"
    "  FROM r JOIN pg_index i ON i.indrelid = r.oid AND i.indisvalid"
    "  JOIN pg_class c ON c.oid = i.indexrelid"
    " UNION ALL SELECT 'constraint', format('%I', k.conname) || ' on ' || r.name,"
    "   CASE WHEN k.contype IN ('p','u','f') THEN pg_get_constraintdef(k.oid) ELSE '' END"
    "  FROM pg_constraint k JOIN r ON r.oid = k.conrelid"
    "  WHERE k.contype IN ('p','u','f','c','x') AND k.conparentid = 0"
    " UNION ALL SELECT 'trigger', format('%I', t.tgname) || ' on ' || r.name, t.tgenabled::text"
    "  FROM pg_trigger t JOIN r ON r.oid = t.tgrelid"
    "  WHERE NOT t.tgisinternal AND NOT r.relispartition"
    " UNION ALL SELECT 'policy', format('%I', p.polname) || ' on ' || r.name, p.polcmd::text"
    "  FROM pg_policy p JOIN r ON r.oid = p.polrelid"
    " UNION ALL SELECT 'function', format('%I.%I(%s)', s.nspname, p.proname,"
    "   pg_get_function_identity_arguments(p.oid)), md5(p.prosrc)"
    "  FROM pg_proc p JOIN s ON s.oid = p.pronamespace"
    "  WHERE ('pg_proc'::regclass, p.oid) NOT IN (SELECT * FROM own)"
    "  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass"
    "   AND d.objid = p.oid AND d.deptype = 'i')"
    " UNION ALL SELECT 'type', format('%I.%I', s.nspname, t.typname), coalesce((SELECT"
    "   string_agg(quote_literal(enumlabel), ',' ORDER BY enumsortorder) FROM pg_enum"
    "   WHERE enumtypid = t.oid), format_type(nullif(t.typbasetype, 0), t.typtypmod), '')"
    "  FROM pg_type t JOIN s ON s.oid = t.typnamespace WHERE t.typtype IN ('e','d','r')"
    "  AND ('pg_type'::regclass, t.oid) NOT IN (SELECT * FROM own)"
    ") x ORDER BY kind COLLATE \"C\", name COLLATE \"C\", body COLLATE \"C\"";

static void
add_to(json_t *o, const char *key)
{
	json_object_set_new(o, key, json_integer(json_integer_value(json_object_get(o, key)) + 1));
}

static int
read_shape(struct pg_direct *d, json_t *facts, char **ret, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	_cleanup_str_ struct str all = { 0 };
	char hex[SHA_HEX_SIZE];
	json_t *objects;
	int r = pg_direct_query(d, shape_sql, NULL, 0, &rows, e);

	if (r < 0)
		return r;
	objects = json_object();
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		add_to(objects, pg_rows_get(rows, i, 0));
		for (size_t c = 0; c < 3; c++) {
			const char *cell = pg_rows_get(rows, i, c);

			str_addf(&all, "%zu:%s", strlen(cell ? cell : ""), cell ? cell : "");
		}
	}
	json_object_set_new(facts, "objects", objects);
	sha_hex(256, str_text(&all), all.len, hex);
	*ret = xstrdup(hex);
	return 0;
}

/* PostgreSQL 15 knows other providers of locales, 17 has the locale of all of them in one column. */
static char *
database_sql(int version)
{
	return xasprintf(
	    "SELECT pg_encoding_to_char(encoding), datcollate, datctype, pg_get_userbyid(datdba),"
	    " %s, %s, %s, pg_database_size(oid), (SELECT count(*) FROM pg_largeobject_metadata),"
	    " datconnlimit FROM pg_database WHERE datname = current_database()",
	    version >= 150000 ? "datlocprovider" : "'c'",
	    version >= 170000   ? "datlocale"
	    : version >= 150000 ? "daticulocale"
	                        : "NULL",
	    version >= 160000 ? "daticurules" : "NULL");
}

static int
read_database(struct pg_direct *d, json_t *facts, struct err *e)
{
	static const char *const keys[] = { "encoding", "collate", "ctype", "owner", "provider",
		"locale", "icu_rules", "bytes", "large_objects", "connection_limit" };
	_cleanup_free_ char *sql = database_sql(pg_direct_version(d));
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	int r = pg_direct_query(d, sql, NULL, 0, &rows, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *v = pg_rows_get(rows, 0, i);

		json_object_set_new(facts, keys[i],
		    !v      ? json_null()
		    : i < 7 ? json_string(v)
		            : json_integer(strtoll(v, NULL, 10)));
	}
	return 0;
}

/* ALTER DATABASE ... SET, which pg_restore brings back only under the database's own name. */
static int
read_settings(struct pg_direct *d, json_t *facts, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	json_t *list = json_array();
	int r = pg_direct_query(d,
	    "SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = 0 AND setdatabase ="
	    " (SELECT oid FROM pg_database WHERE datname = current_database())",
	    NULL, 0, &rows, e);

	for (size_t i = 0; r == 0 && i < pg_rows_count(rows); i++)
		json_array_append_new(list, json_string(pg_rows_get(rows, i, 0)));
	json_object_set_new(facts, "settings", list);
	return r;
}

int
pg_facts_read(struct pg_direct *d, json_t **ret, char **ret_fingerprint, struct err *e)
{
	_cleanup_free_ char *fingerprint = NULL;
	json_t *facts = json_object();
	int r = read_database(d, facts, e);

	if (r == 0)
		r = read_settings(d, facts, e);
	if (r == 0)
		r = read_shape(d, facts, &fingerprint, e);
	if (r < 0) {
		json_decref(facts);
		return r;
	}
	*ret = facts;
	*ret_fingerprint = TAKE_PTR(fingerprint);
	return 0;
}
