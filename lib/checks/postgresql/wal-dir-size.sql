-- id: wal-dir-size
-- title: the WAL directory is far larger than its settings ask for
-- engine: postgresql
-- probe: performance
-- topic: wal
-- scope: server
-- kind: gauge
-- default: on
-- cost: cheap
-- unit: bytes
-- for: 15min
-- needs: privilege (pg_monitor) or unknown, flavour != aurora, flavour != alloydb, flavour != neon
-- caused-by: critical disk-space-low, archiver-failing, repl-slot-retained by slot=object, repl-slot-inactive by slot=object
-- metric: dbhealth_wal_directory_bytes
-- param.warning_factor: 2
-- param.critical_factor: 5
-- param.critical_share: 50%
-- message: pg_wal holds {value}, {factor} times what its settings ask for: {detail}
-- why: Something keeps WAL from being removed. When the file system of pg_wal is full the server stops.
--   Beyond its settings and more than half of that file system, where that is seen, is critical.
-- spares: anything below max_wal_size + wal_keep_size + 2 segments; a short rise, as in a large load.
-- fix: Mend what keeps the WAL: a failing archive_command (archiver-failing), a replication slot nobody
--   reads (repl-slot-retained). The next checkpoint then removes it. Never delete files of pg_wal.
-- remedy.1: see what keeps WAL | look | none | | helps
-- remedy.2: make a checkpoint, which removes what nobody needs | sql | load | | closes
-- remedy.3: drop the slot that keeps most; its consumer must then be built anew | sql | data-loss | none: the consumer loses its place | closes
WITH size AS (
	SELECT sum(w.size)::bigint AS bytes FROM pg_catalog.pg_ls_waldir() AS w
), wanted AS (
	SELECT pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size'))
	    + pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_keep_size'))
	    + 2 * pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')) AS bytes
), now AS (
	SELECT CASE WHEN pg_catalog.pg_is_in_recovery()
	    THEN coalesce(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
	    ELSE pg_catalog.pg_current_wal_lsn() END AS lsn
), slot AS (
	SELECT s.slot_name::text AS name, s.active, pg_catalog.pg_wal_lsn_diff(n.lsn, s.restart_lsn)::bigint AS bytes
	FROM pg_catalog.pg_replication_slots AS s CROSS JOIN now AS n
	WHERE s.restart_lsn IS NOT NULL
	ORDER BY 3 DESC, 1 LIMIT 1
), judged AS (
	SELECT z.bytes, w.bytes AS wanted, z.bytes::float8 / w.bytes AS factor,
	    l.name, l.active, l.bytes > w.bytes AS by_slot, l.bytes AS kept,
	    pg_catalog.current_setting('archive_mode') <> 'off'
	    AND a.last_failed_time > coalesce(a.last_archived_time, '-infinity') AS by_archiver
	FROM size AS z CROSS JOIN wanted AS w LEFT JOIN slot AS l ON true
	CROSS JOIN pg_catalog.pg_stat_archiver AS a
)
SELECT '' AS object, bytes AS value,
    CASE WHEN factor >= :critical_factor::float8 THEN 'critical'
        WHEN factor > 1 AND bytes > :critical_share::numeric * (:host::jsonb #>> '{wal,total}')::numeric THEN 'critical'
        WHEN factor >= :warning_factor::float8 THEN 'warning' END AS severity,
    CASE WHEN by_archiver THEN 'archiving fails'
        WHEN by_slot THEN pg_catalog.format('slot %s keeps %s, %s', name, pg_catalog.pg_size_pretty(kept),
            CASE WHEN active THEN 'its consumer is behind' ELSE 'nobody reads it' END)
        ELSE 'no slot and no failing archiver explains it; a checkpoint is behind' END
    || pg_catalog.format('; settings ask for %s', pg_catalog.pg_size_pretty(wanted))
    || coalesce(pg_catalog.format('; %s left on the disk', pg_catalog.pg_size_pretty((:host::jsonb #>> '{wal,free}')::numeric)), '') AS detail,
    pg_catalog.round(factor::numeric, 1) AS factor, CASE WHEN by_slot THEN name END AS slot,
    CASE WHEN factor > 1 THEN coalesce(bytes + (:host::jsonb #>> '{wal,free}')::numeric, :critical_factor::numeric * wanted) END AS forecast_limit,
    E'SELECT slot_name, active, wal_status, restart_lsn FROM pg_replication_slots ORDER BY restart_lsn;\n'
    'SELECT last_archived_time, last_failed_wal, last_failed_time FROM pg_stat_archiver;' AS remedy,
    'CHECKPOINT;' AS remedy_2,
    CASE WHEN by_slot AND NOT active THEN pg_catalog.format(E'SELECT pg_drop_replication_slot(%L);\nCHECKPOINT;', name) END AS remedy_3
FROM judged
-- @evidence
@wal_evidence
