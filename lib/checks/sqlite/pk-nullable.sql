-- id: pk-nullable
-- title: primary key that may be NULL
-- engine: sqlite
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- metric: dbhealth_primary_keys_nullable
-- message: {columns} may be NULL
-- why: In SQLite a primary key takes NULL, as often as you like, unless it says NOT NULL: rows that no key names.
-- spares: INTEGER PRIMARY KEY, which is the rowid; WITHOUT ROWID and STRICT tables, where a key is never NULL;
--   bookkeeping tables of migration tools.
-- fix: SQLite cannot add NOT NULL to a column: make the table anew with it, or WITHOUT ROWID or STRICT. Rows with NULL
--   must be mended first (pk-null-rows tells them).
-- evidence: pragma_table_xinfo
-- remedy.1: make the table anew with NOT NULL | manual | lock | the old table, until it is dropped | closes
WITH @user_table, @user_column, @primary_key
SELECT c.tbl AS object, count(*) AS value, group_concat(c.name, ', ') AS columns,
    'In one transaction: make ' || c.tbl || ' anew with NOT NULL on ' || group_concat(c.name, ', ') || ', copy the rows, drop the old table, rename.' AS remedy
FROM user_column AS c JOIN primary_key AS p ON p.tbl = c.tbl
WHERE c.pk > 0 AND NOT c."notnull" AND NOT p.alias AND NOT c.wr AND NOT c.strict AND NOT @migration_table(c.tbl)
GROUP BY c.tbl
ORDER BY 1 LIMIT 1000
