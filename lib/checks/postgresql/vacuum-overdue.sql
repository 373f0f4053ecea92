-- id: vacuum-overdue
-- title: table waits for VACUUM
-- engine: postgresql
-- probe: performance
-- topic: vacuum
-- scope: database
-- interval: 5min
-- kind: gauge
-- default: on
-- cost: dear
-- unit: count
-- warning: >= 2
-- critical: >= 5
-- for: 1h, 6h
-- needs: role primary
-- caused-by: xmin-horizon by datname
-- metric: dbhealth_vacuum_overdue_factor
-- param.min_rows: 10000
-- param.settle: 1h
-- message: {dead_rows} dead rows, {value} times what should start autovacuum: {detail}
-- why: Dead rows take disk and cache, and every scan reads them. Autovacuum should have removed them: it is
--   switched off for the table, too slow, or an old snapshot keeps the rows.
-- spares: tables under 10,000 rows; the first hour after a start of the server or a reset of the
--   statistics; tables below twice their own trigger (with their own storage options). Partitions are
--   told under their root, the worst one named.
-- fix: VACUUM takes no lock that stops reads or writes. When it removes nothing, an old snapshot holds it
--   back (xmin-horizon). For good: remove autovacuum_enabled = off, lower
--   autovacuum_vacuum_scale_factor for the table, raise autovacuum_vacuum_cost_limit.
-- remedy.1: vacuum it | sql | load | | closes
-- remedy.2: let autovacuum look after it again | sql | lock | ALTER TABLE ... SET (autovacuum_enabled = off) | helps
WITH settled AS (
	SELECT FROM pg_catalog.pg_stat_database AS d
	WHERE d.datname = pg_catalog.current_database()
	  AND greatest(d.stats_reset, pg_catalog.pg_postmaster_start_time())
	      <= pg_catalog.now() - pg_catalog.make_interval(secs => :settle::float8)
), judged AS (
	SELECT c.oid, n.nspname, c.relname, c.relispartition, s.dead, o.off,
	    CASE WHEN c.reltuples > 0 THEN c.reltuples ELSE pg_catalog.pg_stat_get_live_tuples(c.oid) END + s.dead AS rows,
	    s.dead / greatest(least(
	        coalesce(o.threshold, pg_catalog.current_setting('autovacuum_vacuum_threshold')::float8)
	        + coalesce(o.factor, pg_catalog.current_setting('autovacuum_vacuum_scale_factor')::float8) * greatest(c.reltuples, 0),
	        -- Only from 18 on; negative is no cap.
	        nullif(greatest(coalesce(o.cap, pg_catalog.current_setting('autovacuum_vacuum_max_threshold', true)::float8), -1), -1)), 1) AS factor
	FROM settled
	CROSS JOIN pg_catalog.pg_class AS c
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	CROSS JOIN LATERAL (SELECT pg_catalog.pg_stat_get_dead_tuples(c.oid)::float8 AS dead) AS s
	LEFT JOIN LATERAL (
		SELECT max(v.option_value) FILTER (WHERE v.option_name = 'autovacuum_vacuum_threshold')::float8 AS threshold,
		    max(v.option_value) FILTER (WHERE v.option_name = 'autovacuum_vacuum_scale_factor')::float8 AS factor,
		    max(v.option_value) FILTER (WHERE v.option_name = 'autovacuum_vacuum_max_threshold')::float8 AS cap,
		    coalesce(pg_catalog.bool_or(NOT v.option_value::bool) FILTER (WHERE v.option_name = 'autovacuum_enabled'), false) AS off
		FROM pg_catalog.pg_options_to_table(c.reloptions) AS v
	) AS o ON c.reloptions IS NOT NULL
	WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND s.dead > 0
	  AND @schema_is_ours(n.nspname)
	  AND NOT @extension_member(pg_class, c.oid)
), worst AS (
	SELECT DISTINCT ON (coalesce(r.root, h.inhparent, j.oid)) j.*, coalesce(r.root, h.inhparent, j.oid) AS root
	FROM judged AS j
	LEFT JOIN LATERAL (SELECT pg_catalog.pg_partition_root(j.oid)::oid AS root) AS r ON j.relispartition
	LEFT JOIN pg_catalog.pg_inherits AS h ON h.inhrelid = j.oid AND NOT j.relispartition AND @inheritance_partition(j.oid)
	WHERE j.factor >= 1 AND j.rows >= :min_rows::float8
	ORDER BY coalesce(r.root, h.inhparent, j.oid), j.factor DESC, j.oid
), named AS (
	SELECT w.*, rn.nspname AS rnspname, rc.relname AS rrelname, ARRAY[w.nspname::text, w.relname::text] AS parts
	FROM worst AS w
	JOIN pg_catalog.pg_class AS rc ON rc.oid = w.root
	JOIN pg_catalog.pg_namespace AS rn ON rn.oid = rc.relnamespace
	ORDER BY w.factor DESC, rn.nspname, rc.relname
	LIMIT 500
)
SELECT pg_catalog.format('%I.%I', rnspname, rrelname) AS object,
    factor AS value,
    pg_catalog.concat_ws(', ', CASE WHEN oid <> root THEN pg_catalog.format('worst partition %I.%I', nspname, relname) END,
        CASE WHEN off THEN 'autovacuum is switched off for it' END,
        coalesce('last vacuumed ' || pg_catalog.to_char(greatest(pg_catalog.pg_stat_get_last_vacuum_time(oid),
            pg_catalog.pg_stat_get_last_autovacuum_time(oid)) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI UTC'), 'never vacuumed')) AS detail,
    dead::bigint AS dead_rows,
    -- Where autovacuum is on, an old snapshot of this database is why.
    CASE WHEN NOT off THEN pg_catalog.current_database()::text END AS datname,
    pg_catalog.format('VACUUM (VERBOSE, ANALYZE) %s.%s;', q[1], q[2]) AS remedy,
    CASE WHEN off THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s RESET (autovacuum_enabled);', q[1], q[2]) END AS remedy_2
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY factor DESC, object
-- @evidence
@vacuum_evidence
