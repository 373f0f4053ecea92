-- What the role needs inside this database: (order, kind, level, what, statement, whether it is there).
WITH RECURSIVE me AS (
	SELECT w.role, r.oid, pg_catalog.quote_ident(w.role) AS q
	FROM (SELECT :role::text AS role) AS w LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = w.role
), @user_schema, @base_type, @fed, @bookkeeping, mine AS MATERIALIZED (
	SELECT c.oid, c.relname, c.relkind, c.relowner, n.oid AS nsp, @ident(n.nspname) AS schema,
	    @ident(n.nspname) || '.' || @ident(c.relname) AS q
	FROM pg_catalog.pg_class AS c JOIN user_schema AS n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't' AND NOT @extension_member(pg_class, c.oid)
), seq AS (
	SELECT nsp, schema, count(*) FILTER (WHERE NOT ok) AS missing, min(q) FILTER (WHERE NOT ok) AS one
	FROM (SELECT mine.*, coalesce(pg_catalog.has_sequence_privilege(me.oid, mine.oid, 'SELECT'), false) AS ok
		FROM mine, me WHERE mine.relkind = 'S') AS s
	GROUP BY nsp, schema
), read AS (
	-- Tables that are read whole, each for the first of its reasons.
	SELECT DISTINCT ON (m.oid) m.*, w.level, w.ord, w.what
	FROM (
		SELECT k.conrelid AS oid, 2 AS level, 5 AS ord, 'rows without a parent' AS what FROM pg_catalog.pg_constraint AS k
		WHERE k.contype = 'f' AND k.conparentid = 0
		UNION ALL SELECT k.confrelid, 2, 5, 'rows without a parent' FROM pg_catalog.pg_constraint AS k
		WHERE k.contype = 'f' AND k.conparentid = 0
		UNION ALL SELECT t.partdefid, 2, 5, 'rows in a default partition' FROM pg_catalog.pg_partitioned_table AS t
		UNION ALL SELECT b.oid, 1, 4, 'which migrations were applied' FROM bookkeeping AS b
	) AS w JOIN mine AS m ON m.oid = w.oid
	ORDER BY m.oid, w.level
), numbered AS (
	-- Columns whose greatest value is looked up: fed by a sequence, or an integer primary key.
	SELECT DISTINCT m.oid, m.nsp, m.schema, m.q, @ident(a.attname) AS col, a.attnum
	FROM (
		SELECT f.rel AS oid, f.attnum FROM fed AS f JOIN pg_catalog.pg_index AS i
		    ON i.indrelid = f.rel AND i.indisunique AND i.indnkeyatts = 1 AND i.indkey[0] = f.attnum AND i.indpred IS NULL
		WHERE f.seq IN (SELECT s.seqrelid FROM pg_catalog.pg_sequence AS s)
		UNION SELECT i.indrelid, k.attnum
		FROM pg_catalog.pg_index AS i CROSS JOIN LATERAL pg_catalog.unnest((i.indkey::int2[])[0 : i.indnkeyatts - 1]) AS k (attnum)
		WHERE i.indisprimary
	) AS w
	JOIN mine AS m ON m.oid = w.oid AND m.relkind IN ('r', 'p')
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = m.oid AND a.attnum = w.attnum AND NOT a.attisdropped
	LEFT JOIN base_type AS b ON b.oid = a.atttypid
	WHERE coalesce(b.base, a.atttypid) IN (20, 21, 23, 1700)
	  AND (coalesce(b.base, a.atttypid) IN (21, 23) OR EXISTS (SELECT FROM fed AS f WHERE f.rel = m.oid AND f.attnum = a.attnum))
	  AND m.oid NOT IN (SELECT r.oid FROM read AS r WHERE r.level = 2)
), amcheck AS (
	-- Only what takes no lock that an application could wait for.
	SELECT p.oid, n.oid AS nsp, n.nspname, @ident(n.nspname) AS schema,
	    pg_catalog.format('%s.%I(%s)', @ident(n.nspname), p.proname, pg_catalog.oidvectortypes(p.proargtypes)) AS signature
	FROM pg_catalog.pg_extension AS x
	JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = x.oid
	    AND d.deptype = 'e' AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
	JOIN pg_catalog.pg_proc AS p ON p.oid = d.objid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
	WHERE x.extname = 'amcheck' AND p.proname IN ('bt_index_check', 'verify_heapam', 'gin_index_check')
), wanted AS (
	-- Functions that checks need by name, with the statement that they print.
	SELECT x ->> 'grant' AS statement, pg_catalog.to_regprocedure(x ->> 'signature')::oid AS oid
	FROM pg_catalog.jsonb_array_elements(:functions::jsonb) AS x
), used AS (
	SELECT nsp, schema, 1 AS level FROM seq
	UNION ALL SELECT nsp, schema, level FROM read
	UNION ALL SELECT nsp, schema, 2 FROM numbered
	UNION ALL SELECT nsp, schema, 2 FROM amcheck WHERE nspname <> 'pg_catalog'
), place AS (
	-- Else an extension would land in the first schema of a search_path that is ours.
	SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'public') THEN ' SCHEMA public' ELSE '' END AS schema
)
SELECT 1, 'grant', min(u.level), 'to name what is in the schema',
    pg_catalog.format('GRANT USAGE ON SCHEMA %s TO %s;', u.schema, me.q),
    coalesce(pg_catalog.has_schema_privilege(me.oid, u.nsp, 'USAGE'), false)
FROM used AS u, me
GROUP BY u.nsp, u.schema, me.q, me.oid
UNION ALL
SELECT 2, 'grant', 1, 'last values: how far sequences are',
    CASE WHEN s.missing = 1 THEN pg_catalog.format('GRANT SELECT ON SEQUENCE %s TO %s;', s.one, me.q)
    ELSE pg_catalog.format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA %s TO %s;', s.schema, me.q) END,
    s.missing = 0
FROM seq AS s, me
UNION ALL
SELECT 3, 'grant', 1, 'sequences that this owner makes later',
    pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA %s GRANT SELECT ON SEQUENCES TO %s;', @ident(o.rolname), r.schema, me.q),
    EXISTS (SELECT FROM pg_catalog.pg_default_acl AS a CROSS JOIN LATERAL pg_catalog.aclexplode(a.defaclacl) AS x
        WHERE a.defaclrole = o.oid AND a.defaclnamespace IN (0, r.nsp) AND a.defaclobjtype = 'S'
          AND x.grantee IN (0, me.oid) AND x.privilege_type = 'SELECT')
FROM (SELECT DISTINCT nsp, schema, relowner FROM mine) AS r JOIN pg_catalog.pg_roles AS o ON o.oid = r.relowner CROSS JOIN me
UNION ALL
SELECT r.ord, 'grant', r.level, r.what,
    pg_catalog.format('GRANT SELECT ON %s TO %s;', r.q, me.q),
    coalesce(pg_catalog.has_table_privilege(me.oid, r.oid, 'SELECT'), false)
FROM read AS r, me
UNION ALL
SELECT 6, 'grant', 2, 'how far keys are, and whether their sequences fell behind',
    pg_catalog.format('GRANT SELECT (%s) ON %s TO %s;', n.col, n.q, me.q),
    coalesce(pg_catalog.has_column_privilege(me.oid, n.oid, n.attnum, 'SELECT'), false)
FROM numbered AS n, me
UNION ALL
SELECT 7, 'extension', 2, 'amcheck: verifies indexes and tables; costs nothing until it is run, then reads what it verifies',
    pg_catalog.format('CREATE EXTENSION IF NOT EXISTS amcheck%s;', p.schema),
    EXISTS (SELECT FROM pg_catalog.pg_extension AS x WHERE x.extname = 'amcheck')
FROM pg_catalog.pg_available_extensions AS v, place AS p WHERE v.name = 'amcheck'
UNION ALL
SELECT 8, 'grant', 2, 'to verify indexes and tables',
    pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO %s;', a.signature, me.q),
    coalesce(pg_catalog.has_function_privilege(me.oid, a.oid, 'EXECUTE'), false)
FROM amcheck AS a, me
UNION ALL
SELECT 9, 'grant', 2, 'what a check asks for', w.statement,
    coalesce(pg_catalog.has_function_privilege(me.oid, w.oid, 'EXECUTE'), false)
FROM wanted AS w, me
WHERE w.oid IS NOT NULL AND w.oid NOT IN (SELECT a.oid FROM amcheck AS a)
UNION ALL
SELECT 10, 'extension', 0, 'pg_stat_statements: which statements cost most',
    pg_catalog.format('CREATE EXTENSION IF NOT EXISTS pg_stat_statements%s;', p.schema),
    EXISTS (SELECT FROM pg_catalog.pg_extension AS x WHERE x.extname = 'pg_stat_statements')
FROM pg_catalog.pg_available_extensions AS v, place AS p WHERE v.name = 'pg_stat_statements' AND :is_home::bool
ORDER BY 1, 5
