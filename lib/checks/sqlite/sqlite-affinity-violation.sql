-- id: sqlite-affinity-violation
-- title: values of another class than their column
-- engine: sqlite
-- probe: integrity
-- topic: types
-- scope: database
-- interval: 7d
-- kind: scrub
-- default: on
-- cost: scrub
-- unit: count
-- severity: warning
-- metric: dbhealth_sqlite_values_of_wrong_class
-- param.max_rows: 100000
-- message: {detail}
-- why: SQLite takes any value into any column: a text among numbers sorts behind them, is left out of comparisons and sums as
--   zero, and the program that reads it may fail.
-- spares: STRICT tables; columns without a type, dates and times (text or number as the program likes), other types that SQLite
--   has no class for; texts that are numbers too long to be converted without loss; generated columns. Of a large table the
--   newest 100,000 rows (param.max_rows) are looked at.
-- fix: Look at the rows and what wrote them, correct them, then make the table anew as STRICT, which refuses such values.
-- evidence: typeof() of the newest rows
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: correct what writes them, then the rows | manual | load | | closes
-- @items
WITH @user_table, @user_column, @primary_key, judged AS (
	SELECT c.*, @affinity(c.type) AS affinity,
	    (SELECT r.value FROM json_each('["rowid","_rowid_","oid"]') AS r WHERE r.value NOT IN (SELECT o.low FROM user_column AS o WHERE o.tbl = c.tbl) LIMIT 1) AS rowid
	FROM user_column AS c LEFT JOIN primary_key AS p ON p.tbl = c.tbl
	WHERE c.hidden = 0 AND NOT c.strict AND NOT (c.pk > 0 AND coalesce(p.alias, 0))
), typed AS (
	-- Only types whose name says what is meant: POINT has INT in it, and FLOATING POINT too.
	SELECT *, replace(CASE WHEN affinity = 'text' THEN 'typeof(#) = ''blob'''
	        ELSE '(typeof(#) = ''blob'' OR typeof(#) = ''text'' AND (# = '''' OR # GLOB ''*[^-+.0-9eE]*'' OR # NOT GLOB ''*[0-9]*'')'
	            || CASE affinity WHEN 'integer' THEN ' OR typeof(#) = ''real'' AND abs(#) < 9e18)' ELSE ')' END END, '#', @ident(name)) AS bad
	FROM judged
	WHERE affinity IN ('text', 'real') AND upper(type) NOT LIKE '%DATE%' AND upper(type) NOT LIKE '%TIME%'
	  OR affinity = 'integer' AND (upper(type) GLOB 'INT*' OR upper(type) GLOB '*BIG*INT*' OR upper(type) GLOB '*SMALLINT*' OR upper(type) GLOB '*TINYINT*' OR upper(type) GLOB '*MEDIUMINT*')
	      AND upper(type) NOT LIKE 'INTERVAL%'
	  OR affinity = 'numeric' AND (upper(type) GLOB 'NUMERIC*' OR upper(type) GLOB 'DECIMAL*' OR upper(type) GLOB 'NUMBER*' OR upper(type) GLOB 'BOOL*')
), one AS (
	SELECT tbl, 'SELECT ' || quote(tbl || '.' || name) || ' AS object, v' || cid || ' AS value, '
	    || 'printf(''%,d of %,d rows hold %s in a column of type ' || replace(@percent(type), '''', '''''') || ''', v' || cid || ', n, k' || cid || ') AS detail, '
	    || quote('SELECT ' || @ident(name) || ', typeof(' || @ident(name) || '), count(*) FROM ' || @ident(tbl) || ' WHERE ' || bad || ' GROUP BY 1, 2 LIMIT 100;') || ' AS remedy, '
	    || quote('Correct what writes ' || tbl || '.' || name || ', then these values.') || ' AS remedy_2 FROM s WHERE v' || cid || ' > 0' AS line,
	    'sum(' || bad || ') AS v' || cid || ', max(CASE WHEN ' || bad || ' THEN typeof(' || @ident(name) || ') END) AS k' || cid AS sums, cid / 50 AS part, wr, rowid
	FROM typed
)
@scanned(one)
