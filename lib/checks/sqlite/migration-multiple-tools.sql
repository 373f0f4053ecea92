-- id: migration-multiple-tools
-- title: tables of several migration tools
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- metric: dbhealth_migration_tools
-- message: {detail}
-- why: Two tools that each believe that the schema is theirs: neither knows what the other changed, and a downgrade of
--   one breaks the other. Often one is the former tool, whose table was forgotten, and people look at the wrong one.
-- spares: a tool's own lock and metadata tables, several tables of one tool; where migration_tool or
--   migration_table says which one counts.
-- fix: Say which one counts; drop the table of a tool that is no longer used after you have kept a copy.
-- remedy.1: say which one counts | config | none | | closes
-- remedy.2: see when each was used last | look | none | | helps
WITH @user_table, @bookkeeping, tools AS (
	SELECT b.name, b.tool, b.q FROM bookkeeping AS b WHERE b.tool NOT LIKE '% lock' ORDER BY b.name LIMIT 100
)
SELECT '*' AS object, count(DISTINCT t.tool) AS value, 'warning' AS severity,
    group_concat(t.tool || ' (' || t.name || ')', ', ') AS detail,
    'migration_table = ' || min(t.name) AS remedy, group_concat('SELECT * FROM ' || t.q || ';', char(10)) AS remedy_2
FROM tools AS t
WHERE :migration_tool IS NULL AND :migration_table IS NULL
HAVING count(DISTINCT t.tool) > 1 ORDER BY 1
