-- id: lock-blocked
-- title: sessions wait for a lock
-- engine: postgresql
-- probe: performance
-- topic: locks
-- scope: server
-- kind: gauge
-- default: on
-- cost: cheap
-- unit: seconds
-- for: 0s
-- needs: privilege (pg_monitor) or unknown
-- metric: dbhealth_lock_wait_longest_seconds
-- param.warning_after: 30s
-- param.critical_after: 5min
-- param.crowd: 10
-- param.crowd_after: 10s
-- message: {queue}, the longest {value}, behind {object} ({who}){doing}
-- why: Users wait now. One session at the root of the queue keeps a lock that all the others need; often
--   it is idle in a transaction, or a change of a table that itself waits for a long reader.
-- spares: waits shorter than half a minute; the sessions in the middle of a queue: only who stands at
--   its root is told, with the number of all that wait behind.
-- fix: Ask the owner of the root session to commit. Else cancel its statement, then end the session; its
--   transaction rolls back and the queue moves on. For good: lock_timeout before every ALTER TABLE,
--   short transactions, idle_in_transaction_session_timeout.
-- remedy.1: see the queue | look | none | | helps
-- remedy.2: cancel the statement at the root | sql | ends-session | the application repeats its work | helps
-- remedy.3: end the session at the root | sql | ends-session | the application repeats its work | closes
-- remedy.4: roll the prepared transaction back, after asking its coordinator | sql | data-loss | its work is lost for good | closes
WITH RECURSIVE @lock_queue(true), root AS (
	SELECT r.blocker AS pid, count(DISTINCT r.waiter) AS waiters, max(w.waits) AS waits,
	    count(DISTINCT r.waiter) FILTER (WHERE w.waits >= :crowd_after::float8) AS crowd
	FROM reach AS r JOIN waiting AS w ON w.pid = r.waiter
	WHERE NOT EXISTS (SELECT FROM edge AS e WHERE e.waiter = r.blocker)
	GROUP BY r.blocker
), told AS (
	SELECT r.*, a.usename, a.datname, a.application_name, a.client_addr, a.state, a.state_change, a.backend_type,
		    pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00') AS started,
	    CASE WHEN r.pid = 0 THEN (SELECT p.gid FROM pg_catalog.pg_prepared_xacts AS p ORDER BY p.prepared LIMIT 1) END AS gid,
	    CASE WHEN r.pid = 0 THEN (SELECT count(*) FROM pg_catalog.pg_prepared_xacts AS p) END AS gids
	FROM root AS r LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = r.pid AND r.pid <> 0
)
SELECT CASE WHEN pid = 0 THEN 'prepared transaction' ELSE pg_catalog.format('pid %s', pid) END AS object,
    pg_catalog.format('%s/%s', pid, coalesce(started, gid)) AS key,
    waits AS value,
    CASE WHEN waits >= :critical_after::float8 OR crowd >= :crowd::bigint THEN 'critical'
        WHEN waits >= :warning_after::float8 THEN 'warning' END AS severity,
    who || doing AS detail, who, doing,
    CASE WHEN waiters = 1 THEN '1 session waits' ELSE pg_catalog.format('%s sessions wait', waiters) END AS queue,
    CASE WHEN gids = 1 THEN gid END AS gid,
    waiters, usename AS login, datname, application_name, client_addr::text AS client, state,
    CASE WHEN pid = 0 THEN 'SELECT gid, prepared, owner, database FROM pg_prepared_xacts ORDER BY prepared;'
        ELSE pg_catalog.format(E'SELECT pid, pg_blocking_pids(pid) AS behind, usename, state, wait_event, now() - state_change AS since, query\n'
            'FROM pg_stat_activity WHERE pid = %s OR wait_event_type = ''Lock'' ORDER BY query_start;', pid) END AS remedy,
    CASE WHEN pid <> 0 THEN pg_catalog.format(E'SELECT pg_cancel_backend(pid) FROM pg_stat_activity\nWHERE pid = %s AND backend_start = %L;', pid, started) END AS remedy_2,
    CASE WHEN pid <> 0 THEN pg_catalog.format(E'SELECT pg_terminate_backend(pid) FROM pg_stat_activity\nWHERE pid = %s AND backend_start = %L;', pid, started) END AS remedy_3,
    CASE WHEN pid = 0 AND gids = 1 THEN pg_catalog.format('ROLLBACK PREPARED %L;', gid) END AS remedy_4
FROM told
CROSS JOIN LATERAL (
	SELECT CASE WHEN pid = 0 THEN pg_catalog.format('the oldest of %s is %s', gids, gid)
	    ELSE pg_catalog.concat_ws(', ', coalesce(nullif(application_name, ''), backend_type, 'a session that is gone'),
	        'role ' || usename, 'database ' || datname, pg_catalog.host(client_addr)) END AS who,
	    CASE WHEN pid <> 0 AND state IS NOT NULL THEN pg_catalog.format(', %s since %s UTC', state,
	        pg_catalog.to_char(state_change AT TIME ZONE 'UTC', 'HH24:MI:SS')) ELSE '' END AS doing
) AS words
ORDER BY waits DESC
LIMIT 100
-- @evidence
@locks_evidence
