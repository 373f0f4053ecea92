-- id: table-all-nullable
-- title: every column may be NULL
-- engine: sqlite
-- probe: schema
-- topic: smells
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: all {value} columns beside the key may be NULL
-- why: A row may say nothing at all. Where a value is always there, NOT NULL lets the readers rely on it.
-- spares: columns of the primary key; tables of one column (table-single-column); bookkeeping tables of migration tools; views
--   and virtual tables.
-- fix: SQLite cannot add NOT NULL to a column: make the table anew with it where a value is always there.
-- remedy.1: make the table anew with NOT NULL | manual | lock | the old table, until it is dropped | closes
WITH @user_table, @user_column
SELECT c.tbl AS object, sum(c.pk = 0) AS value FROM user_column AS c WHERE c.hidden = 0 AND NOT @migration_table(c.tbl)
GROUP BY c.tbl HAVING count(*) > 1 AND sum(c.pk = 0) > 0 AND sum(c.pk = 0 AND c."notnull") = 0
ORDER BY 1 LIMIT 1000
