-- id: extension-in-public
-- title: extension lives in the schema public
-- engine: postgresql
-- probe: schema
-- topic: extensions
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: its {value} objects lie in public among your own
-- why: The names of the extension mix with those of the application: a restore or a change of rights on public
--   hits both, and objects of the same name get in each other's way.
-- spares: extensions that cannot be moved; those in any other schema.
-- fix: Move it to a schema of its own and put that schema on the search_path of those who use it. Functions,
--   defaults and views that are stored as text with an unqualified name must be changed first.
-- remedy.1: move it to the schema extensions | sql | lock | ALTER EXTENSION ... SET SCHEMA public | closes
SELECT pg_catalog.quote_ident(e.extname) AS object,
    (SELECT count(*) FROM pg_catalog.pg_depend AS d
        WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid AND d.deptype = 'e') AS value,
    'info' AS severity,
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nCREATE SCHEMA IF NOT EXISTS extensions;\nGRANT USAGE ON SCHEMA extensions TO PUBLIC;\nALTER EXTENSION %s SET SCHEMA extensions;',
        @ident(e.extname)) AS remedy
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace AND n.nspname = 'public'
WHERE e.extrelocatable
ORDER BY e.extname
LIMIT 500
