-- id: migration-multiple-tools
-- title: tables of several migration tools
-- engine: postgresql
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: role primary
-- metric: dbhealth_migration_tools
-- message: {detail}
-- why: Two tools that each believe that the schema is theirs: neither knows what the other changed, and a downgrade of
--   one breaks the other. Often one is the former tool, whose table was forgotten, and people look at the wrong one.
-- spares: a tool's own lock and metadata tables, several tables of one tool; where migration_tool or
--   migration_table says which one counts. Tools in schemas of their own (services that share a database) are info.
-- fix: Say which one counts; drop the table of a tool that is no longer used after you have kept a copy.
-- remedy.1: say which one counts | config | none | | closes
-- remedy.2: see when each was used last | look | none | | helps
WITH @user_schema, @bookkeeping, tools AS (
	SELECT b.nspname, b.object, b.tool, b.q, count(*) OVER (PARTITION BY b.nspname) AS n
	FROM bookkeeping AS b WHERE b.tool !~ ' lock$'
), together AS (
	SELECT count(DISTINCT t.tool) AS n, pg_catalog.max(s.n) AS beside,
	    pg_catalog.string_agg(DISTINCT t.tool || ' (' || t.object || ')', ', ') AS all,
	    pg_catalog.string_agg(DISTINCT 'SELECT * FROM ' || t.q || ';', E'\n') AS looks,
	    (pg_catalog.array_agg(t.object ORDER BY t.object))[1] AS one
	FROM (SELECT * FROM tools AS t ORDER BY t.object LIMIT 100) AS t
	JOIN (SELECT x.nspname, count(DISTINCT x.tool) AS n FROM tools AS x GROUP BY x.nspname) AS s ON s.nspname = t.nspname
)
SELECT '*' AS object, n AS value, CASE WHEN beside > 1 THEN 'warning' ELSE 'info' END AS severity,
    together.all AS detail,
    'migration_table = ' || one AS remedy, looks AS remedy_2
FROM together
WHERE n > 1 AND :migration_tool IS NULL AND :migration_table IS NULL
ORDER BY 1
LIMIT 1
