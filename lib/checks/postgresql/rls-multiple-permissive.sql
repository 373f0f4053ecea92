-- id: rls-multiple-permissive
-- title: several permissive policies for one role and command
-- engine: postgresql
-- probe: schema
-- topic: security
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: {value} permissive policies apply at once ({detail})
-- why: Permissive policies are joined by OR: the widest one decides, and each costs time for every row of
--   every statement.
-- spares: restrictive policies, which are joined by AND; roles that row security does not bind; tables whose
--   row security is off; tables of extensions. One finding a table.
-- fix: Merge them into one policy with OR between the conditions, or make restrictive what was meant to
--   narrow.
-- remedy.1: see all policies of the table | look | none | | helps
-- remedy.2: merge them, in one transaction | manual | lock | create the dropped policies again | closes
WITH @user_schema, policy AS (
	SELECT p.polrelid, p.polname, n.nspname, c.relname, c.relowner, c.relforcerowsecurity, r.role, u.cmd
	FROM pg_catalog.pg_policy AS p
	JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
	JOIN user_schema AS n ON n.oid = c.relnamespace
	CROSS JOIN LATERAL pg_catalog.unnest(p.polroles) AS r (role)
	CROSS JOIN LATERAL pg_catalog.unnest(CASE WHEN p.polcmd = '*' THEN '{r,a,w,d}'::text[] ELSE ARRAY[p.polcmd::text] END) AS u (cmd)
	WHERE p.polpermissive AND c.relrowsecurity AND c.relpersistence <> 't'
	  AND NOT @extension_member(pg_class, c.oid)
), bound AS (
	-- What is for PUBLIC applies to each named role as well; PUBLIC itself stands for all others.
	SELECT DISTINCT t.polrelid, t.role, t.cmd
	FROM policy AS t LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = t.role
	WHERE t.role = 0 OR NOT (r.rolsuper OR r.rolbypassrls OR (r.oid = t.relowner AND NOT t.relforcerowsecurity))
), counted AS (
	SELECT b.polrelid, b.role, b.cmd, count(DISTINCT t.polname) AS n,
	    pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(t.polname), ', ' ORDER BY pg_catalog.quote_ident(t.polname)) AS names
	FROM bound AS b
	JOIN policy AS t ON t.polrelid = b.polrelid AND t.cmd = b.cmd AND t.role IN (0, b.role)
	GROUP BY b.polrelid, b.role, b.cmd
	HAVING count(DISTINCT t.polname) > 1
), worst AS (
	SELECT DISTINCT ON (c.polrelid) c.*, count(*) OVER (PARTITION BY c.polrelid) AS cases
	FROM counted AS c ORDER BY c.polrelid, c.n DESC, c.role, c.cmd
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS object,
    w.n AS value, 'info' AS severity,
    pg_catalog.format('%s for %s: %s%s', CASE w.cmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' ELSE 'DELETE' END,
        coalesce((SELECT pg_catalog.quote_ident(r.rolname) FROM pg_catalog.pg_roles AS r WHERE r.oid = w.role), 'everybody'), w.names,
        CASE WHEN w.cases > 1 THEN pg_catalog.format('; and %s more', w.cases - 1) ELSE '' END) AS detail,
    pg_catalog.format('SELECT policyname, roles, cmd, qual, with_check FROM pg_policies WHERE schemaname = %L AND tablename = %L AND permissive = ''PERMISSIVE'';',
        n.nspname, c.relname) AS remedy,
    pg_catalog.format('BEGIN; DROP POLICY ... ON %I.%I; CREATE POLICY ... USING (the one condition OR the other); COMMIT;', n.nspname, c.relname) AS remedy_2
FROM worst AS w
JOIN pg_catalog.pg_class AS c ON c.oid = w.polrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY w.n DESC, n.nspname, c.relname
LIMIT 1000
