-- id: table-missing-index
-- title: large table is read whole, again and again
-- engine: postgresql
-- probe: schema
-- topic: indexes
-- scope: database
-- interval: 1h
-- kind: rate
-- default: on
-- cost: dear
-- unit: count
-- window: 7d
-- info: >= 10000
-- for: 30d
-- needs: role primary
-- metric: dbhealth_table_seq_scans
-- param.min_bytes: 10MB
-- param.min_rows_read: 10000
-- param.min_share: 50%
-- message: {value} sequential scans in seven days: {detail}
-- why: Each of these queries reads the table row by row, most often to find a few. It costs CPU and cache, and
--   grows with the table. An index on what they seek ends it.
-- spares: tables under 10 MB; scans that read under 10,000 rows on average (LIMIT 1); tables of which indexes
--   serve most of the rows; up to one scan a minute (dumps, reports); standbys. Nothing is said before we
--   ourselves have watched for 30 days (`for`). Partitions are told under their root, the worst one named.
-- fix: Find the statements that read it (pg_stat_statements, auto_explain), look at their WHERE with EXPLAIN,
--   and build an index CONCURRENTLY on the columns that select few rows. A query that needs most of the
--   rows needs no index.
-- remedy.1: see how it is read | look | none | | helps
-- remedy.2: find the statements in pg_stat_statements, build the index that they lack | manual | load | DROP INDEX CONCURRENTLY the new index | closes
WITH @user_schema, big AS (
	SELECT c.oid, n.nspname, c.relname, c.relispartition, c.relpages,
	    pg_catalog.pg_stat_get_numscans(c.oid) AS scans, pg_catalog.pg_stat_get_tuples_returned(c.oid) AS read
	FROM pg_catalog.pg_class AS c JOIN user_schema AS n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
	  AND c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint >= :min_bytes::bigint
	  AND NOT @extension_member(pg_class, c.oid)
), hot AS (
	SELECT b.*, i.fetched
	FROM big AS b
	CROSS JOIN LATERAL (
		-- Rows that came by way of an index, with those of bitmap scans.
		SELECT coalesce(sum(pg_catalog.pg_stat_get_tuples_fetched(x.indexrelid)), 0)
		    + pg_catalog.pg_stat_get_tuples_fetched(b.oid) AS fetched
		FROM pg_catalog.pg_index AS x WHERE x.indrelid = b.oid
	) AS i
	WHERE b.scans > 0 AND b.read >= b.scans * :min_rows_read::float8
	  AND b.read >= (b.read + i.fetched) * :min_share::float8
), worst AS (
	SELECT DISTINCT ON (coalesce(r.root, i.inhparent, h.oid)) h.*, coalesce(r.root, i.inhparent, h.oid) AS root
	FROM hot AS h
	LEFT JOIN LATERAL (SELECT pg_catalog.pg_partition_root(h.oid)::oid AS root) AS r ON h.relispartition
	LEFT JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = h.oid AND NOT h.relispartition AND @inheritance_partition(h.oid)
	ORDER BY coalesce(r.root, i.inhparent, h.oid), h.scans DESC, h.oid
)
SELECT pg_catalog.format('%I.%I', rn.nspname, rc.relname) AS object,
    w.scans AS value,
    extract(epoch FROM pg_catalog.now()) AS at,
    pg_catalog.concat_ws(', ', CASE WHEN w.oid <> w.root THEN pg_catalog.format('worst partition %I.%I', w.nspname, w.relname) END,
        pg_catalog.format('%s rows read each time, %s', pg_catalog.to_char((w.read / w.scans)::bigint, 'FM999,999,999,999,990'),
            pg_catalog.pg_size_pretty(w.relpages::bigint * pg_catalog.current_setting('block_size')::bigint))) AS detail,
    pg_catalog.format('SELECT seq_scan, seq_tup_read, idx_scan, idx_tup_fetch, n_live_tup FROM pg_stat_all_tables WHERE relid = %s;', w.oid) AS remedy,
    'Find the statements that read it in pg_stat_statements; then CREATE INDEX CONCURRENTLY on the columns of their WHERE.' AS remedy_2
FROM worst AS w
JOIN pg_catalog.pg_class AS rc ON rc.oid = w.root
JOIN pg_catalog.pg_namespace AS rn ON rn.oid = rc.relnamespace
ORDER BY w.scans DESC, object
LIMIT 500
