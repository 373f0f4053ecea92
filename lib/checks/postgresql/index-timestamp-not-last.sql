-- id: index-timestamp-not-last
-- title: index has a point in time before other columns
-- engine: postgresql
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: bytes
-- metric: dbhealth_timestamp_not_last_index_bytes
-- message: {column} stands before {behind}
-- why: Times are sought as ranges. Columns behind a range cannot narrow the search: all entries of the range
--   are read and filtered. With the columns that are compared by = first, only the hits are read.
-- spares: unique indexes, those behind a constraint, CLUSTER or the replica identity; what follows the time
--   is the primary key, which only breaks ties; other times behind it; methods other than btree; partial
--   and expression indexes.
-- fix: Build it with the columns compared by = first and the time last, then drop this one, unless
--   queries sort by the time alone.
-- remedy.1: look at its use | look | none | | helps
-- remedy.2: put one with the time last in its place while reads and writes go on | sql | load | CREATE INDEX CONCURRENTLY in the old order | closes
WITH @user_schema, @user_index, keyed AS (
	SELECT u.*, k.times, k.others, k.first_time
	FROM user_index AS u
	CROSS JOIN LATERAL (
		SELECT pg_catalog.array_agg(g ORDER BY g) FILTER (WHERE t.is_time) AS times,
		    pg_catalog.array_agg(g ORDER BY g) FILTER (WHERE NOT t.is_time) AS others,
		    min(g) FILTER (WHERE t.is_time) AS first_time
		FROM pg_catalog.generate_series(0, u.indnkeyatts - 1) AS g
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = u.indrelid AND a.attnum = u.indkey[g]
		JOIN pg_catalog.pg_type AS ty ON ty.oid = a.atttypid
		CROSS JOIN LATERAL (SELECT coalesce(nullif(ty.typbasetype, 0), ty.oid)
		    IN ('pg_catalog.date'::pg_catalog.regtype, 'pg_catalog.timestamp'::pg_catalog.regtype, 'pg_catalog.timestamptz'::pg_catalog.regtype) AS is_time) AS t
	) AS k
	WHERE u.amname = 'btree' AND NOT u.bound AND u.indnkeyatts > 1 AND u.indexprs IS NULL AND u.indpred IS NULL
), named AS (
	SELECT k.*, b.behind, ARRAY[k.nspname::text, k.index::text, k.relname::text, 'dbhealth_' || k.indexrelid] AS parts
	FROM keyed AS k
	CROSS JOIN LATERAL (
		SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY o.g) AS behind, pg_catalog.array_agg(a.attnum) AS attnums
		FROM pg_catalog.unnest(k.others) AS o (g)
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.indrelid AND a.attnum = k.indkey[o.g]
		WHERE o.g > k.first_time
	) AS b
	WHERE b.behind IS NOT NULL
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_index AS p
	      WHERE p.indrelid = k.indrelid AND p.indisprimary AND b.attnums <@ p.indkey::int2[])
	ORDER BY k.relpages DESC, k.nspname, k.relname, k.index
	LIMIT 1000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, index) AS object,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS value,
    'info' AS severity,
    (SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = indrelid AND a.attnum = indkey[first_time]) AS "column",
    behind,
    pg_catalog.format('used %s times', pg_catalog.pg_stat_get_numscans(indexrelid)) AS detail,
    pg_catalog.format('SELECT idx_scan, idx_tup_read FROM pg_stat_all_indexes WHERE indexrelid = %s;', indexrelid) AS remedy,
    CASE WHEN relkind = 'i' THEN pg_catalog.format(
        E'CREATE INDEX CONCURRENTLY %s ON %s.%s (%s)%s;\nDROP INDEX CONCURRENTLY %s.%s;\nSET lock_timeout = ''2s'';\nALTER INDEX %s.%s RENAME TO %s;',
        q[4], q[1], q[3], (SELECT pg_catalog.string_agg(@index_column(named, u.g), ', ' ORDER BY u.o) FROM pg_catalog.unnest(others || times) WITH ORDINALITY AS u (g, o)),
        @index_payload(named), q[1], q[2], q[1], q[4], q[2]) END AS remedy_2
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY relpages DESC, nspname, relname, index
