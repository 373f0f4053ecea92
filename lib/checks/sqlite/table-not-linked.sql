-- id: table-not-linked
-- title: table that no foreign key links
-- engine: sqlite
-- probe: schema
-- topic: smells
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: no foreign key leads to it or away from it
-- why: Either its relationships are kept by the application alone, and break there, or nobody needs it any more.
-- spares: the only table of a database; bookkeeping tables of migration tools; views and virtual tables.
-- fix: Make the tables anew with the foreign keys that are meant, or drop what nobody uses.
-- remedy.1: declare its foreign keys | manual | lock | the old table, until it is dropped | closes
WITH @user_table, @foreign_key
SELECT t.name AS object FROM user_table AS t
WHERE NOT @migration_table(t.name) AND (SELECT count(*) FROM user_table) > 1
  AND t.name NOT IN (SELECT k.child FROM foreign_key AS k) AND t.low NOT IN (SELECT k.lparent FROM foreign_key AS k)
ORDER BY 1 LIMIT 1000
