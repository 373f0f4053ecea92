-- id: pk-uuid-as-text
-- title: a UUID kept as text in a primary key
-- engine: sqlite
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: primary key {detail}
-- why: As text a UUID takes more than twice the bytes of a BLOB of 16, in the table, its key and every foreign key
--   to it, and two spellings of one UUID are two keys.
-- spares: text without a length and lengths other than 32, 36 and 38; columns that refer to another table's key (that
--   key is told); tables of migration tools.
-- fix: SQLite cannot change a column's type: make the tables anew with BLOB keys, the referring ones in the same
--   transaction. It is a matter of size only: leave it where the file is small.
-- evidence: the declared type
-- remedy.1: make the table anew with a BLOB key | manual | lock | the old table, until it is dropped | closes
WITH @user_table, @user_column, @foreign_key
SELECT c.tbl || '.' || c.name AS object, c.name || ' is ' || c.type AS detail
FROM user_column AS c
WHERE c.pk > 0 AND @affinity(c.type) = 'text' AND replace(c.type, ' ', '') GLOB '*([0-9][0-9])' AND replace(c.type, ' ', '') GLOB '*(3[268])'
  AND (SELECT count(*) FROM user_column AS o WHERE o.tbl = c.tbl AND o.pk > 0) = 1
  AND NOT EXISTS (SELECT 1 FROM foreign_key AS k WHERE k.child = c.tbl AND k.lcol = c.low)
  AND NOT @migration_table(c.tbl)
ORDER BY 1 LIMIT 1000
