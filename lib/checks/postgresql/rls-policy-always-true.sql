-- id: rls-policy-always-true
-- title: policy lets everybody write any row
-- engine: postgresql
-- probe: schema
-- topic: security
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- param.service_roles: (^|_)(service|admin|owner|root|system|etl|backup|migrat)
-- message: {detail}
-- why: A permissive policy whose condition is always true switches row security off for its command and
--   roles; other permissive policies beside it change nothing, because they are joined by OR.
-- spares: policies for SELECT only; restrictive policies, and what such a one narrows; policies only for roles that stand above row
--   security anyway (superuser, BYPASSRLS, the table's owner, predefined roles) or whose name says that
--   they serve or administer (service_roles); tables whose row security is off; tables of extensions.
-- fix: Put the condition in that was meant, such as a column compared with current_user or with a setting of
--   the session. ALTER POLICY takes a strong lock for an instant.
-- evidence: pg_policy.polqual and polwithcheck: a constant true, or a comparison of two equal constants
-- remedy.1: see all policies of the table | look | none | | helps
-- remedy.2: narrow the policy | manual | lock | ALTER POLICY ... with the present condition | closes
WITH @user_schema, written AS (
	-- The stored trees are read as text: pg_get_expr would wait for a locked table.
	SELECT p.oid, p.polname, p.polrelid, p.polcmd, p.polroles, n.nspname, c.relname, c.relowner,
	    p.polqual::text AS qual, p.polwithcheck::text AS wcheck
	FROM pg_catalog.pg_policy AS p
	JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
	JOIN user_schema AS n ON n.oid = c.relnamespace
	WHERE p.polpermissive AND p.polcmd IN ('a', 'w', 'd', '*')
	  AND c.relrowsecurity AND c.relpersistence <> 't'
	  AND NOT @extension_member(pg_class, c.oid)
), judged AS (
	SELECT w.*,
	    w.polcmd IN ('w', 'd', '*') AND @always_true(w.qual) AS any_row,
	    w.polcmd <> 'd' AND @always_true(w.wcheck) AS any_value
	FROM written AS w
), found AS (
	SELECT j.*, coalesce(j.any_row, false) AS opens, (
	        SELECT pg_catalog.string_agg(CASE WHEN u.o = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END, ', ' ORDER BY r.rolname)
	        FROM pg_catalog.unnest(j.polroles) AS u (o) LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = u.o) AS roles
	FROM judged AS j
	WHERE (j.any_row OR j.any_value)
	  -- A restrictive policy may narrow what the permissive one opens.
	  AND NOT EXISTS (
		SELECT FROM pg_catalog.pg_policy AS r
		WHERE r.polrelid = j.polrelid AND NOT r.polpermissive AND r.polcmd IN ('*', j.polcmd)
		  AND (r.polroles @> '{0}' OR r.polroles @> j.polroles)
		  AND NOT @always_true(coalesce(r.polqual, r.polwithcheck)::text))
	  AND EXISTS (
		SELECT FROM pg_catalog.unnest(j.polroles) AS u (o)
		LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = u.o
		WHERE u.o = 0 OR NOT (r.rolsuper OR r.rolbypassrls OR r.oid = j.relowner OR r.rolname ~ '^pg_' OR r.rolname ~ :service_roles))
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, polname) AS object,
    pg_catalog.cardinality(polroles) AS value, 'warning' AS severity,
    pg_catalog.format('lets %s %s',
        CASE WHEN polroles = '{0}' THEN 'everybody' ELSE roles END,
        CASE WHEN opens AND polcmd = 'd' THEN 'delete any row'
            WHEN opens AND polcmd = 'w' THEN 'update any row'
            WHEN opens THEN 'read, update and delete any row'
            WHEN polcmd = 'a' THEN 'insert rows with any values'
            WHEN polcmd = 'w' THEN 'update rows to any values'
            ELSE 'write any values' END) AS detail,
    pg_catalog.format('SELECT policyname, permissive, roles, cmd, qual, with_check FROM pg_policies WHERE schemaname = %L AND tablename = %L;', nspname, relname) AS remedy,
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER POLICY %s ON %s.%s%s%s;', q[3], q[1], q[2],
        CASE WHEN polcmd IN ('w', 'd', '*') THEN ' USING (whose rows)' ELSE '' END,
        CASE WHEN polcmd IN ('a', 'w', '*') THEN ' WITH CHECK (which values)' ELSE '' END) AS remedy_2
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname::text, polname::text])
) AS quoted
ORDER BY nspname, relname, polname
LIMIT 1000
