-- id: sqlite-stats-stale
-- title: statistics of another size than the table
-- engine: sqlite
-- probe: performance
-- topic: statistics
-- scope: database
-- interval: 6h
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- metric: dbhealth_sqlite_stale_statistics_rows
-- param.factor: 4
-- param.min_rows: 1000
-- param.max_rows: 1000000
-- message: {detail}
-- why: The planner believes what ANALYZE saw once: an index that was good for a thousand rows may be the wrong one for a
--   million.
-- spares: under 1,000 rows then and now; a factor of less than 4, for statistics may be estimates (analysis_limit); growth
--   beyond a million rows, which is not counted; lines of sqlite_stat1 that SQLite itself does not read.
-- fix: PRAGMA optimize when the application closes its connections keeps them fresh; ANALYZE once.
-- evidence: the first number of sqlite_stat1 against a bounded count
-- remedy.1: gather the statistics | sql | load | | closes
WITH @user_table, stat AS MATERIALIZED (
	SELECT lower(j.value ->> 0) AS tbl, max(CAST(j.value ->> 2 AS INTEGER)) AS n
	FROM json_each(scalar('SELECT json_group_array(json_array(tbl, idx, stat)) FROM sqlite_stat1 WHERE typeof(stat) = ''text'' AND typeof(tbl) = ''text''')) AS j
	WHERE j.value ->> 2 GLOB '[0-9]*' AND NOT EXISTS (SELECT 1 FROM pragma_index_list(j.value ->> 0) AS i WHERE i.name = j.value ->> 1 AND i.partial)
	GROUP BY 1
), counted AS (
	-- Far enough to know, and no further.
	SELECT t.name, s.n, CASE WHEN s.n <= CAST(:max_rows AS INTEGER) / CAST(:factor AS INTEGER)
	    THEN @rows(t.name, max(s.n * CAST(:factor AS INTEGER), CAST(:min_rows AS INTEGER)) + 1) ELSE @rows(t.name, min(s.n / CAST(:factor AS INTEGER), CAST(:max_rows AS INTEGER)) + 1) END AS now
	FROM stat AS s JOIN user_table AS t ON t.low = s.tbl
	WHERE EXISTS (SELECT 1 FROM pragma_index_list(t.name))
), judged AS (
	SELECT *, n <= CAST(:max_rows AS INTEGER) / CAST(:factor AS INTEGER) AND now > n * CAST(:factor AS INTEGER) AND now > CAST(:min_rows AS INTEGER) AS grew,
	    n > CAST(:min_rows AS INTEGER) AND n / CAST(:factor AS INTEGER) <= CAST(:max_rows AS INTEGER) AND now < n / CAST(:factor AS INTEGER) AS shrank
	FROM counted
)
SELECT name AS object, n AS value,
    CASE WHEN grew THEN printf('the statistics say %,d rows, there are %,d or more', n, now) ELSE printf('the statistics say %,d rows, there are %,d', n, now) END AS detail,
    'ANALYZE ' || @ident(name) || ';' AS remedy
FROM judged WHERE grew OR shrank
ORDER BY name LIMIT 1000
