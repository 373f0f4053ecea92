-- id: conv-required-column-missing
-- title: required column is missing
-- engine: sqlite
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: configured require_columns
-- metric: dbhealth_required_columns_missing
-- param.grace: 24h
-- message: required column does not exist{detail}
-- why: The application reads or writes this column (require_columns). Without it its statements fail: a
--   migration did not run here, ran in another database or schema, or was taken back.
-- spares: names that differ in case only; columns of views, which serve as well. In a database without any table it is info
--   for the first 24 hours of our sight.
-- fix: Look whether the path is right, then run the application's migrations; a column that was dropped comes back, empty,
--   with ADD COLUMN, its values only from a backup. If it is not needed any more, take it out of require_columns.
-- evidence: pragma_table_xinfo against require_columns
-- remedy.1: run the migrations of the application | manual | lock | | closes
-- remedy.2: require it no longer | config | none | | helps
WITH have AS MATERIALIZED (
	SELECT lower(l.name) AS tbl, lower(l.name || '.' || c.name) AS name FROM pragma_table_list AS l JOIN pragma_table_xinfo(l.name) AS c WHERE l.schema = 'main'
), asked AS (
	SELECT r.value, lower(CASE WHEN lower(r.value) LIKE 'main.%' THEN substr(r.value, 6) ELSE r.value END) AS name FROM json_each(:require_columns) AS r
)
SELECT a.value AS object, 1 AS value,
    CASE WHEN EXISTS (SELECT 1 FROM have AS h WHERE a.name LIKE h.tbl || '.%') THEN '' ELSE ': there is no such table' END AS detail,
    -- A database that nobody has filled yet is given a day to be.
    CASE WHEN NOT EXISTS (SELECT 1 FROM sqlite_schema AS e WHERE e.type = 'table' AND e.name NOT LIKE 'sqlite\_%' ESCAPE '\')
          AND coalesce((SELECT CAST(f.value AS REAL) FROM json_each(:first_seen) AS f WHERE f.key = a.value), unixepoch()) > unixepoch() - CAST(:grace AS REAL)
        THEN 'info' ELSE 'critical' END AS severity,
    'Run the migrations of the application against this file, or correct require_columns.' AS remedy, 'Take ' || a.value || ' out of require_columns.' AS remedy_2
FROM asked AS a WHERE a.name NOT IN (SELECT h.name FROM have AS h)
ORDER BY 1 LIMIT 1000
