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
-- spares: empty tables and tables without an index: ANALYZE writes no row for them; partial indexes
--   that hold no row, for the same reason.
-- fix: PRAGMA optimize; before the application closes its connection, or ANALYZE once.
-- evidence: sqlite_stat1 against sqlite_schema
-- remedy.1: gather the statistics | sql | load | DELETE FROM sqlite_stat1 | closes
WITH stat (tbl, idx) AS MATERIALIZED (
	SELECT value ->> 0, value ->> 1
	FROM json_each(scalar('SELECT json_group_array(json_array(lower(tbl), lower(idx))) FROM sqlite_stat1'))
), known AS MATERIALIZED (
	SELECT DISTINCT tbl FROM stat WHERE tbl IS NOT NULL
), indexed AS (
	-- The key of a WITHOUT ROWID table goes by the table's name. A partial index without rows has no
	-- line, so in a table that was analyzed its absence tells nothing.
	SELECT t.name, count(*) AS indexes
	FROM pragma_table_list AS t JOIN pragma_index_list(t.name) AS i
	WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\'
	  AND (lower(t.name) NOT IN (SELECT tbl FROM known) OR NOT i.partial
	    AND lower(CASE WHEN t.wr AND i.origin = 'pk' THEN t.name ELSE i.name END)
	        NOT IN (SELECT idx FROM stat WHERE tbl = lower(t.name) AND idx IS NOT NULL))
	GROUP BY t.name
)
SELECT i.name AS object, i.indexes AS value,
    i.indexes || CASE i.indexes WHEN 1 THEN ' index' ELSE ' indexes' END || ' without statistics; the planner guesses' AS detail,
    'ANALYZE "' || replace(i.name, '"', '""') || '";' AS remedy
FROM indexed AS i
WHERE scalar('SELECT count(*) FROM (SELECT 1 FROM "' || replace(i.name, '"', '""') || '" LIMIT ' || CAST(:min_rows AS INTEGER) || ')') >= CAST(:min_rows AS INTEGER)
ORDER BY i.name LIMIT 10000
