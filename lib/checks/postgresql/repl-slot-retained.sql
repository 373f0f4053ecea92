-- id: repl-slot-retained
-- title: replication slot keeps much WAL
-- engine: postgresql
-- probe: performance
-- topic: replication
-- scope: server
-- kind: gauge
-- default: on
-- cost: cheap
-- unit: bytes
-- for: 2min
-- metric: dbhealth_slot_retained_bytes
-- param.warning_bytes: 10GB
-- param.warning_share: 25%
-- param.critical_share: 50%
-- param.critical_left: 20%
-- message: keeps {value} of WAL: {detail}
-- why: A slot whose consumer is behind keeps WAL until the disk is full, or, with
--   max_slot_wal_keep_size, until the slot is lost and its consumer must be built anew.
-- spares: less than 10 GB while no limit is near, and less than a quarter of the room that is left on the
--   WAL's disk, where that is seen (a server of this host, over its Unix socket); a short rise.
-- fix: Find out why the consumer is behind (network, apply errors, a long transaction it must decode).
--   A slot that is lost cannot be mended: drop it and build the consumer anew.
-- remedy.1: see the slots and who reads them | look | none | | helps
-- remedy.1.text: SELECT s.slot_name, s.active, s.wal_status, s.restart_lsn, s.safe_wal_size, r.application_name, r.state, r.replay_lag
--   FROM pg_replication_slots AS s LEFT JOIN pg_stat_replication AS r ON r.pid = s.active_pid ORDER BY s.restart_lsn;
-- remedy.2: drop the slot; its consumer must then be built anew | sql | data-loss | none: the consumer loses its place | closes
WITH now AS (
	SELECT CASE WHEN pg_catalog.pg_is_in_recovery()
	    THEN coalesce(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
	    ELSE pg_catalog.pg_current_wal_lsn() END AS lsn
), setting AS (
	-- In MB; -1 is no limit.
	SELECT pg_catalog.current_setting('max_slot_wal_keep_size') AS text,
	    (SELECT g.setting::bigint * 1048576 FROM pg_catalog.pg_settings AS g WHERE g.name = 'max_slot_wal_keep_size') AS bytes
), disk AS (
	-- NULL where the server's disks are not seen.
	SELECT (:host::jsonb #>> '{wal,free}')::numeric AS free
)
SELECT s.slot_name::text AS object,
    -- A lost slot has no place any more: it had passed the limit.
    CASE WHEN s.wal_status = 'lost' THEN greatest(t.bytes, 0)
        ELSE greatest(pg_catalog.pg_wal_lsn_diff(n.lsn, s.restart_lsn), 0)::bigint END AS value,
    CASE WHEN s.wal_status = 'lost' THEN 'critical'
        WHEN t.bytes > 0 AND s.safe_wal_size < :critical_left::float8 * t.bytes THEN 'critical'
        WHEN pg_catalog.pg_wal_lsn_diff(n.lsn, s.restart_lsn) > :critical_share::numeric * d.free THEN 'critical'
        WHEN pg_catalog.pg_wal_lsn_diff(n.lsn, s.restart_lsn) > least(:warning_bytes::numeric, :warning_share::numeric * d.free) THEN 'warning'
    END AS severity,
    CASE WHEN s.wal_status = 'lost' THEN 'it passed max_slot_wal_keep_size and is lost, its consumer must be built anew'
        WHEN s.safe_wal_size IS NOT NULL THEN pg_catalog.format('%s more and it is lost (max_slot_wal_keep_size %s), ',
            pg_catalog.pg_size_pretty(greatest(s.safe_wal_size, 0)), t.text)
        ELSE '' END
    || CASE WHEN s.wal_status <> 'lost' AND d.free IS NOT NULL
        THEN pg_catalog.format('%s left on its disk, ', pg_catalog.pg_size_pretty(d.free)) ELSE '' END
    || CASE WHEN s.wal_status = 'lost' THEN '' WHEN s.active THEN 'its consumer' || coalesce(' (' || a.words || ')', '') || ' is behind' ELSE 'nobody reads it' END AS detail,
    s.wal_status,
    CASE WHEN NOT s.active THEN pg_catalog.format('SELECT pg_drop_replication_slot(%L);', s.slot_name) END AS remedy_2
FROM pg_catalog.pg_replication_slots AS s CROSS JOIN now AS n CROSS JOIN setting AS t CROSS JOIN disk AS d
LEFT JOIN LATERAL (
	-- Who reads it: the standby or the connector by the name that it gave itself.
	SELECT @client_words(b.application_name, b.client_addr) AS words
	FROM pg_catalog.pg_stat_activity AS b WHERE b.pid = s.active_pid AND b.application_name IS NOT NULL
) AS a ON true
WHERE NOT s.temporary AND (s.restart_lsn IS NOT NULL OR s.wal_status = 'lost')
  AND coalesce(pg_catalog.to_jsonb(s) ->> 'synced', 'false') = 'false'
ORDER BY 2 DESC, 1
LIMIT 1000
-- @evidence
@slots_evidence
