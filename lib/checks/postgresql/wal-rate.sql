-- id: wal-rate
-- title: far more WAL is written than is usual at this hour
-- engine: postgresql
-- probe: performance
-- topic: wal
-- scope: server
-- kind: rate
-- default: off
-- cost: cheap
-- unit: bytes
-- warning: > 4 x usual and > 4 mad
-- for: 10min
-- needs: flavour != aurora
-- metric: dbhealth_wal_bytes
-- param.min_mad: 1MB
-- message: {value} of WAL a second; {hour} usually {usual:bytes} +- {mad:bytes}
-- why: WAL fills the archive, the slots and the lines to the standbys; what writes four times as much as
--   usual is a load, a rewrite of a large table, or an update that touches every row again and again.
-- spares: the first two weeks, until it is known what is usual; less than 4 MB a second over it (4 times
--   param.min_mad); jobs of this hour of the week.
-- fix: See who writes (pg_stat_statements by wal_bytes, from 13 on) and whether archive, slots and
--   standbys keep up (archiver-failing, repl-slot-retained, repl-lag-bytes).
-- remedy.1: see what is running | look | none | | helps
-- remedy.1.text: SELECT pid, datname, usename, application_name, now() - xact_start AS since, left(query, 100) FROM pg_stat_activity WHERE state <> 'idle' ORDER BY xact_start LIMIT 20;
SELECT '' AS object, pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery()
    THEN coalesce(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
    ELSE pg_catalog.pg_current_wal_lsn() END, '0/0') AS value,
    extract(epoch FROM pg_catalog.clock_timestamp())::float8 AS at
