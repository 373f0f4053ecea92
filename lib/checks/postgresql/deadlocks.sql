-- id: deadlocks
-- title: deadlocks
-- engine: postgresql
-- probe: performance
-- topic: locks
-- scope: database
-- kind: rate
-- default: on
-- cost: cheap
-- unit: count
-- window: 5min
-- info: >= 1
-- warning: >= 5
-- critical: >= 50
-- for: 0s
-- metric: dbhealth_deadlocks
-- message: {value} deadlocks in 5 minutes
-- why: Two transactions took the same locks in another order; the server ended one of them with an error
--   after deadlock_timeout. Each one is a failed request and a second of waiting.
-- spares: the time before the first look, and a reset of the statistics.
-- fix: The log shows both statements ("deadlock detected"). Make every transaction take rows and tables
--   in one order, keep them short, and repeat a transaction that fails with SQLSTATE 40P01.
-- remedy.1: read both statements in the server's log | command | none | | helps
-- remedy.1.text: grep -A 8 'deadlock detected' /var/log/postgresql/*.log
SELECT '' AS object, d.deadlocks AS value,
    extract(epoch FROM d.stats_reset)::float8 AS reset,
    extract(epoch FROM pg_catalog.clock_timestamp())::float8 AS at
FROM pg_catalog.pg_stat_database AS d
WHERE d.datname = pg_catalog.current_database()
-- @evidence
@locks_evidence
