-- id: pgss-missing
-- title: statistics of statements are not to be had
-- engine: postgresql
-- probe: performance
-- topic: statements
-- scope: server
-- kind: finding
-- interval: 1h
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- needs: role primary, privilege (pg_monitor) or unknown
-- message: {detail}
-- why: Without pg_stat_statements nobody can say which statements take the time, or which of them became
--   slower: dbhealth top and the checks of statements have nothing to read.
-- spares: standbys, which have what their primary has; servers that do not bring the extension; databases
--   without it while another one that is watched has it, for each shows all of the server.
-- fix: Load the library at the server's start, then create the extension in one watched database. The usual cost
--   is a few percent of the CPU of very short statements.
-- evidence: pg_settings, pg_extension, pg_available_extensions
-- remedy.1: create the extension in this database | sql | none | DROP EXTENSION pg_stat_statements; | closes
-- remedy.2: load the library, then restart the server | sql | none | ALTER SYSTEM SET shared_preload_libraries = the former value; and a restart | closes
-- remedy.3: bring the extension up to date | sql | lock | none | closes
WITH have AS (
	SELECT x ->> 'datname' AS datname, x ->> 'version' AS version,
	    pg_catalog.string_to_array(pg_catalog.regexp_replace(x ->> 'version', '[^0-9.]', '', 'g'), '.')::int4[] AS number
	FROM pg_catalog.jsonb_array_elements(:statements::jsonb) AS x
), brought AS (
	SELECT a.default_version AS version,
	    pg_catalog.string_to_array(pg_catalog.regexp_replace(a.default_version, '[^0-9.]', '', 'g'), '.')::int4[] AS number
	FROM pg_catalog.pg_available_extensions AS a WHERE a.name = 'pg_stat_statements'
), loaded AS (
	SELECT EXISTS (SELECT FROM pg_catalog.pg_settings AS s WHERE s.name = 'pg_stat_statements.max') AS yes,
	    coalesce((SELECT s.setting FROM pg_catalog.pg_settings AS s WHERE s.name = 'shared_preload_libraries'), '') AS libraries
)
SELECT pg_catalog.current_database() AS key, 'pg_stat_statements' AS object, 1 AS value,
    CASE WHEN l.yes THEN 'the library is loaded, but no watched database has the extension'
        WHEN EXISTS (SELECT FROM have) THEN 'the extension is there, but its library is not loaded: nothing is counted'
        ELSE 'neither is the library loaded, nor has a watched database the extension' END AS detail,
    CASE WHEN NOT EXISTS (SELECT FROM have) THEN 'CREATE EXTENSION pg_stat_statements;' END AS remedy,
    CASE WHEN NOT l.yes AND 'pg_stat_statements' <> ALL (pg_catalog.regexp_split_to_array(l.libraries, '[ ,"]+'))
        THEN pg_catalog.format('ALTER SYSTEM SET shared_preload_libraries = %s;',
            pg_catalog.concat_ws(', ', (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(x), ', ' ORDER BY o)
                FROM pg_catalog.regexp_split_to_table(l.libraries, '[ ,"]+') WITH ORDINALITY AS u (x, o) WHERE x <> ''),
                '''pg_stat_statements''')) END AS remedy_2,
    NULL AS remedy_3
FROM loaded AS l
WHERE EXISTS (SELECT FROM brought) AND :statements IS NOT NULL
  AND (NOT l.yes OR NOT EXISTS (SELECT FROM have))
UNION ALL
SELECT h.datname, pg_catalog.quote_ident(h.datname), 1,
    pg_catalog.format('version %s is installed in %s, the server brings %s', h.version, pg_catalog.quote_ident(h.datname), b.version),
    NULL, NULL, E'SET lock_timeout = ''2s'';\nALTER EXTENSION pg_stat_statements UPDATE;'
FROM have AS h CROSS JOIN brought AS b CROSS JOIN loaded AS l
WHERE l.yes AND h.number < b.number
ORDER BY object
LIMIT 50
