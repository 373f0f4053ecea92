-- id: repl-slot-inactive
-- title: replication slot without a consumer
-- engine: postgresql
-- probe: performance
-- topic: replication
-- scope: server
-- kind: gauge
-- default: on
-- cost: cheap
-- unit: bytes
-- warning: >= 1GB
-- for: 1h
-- caused-by: repl-slot-retained by object
-- metric: dbhealth_slot_inactive_retained_bytes
-- message: nobody reads this slot; it keeps {value} of WAL: {detail}
-- why: The server keeps all WAL, and a logical slot all old catalogue rows, from the place where the
--   consumer of a slot stopped. When it never comes back the disk fills.
-- spares: a consumer away for less than an hour, or that keeps less than 1 GB; temporary slots;
--   slots of a standby that are copies of the primary's (failover slots, from 17 on).
-- fix: Start the consumer (standby, subscription, CDC connector). When it is gone for good, drop the
--   slot. max_slot_wal_keep_size limits what any slot may keep; a slot over it is lost.
-- remedy.1: see the slots | look | none | | helps
-- remedy.1.text: SELECT slot_name, slot_type, database, active, wal_status, restart_lsn, safe_wal_size FROM pg_replication_slots ORDER BY restart_lsn;
-- remedy.2: limit what slots may keep; a slot over it is lost | config | none | ALTER SYSTEM RESET max_slot_wal_keep_size; SELECT pg_reload_conf(); | helps
-- remedy.2.text: ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf();
-- remedy.3: drop the slot; its consumer must then be built anew | sql | data-loss | none: the consumer loses its place | closes
WITH now AS (
	SELECT CASE WHEN pg_catalog.pg_is_in_recovery()
	    THEN coalesce(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
	    ELSE pg_catalog.pg_current_wal_lsn() END AS lsn
)
SELECT s.slot_name::text AS object,
    greatest(pg_catalog.pg_wal_lsn_diff(n.lsn, s.restart_lsn), 0)::bigint AS value,
    pg_catalog.format('%s slot%s%s', s.slot_type, coalesce(' of database ' || s.database, ''), ', ' || s.wal_status) AS detail,
    pg_catalog.format('SELECT pg_drop_replication_slot(%L);', s.slot_name) AS remedy_3
FROM pg_catalog.pg_replication_slots AS s CROSS JOIN now AS n
WHERE NOT s.active AND NOT s.temporary AND s.restart_lsn IS NOT NULL
  -- Only from 17 on: true for a copy of the primary's slot on a standby, which is never active.
  AND coalesce(pg_catalog.to_jsonb(s) ->> 'synced', 'false') = 'false'
ORDER BY 2 DESC, 1
LIMIT 1000
-- @evidence
@slots_evidence
