-- id: conn-churn
-- title: far more sessions begin than is usual at this hour
-- engine: postgresql
-- probe: performance
-- topic: connections
-- scope: database
-- kind: rate
-- default: off
-- cost: cheap
-- unit: count
-- warning: > 5 x usual and > 50
-- for: 5min
-- needs: server >= 14
-- metric: dbhealth_sessions
-- message: {value} new sessions a second; {hour} usually {usual:count} +- {mad:count}
-- why: Each session is a process, a login and a cold cache. Many a second say that a pool is broken or
--   left out, or that clients connect again and again because they fail.
-- spares: the first two weeks, until it is known what is usual; up to 50 a second.
-- fix: See which application connects (log_connections for a moment) and mend its pool, or put pgbouncer
--   before it.
-- remedy.1: see who connects | look | none | | helps
-- remedy.1.text: SELECT application_name, usename, client_addr, count(*), max(backend_start) AS last_start FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1, 2, 3 ORDER BY 5 DESC;
SELECT '' AS object, d.sessions AS value,
    extract(epoch FROM d.stats_reset)::float8 AS reset,
    extract(epoch FROM pg_catalog.clock_timestamp())::float8 AS at
FROM pg_catalog.pg_stat_database AS d
WHERE d.datname = pg_catalog.current_database()
