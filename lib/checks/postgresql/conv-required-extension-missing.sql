-- id: conv-required-extension-missing
-- title: required extension is missing
-- engine: postgresql
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: configured require_extensions
-- metric: dbhealth_required_extensions_missing
-- param.grace: 24h
-- message: required extension is not installed in this database{detail}
-- why: The application needs what this extension brings (require_extensions): types, functions, operators or
--   index methods. Without it statements fail. Extensions belong to a database, not to the server: a new
--   or restored database may lack them.
-- spares: extensions of any version and in any schema. In a database without any user table it is info for
--   the first 24 hours of our sight.
-- fix: CREATE EXTENSION, by a superuser or, for trusted extensions, by who may create in the database. Where
--   the server does not have its files, install the package for this version of the server first. Some,
--   as pg_stat_statements, work only when shared_preload_libraries names them, which takes a restart.
-- remedy.1: create it | sql | lock | DROP EXTENSION ... | closes
-- remedy.2: install its package for this version of the server, then create it | manual | none | | closes
-- remedy.3: require it no longer | config | none | | helps
WITH missing AS (
	SELECT DISTINCT ON (w.name) w.name, w.o, v.default_version, e.empty
	FROM pg_catalog.jsonb_array_elements_text(:require_extensions::jsonb) WITH ORDINALITY AS w (name, o)
	LEFT JOIN pg_catalog.pg_available_extensions() AS v ON v.name = w.name
	CROSS JOIN (SELECT @no_table_yet AS empty) AS e
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension AS x WHERE x.extname = w.name)
	ORDER BY w.name, w.o
	LIMIT 1000
)
SELECT name AS object, 1 AS value,
    CASE WHEN empty AND @young(name) THEN 'info' ELSE 'critical' END AS severity,
    CASE WHEN default_version IS NULL THEN '; the server does not have it either'
        ELSE pg_catalog.format('; the server has version %s', default_version) END AS detail,
    CASE WHEN default_version IS NOT NULL THEN pg_catalog.format('CREATE EXTENSION %s CASCADE;', q[1]) END AS remedy,
    CASE WHEN default_version IS NULL THEN pg_catalog.format('Install the package that brings %s for PostgreSQL %s, then run CREATE EXTENSION %s.',
        q[1], pg_catalog.current_setting('server_version_num')::int / 10000, q[1]) END AS remedy_2,
    pg_catalog.format('take %s out of require_extensions', name) AS remedy_3
FROM missing
CROSS JOIN LATERAL (
	@idents(ARRAY[name])
) AS quoted
ORDER BY o
