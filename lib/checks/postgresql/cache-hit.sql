-- id: cache-hit
-- title: reads miss the buffer cache
-- engine: postgresql
-- probe: performance
-- topic: cache
-- scope: database
-- interval: 5min
-- kind: ratio
-- default: on
-- cost: cheap
-- unit: ratio
-- info: < 0.9
-- for: 30min
-- metric: dbhealth_cache_hit_ratio
-- param.min_whole: 300000
-- message: only {value} of the blocks read were in the buffer cache
-- why: The share of block reads since the last look that shared_buffers answered. A low share under load
--   means the working set does not fit; the rest comes from the operating system or the disk.
-- spares: quiet times: under 300,000 blocks between two looks (1,000 a second) say nothing. Alone it is
--   no alarm: the operating system's cache may answer.
-- fix: Look for statements that read much (pg_stat_statements), missing indexes, and sequential scans of
--   large tables, before giving shared_buffers more memory (a quarter of the host's is usual).
-- remedy.1: see which tables miss | look | none | | helps
-- remedy.1.text: SELECT relid::regclass, heap_blks_read, heap_blks_hit FROM pg_statio_user_tables ORDER BY heap_blks_read DESC LIMIT 20;
SELECT '' AS object, d.blks_hit AS part, d.blks_hit + d.blks_read AS whole,
    extract(epoch FROM d.stats_reset)::float8 AS reset,
    extract(epoch FROM pg_catalog.clock_timestamp())::float8 AS at
FROM pg_catalog.pg_stat_database AS d
WHERE d.datname = pg_catalog.current_database()
