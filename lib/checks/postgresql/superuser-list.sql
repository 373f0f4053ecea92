-- id: superuser-list
-- title: login role with the power of a superuser
-- engine: postgresql
-- probe: schema
-- topic: security
-- scope: server
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- message: {detail}
-- why: Such a role reads and changes everything, past all rights and policies, and runs programs as the server's
--   user. Whoever gets its password owns the host's account.
-- spares: the role that initdb made; roles of the platform; roles that cannot log in; the monitoring role
--   (monitor-role tells of it).
-- fix: Give people roles of their own with the rights they need, and become superuser from the host's own account.
--   Make sure that one superuser can still log in before you take it away.
-- remedy.1: see who is a member of what | look | none | | helps
-- remedy.1.text: SELECT roleid::regrole AS role, member::regrole FROM pg_auth_members ORDER BY 1, 2;
-- remedy.2: take the power away | sql | none | the opposite statement | closes
WITH RECURSIVE power AS (
	SELECT r.oid, CASE WHEN r.rolsuper THEN 'superuser' ELSE r.rolname::text END AS power
	FROM pg_catalog.pg_roles AS r
	WHERE r.rolsuper OR r.rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files')
), reach AS (
	-- Superuser is not inherited: it takes SET ROLE, which a membership may exclude from 16 on.
	SELECT p.oid AS role, p.power FROM power AS p
	UNION
	SELECT m.member, s.power
	FROM reach AS s JOIN pg_catalog.pg_auth_members AS m ON m.roleid = s.role
	WHERE coalesce(pg_catalog.to_jsonb(m) ->> 'set_option', 'true') = 'true'
	   OR s.power <> 'superuser' AND pg_catalog.to_jsonb(m) ->> 'inherit_option' = 'true'
), told AS (
	SELECT r.oid, r.rolname, r.rolsuper, pg_catalog.array_agg(s.power ORDER BY s.power) FILTER (WHERE NOT r.rolsuper) AS powers
	FROM reach AS s JOIN pg_catalog.pg_roles AS r ON r.oid = s.role
	WHERE r.rolcanlogin AND r.oid <> 10 AND r.rolname <> session_user
	  AND NOT @platform_role(r.rolname)
	GROUP BY r.oid, r.rolname, r.rolsuper
)
SELECT pg_catalog.quote_ident(t.rolname) AS object,
    1 AS value, 'info' AS severity,
    CASE WHEN t.rolsuper THEN 'is a superuser and may log in'
        WHEN 'superuser' = ANY (t.powers) THEN 'may log in and become a superuser by SET ROLE'
        ELSE 'may log in and reach the server''s files or programs (' || pg_catalog.array_to_string(t.powers, ', ') || ')' END AS detail,
    CASE WHEN t.rolsuper THEN pg_catalog.format('ALTER ROLE %s NOSUPERUSER;', @ident(t.rolname)) ELSE (
        SELECT pg_catalog.string_agg(DISTINCT pg_catalog.format('REVOKE %s FROM %s%s;', @ident(g.rolname), @ident(t.rolname),
            CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 THEN ' GRANTED BY ' || @ident(w.rolname) ELSE '' END), E'\n')
        FROM pg_catalog.pg_auth_members AS m
        JOIN pg_catalog.pg_roles AS g ON g.oid = m.roleid
        LEFT JOIN pg_catalog.pg_roles AS w ON w.oid = m.grantor
        WHERE m.member = t.oid AND m.roleid IN (SELECT s.role FROM reach AS s)) END AS remedy_2
FROM told AS t
ORDER BY t.rolsuper DESC, t.rolname
LIMIT 500
