-- id: amcheck-unavailable
-- title: damage of tables and indexes is not looked for
-- engine: postgresql
-- probe: integrity
-- topic: corruption
-- scope: database
-- interval: 1d
-- kind: finding
-- default: off
-- severity: info
-- cost: cheap
-- unit: count
-- needs: role primary
-- message: {detail}
-- why: amcheck comes with PostgreSQL and reads tables and indexes for damage while the database works. Without
--   it a broken index is noticed when somebody misses rows.
-- spares: a standby, where extensions cannot be made; a role that is a superuser.
-- fix: Make the extension as a superuser (or the owner of a managed database) in each database, and let the
--   monitoring role run its functions: they read, and take no lock that a write waits for.
-- evidence: pg_extension, pg_available_extensions and the rights to its functions
-- remedy.1: make it and allow it | sql | none | DROP EXTENSION amcheck | closes
-- remedy.2: install the package | manual | none | | helps
WITH here AS (
	SELECT e.oid, n.oid AS nsp, n.nspname
	FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
	WHERE e.extname = 'amcheck'
), fn AS (
	SELECT DISTINCT ON (p.proname) p.oid, p.proname
	FROM here
	JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = here.oid
	    AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e'
	JOIN pg_catalog.pg_proc AS p ON p.oid = d.objid AND p.proname IN ('bt_index_check', 'gin_index_check', 'verify_heapam')
	ORDER BY p.proname, p.pronargs DESC
), missing AS (
	SELECT (SELECT pg_catalog.string_agg(pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO %I;', fn.oid::pg_catalog.regprocedure, current_user), E'\n' ORDER BY fn.proname)
	    FROM fn WHERE NOT pg_catalog.has_function_privilege(fn.oid, 'EXECUTE')) AS execute,
	    (SELECT pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I;', here.nspname, current_user) FROM here
	     WHERE NOT pg_catalog.has_schema_privilege(here.nsp, 'USAGE')) AS usage
), offered AS (
	-- What CREATE EXTENSION would make, by the version that it would make.
	SELECT a.default_version,
	    pg_catalog.concat_ws(E'\n', 'CREATE EXTENSION amcheck WITH SCHEMA public;',
	        pg_catalog.format(CASE WHEN pg_catalog.string_to_array(a.default_version, '.')::int[] >= ARRAY[1, 4]
	            THEN 'GRANT EXECUTE ON FUNCTION public.bt_index_check(regclass, boolean, boolean) TO %I;'
	            ELSE 'GRANT EXECUTE ON FUNCTION public.bt_index_check(regclass, boolean) TO %I;' END, current_user),
	        CASE WHEN pg_catalog.string_to_array(a.default_version, '.')::int[] >= ARRAY[1, 5]
	            THEN pg_catalog.format('GRANT EXECUTE ON FUNCTION public.gin_index_check(regclass) TO %I;', current_user) END,
	        CASE WHEN pg_catalog.string_to_array(a.default_version, '.')::int[] >= ARRAY[1, 3]
	            THEN pg_catalog.format('GRANT EXECUTE ON FUNCTION public.verify_heapam(regclass, boolean, boolean, text, bigint, bigint) TO %I;', current_user) END,
	        CASE WHEN NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') THEN pg_catalog.format('GRANT USAGE ON SCHEMA public TO %I;', current_user) END) AS make
	FROM pg_catalog.pg_available_extensions AS a
	JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'public'
	WHERE a.name = 'amcheck' AND a.default_version ~ '^[0-9]+(\.[0-9]+)*$'
)
SELECT '' AS object, 1 AS value,
    CASE WHEN NOT EXISTS (SELECT FROM here)
        THEN CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_available_extensions AS a WHERE a.name = 'amcheck')
            THEN 'the extension amcheck is not installed in this database' ELSE 'the extension amcheck is not on this server' END
        ELSE pg_catalog.format('%I may not run the functions of the extension amcheck', current_user) END AS detail,
    CASE WHEN EXISTS (SELECT FROM here) THEN pg_catalog.concat_ws(E'\n', m.usage, m.execute) ELSE (SELECT o.make FROM offered AS o) END AS remedy,
    CASE WHEN NOT EXISTS (SELECT FROM here) AND NOT EXISTS (SELECT FROM offered)
        THEN 'Install what the server''s packages call contrib, then CREATE EXTENSION amcheck in this database.' END AS remedy_2
FROM missing AS m
WHERE NOT EXISTS (SELECT FROM here) OR m.execute IS NOT NULL OR m.usage IS NOT NULL
