-- id: function-definer-search-path
-- title: SECURITY DEFINER function without a fixed search_path
-- engine: postgresql
-- probe: schema
-- topic: security
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- message: runs with the rights of {owner}, but finds names by the caller's search_path
-- why: The caller decides where the names in the body are looked for: a function, operator or temporary table
--   of the caller's own runs with the rights of the owner.
-- spares: functions whose search_path is set, whatever to; bodies in the SQL standard's form, whose names are
--   bound when they are created; functions of extensions.
-- fix: Set search_path on the function. pg_temp must be named, and last: otherwise it is searched first. Names
--   in the body that lie in other schemas must be qualified before. No lock on any table.
-- evidence: pg_proc.prosecdef and proconfig
-- remedy.1: fix the path | sql | none | ALTER ROUTINE ... RESET search_path | closes
WITH @user_schema, definer AS MATERIALIZED (
	SELECT p.* FROM pg_catalog.pg_proc AS p WHERE p.prosecdef
), found AS (
	SELECT n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid) AS args, r.rolname, r.rolsuper,
	    -- The function's own schema stays on the path, unless anybody may put objects there.
	    EXISTS (SELECT FROM pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) AS a
	        WHERE a.grantee = 0 AND a.privilege_type = 'CREATE') AS open
	FROM definer AS p
	JOIN user_schema AS n ON n.oid = p.pronamespace
	LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = p.proowner
	WHERE NOT EXISTS (SELECT FROM pg_catalog.unnest(p.proconfig) AS s WHERE s LIKE 'search_path=%')
	  -- From 14 on.
	  AND pg_catalog.to_jsonb(p) ->> 'prosqlbody' IS NULL
	  AND NOT @extension_member(pg_proc, p.oid)
)
SELECT pg_catalog.format('%I.%I(%s)', nspname, proname, args) AS object,
    1 AS value, 'warning' AS severity,
    CASE WHEN rolsuper THEN 'superuser ' ELSE '' END || pg_catalog.quote_ident(rolname) AS owner,
    CASE WHEN args !~ '[\u0001-\u001f\u007f-\u009f]' THEN
        pg_catalog.format('ALTER ROUTINE %s.%s(%s) SET search_path = pg_catalog%s, pg_temp;', q[1], q[2], args,
            CASE WHEN NOT open THEN ', ' || q[1] ELSE '' END) END AS remedy
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, proname::text])
) AS quoted
ORDER BY rolsuper DESC, nspname, proname, args
LIMIT 1000
