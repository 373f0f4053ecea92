-- id: index-boolean
-- title: index over a boolean
-- engine: postgresql
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: bytes
-- metric: dbhealth_boolean_index_bytes
-- message: boolean key column {columns}
-- why: A boolean has two values: seeking one of them in the index finds half of the table, so the index is
--   seldom used and always maintained. An index of other columns WHERE flag is small and is used.
-- spares: booleans that stand only in the predicate or are included; unique indexes, those behind a
--   constraint, CLUSTER or the replica identity; tables of extensions and of migration tools.
-- fix: Where queries seek the rarer value: CREATE INDEX CONCURRENTLY on the other columns WHERE flag (or
--   WHERE NOT flag), then drop this one.
-- remedy.1: look at its use | look | none | | helps
-- remedy.2: drop it while reads and writes go on | sql | none | CREATE INDEX CONCURRENTLY with its columns | closes
-- remedy.3: drop it from all partitions, under a strong lock for an instant | sql | lock | CREATE INDEX with its columns | closes
WITH @user_schema, @user_index, @index_keyed_on(SELECT ty.oid FROM pg_catalog.pg_type AS ty WHERE 'pg_catalog.bool'::pg_catalog.regtype IN (ty.oid, ty.typbasetype)), named AS (
	SELECT u.indexrelid, u.nspname, u.relname, u.index, u.relkind, u.relpages, b.columns, ARRAY[u.nspname::text, u.index::text] AS parts
	FROM user_index AS u
	JOIN hit AS b ON b.indexrelid = u.indexrelid
	WHERE CASE WHEN u.bound THEN false ELSE NOT @migration_table(u.relname) END
	ORDER BY u.relpages DESC, u.nspname, u.relname, u.index
	LIMIT 1000
)
@index_keyed_told,
    @index_drop(remedy_2, remedy_3, named)
ORDER BY relpages DESC, nspname, relname, index
