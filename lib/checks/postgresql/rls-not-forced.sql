-- id: rls-not-forced
-- title: the owner is not bound by row security, and works with the table
-- engine: postgresql
-- probe: schema
-- topic: security
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: the policies do not bind {detail}
-- why: Row security leaves out the owner of a table. An application that logs in as the owner, or as a member
--   of the owner's role, sees and changes all rows whatever the policies say.
-- spares: owners that nobody logs in as; superusers and roles with BYPASSRLS, which FORCE does not bind either;
--   tables on which another role has writing rights (the owner is then taken to be the one that migrates);
--   tables without a policy; tables of extensions.
-- fix: Let the application log in as another role than the owner, or FORCE ROW LEVEL SECURITY. With FORCE a dump
--   by the owner fails, unless the role that dumps has BYPASSRLS.
-- remedy.1: bind the owner, too | sql | lock | ALTER TABLE ... NO FORCE ROW LEVEL SECURITY | closes
WITH RECURSIVE @user_schema, @user_table, guarded AS (
	SELECT t.* FROM user_table AS t
	WHERE t.relrowsecurity AND NOT t.relforcerowsecurity
	  AND EXISTS (SELECT FROM pg_catalog.pg_policy AS p WHERE p.polrelid = t.oid)
	  AND NOT EXISTS (
		SELECT FROM pg_catalog.aclexplode(t.relacl) AS a
		LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
		WHERE a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE') AND a.grantee <> t.relowner
		  AND (a.grantee = 0 OR NOT (r.rolsuper OR r.rolbypassrls)))
), owner AS (
	SELECT DISTINCT g.relowner AS owner, g.relowner AS role FROM guarded AS g
	UNION
	SELECT o.owner, m.member FROM owner AS o JOIN pg_catalog.pg_auth_members AS m ON m.roleid = o.role
), login AS (
	SELECT o.owner, pg_catalog.min(CASE WHEN r.oid = o.owner THEN r.rolname::text END) AS self, pg_catalog.min(r.rolname::text) AS first, count(*) AS n
	FROM owner AS o JOIN pg_catalog.pg_roles AS r ON r.oid = o.role
	JOIN pg_catalog.pg_roles AS w ON w.oid = o.owner
	WHERE r.rolcanlogin AND NOT r.rolsuper AND NOT r.rolbypassrls AND NOT w.rolsuper AND NOT w.rolbypassrls
	  AND pg_catalog.pg_has_role(r.oid, o.owner, 'USAGE')
	GROUP BY o.owner
)
SELECT pg_catalog.format('%I.%I', g.nspname, g.relname) AS object,
    l.n AS value, 'info' AS severity,
    CASE WHEN l.self IS NOT NULL THEN pg_catalog.format('%I, which owns the table and may log in', l.self)
        ELSE pg_catalog.format('%I, a member of the owner', l.first) END AS detail,
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s FORCE ROW LEVEL SECURITY;', q[1], q[2]) AS remedy
FROM guarded AS g
JOIN login AS l ON l.owner = g.relowner
CROSS JOIN LATERAL (
	@idents(ARRAY[g.nspname::text, g.relname::text])
) AS quoted
ORDER BY g.nspname, g.relname
LIMIT 1000
