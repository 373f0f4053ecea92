-- id: index-unused
-- title: index was never used
-- engine: postgresql
-- probe: schema
-- topic: indexes
-- scope: database
-- interval: 1h
-- kind: finding
-- default: on
-- cost: dear
-- unit: bytes
-- for: 30d
-- needs: role primary
-- metric: dbhealth_unused_index_bytes
-- param.min_bytes: 10MB
-- message: not used while we watched it: {detail}
-- why: Every write maintains it, it takes disk and cache, and it keeps rows from being updated in place.
-- spares: indexes under 10 MB; unique ones and those behind a constraint, a foreign key (on either side),
--   CLUSTER or the replica identity; indexes over expressions (they carry statistics); invalid ones
--   (index-invalid); partitions (their root is told, when no partition's index was used). Nothing is
--   said before we ourselves have watched for 30 days (`for`), and never by a single look.
-- fix: Look at every standby first: their use is counted there alone. Then drop it CONCURRENTLY, and keep
--   the definition.
-- remedy.1: look at its use here, and on every standby | look | none | | helps
-- remedy.2: drop it while reads and writes go on | sql | none | CREATE INDEX CONCURRENTLY with its definition | closes
-- remedy.3: drop it from all partitions, under a strong lock for an instant | sql | lock | CREATE INDEX with its definition | closes
WITH RECURSIVE candidate AS (
	SELECT x.oid, x.relkind, x.relname AS index, x.relpages, c.relname, n.nspname
	FROM pg_catalog.pg_index AS i
	JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
	JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	WHERE i.indisvalid AND i.indisready AND i.indislive AND NOT i.indisunique AND NOT i.indisexclusion
	  AND NOT i.indisclustered AND NOT i.indisreplident AND i.indexprs IS NULL
	  AND (x.relkind = 'I' OR x.relpages::bigint * pg_catalog.current_setting('block_size')::bigint >= :min_bytes::bigint)
	  AND NOT x.relispartition AND c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.indexrelid)
	  -- Serves the checks of a foreign key of its own table.
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
	      WHERE k.conrelid = i.indrelid AND k.contype = 'f' AND i.indnkeyatts >= pg_catalog.cardinality(k.conkey)
	        AND (i.indkey::int2[])[0 : pg_catalog.cardinality(k.conkey) - 1] <@ k.conkey)
	  AND @schema_is_ours(n.nspname)
	  AND NOT @extension_member(pg_class, c.oid)
	  AND NOT @inheritance_partition(c.oid)
), tree AS (
	SELECT oid AS root, oid FROM candidate
	UNION ALL
	SELECT t.root, h.inhrelid FROM tree AS t JOIN pg_catalog.pg_inherits AS h ON h.inhparent = t.oid
), summed AS (
	SELECT t.root, sum(x.relpages)::bigint * pg_catalog.current_setting('block_size')::bigint AS bytes,
	    coalesce(sum(pg_catalog.pg_stat_get_numscans(t.oid)), 0) AS scans
	FROM tree AS t JOIN pg_catalog.pg_class AS x ON x.oid = t.oid
	GROUP BY t.root
), unused AS (
	SELECT c.*, s.bytes, pg_catalog.format('%I.%I.%I', c.nspname, c.relname, c.index) AS object
	FROM candidate AS c JOIN summed AS s ON s.root = c.oid
	WHERE s.scans = 0 AND s.bytes >= :min_bytes::bigint
	ORDER BY s.bytes DESC, c.nspname, c.relname, c.index
	LIMIT 500
), named AS (
	SELECT u.*, ARRAY[nspname::text, index::text] AS parts FROM unused AS u
)
-- A single look tells nothing of use: the first run only notes it, then `for` counts.
SELECT object, bytes AS value,
    CASE WHEN :interval::float8 IS NULL THEN 'none' ELSE 'info' END AS severity,
    pg_catalog.format('no scan counted, %s', pg_catalog.pg_size_pretty(bytes)) AS detail,
    pg_catalog.format('SELECT idx_scan, idx_tup_read FROM pg_stat_all_indexes WHERE indexrelid = %s;', oid) AS remedy,
    @index_drop(remedy_2, remedy_3, named)
ORDER BY bytes DESC, object
