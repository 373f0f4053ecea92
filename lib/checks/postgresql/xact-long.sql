-- id: xact-long
-- title: transaction open for a long time
-- engine: postgresql
-- probe: performance
-- topic: transactions
-- scope: server
-- kind: gauge
-- default: on
-- cost: cheap
-- unit: seconds
-- for: 0s
-- needs: privilege (pg_monitor) or unknown
-- caused-by: lock-blocked by key, lock-blocked by behind=key, xact-idle by key
-- metric: dbhealth_transaction_longest_seconds
-- param.warning_after: 1h
-- param.critical_after: 6h
-- param.maintenance_after: 12h
-- param.maintenance: ^(pg_dump|pg_dumpall|pg_restore|pg_repack|vacuumdb|reindexdb|pg_amcheck)
-- param.idle_elsewhere: 10min
-- message: transaction open for {value}: {detail}
-- why: While a transaction holds a snapshot, VACUUM cannot remove a row that died after it began, in any
--   table of the database; tables and indexes grow. Its locks stop changes of tables, and behind such
--   a waiting change everybody else waits.
-- spares: our own sessions; autovacuum and replication senders; sessions that idle in their
--   transaction (xact-idle tells those). Dumps, restores, VACUUM, CREATE INDEX, CLUSTER, COPY and the
--   first copy of a subscription have a limit of their own (12 h) and are never critical.
-- fix: Ask the owner of the session. Cancelling ends its statement, terminating its connection; both
--   roll the transaction back. For good: shorter transactions in the application, and
--   idle_in_transaction_session_timeout or (from 17) transaction_timeout for its role.
-- remedy.1: see what it does | look | none | | helps
-- remedy.2: cancel its statement | sql | ends-session | the application repeats its work | helps
-- remedy.3: end the session, its transaction rolls back | sql | ends-session | the application repeats its work | closes
WITH RECURSIVE @lock_queue(EXISTS (SELECT FROM judged AS j WHERE j.severity IS NOT NULL AND j.wait_event_type = 'Lock')), working AS MATERIALIZED (
	SELECT pid FROM pg_catalog.pg_stat_progress_vacuum
	UNION ALL SELECT pid FROM pg_catalog.pg_stat_progress_cluster
	UNION ALL SELECT pid FROM pg_catalog.pg_stat_progress_create_index
	UNION ALL SELECT pid FROM pg_catalog.pg_stat_progress_analyze
), open AS (
	SELECT a.*, extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS age,
	    pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00') AS started,
	    a.application_name ~ :maintenance OR a.backend_type LIKE 'logical replication%'
	    OR a.query ~* '^\s*copy\s' OR a.pid IN (SELECT w.pid FROM working AS w) AS maintenance
	FROM pg_catalog.pg_stat_activity AS a
	WHERE a.xact_start IS NOT NULL
	  AND a.pid <> pg_catalog.pg_backend_pid()
	  AND (a.backend_type = 'client backend' OR a.backend_type LIKE 'logical replication%')
	  AND NOT (a.usename = session_user AND a.application_name IN ('dbhealthd', 'dbhealth'))
	  AND NOT @platform_database(a.datname)
	  AND (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL OR a.state = 'active')
	  AND NOT (a.state LIKE 'idle in transaction%'
	    AND a.state_change < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => :idle_elsewhere::float8))
	ORDER BY a.xact_start
	LIMIT 100
), judged AS MATERIALIZED (
	SELECT o.*, CASE WHEN maintenance THEN CASE WHEN age >= :maintenance_after::float8 THEN 'warning' END
	    WHEN age >= :critical_after::float8 THEN 'critical'
	    WHEN age >= :warning_after::float8 THEN 'warning' END AS severity
	FROM open AS o
)
SELECT pg_catalog.format('pid %s', pid) AS object,
    pg_catalog.format('%s/%s', pid, started) AS key,
    age AS value,
    severity,
    pg_catalog.format('role %s, database %s, %s, %s', usename, datname,
        @client_words(application_name, client_addr), coalesce(state, backend_type)) || @since(xact_start) AS detail,
    -- The session at the root of the queue that it waits in, as lock-blocked names it.
    (SELECT pg_catalog.format('%s/%s', b.pid, pg_catalog.to_char(b.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00'))
        FROM reach AS r JOIN pg_catalog.pg_stat_activity AS b ON b.pid = r.blocker
        WHERE r.waiter = judged.pid AND NOT EXISTS (SELECT FROM edge AS e WHERE e.waiter = r.blocker)
        ORDER BY b.backend_start, b.pid LIMIT 1) AS behind,
    usename AS login, datname, application_name, client_addr::text AS client, state,
    pg_catalog.format(E'SELECT pid, usename, datname, state, wait_event, now() - xact_start AS open_for, backend_xmin, query\n'
        'FROM pg_stat_activity WHERE pid = %s AND backend_start = %L;', pid, started) AS remedy,
    pg_catalog.format(E'SELECT pg_cancel_backend(pid) FROM pg_stat_activity\nWHERE pid = %s AND backend_start = %L;', pid, started) AS remedy_2,
    pg_catalog.format(E'SELECT pg_terminate_backend(pid) FROM pg_stat_activity\nWHERE pid = %s AND backend_start = %L;', pid, started) AS remedy_3
FROM judged
ORDER BY age DESC
-- @evidence
@sessions_evidence(a.xact_start IS NOT NULL AND a.backend_type IN ('client backend', 'logical replication worker'), a.xact_start)
