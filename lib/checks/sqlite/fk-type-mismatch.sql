-- id: fk-type-mismatch
-- title: foreign key column of another type than its target
-- engine: sqlite
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- message: {detail}
-- why: What is stored on one side is converted on the other: 007 and 7 are one key here and two there, and an
--   index on the column does not serve a join with it.
-- spares: other spellings of one affinity (INT and BIGINT, VARCHAR and TEXT); whole numbers beside NUMERIC, which
--   compare alike. A column without a type beside one that has one is info only.
-- fix: SQLite cannot change a column's type: make the table anew with the right one, copy the rows, rename, all in
--   one transaction.
-- evidence: pragma_table_xinfo of both tables
-- remedy.1: make the table anew with the target's type | manual | lock | the old table, until it is dropped | closes
WITH @user_table, @user_column, @foreign_key, typed AS (
	SELECT k.child, k.id, k.seq, k.parent, k.col, k.target, c.type AS here, p.type AS there,
	    CASE WHEN c.type = '' OR c.strict AND upper(c.type) = 'ANY' THEN 'none' ELSE @affinity(c.type) END AS a,
	    CASE WHEN p.type = '' OR p.strict AND upper(p.type) = 'ANY' THEN 'none' ELSE @affinity(p.type) END AS b
	FROM foreign_key AS k
	JOIN user_column AS c ON c.tbl = k.child AND c.low = k.lcol
	JOIN user_column AS p ON p.ltbl = k.lparent AND p.low = lower(k.target)
)
SELECT t.child || '.' || t.col AS object, t.child || '.' || t.col || ' ' || t.parent || '.' || t.target AS key,
    CASE WHEN 'none' IN (t.a, t.b) THEN 'info' ELSE 'warning' END AS severity,
    CASE t.here WHEN '' THEN 'has no type' ELSE 'is ' || t.here END || ', but ' || t.parent || '.' || t.target
    || CASE t.there WHEN '' THEN ' has no type' ELSE ' is ' || t.there END AS detail,
    'Make ' || t.child || ' anew with ' || t.col || CASE t.there WHEN '' THEN ' without a type' ELSE ' as ' || t.there END || ', or the other way round.' AS remedy
FROM typed AS t
WHERE replace(t.a, 'numeric', 'integer') <> replace(t.b, 'numeric', 'integer')
GROUP BY 1, 2
ORDER BY 1, 2 LIMIT 1000
