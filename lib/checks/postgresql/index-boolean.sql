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
WITH @user_schema, @user_index, typed AS MATERIALIZED (
	SELECT a.attrelid, a.attnum, a.attname FROM pg_catalog.pg_attribute AS a
	WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
	  AND a.atttypid IN (SELECT ty.oid FROM pg_catalog.pg_type AS ty WHERE 'pg_catalog.bool'::pg_catalog.regtype IN (ty.oid, ty.typbasetype))
), hit AS (
	SELECT i.indexrelid, pg_catalog.string_agg(pg_catalog.quote_ident(t.attname), ', ' ORDER BY k.o) AS columns
	FROM typed AS t
	JOIN pg_catalog.pg_index AS i ON i.indrelid = t.attrelid
	CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, o)
	WHERE k.attnum = t.attnum AND k.o <= i.indnkeyatts
	GROUP BY i.indexrelid
), named AS (
	SELECT u.indexrelid, u.nspname, u.relname, u.index, u.relkind, u.relpages, b.columns, ARRAY[u.nspname::text, u.index::text] AS parts
	FROM user_index AS u
	JOIN hit AS b ON b.indexrelid = u.indexrelid
	WHERE CASE WHEN u.bound THEN false ELSE NOT @migration_table(u.relname) END
	ORDER BY u.relpages DESC, u.nspname, u.relname, u.index
	LIMIT 1000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, index) AS object,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS value,
    'info' AS severity,
    columns,
    pg_catalog.format('used %s times', pg_catalog.pg_stat_get_numscans(indexrelid)) AS detail,
    pg_catalog.format('SELECT idx_scan, idx_tup_read FROM pg_stat_all_indexes WHERE indexrelid = %s;', indexrelid) AS remedy,
    CASE WHEN relkind = 'i' THEN pg_catalog.format('DROP INDEX CONCURRENTLY %s.%s;', q[1], q[2]) END AS remedy_2,
    CASE WHEN relkind = 'I' THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nDROP INDEX %s.%s;', q[1], q[2]) END AS remedy_3
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY relpages DESC, nspname, relname, index
