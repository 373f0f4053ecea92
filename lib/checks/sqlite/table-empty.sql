-- id: table-empty
-- title: table without rows
-- engine: sqlite
-- probe: schema
-- topic: smells
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: has no rows
-- why: An empty table is a feature that nobody uses, a load that never ran, or what is left after an import that failed.
-- spares: AUTOINCREMENT tables that had rows once; bookkeeping tables of migration tools; views and virtual tables.
-- fix: Ask who made it. A table that is only filled now and then: name it in ignore.
-- remedy.1: make sure | look | none | | helps
-- remedy.2: drop it, if nobody needs it | manual | data-loss | create it again from the migrations | closes
WITH @user_table
SELECT t.name AS object, 'SELECT count(*) FROM ' || @ident(t.name) || ';' AS remedy, 'Drop ' || t.name || ' if nobody needs it.' AS remedy_2
FROM user_table AS t
WHERE NOT @migration_table(t.name) AND scalar('SELECT EXISTS (SELECT 1 FROM ' || @ident(t.name) || ')') = 0
  AND coalesce(scalar('SELECT max(seq) FROM sqlite_sequence WHERE name = ' || quote(t.name)), 0) = 0
ORDER BY 1 LIMIT 1000
