-- id: xmin-horizon
-- title: old snapshot holds back VACUUM
-- engine: postgresql
-- probe: performance
-- topic: vacuum
-- scope: server
-- kind: gauge
-- default: on
-- cost: cheap
-- unit: count
-- warning: >= 10000000
-- critical: >= 100000000
-- for: 1h, 1min
-- needs: role primary, privilege (pg_monitor) or unknown
-- caused-by: lock-blocked by object, lock-blocked by object=gid, xact-idle by object, xact-long by object,
--   query-long by object, prepared-xact-stale by object, repl-slot-retained by object, repl-slot-inactive by object
-- metric: dbhealth_xmin_horizon_age
-- message: holds back VACUUM by {value} transactions: {detail}
-- why: No dead row that is newer than the oldest snapshot can be removed, by no VACUUM, in no table of its
--   database (a slot or prepared transaction: of all). Tables grow, and freezing stops.
-- spares: VACUUM and autovacuum themselves, our own sessions; all but the oldest holder, because the
--   others matter only when it is gone.
-- fix: End the holder: a session by commit or pg_terminate_backend; a prepared transaction by its
--   coordinator; a slot by its consumer, or by dropping it; a standby's feedback by ending the long
--   query there, or hot_standby_feedback = off.
-- remedy.1: see all holders | look | none | | helps
-- remedy.2: cancel the statement of the session | sql | ends-session | the application repeats its work | helps
-- remedy.3: end the session | sql | ends-session | the application repeats its work | closes
-- remedy.4: drop the slot; its consumer must then be built anew | sql | data-loss | none: the consumer loses its place | closes
-- remedy.5: roll the prepared transaction back, after asking its coordinator | sql | data-loss | none: its work is lost | closes
-- remedy.1.text: SELECT 'session' AS kind, pid::text AS name, age(coalesce(backend_xmin, backend_xid)) FROM pg_stat_activity WHERE coalesce(backend_xmin, backend_xid) IS NOT NULL
--   UNION ALL SELECT 'slot', slot_name, greatest(age(xmin), age(catalog_xmin)) FROM pg_replication_slots WHERE coalesce(xmin, catalog_xmin) IS NOT NULL
--   UNION ALL SELECT 'prepared', gid, age(transaction) FROM pg_prepared_xacts ORDER BY 3 DESC LIMIT 20;
WITH holder AS (
	SELECT CASE WHEN a.backend_type = 'walsender' THEN 'standby' ELSE 'session' END AS kind,
	    CASE WHEN a.backend_type = 'walsender' THEN coalesce(nullif(a.application_name, ''), 'pid ' || a.pid)
	        ELSE 'pid ' || a.pid END AS name,
	    greatest(pg_catalog.age(a.backend_xmin), pg_catalog.age(a.backend_xid)) AS age, a.pid,
	    a.backend_xid IS NOT NULL AND pg_catalog.age(a.backend_xid) >= coalesce(pg_catalog.age(a.backend_xmin), 0) AS own,
	    pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00') AS started,
	    CASE WHEN a.backend_type = 'walsender' THEN pg_catalog.format('feedback of a standby%s', coalesce(' at ' || pg_catalog.host(a.client_addr), ''))
	        ELSE pg_catalog.format('role %s, database %s, %s, %s', a.usename, a.datname,
	            coalesce(nullif(a.application_name, ''), a.backend_type) || coalesce(' at ' || pg_catalog.host(a.client_addr), ''), a.state)
            || @since(a.xact_start) END AS detail,
	    CASE WHEN a.backend_type <> 'walsender' THEN a.datname END AS datname
	FROM pg_catalog.pg_stat_activity AS a
	WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
	  AND a.pid <> pg_catalog.pg_backend_pid() AND a.backend_type <> 'autovacuum worker'
	  AND NOT (a.usename = session_user AND a.application_name IN ('dbhealthd', 'dbhealth'))
	  AND a.pid NOT IN (SELECT v.pid FROM pg_catalog.pg_stat_progress_vacuum AS v)
	UNION ALL
	SELECT 'slot', s.slot_name::text, greatest(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin)), NULL, false, NULL,
	    pg_catalog.format('%s replication slot, %s', s.slot_type, CASE WHEN s.active THEN 'in use' ELSE 'nobody uses it' END), NULL
	FROM pg_catalog.pg_replication_slots AS s
	WHERE s.xmin IS NOT NULL OR s.catalog_xmin IS NOT NULL
	UNION ALL
	SELECT 'prepared', p.gid, pg_catalog.age(p.transaction), NULL, true, NULL,
	    pg_catalog.format('prepared transaction of role %s in database %s, since %s', p.owner, p.database, p.prepared::timestamptz(0)), p.database
	FROM pg_catalog.pg_prepared_xacts AS p
), oldest AS (
	-- A snapshot is as old as the oldest number in use when it was taken: at equal age who has that
	-- number as its own is the cause.
	SELECT * FROM holder
	ORDER BY age DESC, own DESC, pg_catalog.array_position(ARRAY['prepared', 'session', 'standby', 'slot'], kind), started, name
	LIMIT 1
)
SELECT name AS object, 'oldest' AS key, age AS value, detail, kind AS holder, datname,
    CASE WHEN kind = 'session' THEN pg_catalog.format(E'SELECT pg_cancel_backend(pid) FROM pg_stat_activity\nWHERE pid = %s AND backend_start = %L;', pid, started) END AS remedy_2,
    CASE WHEN kind = 'session' THEN pg_catalog.format(E'SELECT pg_terminate_backend(pid) FROM pg_stat_activity\nWHERE pid = %s AND backend_start = %L;', pid, started) END AS remedy_3,
    CASE WHEN kind = 'slot' THEN pg_catalog.format('SELECT pg_drop_replication_slot(%L);', name) END AS remedy_4,
    CASE WHEN kind = 'prepared' THEN pg_catalog.format('ROLLBACK PREPARED %L;', name) END AS remedy_5
FROM oldest
-- @evidence
@horizon_evidence
