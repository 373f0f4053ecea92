-- id: table-not-linked
-- title: table that no foreign key links
-- engine: postgresql
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
-- spares: the only table of a database; parents and children by inheritance; bookkeeping tables of migration tools; partitions, whose root is told; views; temporary tables and tables of extensions.
-- fix: Declare the foreign keys that are meant (NOT VALID, then VALIDATE), or drop what nobody uses.
-- remedy.1: see whether it is read and written | look | none | | helps
-- remedy.2: declare its foreign keys | manual | lock | ALTER TABLE ... DROP CONSTRAINT ... | closes
WITH @user_schema, @user_table, linked AS (
	SELECT coalesce(pg_catalog.pg_partition_root(k.conrelid), k.conrelid)::oid AS oid FROM pg_catalog.pg_constraint AS k WHERE k.contype = 'f' AND k.conparentid = 0
	UNION SELECT coalesce(pg_catalog.pg_partition_root(k.confrelid), k.confrelid)::oid FROM pg_catalog.pg_constraint AS k WHERE k.contype = 'f'
	UNION SELECT h.inhrelid FROM pg_catalog.pg_inherits AS h JOIN pg_catalog.pg_class AS c ON c.oid = h.inhrelid AND NOT c.relispartition
	UNION SELECT h.inhparent FROM pg_catalog.pg_inherits AS h JOIN pg_catalog.pg_class AS c ON c.oid = h.inhrelid AND c.relkind IN ('r', 'f') AND NOT c.relispartition
)
SELECT pg_catalog.format('%I.%I', t.nspname, t.relname) AS object,
    0 AS value, 'info' AS severity,
    pg_catalog.format('SELECT seq_scan, idx_scan, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE relid = %s;', t.oid) AS remedy
FROM user_table AS t
WHERE t.oid NOT IN (SELECT l.oid FROM linked AS l)
  AND (SELECT count(*) FROM user_table) > 1
  AND NOT @migration_table(t.relname)
ORDER BY t.nspname, t.relname
LIMIT 2000
