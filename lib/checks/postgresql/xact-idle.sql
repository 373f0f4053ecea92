-- id: xact-idle
-- title: session idle in a transaction
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
-- caused-by: lock-blocked by key
-- metric: dbhealth_transaction_idle_longest_seconds
-- param.warning_after: 10min
-- param.blocks_after: 1min
-- param.critical_xids: 10000000
-- message: idle in a transaction for {value}: {detail}
-- why: The application opened a transaction and forgot it. It keeps its locks and its snapshot: others
--   wait for the locks, and VACUUM cannot remove dead rows.
-- spares: our own sessions; the time a transaction is busy, only the time since its last statement
--   counts. Critical only while it keeps others waiting or holds back millions of transactions.
-- fix: End the session (cancelling does nothing, no statement runs). For good: commit or roll back on
--   every path of the application, and ALTER ROLE ... SET idle_in_transaction_session_timeout.
-- remedy.1: see its last statement | look | none | | helps
-- remedy.2: cancel, which ends nothing unless it works again | sql | ends-session | the application repeats its work | helps
-- remedy.3: end the session, its transaction rolls back | sql | ends-session | the application repeats its work | closes
-- remedy.4: limit such pauses for this role from its next connection on | sql | none | ALTER ROLE ... RESET idle_in_transaction_session_timeout | helps
WITH waiting AS MATERIALIZED (
	-- The lock table is read only when somebody waits; its wait start exists from 14 on and may be
	-- NULL for a moment, the start of the statement stands in.
	SELECT w.pid, extract(epoch FROM pg_catalog.clock_timestamp()
	    - coalesce((l.waiting ->> 'waitstart')::timestamptz, w.query_start))::float8 AS waits
	FROM (
		SELECT pid, query_start FROM pg_catalog.pg_stat_activity
		WHERE wait_event_type = 'Lock' ORDER BY query_start LIMIT 50
	) AS w
	LEFT JOIN LATERAL (
		SELECT pg_catalog.to_jsonb(k) AS waiting FROM pg_catalog.pg_locks AS k
		WHERE k.pid = w.pid AND NOT k.granted LIMIT 1
	) AS l ON true
), blocking AS MATERIALIZED (
	SELECT b.pid, count(DISTINCT w.pid) AS waiters, max(w.waits) AS waits
	FROM waiting AS w
	CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) AS b (pid)
	GROUP BY b.pid
), idle AS (
	SELECT a.*, extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::float8 AS age,
	    pg_catalog.age(coalesce(a.backend_xmin, a.backend_xid)) AS xids,
	    pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00') AS started,
	    b.waiters, b.waits
	FROM pg_catalog.pg_stat_activity AS a
	LEFT JOIN blocking AS b ON b.pid = a.pid
	WHERE a.state LIKE 'idle in transaction%'
	  AND a.pid <> pg_catalog.pg_backend_pid()
	  AND NOT (a.usename = session_user AND a.application_name IN ('dbhealthd', 'dbhealth'))
	  AND NOT @platform_database(a.datname)
	ORDER BY a.state_change
	LIMIT 100
)
SELECT pg_catalog.format('pid %s', pid) AS object,
    pg_catalog.format('%s/%s', pid, started) AS key,
    age AS value,
    CASE WHEN age < :warning_after::float8 THEN NULL
        WHEN waits >= :blocks_after::float8 OR xids >= :critical_xids::bigint THEN 'critical' ELSE 'warning' END AS severity,
    pg_catalog.format('role %s, database %s, %s', usename, datname, @client_words(application_name, client_addr))
    || @since(state_change)
    || CASE WHEN waiters > 0 THEN pg_catalog.format('; %s waiting for it, the longest %s s', waiters, waits::bigint) ELSE '' END
    || CASE WHEN xids > 1000000 THEN pg_catalog.format('; holds back %s transactions', xids) ELSE '' END AS detail,
    usename AS login, datname, application_name, client_addr::text AS client, state,
    pg_catalog.format(E'SELECT pid, usename, datname, state, now() - state_change AS idle_for, now() - xact_start AS open_for, query AS last_query\n'
        'FROM pg_stat_activity WHERE pid = %s AND backend_start = %L;', pid, started) AS remedy,
    pg_catalog.format(E'SELECT pg_cancel_backend(pid) FROM pg_stat_activity\nWHERE pid = %s AND backend_start = %L;', pid, started) AS remedy_2,
    pg_catalog.format(E'SELECT pg_terminate_backend(pid) FROM pg_stat_activity\nWHERE pid = %s AND backend_start = %L AND state LIKE ''idle in transaction%%'';', pid, started) AS remedy_3,
    CASE WHEN usename !~ '[\u0001-\u001f\u007f-\u009f]' THEN
        pg_catalog.format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''5min'';', usename) END AS remedy_4
FROM idle
ORDER BY age DESC
-- @evidence
@sessions_evidence(a.state LIKE 'idle in transaction%', a.state_change)
