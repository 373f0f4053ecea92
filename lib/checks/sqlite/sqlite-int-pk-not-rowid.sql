-- id: sqlite-int-pk-not-rowid
-- title: an integer primary key that is not the rowid
-- engine: sqlite
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- metric: dbhealth_sqlite_integer_keys_beside_rowid
-- message: {detail}
-- why: Only the very word INTEGER, without DESC, makes the key the rowid. Any other spelling keeps a second tree beside the
--   table: twice the look-ups, more space, and NULL is taken.
-- spares: INTEGER PRIMARY KEY; keys of several columns; WITHOUT ROWID tables; bookkeeping tables of migration tools.
-- fix: Make the table anew with INTEGER PRIMARY KEY. Code that relies on the key staying NULL until it is set must change.
-- evidence: pragma_table_xinfo and the key's own index
-- remedy.1: make the table anew with INTEGER PRIMARY KEY | manual | lock | the old table, until it is dropped | closes
WITH @user_table, @user_column, @primary_key
SELECT c.tbl || '.' || c.name AS object,
    CASE upper(c.type) WHEN 'INTEGER' THEN 'is INTEGER PRIMARY KEY DESC' ELSE 'is ' || c.type || ' PRIMARY KEY' END || ': it has an index beside the rowid' AS detail
FROM user_column AS c JOIN primary_key AS p ON p.tbl = c.tbl
WHERE c.pk > 0 AND p.n = 1 AND NOT p.alias AND NOT c.wr AND @affinity(c.type) = 'integer' AND NOT @migration_table(c.tbl)
ORDER BY 1 LIMIT 1000
