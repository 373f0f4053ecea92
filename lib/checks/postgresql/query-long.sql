-- id: query-long
-- title: statement runs for a long time
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
-- caused-by: lock-blocked by key, xact-long by key
-- metric: dbhealth_query_longest_seconds
-- param.warning_after: 30min
-- param.standby_after: 2h
-- param.maintenance: ^(pg_dump|pg_dumpall|pg_restore|pg_repack|vacuumdb|reindexdb|pg_amcheck|pg_basebackup|pg_receivewal)
-- message: one statement runs for {value}: {detail}
-- why: A statement that never ends takes a CPU or a disk, keeps its snapshot open and often is one
--   whose client has gone long ago.
-- spares: our own sessions, autovacuum, replication, dumps and restores, VACUUM, CLUSTER, CREATE INDEX
--   and ANALYZE while they report progress, statements that wait for a lock (lock-blocked tells
--   those). Standbys, where reports run, have a longer limit.
-- fix: Look at its plan and its waits; cancel it when nobody waits for the answer. For good:
--   statement_timeout for the role, client_connection_check_interval from 14 on.
-- remedy.1: see the statement | look | none | | helps
-- remedy.2: cancel it | sql | ends-session | the application repeats its work | closes
-- remedy.3: end the session if cancelling does not help | sql | ends-session | the application repeats its work | closes
WITH working AS MATERIALIZED (
	SELECT pid FROM pg_catalog.pg_stat_progress_vacuum
	UNION ALL SELECT pid FROM pg_catalog.pg_stat_progress_cluster
	UNION ALL SELECT pid FROM pg_catalog.pg_stat_progress_create_index
	UNION ALL SELECT pid FROM pg_catalog.pg_stat_progress_analyze
), running AS (
	SELECT a.*, extract(epoch FROM pg_catalog.clock_timestamp() - a.query_start)::float8 AS age,
	    pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00') AS started
	FROM pg_catalog.pg_stat_activity AS a
	WHERE a.state = 'active'
	  AND a.backend_type = 'client backend'
	  AND a.pid <> pg_catalog.pg_backend_pid()
	  AND NOT (a.usename = session_user AND a.application_name IN ('dbhealthd', 'dbhealth'))
	  AND NOT @platform_database(a.datname)
	  AND a.wait_event_type IS DISTINCT FROM 'Lock'
	  AND a.application_name !~ :maintenance
	  AND a.pid NOT IN (SELECT w.pid FROM working AS w)
	ORDER BY a.query_start
	LIMIT 100
)
SELECT pg_catalog.format('pid %s', pid) AS object,
    pg_catalog.format('%s/%s', pid, started) AS key,
    age AS value,
    CASE WHEN age >= CASE WHEN pg_catalog.pg_is_in_recovery() THEN :standby_after::float8 ELSE :warning_after::float8 END
        THEN 'warning' END AS severity,
    pg_catalog.format('role %s, database %s, %s, waits for %s', usename, datname,
        @client_words(application_name, client_addr),
        coalesce(wait_event_type || ' ' || wait_event, 'nothing (on CPU)')) || @since(query_start) AS detail,
    usename AS login, datname, application_name, client_addr::text AS client,
    pg_catalog.format(E'SELECT pid, usename, datname, wait_event_type, wait_event, now() - query_start AS runs_for, query\n'
        'FROM pg_stat_activity WHERE pid = %s AND backend_start = %L;', pid, started) AS remedy,
    pg_catalog.format(E'SELECT pg_cancel_backend(pid) FROM pg_stat_activity\nWHERE pid = %s AND backend_start = %L AND state = ''active'';', pid, started) AS remedy_2,
    pg_catalog.format(E'SELECT pg_terminate_backend(pid) FROM pg_stat_activity\nWHERE pid = %s AND backend_start = %L AND state = ''active'';', pid, started) AS remedy_3
FROM running
ORDER BY age DESC
-- @evidence
@sessions_evidence(a.state = 'active' AND a.backend_type = 'client backend', a.query_start)
