-- id: check-violation
-- title: rows that break a CHECK constraint
-- engine: sqlite
-- probe: integrity
-- topic: constraints
-- scope: database
-- interval: 7d
-- kind: scrub
-- default: on
-- cost: scrub
-- unit: count
-- severity: critical
-- metric: dbhealth_check_violations
-- param.max_rows: 100000
-- message: {detail}
-- why: The rule was switched off (PRAGMA ignore_check_constraints), or came after the rows: programs rely on what is not so, and a
--   dump cannot be loaded again.
-- spares: rows for which the rule is NULL, which passes; rules that need a function or collation of the application; names in
--   double quotes that are no column (sqlite-dqs-literal). Of a large table the newest 100,000 rows (param.max_rows) are
--   looked at; PRAGMA integrity_check in a shell that may write looks at all.
-- fix: Look at the rows and correct them or the rule.
-- evidence: the rule over the newest rows
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: correct them, or the rule | manual | load | | closes
-- @items
WITH @user_table, @user_column, tok AS MATERIALIZED (
	SELECT s.name AS tbl, s.sql, CAST(j.key AS INTEGER) AS k, j.value ->> 0 AS kind, j.value ->> 1 AS text, j.value ->> 2 AS depth, j.value ->> 3 AS at
	FROM sqlite_schema AS s, json_each(tokens(s.sql)) AS j WHERE s.type = 'table' AND s.sql LIKE '%check%' AND s.name IN (SELECT t.name FROM user_table AS t)
), rule AS (
	SELECT c.tbl, c.k, n.text AS named, substr(c.sql, o.at + 1, (SELECT min(e.at) FROM tok AS e WHERE e.tbl = c.tbl AND e.k > c.k AND e.kind = 'sign' AND e.text = ')' AND e.depth = 1) - o.at - 1) AS expr
	FROM tok AS c JOIN tok AS o ON o.tbl = c.tbl AND o.k = c.k + 1 AND o.text = '(' AND o.kind = 'sign'
	LEFT JOIN tok AS w ON w.tbl = c.tbl AND w.k = c.k - 2 AND w.kind = 'word' AND upper(w.text) = 'CONSTRAINT'
	LEFT JOIN tok AS n ON w.k IS NOT NULL AND n.tbl = c.tbl AND n.k = c.k - 1
	WHERE c.kind = 'word' AND c.depth = 1 AND upper(c.text) = 'CHECK'
), built AS (
	-- A comment in the rule ends with its line.
	SELECT r.tbl, r.k, r.tbl || coalesce('.' || r.named, '') AS object, r.expr,
	    'FROM (SELECT * FROM ' || @ident(r.tbl) || coalesce((SELECT ' ORDER BY ' || x.value || ' DESC' FROM user_table AS t, json_each('["rowid","_rowid_","oid"]') AS x
	        WHERE t.name = r.tbl AND NOT t.wr AND x.value NOT IN (SELECT o.low FROM user_column AS o WHERE o.tbl = r.tbl) LIMIT 1), '')
	    || ' LIMIT ' || CAST(:max_rows AS INTEGER) || ') AS ' || @ident(r.tbl) || ' WHERE NOT (' || r.expr || char(10) || ')' AS broken
	FROM rule AS r
)
SELECT object || ' ' || k AS key, object,
    'SELECT ' || quote(object) || ' AS object, ' || quote(object || ' ' || k) || ' AS key, count(*) AS value, printf(''%,d %s CHECK (%s)'', count(*), iif(count(*) = 1, ''row breaks'', ''rows break''), ' || quote(substr(expr, 1, 200)) || ') AS detail, '
    || quote('SELECT * ' || broken || ' LIMIT 100;') || ' AS remedy, ' || quote('Correct the rows, or make ' || tbl || ' anew with another CHECK.') || ' AS remedy_2 ' || broken || ' HAVING count(*) > 0' AS sql, 0 AS cost
FROM built WHERE prepares('SELECT 1 ' || broken) IS NULL
ORDER BY 1 LIMIT 20000
