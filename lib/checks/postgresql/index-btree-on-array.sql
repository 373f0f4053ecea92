-- id: index-btree-on-array
-- title: btree over an array
-- engine: postgresql
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: bytes
-- metric: dbhealth_array_btree_bytes
-- message: btree over the array {columns}
-- why: A btree compares arrays as a whole. It finds no array that contains a value (@>, &&, = ANY), which is
--   what arrays are asked for; a GIN index does.
-- spares: unique indexes and those behind a constraint, CLUSTER or the replica identity, where the whole
--   array is meant; included columns; other methods; expressions.
-- fix: Build a GIN index over the array, then drop this one, unless queries compare whole arrays by =.
-- remedy.1: look at its use | look | none | | helps
-- remedy.2: put a GIN index in its place while reads and writes go on | sql | load | CREATE INDEX CONCURRENTLY with its columns | closes
-- remedy.3: build a GIN index over the array and, where sought, a btree over the other columns | manual | load | | closes
WITH @user_schema, @user_index, typed AS MATERIALIZED (
	SELECT a.attrelid, a.attnum, a.attname FROM pg_catalog.pg_attribute AS a
	WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
	  AND a.atttypid IN (SELECT ty.oid FROM pg_catalog.pg_type AS ty WHERE ty.typcategory = 'A')
), hit AS (
	SELECT i.indexrelid, pg_catalog.string_agg(pg_catalog.quote_ident(t.attname), ', ' ORDER BY k.o) AS columns, pg_catalog.array_agg(t.attname::text ORDER BY k.o) AS names
	FROM typed AS t
	JOIN pg_catalog.pg_index AS i ON i.indrelid = t.attrelid
	CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, o)
	WHERE k.attnum = t.attnum AND k.o <= i.indnkeyatts
	GROUP BY i.indexrelid
), named AS (
	SELECT u.indexrelid, u.nspname, u.relname, u.index, u.relkind, u.relpages, u.indnatts, u.indpred IS NULL AS all_rows, b.columns,
	    ARRAY[u.nspname::text, u.index::text, u.relname::text, 'dbhealth_' || u.indexrelid] || b.names AS parts
	FROM user_index AS u
	JOIN hit AS b ON b.indexrelid = u.indexrelid
	WHERE u.amname = 'btree' AND NOT u.bound
	ORDER BY u.relpages DESC, u.nspname, u.relname, u.index
	LIMIT 1000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, index) AS object,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS value,
    'info' AS severity,
    columns,
    pg_catalog.format('used %s times', pg_catalog.pg_stat_get_numscans(indexrelid)) AS detail,
    pg_catalog.format('SELECT idx_scan, idx_tup_read FROM pg_stat_all_indexes WHERE indexrelid = %s;', indexrelid) AS remedy,
    CASE WHEN relkind = 'i' AND indnatts = 1 AND all_rows THEN pg_catalog.format(
        E'CREATE INDEX CONCURRENTLY %s ON %s.%s USING gin (%s);\nDROP INDEX CONCURRENTLY %s.%s;\nSET lock_timeout = ''2s'';\nALTER INDEX %s.%s RENAME TO %s;',
        q[4], q[1], q[3], q[5], q[1], q[2], q[1], q[4], q[2]) END AS remedy_2,
    CASE WHEN relkind = 'I' OR indnatts > 1 OR NOT all_rows THEN
        pg_catalog.format('Build a GIN index over %s; then drop %s.%s.', columns, q[1], q[2]) END AS remedy_3
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY relpages DESC, nspname, relname, index
