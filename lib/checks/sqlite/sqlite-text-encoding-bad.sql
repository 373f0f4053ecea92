-- id: sqlite-text-encoding-bad
-- title: text that is no text
-- engine: sqlite
-- probe: integrity
-- topic: encoding
-- scope: database
-- interval: 7d
-- kind: scrub
-- default: off
-- cost: scrub
-- unit: count
-- severity: info
-- param.max_rows: 100000
-- message: {detail}
-- why: SQLite does not look at the bytes of a text. Programs that do fail on the row, or show half of it: most stop at a NUL.
-- spares: BLOBs; well-formed UTF-8 of any language. In UTF-16 files only NUL is found. Of a large table the newest 100,000
--   rows (param.max_rows) are looked at.
-- fix: Look at the rows as hex() and at what wrote them; often Latin-1 was stored as it was, or a BLOB as a text.
-- evidence: the bytes of the newest rows
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: correct what writes them, then the rows | manual | load | | closes
-- @items
WITH @user_table, @user_column, col AS (
	SELECT c.*, (SELECT r.value FROM json_each('["rowid","_rowid_","oid"]') AS r WHERE r.value NOT IN (SELECT o.low FROM user_column AS o WHERE o.tbl = c.tbl) LIMIT 1) AS rowid
	FROM user_column AS c WHERE c.hidden = 0
), one AS (
	SELECT tbl, cid / 50 AS part, wr, rowid, 'sum(bad_text(' || @ident(name) || ')) AS v' || cid AS sums,
	    'SELECT ' || quote(tbl || '.' || name) || ' AS object, v' || cid || ' AS value, printf(''%,d of %,d rows hold text that is none'', v' || cid || ', n) AS detail, '
	    || quote('SELECT hex(' || @ident(name) || ') FROM ' || @ident(tbl) || ' WHERE typeof(' || @ident(name) || ') = ''text'' LIMIT 100;') || ' AS remedy, '
	    || quote('Correct what writes ' || tbl || '.' || name || ', then these values.') || ' AS remedy_2 FROM s WHERE v' || cid || ' > 0' AS line
	FROM col
)
@scanned(one)
