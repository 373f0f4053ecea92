-- id: sqlite-non-strict
-- title: a table that is not STRICT
-- engine: sqlite
-- probe: schema
-- topic: types
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: is not STRICT: any value goes into any column
-- why: Without STRICT a column's type is a wish: texts among numbers come in without a word.
-- spares: STRICT tables, virtual tables, bookkeeping tables of migration tools. SQLite knows STRICT from 3.37 on: an older library
--   cannot open such a file.
-- fix: Make the table anew with STRICT, after sqlite-affinity-violation has nothing to say of it.
-- evidence: pragma_table_list
-- remedy.1: make the table anew with STRICT | manual | lock | the old table, until it is dropped | closes
WITH @user_table
SELECT t.name AS object FROM user_table AS t WHERE NOT t.strict AND NOT @migration_table(t.name)
ORDER BY 1 LIMIT 1000
