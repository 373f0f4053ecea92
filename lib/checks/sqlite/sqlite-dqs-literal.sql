-- id: sqlite-dqs-literal
-- title: a name in double quotes became a text
-- engine: sqlite
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- metric: dbhealth_sqlite_names_taken_as_text
-- message: {detail}
-- why: Where no column of that name exists SQLite takes "name" for the text 'name', without a word: an index over a constant, a
--   CHECK or a view that compares with a word. A library built without that habit refuses the whole statement.
-- spares: real columns in double quotes, aliases, names of functions, collations and types.
-- fix: Write the column's right name, or the text in single quotes: drop the index or view and create it again; a table is
--   made anew.
-- evidence: the text of the schema against the columns
-- remedy.1: write it as it was meant | manual | lock | | closes
WITH @user_table, @user_column, part AS MATERIALIZED (
	SELECT s.type, s.name, s.tbl_name AS tbl, s.sql FROM sqlite_schema AS s
	WHERE s.type IN ('index', 'table') AND s.sql LIKE '%"%' AND s.tbl_name IN (SELECT t.name FROM user_table AS t)
	  AND (s.type = 'index' OR s.sql LIKE '%check%' OR s.sql LIKE '% as %' OR s.sql LIKE '% as(%')
), tok AS MATERIALIZED (
	SELECT p.type, p.name, p.tbl, CAST(j.key AS INTEGER) AS k, j.value ->> 0 AS kind, j.value ->> 1 AS text, j.value ->> 2 AS depth
	FROM part AS p, json_each(tokens(p.sql)) AS j
), span AS MATERIALIZED (
	-- Where a name must be a column: the index behind its first parenthesis, a CHECK, a generated column.
	SELECT type, name, min(k) AS a, 1 << 30 AS b, 'the index' AS place FROM tok WHERE type = 'index' AND kind = 'sign' AND text = '(' GROUP BY type, name
	UNION ALL
	SELECT c.type, c.name, c.k, (SELECT min(e.k) FROM tok AS e WHERE e.type = c.type AND e.name = c.name AND e.k > c.k AND e.kind = 'sign' AND e.text = ')' AND e.depth = 1),
	    CASE upper(c.text) WHEN 'CHECK' THEN 'a CHECK' ELSE 'a generated column' END
	FROM tok AS c JOIN tok AS o ON o.type = c.type AND o.name = c.name AND o.k = c.k + 1 AND o.text = '('
	WHERE c.type = 'table' AND c.kind = 'word' AND c.depth = 1 AND upper(c.text) IN ('CHECK', 'AS')
), literal AS (
	SELECT CASE t.type WHEN 'index' THEN t.tbl || '.' || t.name ELSE t.name END AS object, t.text, s.place
	FROM span AS s JOIN tok AS t ON t.type = s.type AND t.name = s.name AND t.k > s.a AND t.k < s.b AND t.kind = 'dq'
	LEFT JOIN tok AS p ON p.type = t.type AND p.name = t.name AND p.k = t.k - 1
	LEFT JOIN tok AS n ON n.type = t.type AND n.name = t.name AND n.k = t.k + 1
	WHERE NOT EXISTS (SELECT 1 FROM user_column AS c WHERE c.tbl = t.tbl AND c.low = lower(t.text))
	  AND lower(t.text) NOT IN ('rowid', '_rowid_', 'oid')
	  AND NOT (p.kind = 'word' AND upper(p.text) IN ('COLLATE', 'AS')) AND NOT (p.kind = 'sign' AND p.text = '.')
	  AND NOT (coalesce(n.kind, '') = 'sign' AND n.text IN ('(', '.'))
), view AS MATERIALIZED (
	-- Our own connections take no name for a text, so SQLite itself says which it misses.
	SELECT s.name, s.sql, replace(substr(e.error, 17), '"', '') AS gone
	FROM sqlite_schema AS s JOIN (SELECT v.name, prepares('SELECT * FROM ' || @ident(v.name) || ' LIMIT 0') AS error FROM sqlite_schema AS v
	    WHERE v.type = 'view' AND v.sql LIKE '%"%' LIMIT 2000) AS e ON e.name = s.name
	WHERE s.type = 'view' AND e.error LIKE 'no such column: %'
)
SELECT object, group_concat(DISTINCT '"' || text || '" in ' || place || ' is no column: it is taken for a text') AS detail,
    'Write the right column, or single quotes for a text, in ' || object || '.' AS remedy
FROM literal GROUP BY object
UNION ALL
SELECT v.name, '"' || max(j.value ->> 1) || '" in the view is no column: it is taken for a text', 'Write the right column, or single quotes for a text, in ' || v.name || '.'
FROM view AS v, json_each(tokens(v.sql)) AS j
WHERE j.value ->> 0 = 'dq' AND (v.gone = j.value ->> 1 OR v.gone LIKE replace(replace(j.value ->> 1, '%', '_'), '"', '') || ' - should this be a string literal%')
GROUP BY v.name
ORDER BY 1 LIMIT 1000
