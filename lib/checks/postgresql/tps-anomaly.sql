-- id: tps-anomaly
-- title: transactions a second are far from what is usual at this hour
-- engine: postgresql
-- probe: performance
-- topic: load
-- scope: database
-- kind: rate
-- default: on
-- cost: cheap
-- unit: count
-- info: outside 6 mad
-- warning: < 0.05 x usual and < -4 mad
-- for: 10min
-- metric: dbhealth_transactions
-- param.min_mad: 2.5
-- message: {value} transactions a second; {hour} usually {usual:count} +- {mad:count}
-- why: The number of transactions is the pulse of the application. One that falls to nothing says that
--   the application is down, or cannot reach the database, while the database itself is well; one that
--   is far above is a loop, a retry storm or a crowd.
-- spares: the first two weeks, until it is known what is usual; what happens at this hour of the week
--   or on two days of it in eight weeks, so what has lasted for two weeks, too; whatever is less than 15
--   transactions a second away (6 times param.min_mad), so that the few that this program itself makes do
--   not count.
-- fix: Few: is the application up, and does it reach the database (network, pool, its own log)? A
--   holiday is silenced or accepted. Many: see who connects and which statements are run how often
--   (pg_stat_statements).
-- remedy.1: see who is connected and what they do | look | none | | helps
-- remedy.1.text: SELECT application_name, usename, client_addr, state, count(*), max(state_change) AS last_change FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC;
SELECT '' AS object, d.xact_commit + d.xact_rollback AS value,
    extract(epoch FROM d.stats_reset)::float8 AS reset,
    extract(epoch FROM pg_catalog.clock_timestamp())::float8 AS at
FROM pg_catalog.pg_stat_database AS d
WHERE d.datname = pg_catalog.current_database()
