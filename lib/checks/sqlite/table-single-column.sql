-- id: table-single-column
-- title: table with a single column
-- engine: sqlite
-- probe: schema
-- topic: smells
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: its only column is {detail}
-- why: A lone column says nothing about anything: often a migration stopped half way, or a list that belongs into a type,
--   a CHECK or another table.
-- spares: bookkeeping tables of migration tools; views and virtual tables.
-- fix: Look at what it is for; merge it into the table that uses it.
-- remedy.1: merge it, or add what is missing | manual | lock | | closes
WITH @user_table, @user_column
SELECT c.tbl AS object, max(c.name) AS detail FROM user_column AS c WHERE NOT @migration_table(c.tbl)
GROUP BY c.tbl HAVING count(*) = 1
ORDER BY 1 LIMIT 1000
