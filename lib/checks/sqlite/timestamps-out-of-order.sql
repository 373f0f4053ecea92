-- id: timestamps-out-of-order
-- title: rows were changed before they were made, or in the future
-- engine: sqlite
-- probe: integrity
-- topic: conventions
-- scope: database
-- interval: 1d
-- kind: scrub
-- default: on
-- cost: scrub
-- unit: count
-- severity: warning
-- needs: configured conventions=timestamps
-- metric: dbhealth_timestamps_out_of_order_rows
-- param.created: created_at
-- param.updated: updated_at
-- param.tolerance: 5min
-- param.max_rows: 100000
-- message: {detail}
-- why: Two clocks that differ, an import that kept one time and not the other, or a time zone that was lost.
--   What goes by time, as sync and archive, takes such rows twice or never.
-- spares: a difference under 5 minutes (param.tolerance), for application and database may have clocks of their own; NULL; values that
--   are no time, and pairs of a text and a number; the future of times without a zone. Of a large table the newest
--   100,000 rows (param.max_rows) are looked at. Join tables, bookkeeping tables of migration tools, conventions_exclude.
-- fix: Look at the rows and what wrote them, correct that, then the rows.
-- evidence: the newest rows of each table
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: correct what writes them, then the rows | manual | load | | closes
-- @items
WITH @house, pair AS (
	SELECT t.name, t.wr, c.name AS created, u.name AS updated,
	    (SELECT r.value FROM json_each('["rowid","_rowid_","oid"]') AS r WHERE r.value NOT IN (SELECT o.low FROM user_column AS o WHERE o.tbl = t.name) LIMIT 1) AS rowid
	FROM convention_table AS t JOIN @column_of(c, t, :created)
	JOIN @column_of(u, t, :updated)
), moment AS (
	-- Both as days; numbers are seconds or milliseconds since 1970.
	SELECT *, replace('CASE typeof(#) WHEN ''text'' THEN julianday(#) ELSE CASE WHEN abs(#) > 1e11 THEN # / 86400000.0 ELSE # / 86400.0 END + 2440587.5 END', '#', 'a') AS a,
	    replace('CASE typeof(#) WHEN ''text'' THEN julianday(#) ELSE CASE WHEN abs(#) > 1e11 THEN # / 86400000.0 ELSE # / 86400.0 END + 2440587.5 END', '#', 'b') AS b,
	    CAST(:tolerance AS REAL) / 86400 AS slack
	FROM pair
), built AS (
	SELECT *, '(typeof(a) = ''text'') = (typeof(b) = ''text'') AND typeof(a) <> ''blob'' AND (' || b || ' < ' || a || ' - ' || slack
	    || ' OR (typeof(a) <> ''text'' OR a GLOB ''*[Zz]'' AND b GLOB ''*[Zz]'') AND min(' || a || ', ' || b || ') > julianday(''now'') + ' || slack || ')' AS broken,
	    'SELECT ' || @ident(created) || ' AS a, ' || @ident(updated) || ' AS b, * FROM ' || @ident(name)
	    || CASE WHEN wr OR rowid IS NULL THEN '' ELSE ' ORDER BY ' || rowid || ' DESC' END || ' LIMIT ' || CAST(:max_rows AS INTEGER) AS rows
	FROM moment
)
SELECT name AS key, name AS object,
    'SELECT ' || quote(name) || ' AS object, count(*) AS value, count(*) || CASE WHEN count(*) = 1 THEN '' row has '' ELSE '' rows have '' END || ' || quote(updated || ' before ' || created || ', or both in the future') || ' AS detail, '
    || quote('SELECT * FROM (' || rows || ') WHERE ' || broken || ' LIMIT 100;') || ' AS remedy, ' || quote('Correct what writes ' || name || ', then ' || created || ' and ' || updated || ' of these rows.')
    || ' AS remedy_2 FROM (' || rows || ') WHERE ' || broken || ' HAVING count(*) > 0' AS sql, 0 AS cost
FROM built
ORDER BY 1 LIMIT 20000
