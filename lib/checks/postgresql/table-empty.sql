-- id: table-empty
-- title: table without rows
-- engine: postgresql
-- probe: schema
-- topic: smells
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: has no rows, and has had none as far as the counters reach
-- why: An empty table is a feature that nobody uses, a load that never ran, or what is left after an import that failed.
-- spares: tables into which rows were inserted since the counters began; parents of heirs, which are empty by design;
--   partition trees with a foreign partition; bookkeeping tables of migration tools; partitions, whose root is told; views; temporary tables and tables of extensions.
-- fix: Ask who made it. A table that is only filled now and then: name it in ignore.
-- remedy.1: make sure | look | none | | helps
-- remedy.2: drop it, if nobody needs it | manual | data-loss | create it again from the migrations | closes
WITH RECURSIVE @user_schema, @user_table, tree AS (
	SELECT t.oid AS root, t.oid FROM user_table AS t WHERE t.relkind = 'p'
	UNION ALL
	SELECT t.root, h.inhrelid FROM tree AS t JOIN pg_catalog.pg_inherits AS h ON h.inhparent = t.oid
), filled AS (
	SELECT t.root FROM tree AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.oid
	WHERE c.relkind = 'f' OR c.relkind = 'r' AND (c.relpages > 0 OR pg_catalog.pg_stat_get_live_tuples(c.oid) > 0 OR pg_catalog.pg_stat_get_tuples_inserted(c.oid) > 0)
)
SELECT pg_catalog.format('%I.%I', t.nspname, t.relname) AS object,
    0 AS value, 'info' AS severity,
    pg_catalog.format('SELECT EXISTS (SELECT FROM %s.%s);', @ident(t.nspname), @ident(t.relname)) AS remedy
FROM user_table AS t
WHERE (CASE WHEN t.relkind = 'p' THEN t.oid NOT IN (SELECT f.root FROM filled AS f)
    ELSE t.relpages = 0 AND NOT t.relhassubclass AND pg_catalog.pg_stat_get_live_tuples(t.oid) = 0 AND pg_catalog.pg_stat_get_tuples_inserted(t.oid) = 0 END)
  AND NOT @migration_table(t.relname)
ORDER BY t.nspname, t.relname
LIMIT 2000
