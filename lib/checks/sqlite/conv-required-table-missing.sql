-- id: conv-required-table-missing
-- title: a required table is missing
-- engine: sqlite
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: configured require_tables
-- metric: dbhealth_required_tables_missing
-- param.grace: 24h
-- message: required table {object} does not exist
-- why: The configuration names this table as one the application cannot do without. A migration did not
--   run, ran against another file, or the file is not the one it should be.
-- spares: names that differ in case only; a view of that name serves as well as a table. In a database
--   without any table it is info for the first 24 hours of our sight.
-- fix: Look whether the path is right, then run the application's migrations.
-- evidence: sqlite_schema against require_tables
-- remedy.1: run the migrations of the application | manual | lock | | closes
-- remedy.1.text: Run the migrations of the application against this file, or correct require_tables.
SELECT r.value AS object, 1 AS value,
    -- A database that nobody has filled yet is given a day to be.
    CASE WHEN NOT EXISTS (SELECT 1 FROM sqlite_schema AS e WHERE e.type = 'table' AND e.name NOT LIKE 'sqlite\_%' ESCAPE '\')
          AND coalesce((SELECT CAST(f.value AS REAL) FROM json_each(:first_seen) AS f WHERE f.key = r.value), unixepoch()) > unixepoch() - CAST(:grace AS REAL)
        THEN 'info' ELSE 'critical' END AS severity
FROM json_each(:require_tables) AS r
WHERE NOT EXISTS (
	SELECT 1 FROM sqlite_schema AS s
	WHERE s.type IN ('table', 'view')
	  AND lower(s.name) = lower(CASE WHEN lower(r.value) LIKE 'main.%' THEN substr(r.value, 6) ELSE r.value END))
ORDER BY r.value LIMIT 1000
