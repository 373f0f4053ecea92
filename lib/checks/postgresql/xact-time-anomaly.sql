-- id: xact-time-anomaly
-- title: transactions take longer than is usual at this hour
-- engine: postgresql
-- probe: performance
-- topic: load
-- scope: database
-- kind: ratio
-- default: on
-- cost: cheap
-- unit: seconds
-- info: > 6 mad and > 2 x usual
-- warning: > 6 mad and > 5 x usual
-- for: 10min
-- needs: server >= 14
-- metric: dbhealth_transaction_seconds
-- param.min_mad: 0.25ms
-- param.min_whole: 300
-- message: a transaction spends {value} in statements; {hour} usually {usual:seconds} +- {mad:seconds}
-- why: The mean time that statements of a transaction take is what users wait for. It grows with a lost
--   index, a plan that turned bad, locks, a full disk queue or a busy host, often hours before anything
--   breaks.
-- spares: the first two weeks, until it is known what is usual; less than 1.5 ms more than usual (6 times
--   param.min_mad); fewer than 300 transactions between two looks; one long report, whose time counts when
--   it ends; jobs of this hour of the week; what has lasted for two weeks.
-- fix: See which statements take the time now (pg_stat_statements by total_exec_time), what they wait
--   for, and whether the host is busy; then what changed: a release, statistics, the size of a table.
-- remedy.1: see what the sessions wait for | look | none | | helps
-- remedy.1.text: SELECT state, wait_event_type, wait_event, count(*), max(now() - query_start) AS longest FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1, 2, 3 ORDER BY 4 DESC;
SELECT '' AS object, d.active_time / 1000.0 AS part, d.xact_commit + d.xact_rollback AS whole,
    extract(epoch FROM d.stats_reset)::float8 AS reset,
    extract(epoch FROM pg_catalog.clock_timestamp())::float8 AS at
FROM pg_catalog.pg_stat_database AS d
WHERE d.datname = pg_catalog.current_database()
