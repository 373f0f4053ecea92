-- What the data role reads inside this database: tables with rules, and those whose keys are compared by code of theirs.
WITH @their_functions, @code_of_users, @user_schema, me AS (
	SELECT r.oid, pg_catalog.quote_ident(:data_role::text) AS q
	FROM (SELECT) AS one LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = :data_role::text
), wanted AS (
	SELECT k.conrelid AS oid FROM pg_catalog.pg_constraint AS k WHERE k.contype = 'c' AND k.conrelid <> 0
	UNION
	SELECT w.oid FROM pg_catalog.pg_constraint AS k CROSS JOIN LATERAL (VALUES (k.conrelid), (k.confrelid)) AS w (oid)
	WHERE k.contype = 'f' AND k.conparentid = 0 AND @runs_code(k.conpfeqop, k.conrelid, k.conkey, k.confrelid, k.confkey)
), mine AS (
	SELECT c.oid, n.oid AS nsp, @ident(n.nspname) AS schema, @ident(n.nspname) || '.' || @ident(c.relname) AS q
	FROM wanted AS w JOIN pg_catalog.pg_class AS c ON c.oid = w.oid JOIN user_schema AS n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND NOT @extension_member(pg_class, c.oid)
)
SELECT 15, 'grant', 2, 'data_role: to name what is in the schema',
    pg_catalog.format('GRANT USAGE ON SCHEMA %s TO %s;', u.schema, me.q),
    coalesce(pg_catalog.has_schema_privilege(me.oid, u.nsp, 'USAGE'), false)
FROM (SELECT DISTINCT nsp, schema FROM mine) AS u, me
UNION ALL
SELECT 16, 'grant', 2, 'data_role: rows that are held against a rule, or compared by code of the database',
    pg_catalog.format('GRANT SELECT ON %s TO %s;', t.q, me.q),
    coalesce(pg_catalog.has_table_privilege(me.oid, t.oid, 'SELECT'), false)
FROM mine AS t, me
ORDER BY 1, 5
