-- id: pk-null-rows
-- title: rows whose primary key is NULL
-- engine: sqlite
-- probe: integrity
-- topic: keys
-- scope: database
-- interval: 1d
-- kind: scrub
-- default: on
-- cost: scrub
-- unit: count
-- severity: critical
-- metric: dbhealth_primary_key_null_rows
-- param.max_rows: 1000
-- message: {detail}
-- why: No key names these rows: updates by key miss them, foreign keys cannot refer to them, and copies of them
--   come in unnoticed.
-- spares: INTEGER PRIMARY KEY, which is the rowid; WITHOUT ROWID and STRICT tables, where a key is never NULL. A
--   thousand rows are counted at most.
-- fix: Look at the rows, give them a key or delete them, then make the table anew with NOT NULL (pk-nullable).
-- evidence: one look by the key's index
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: give them a key | manual | load | | closes
-- remedy.3: delete the rows | sql | data-loss | none: the rows are lost | closes
-- @items
WITH @user_table, @user_column, @primary_key, nullable AS (
	SELECT c.tbl, group_concat(@ident(c.name) || ' IS NULL', ' OR ') AS condition, group_concat(c.name, ', ') AS columns
	FROM user_column AS c JOIN primary_key AS p ON p.tbl = c.tbl
	WHERE c.pk > 0 AND NOT c."notnull" AND NOT p.alias AND NOT c.wr AND NOT c.strict
	GROUP BY c.tbl
)
SELECT tbl AS key, tbl AS object,
    'SELECT ' || quote(tbl) || ' AS object, count(*) AS value, CASE WHEN count(*) >= ' || CAST(:max_rows AS INTEGER) || ' THEN ''at least '' ELSE '''' END'
    || ' || CASE count(*) WHEN 1 THEN ''1 row has NULL in '' ELSE count(*) || '' rows have NULL in '' END || ' || quote(columns) || ' AS detail, '
    || quote('SELECT * FROM ' || @ident(tbl) || ' WHERE ' || condition || ' LIMIT 100;') || ' AS remedy, '
    || quote('Give each a value in ' || columns || '.') || ' AS remedy_2, '
    || quote('DELETE FROM ' || @ident(tbl) || ' WHERE ' || condition || ';') || ' AS remedy_3'
    || ' FROM (SELECT 1 FROM ' || @ident(tbl) || ' WHERE ' || condition || ' LIMIT ' || CAST(:max_rows AS INTEGER) || ') HAVING count(*) > 0' AS sql,
    0 AS cost
FROM nullable
ORDER BY 1 LIMIT 20000
