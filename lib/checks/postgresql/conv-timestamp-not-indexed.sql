-- id: conv-timestamp-not-indexed
-- title: timestamp of a row without an index
-- engine: postgresql
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- needs: configured conventions=timestamps
-- metric: dbhealth_timestamps_not_indexed_rows
-- param.created: created_at
-- param.updated: updated_at
-- param.active: is_active
-- param.min_rows: 0
-- message: no index leads with it, about {value} rows
-- why: What goes by time, as the newest rows, an archive or a sync, reads the whole table.
-- spares: columns that some index leads with, also BRIN, descending, or limited to rows in use or not NULL;
--   join tables, partitions (their root is told), bookkeeping tables of migration tools, tables of
--   extensions, views, foreign tables, conventions_exclude.
-- fix: CREATE INDEX CONCURRENTLY cannot run in a transaction and waits for older transactions. An index on
--   the time of the last change makes each UPDATE dearer (no HOT update; BRIN spares that from version 16):
--   where nobody asks by it, name the column in ignore. On large tables that only grow BRIN on the
--   time of creation is small.
-- remedy.1: build the index while reads and writes go on | sql | load | DROP INDEX CONCURRENTLY the new index | closes
-- remedy.2: build it on all partitions at once; their writes wait meanwhile | sql | lock | DROP INDEX the new index | closes
WITH @user_schema, @user_table, @convention_table, found AS MATERIALIZED (
	SELECT t.oid, t.nspname, t.relname, t.relkind, t.object, a.attname, @tree_rows(t)::bigint AS rows
	FROM convention_table AS t
	JOIN @column(a, t, ANY (ARRAY[:created::text, :updated::text]::name[]))
	LEFT JOIN @column(u, t, :active::text::name)
	WHERE NOT EXISTS (
		SELECT FROM pg_catalog.pg_index AS i
		WHERE i.indrelid = t.oid AND i.indisvalid AND i.indisready AND i.indislive AND i.indkey[0] = a.attnum
		  AND (i.indpred IS NULL OR @only_on(i.indpred, ARRAY[a.attnum, u.attnum])))
), large AS (
	SELECT f.* FROM found AS f WHERE f.rows >= :min_rows::bigint
	ORDER BY f.rows DESC, f.nspname, f.relname, f.attname
	LIMIT 1000
)
SELECT object || '.' || pg_catalog.quote_ident(attname) AS object, rows AS value,
    CASE WHEN relkind = 'r' THEN pg_catalog.format('CREATE INDEX CONCURRENTLY ON %s.%s (%s);', q[1], q[2], q[3]) END AS remedy,
    CASE WHEN relkind = 'p' THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nCREATE INDEX ON %s.%s (%s);', q[1], q[2], q[3]) END AS remedy_2
FROM large
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname, relname, attname])
) AS quoted
ORDER BY rows DESC, nspname, relname, attname
