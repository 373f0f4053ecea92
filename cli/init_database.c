/*
 * What the role needs inside one database: one statement to the server, whose rows are the grants,
 * each with whether it is there.
 */
#include "base/str.h"
#include "check/check.h"
#include "check/facts.h"
#include "cli/init_sql.h"
#include "pg/flavour.h"

/* Else it would land in the first schema of a search_path that is ours. */
#define IN_PUBLIC                                                                                  \
	"CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'public')"   \
	" THEN ' SCHEMA public' ELSE '' END"

/* $2 globs of the platform's schemas, $3 what checks ask for by name, $4 whether it is home. */
static const char database_sql[] = ME ", schemas AS (SELECT n.oid, n.nspname, " IDENT(
    "n.nspname") " AS q"
                 " FROM pg_catalog.pg_namespace AS n"
                 " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS "
                 "(SELECT"
                 " FROM pg_catalog.jsonb_array_elements_text($2::jsonb) AS x WHERE n.nspname LIKE"
                 " pg_catalog.translate(pg_catalog.replace(x, '_', '\\_'), '*?', '%_')))"
                 ", rel AS MATERIALIZED (SELECT c.oid, c.relname, c.relkind, c.relowner, s.oid AS "
                 "nsp,"
                 " s.q AS sq, s.q || '.' || " IDENT(
                     "c.relname") " AS q"
                                  " FROM pg_catalog.pg_class AS c JOIN schemas AS s ON s.oid = "
                                  "c.relnamespace"
                                  " WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'"
                                  " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE "
                                  "d.classid ="
                                  " 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid "
                                  "AND d.deptype = 'e'))"
                                  ", seq AS (SELECT nsp, sq, count(*) FILTER (WHERE NOT ok) AS "
                                  "missing,"
                                  " min(q) FILTER (WHERE NOT ok) AS one FROM (SELECT rel.*,"
                                  " coalesce(pg_catalog.has_sequence_privilege(me.oid, rel.oid, "
                                  "'SELECT'), false) AS ok"
                                  " FROM rel, me WHERE rel.relkind = 'S') AS s GROUP BY nsp, sq)"
                                  ", keyed AS (SELECT DISTINCT rel.* FROM rel JOIN (SELECT "
                                  "k.conrelid AS t FROM"
                                  " pg_catalog.pg_constraint AS k WHERE k.contype = 'f' AND "
                                  "k.conparentid = 0 UNION SELECT"
                                  " k.confrelid FROM pg_catalog.pg_constraint AS k WHERE k.contype "
                                  "= 'f'"
                                  " AND k.conparentid = 0) AS f ON f.t = rel.oid)"
                                  ", migrated AS (SELECT * FROM rel WHERE relkind IN ('r', 'p') "
                                  "AND relname ~"
                                  " '^(alembic_version|flyway_schema_history|schema_version|schema_"
                                  "migrations"
                                  "|ar_internal_metadata|django_migrations|databasechangelog(lock)?"
                                  "|knex_migrations(_lock)?"
                                  "|_prisma_migrations|goose_db_version|_sqlx_migrations)$')"
                                  /* Columns that a sequence feeds and a unique index orders. */
                                  ", fed AS (SELECT DISTINCT t.oid, t.nsp, t.sq, t.q, a.attname, "
                                  "a.attnum FROM ("
                                  "SELECT d.refobjid AS t, d.refobjsubid AS n FROM "
                                  "pg_catalog.pg_depend AS d"
                                  " JOIN rel AS s ON s.oid = d.objid AND s.relkind = 'S'"
                                  " WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass "
                                  "AND d.refclassid ="
                                  " 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN "
                                  "('a', 'i') AND d.refobjsubid > 0"
                                  " UNION SELECT f.adrelid, f.adnum FROM pg_catalog.pg_depend AS d "
                                  "JOIN pg_catalog.pg_attrdef"
                                  " AS f ON f.oid = d.objid JOIN rel AS s ON s.oid = d.refobjid "
                                  "AND s.relkind = 'S'"
                                  " WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass "
                                  "AND d.refclassid ="
                                  " 'pg_catalog.pg_class'::pg_catalog.regclass) AS x"
                                  " JOIN rel AS t ON t.oid = x.t AND t.relkind IN ('r', 'p')"
                                  " JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND "
                                  "a.attnum = x.n"
                                  " AND NOT a.attisdropped"
                                  " WHERE EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE "
                                  "i.indrelid = t.oid"
                                  " AND i.indisunique AND i.indnkeyatts = 1 AND i.indkey[0] = "
                                  "a.attnum AND i.indpred IS NULL)"
                                  " AND t.oid NOT IN (SELECT k.oid FROM keyed AS k))"
                                  ", wanted AS (SELECT x ->> 'sig' AS sig, x ->> 'grant' AS g, "
                                  "pg_catalog.to_regprocedure("
                                  "x ->> 'sig') AS p FROM "
                                  "pg_catalog.jsonb_array_elements($3::jsonb) AS x)"
                                  ", proc AS (SELECT p.oid, p.proname, n.oid AS nsp, "
                                  "n.nspname, " IDENT(
                                      "n.nspname") " AS sq,"
                                                   " pg_catalog.oidvectortypes(p.proargtypes) AS "
                                                   "args, x.extname FROM pg_catalog.pg_extension "
                                                   "AS x"
                                                   " JOIN pg_catalog.pg_depend AS d ON "
                                                   "d.refclassid ="
                                                   " 'pg_catalog.pg_extension'::pg_catalog."
                                                   "regclass AND d.refobjid = x.oid AND d.deptype "
                                                   "= 'e'"
                                                   " AND d.classid = "
                                                   "'pg_catalog.pg_proc'::pg_catalog.regclass"
                                                   " JOIN pg_catalog.pg_proc AS p ON p.oid = "
                                                   "d.objid JOIN pg_catalog.pg_namespace AS n"
                                                   " ON n.oid = p.pronamespace WHERE x.extname = "
                                                   "'amcheck'"
                                                   " AND p.proname IN ('bt_index_check', "
                                                   "'verify_heapam', 'gin_index_check'))"
                                                   ", used AS (SELECT nsp, sq, 1 AS level FROM seq "
                                                   "UNION ALL SELECT nsp, sq, 1 FROM migrated"
                                                   " UNION ALL SELECT nsp, sq, 2 FROM keyed UNION "
                                                   "ALL SELECT nsp, sq, 2 FROM fed"
                                                   " UNION ALL SELECT nsp, sq, 2 FROM proc WHERE "
                                                   "nspname <> 'pg_catalog')"
                                                   " SELECT 1, 'grant', min(u.level), 'to name "
                                                   "what is in the schema',"
                                                   " pg_catalog.format('GRANT USAGE ON SCHEMA %s "
                                                   "TO %s;', u.sq, me.q),"
                                                   " coalesce(pg_catalog.has_schema_privilege(me."
                                                   "oid, u.nsp, 'USAGE'), false)"
                                                   " FROM used AS u, me GROUP BY u.nsp, u.sq, "
                                                   "me.q, me.oid"
                                                   " UNION ALL SELECT 2, 'grant', 1, 'last values: "
                                                   "how far sequences are',"
                                                   " CASE WHEN s.missing = 1 THEN "
                                                   "pg_catalog.format('GRANT SELECT ON SEQUENCE %s "
                                                   "TO %s;', s.one, me.q)"
                                                   " ELSE pg_catalog.format('GRANT SELECT ON ALL "
                                                   "SEQUENCES IN SCHEMA %s TO %s;', s.sq, me.q) "
                                                   "END,"
                                                   " s.missing = 0 FROM seq AS s, me"
                                                   " UNION ALL SELECT 3, 'grant', 1, 'sequences "
                                                   "that this owner makes later',"
                                                   " pg_catalog.format('ALTER DEFAULT PRIVILEGES "
                                                   "FOR ROLE %s IN SCHEMA %s GRANT SELECT ON "
                                                   "SEQUENCES TO %s;',"
                                                   " " IDENT(
                                                       "o.rolname") ", r.sq, me.q),"
                                                                    " EXISTS (SELECT FROM "
                                                                    "pg_catalog.pg_default_acl AS "
                                                                    "a, "
                                                                    "pg_catalog.aclexplode(a."
                                                                    "defaclacl) AS x"
                                                                    " WHERE a.defaclrole = o.oid "
                                                                    "AND a.defaclnamespace IN (0, "
                                                                    "r.nsp) AND a.defaclobjtype = "
                                                                    "'S'"
                                                                    " AND x.grantee IN (0, me.oid) "
                                                                    "AND x.privilege_type = "
                                                                    "'SELECT')"
                                                                    " FROM (SELECT DISTINCT nsp, "
                                                                    "sq, relowner FROM rel) AS r"
                                                                    " JOIN pg_catalog.pg_roles AS "
                                                                    "o ON o.oid = r.relowner CROSS "
                                                                    "JOIN me"
                                                                    " UNION ALL SELECT 4, 'grant', "
                                                                    "1, 'which migrations were "
                                                                    "applied',"
                                                                    " pg_catalog.format('GRANT "
                                                                    "SELECT ON %s TO %s;', m.q, "
                                                                    "me.q),"
                                                                    " coalesce(pg_catalog.has_"
                                                                    "table_privilege(me.oid, "
                                                                    "m.oid, 'SELECT'), false)"
                                                                    " FROM migrated AS m, me WHERE "
                                                                    "m.oid NOT IN (SELECT k.oid "
                                                                    "FROM keyed AS k)"
                                                                    " UNION ALL SELECT 5, 'grant', "
                                                                    "2, 'rows without a parent',"
                                                                    " pg_catalog.format('GRANT "
                                                                    "SELECT ON %s TO %s;', k.q, "
                                                                    "me.q),"
                                                                    " coalesce(pg_catalog.has_"
                                                                    "table_privilege(me.oid, "
                                                                    "k.oid, 'SELECT'), false) FROM "
                                                                    "keyed AS k, me"
                                                                    " UNION ALL SELECT 6, 'grant', "
                                                                    "2, 'sequences that fell "
                                                                    "behind their column',"
                                                                    " pg_catalog.format('GRANT "
                                                                    "SELECT (%s) ON %s TO "
                                                                    "%s;', " IDENT(
                                                                        "f.attname") ", f.q, me.q),"
                                                                                     " coalesce(pg_"
                                                                                     "catalog.has_"
                                                                                     "column_"
                                                                                     "privilege(me."
                                                                                     "oid, f.oid, "
                                                                                     "f.attnum::"
                                                                                     "int2, "
                                                                                     "'SELECT'), "
                                                                                     "false)"
                                                                                     " FROM fed AS "
                                                                                     "f, me"
                                                                                     " UNION ALL "
                                                                                     "SELECT 7, "
                                                                                     "'extension', "
                                                                                     "2, 'amcheck: "
                                                                                     "verifies "
                                                                                     "indexes and "
                                                                                     "tables; "
                                                                                     "costs nothing"
                                                                                     " until it is "
                                                                                     "run, then "
                                                                                     "reads what "
                                                                                     "it "
                                                                                     "verifies', "
                                                                                     "pg_catalog."
                                                                                     "format('"
                                                                                     "CREATE "
                                                                                     "EXTENSION IF "
                                                                                     "NOT EXISTS "
                                                                                     "amcheck%s;',"
                                                                                     " " IN_PUBLIC
                                                                                     "),"
                                                                                     " EXISTS "
                                                                                     "(SELECT FROM "
                                                                                     "pg_catalog."
                                                                                     "pg_extension "
                                                                                     "AS x WHERE "
                                                                                     "x.extname = "
                                                                                     "'amcheck')"
                                                                                     " FROM "
                                                                                     "pg_catalog."
                                                                                     "pg_available_"
                                                                                     "extensions "
                                                                                     "AS v WHERE "
                                                                                     "v.name = "
                                                                                     "'amcheck'"
                                                                                     " UNION ALL "
                                                                                     "SELECT 8, "
                                                                                     "'grant', 2, "
                                                                                     "'to verify "
                                                                                     "indexes and "
                                                                                     "tables',"
                                                                                     " pg_catalog."
                                                                                     "format('"
                                                                                     "GRANT "
                                                                                     "EXECUTE ON "
                                                                                     "FUNCTION "
                                                                                     "%s.%I(%s) TO "
                                                                                     "%s;', p.sq, "
                                                                                     "p.proname, "
                                                                                     "p.args, "
                                                                                     "me.q),"
                                                                                     " coalesce(pg_"
                                                                                     "catalog.has_"
                                                                                     "function_"
                                                                                     "privilege(me."
                                                                                     "oid, p.oid, "
                                                                                     "'EXECUTE'), "
                                                                                     "false) FROM "
                                                                                     "proc AS p, me"
                                                                                     " UNION ALL "
                                                                                     "SELECT 9, "
                                                                                     "'grant', 1, "
                                                                                     "'what a "
                                                                                     "check asks "
                                                                                     "for', w.g,"
                                                                                     " coalesce(pg_"
                                                                                     "catalog.has_"
                                                                                     "function_"
                                                                                     "privilege(me."
                                                                                     "oid, w.p, "
                                                                                     "'EXECUTE'), "
                                                                                     "false)"
                                                                                     " FROM wanted "
                                                                                     "AS w, me "
                                                                                     "WHERE w.p IS "
                                                                                     "NOT NULL AND "
                                                                                     "w.p NOT IN "
                                                                                     "(SELECT "
                                                                                     "p.oid FROM "
                                                                                     "proc AS p)"
                                                                                     " UNION ALL "
                                                                                     "SELECT 10, "
                                                                                     "'extension', "
                                                                                     "0, "
                                                                                     "'pg_stat_"
                                                                                     "statements: "
                                                                                     "which "
                                                                                     "statements "
                                                                                     "cost most',"
                                                                                     " pg_catalog."
                                                                                     "format('"
                                                                                     "CREATE "
                                                                                     "EXTENSION IF "
                                                                                     "NOT EXISTS "
                                                                                     "pg_stat_"
                                                                                     "statements%s;"
                                                                                     "', " IN_PUBLIC
                                                                                     "),"
                                                                                     " EXISTS "
                                                                                     "(SELECT FROM "
                                                                                     "pg_catalog."
                                                                                     "pg_extension "
                                                                                     "AS x WHERE "
                                                                                     "x.extname = "
                                                                                     "'pg_stat_"
                                                                                     "statements')"
                                                                                     " FROM "
                                                                                     "pg_catalog."
                                                                                     "pg_available_"
                                                                                     "extensions "
                                                                                     "AS v WHERE "
                                                                                     "v.name = "
                                                                                     "'pg_stat_"
                                                                                     "statements' "
                                                                                     "AND $4::bool"
                                                                                     " ORDER BY 1, "
                                                                                     "5";

/* Functions that the checks need by name, with the statement that they print. */
static char *
wanted_functions(const char *role)
{
	_cleanup_(catalogue_freep) struct catalogue *cat = catalogue_new();
	json_t *list = json_array();
	_cleanup_strv_ char **seen = NULL;
	char *text;

	for (size_t i = 0; i < catalogue_count(cat); i++) {
		const struct check *c = catalogue_at(cat, i);

		for (size_t k = 0; c->engine == ENGINE_POSTGRESQL && k < c->needs.n; k++) {
			const struct need *need = &c->needs.v[k];
			_cleanup_free_ char *grant = NULL;

			if (need->kind != NEED_PRIVILEGE || strv_has(seen, need->name) ||
			    !str_starts(need->name, "execute "))
				continue;
			strv_add(&seen, need->name);
			grant = privilege_grant(need->name, role);
			json_array_append_new(
			    list, json_pack("{s:s, s:s}", "sig", need->name + strlen("execute "),
			              "grant", grant));
		}
	}
	text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return text;
}

int
init_ask_database(struct init_plan *p, struct pg_direct *d, const char *name, struct err *e)
{
	_cleanup_free_ char *wanted = wanted_functions(p->role), *schemas = NULL;
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL, *tells = NULL;
	_cleanup_free_ char *sql = pg_flavour_sql();
	_cleanup_strv_ char **told = NULL;
	const char *params[] = { p->role, NULL, wanted, streq(name, p->home) ? "t" : "f" };
	int r = pg_direct_query(d, sql, NULL, 0, &tells, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < pg_rows_count(tells); i++)
		strv_add(&told, pg_rows_get(tells, i, 1));
	schemas = pg_platform_json(told, PG_PLATFORM_SCHEMAS);
	params[1] = schemas;
	r = pg_direct_query(d, database_sql, params, ARRAY_SIZE(params), &rows, e);
	if (r < 0)
		return r;
	init_take(p, rows, name);
	return 0;
}
