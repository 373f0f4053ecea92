-- id: pk-column-not-first
-- title: the primary key is not the first column
-- engine: sqlite
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: the first column is {first}
-- why: Only people are disturbed: who reads the table, an INSERT without column names or a dump looks for
--   the key in front.
-- spares: keys of several columns one of which comes first; tables of migration tools.
-- fix: Nothing to do in the running database: columns cannot be moved. Put the key first where the table is made anew.
-- evidence: pragma_table_xinfo
-- remedy.1: put the key first when the table is next made anew | manual | lock | | closes
WITH @user_table, @user_column
SELECT c.tbl AS object, c.name AS first
FROM user_column AS c
WHERE c.cid = 0 AND c.pk = 0 AND EXISTS (SELECT 1 FROM user_column AS o WHERE o.tbl = c.tbl AND o.pk > 0) AND NOT @migration_table(c.tbl)
ORDER BY 1 LIMIT 1000
