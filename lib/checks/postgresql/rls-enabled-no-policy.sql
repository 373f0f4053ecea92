-- id: rls-enabled-no-policy
-- title: row security without any policy
-- engine: postgresql
-- probe: schema
-- topic: security
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: row security is on, but no policy lets anybody in{detail}
-- why: Without a policy the default is to deny: all but the owner, superusers and roles with BYPASSRLS read an
--   empty table, without any error.
-- spares: partitions (closing them against direct access is good practice), tables of extensions. A table
--   that is locked up on purpose: name it in ignore.
-- fix: Write a policy for each role that works with the table, or disable row security.
-- remedy.1: write a policy | manual | lock | DROP POLICY ... | closes
-- remedy.2: or let the rights on the table decide alone | manual | lock | ALTER TABLE ... ENABLE ROW LEVEL SECURITY | closes
WITH @user_schema, @user_table
SELECT pg_catalog.format('%I.%I', t.nspname, t.relname) AS object,
    0 AS value, 'info' AS severity,
    CASE WHEN t.relforcerowsecurity THEN ', not even the owner' ELSE '' END AS detail,
    pg_catalog.format('CREATE POLICY name_it ON %s.%s FOR SELECT TO role_name USING (condition);', q[1], q[2]) AS remedy,
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s DISABLE ROW LEVEL SECURITY;', q[1], q[2]) AS remedy_2
FROM user_table AS t
CROSS JOIN LATERAL (
	@idents(ARRAY[t.nspname::text, t.relname::text])
) AS quoted
WHERE t.relrowsecurity
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy AS p WHERE p.polrelid = t.oid)
ORDER BY t.nspname, t.relname
LIMIT 1000
