-- id: view-definer-bypass
-- title: view reads around the row security of its tables
-- engine: postgresql
-- probe: schema
-- topic: security
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- needs: server >= 15
-- message: reads {detail} with the rights of {owner}, whom no policy binds
-- why: A view reads its tables as its owner. Where policies do not bind the owner (superuser, BYPASSRLS, or
--   owner of the table without FORCE), whoever may read the view sees all rows.
-- spares: views with security_invoker; views whose owner is bound by the policies; views over tables without
--   row security. Info while nobody but the owner may use the view. Before 15 no view could do otherwise.
-- fix: Set security_invoker: the view then reads as its caller, who needs rights on the tables below it. Or let
--   the view be owned by a role that the policies bind.
-- remedy.1: read as the caller | sql | lock | ALTER VIEW ... RESET (security_invoker) | closes
WITH RECURSIVE @user_schema, guarded AS (
	SELECT c.oid, c.relowner, c.relforcerowsecurity, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
	FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	WHERE c.relrowsecurity AND c.relkind IN ('r', 'p')
), reading AS (
	SELECT g.oid AS source, r.ev_class AS view, 1 AS depth
	FROM guarded AS g
	JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = g.oid
	  AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
	JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid AND r.ev_type = '1'
	JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class AND v.relkind = 'v'
	UNION
	SELECT s.source, r.ev_class, s.depth + 1
	FROM reading AS s
	JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = s.view
	  AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
	JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid AND r.ev_type = '1' AND r.ev_class <> s.view
	JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class AND v.relkind = 'v'
	WHERE s.depth < 32
), found AS (
	SELECT v.oid, n.nspname, v.relname, v.relowner, v.relacl, w.rolname, count(DISTINCT g.oid) AS n, pg_catalog.min(g.name) AS first
	FROM (SELECT DISTINCT r.source, r.view FROM reading AS r) AS s
	JOIN guarded AS g ON g.oid = s.source
	JOIN pg_catalog.pg_class AS v ON v.oid = s.view
	JOIN user_schema AS n ON n.oid = v.relnamespace
	JOIN pg_catalog.pg_roles AS w ON w.oid = v.relowner
	WHERE NOT EXISTS (SELECT FROM pg_catalog.unnest(v.reloptions) AS o WHERE o ~* '^security_invoker=(t|tr|tru|true|y|ye|yes|on|1)$')
	  AND (w.rolsuper OR w.rolbypassrls OR NOT g.relforcerowsecurity AND pg_catalog.pg_has_role(v.relowner, g.relowner, 'USAGE'))
	  AND v.relpersistence <> 't'
	  AND NOT @extension_member(pg_class, v.oid)
	GROUP BY v.oid, n.nspname, v.relname, v.relowner, v.relacl, w.rolname
)
SELECT pg_catalog.format('%I.%I', nspname, relname) AS object,
    n AS value,
    CASE WHEN EXISTS (SELECT FROM pg_catalog.aclexplode(relacl) AS a WHERE a.grantee <> relowner)
          OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS c WHERE c.attrelid = found.oid AND c.attacl IS NOT NULL)
        THEN 'warning' ELSE 'info' END AS severity,
    CASE WHEN n = 1 THEN first ELSE pg_catalog.format('%s and %s more', first, n - 1) END AS detail,
    pg_catalog.quote_ident(rolname) AS owner,
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER VIEW %s.%s SET (security_invoker = true);', q[1], q[2]) AS remedy
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname::text])
) AS quoted
ORDER BY severity DESC, nspname, relname
LIMIT 1000
