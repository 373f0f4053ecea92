-- id: sqlite-stats-missing
-- title: indexes without statistics
-- engine: sqlite
-- probe: performance
-- topic: statistics
-- scope: database
-- interval: 15min
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- metric: dbhealth_sqlite_indexes_without_statistics
-- param.min_rows: 1
-- message: {detail}
-- why: Without sqlite_stat1 the planner guesses how selective an index is, and may walk the wrong one.
-- spares: empty tables and tables without an index: ANALYZE writes no row for them.
-- fix: PRAGMA optimize; before the application closes its connection, or ANALYZE once.
-- evidence: sqlite_stat1 against sqlite_schema
-- remedy.1: gather the statistics | sql | load | DELETE FROM sqlite_stat1 | closes
WITH stat AS (
	SELECT value AS tbl FROM json_each(scalar('SELECT json_group_array(DISTINCT tbl) FROM sqlite_stat1'))
), indexed AS (
	SELECT t.name, (SELECT count(*) FROM pragma_index_list(t.name)) AS indexes
	FROM pragma_table_list AS t
	WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\'
)
SELECT i.name AS object, i.indexes AS value,
    i.indexes || CASE i.indexes WHEN 1 THEN ' index' ELSE ' indexes' END || ' without statistics; the planner guesses' AS detail,
    'ANALYZE "' || replace(i.name, '"', '""') || '";' AS remedy
FROM indexed AS i
WHERE i.indexes > 0 AND i.name NOT IN (SELECT tbl FROM stat WHERE tbl IS NOT NULL)
  AND scalar('SELECT count(*) FROM (SELECT 1 FROM "' || replace(i.name, '"', '""') || '" LIMIT ' || CAST(:min_rows AS INTEGER) || ')') >= CAST(:min_rows AS INTEGER)
ORDER BY i.name LIMIT 10000
