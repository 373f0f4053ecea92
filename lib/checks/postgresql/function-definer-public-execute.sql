-- id: function-definer-public-execute
-- title: everybody may run a SECURITY DEFINER function
-- engine: postgresql
-- probe: schema
-- topic: security
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: every role may run it with the rights of {owner}
-- why: EXECUTE is PUBLIC's by default. Each role that can connect, also one made for a report, does what
--   the function does with the rights of its owner.
-- spares: trigger functions, which nobody can call; functions of extensions.
-- fix: Grant EXECUTE to the roles that call it first, then take it from PUBLIC.
-- remedy.1: see which rights it has given | look | none | | helps
-- remedy.2: take the right from PUBLIC | sql | none | GRANT EXECUTE ON ROUTINE ... TO PUBLIC | closes
WITH @user_schema, found AS (
	SELECT p.oid, n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid) AS args, r.rolname, r.rolsuper
	FROM pg_catalog.pg_proc AS p
	JOIN user_schema AS n ON n.oid = p.pronamespace
	LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = p.proowner
	WHERE p.prosecdef
	  AND p.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
	  AND EXISTS (SELECT FROM pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS a
	      WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE')
	  AND NOT @extension_member(pg_proc, p.oid)
)
SELECT pg_catalog.format('%I.%I(%s)', nspname, proname, args) AS object,
    1 AS value, 'info' AS severity,
    CASE WHEN rolsuper THEN 'superuser ' ELSE '' END || pg_catalog.quote_ident(rolname) AS owner,
    pg_catalog.format('SELECT grantor::regrole, grantee, privilege_type FROM pg_proc, aclexplode(coalesce(proacl, acldefault(''f'', proowner))) WHERE pg_proc.oid = %s;', oid) AS remedy,
    CASE WHEN args !~ '[\u0001-\u001f\u007f-\u009f]' THEN
        pg_catalog.format('REVOKE EXECUTE ON ROUTINE %s.%s(%s) FROM PUBLIC;', q[1], q[2], args) END AS remedy_2
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, proname::text])
) AS quoted
ORDER BY rolsuper DESC, nspname, proname, args
LIMIT 1000
