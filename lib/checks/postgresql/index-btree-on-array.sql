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
WITH @user_schema, @user_index, @index_keyed_on(SELECT ty.oid FROM pg_catalog.pg_type AS ty WHERE ty.typcategory = 'A'), named AS (
	SELECT u.indexrelid, u.nspname, u.relname, u.index, u.relkind, u.relpages, u.indnatts, u.indpred IS NULL AS all_rows, b.columns,
	    ARRAY[u.nspname::text, u.index::text, u.relname::text, 'dbhealth_' || u.indexrelid] || b.names AS parts
	FROM user_index AS u
	JOIN hit AS b ON b.indexrelid = u.indexrelid
	WHERE u.amname = 'btree' AND NOT u.bound
	ORDER BY u.relpages DESC, u.nspname, u.relname, u.index
	LIMIT 1000
)
@index_keyed_told,
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
