-- id: conn-slots
-- title: connection slots run out
-- engine: postgresql
-- probe: connectivity
-- topic: availability
-- scope: server
-- kind: gauge
-- default: on
-- cost: cheap
-- unit: ratio
-- for: 2min
-- needs: privilege (pg_monitor) or unknown
-- metric: dbhealth_connection_slots_used_ratio
-- param.warning_ratio: 80%
-- param.warning_free: 20
-- param.critical_ratio: 90%
-- param.critical_free: 5
-- param.idle_after: 5min
-- message: {value} of the connection slots are used: {detail}
-- why: When the last slot is taken, every new connection is refused with "too many clients", also
--   that of the person who wants to help.
-- spares: a server with many slots left in number, whatever their share; slots kept for superusers
--   and for reserved_connections, which count as not available; background and replication
--   processes, which have slots of their own.
-- fix: End sessions that idle, then find the application that opens without closing, and put a pooler
--   (PgBouncer) before it. A larger max_connections needs a restart and memory for each session.
-- remedy.1: see who holds the slots | look | none | | helps
-- remedy.2: end the idle sessions of the role that holds most | sql | ends-session | the application connects again | closes
-- remedy.3: allow more connections; needs a restart | config | lock | ALTER SYSTEM RESET max_connections | helps
WITH slots AS (
	SELECT pg_catalog.current_setting('max_connections')::bigint
	    - pg_catalog.current_setting('superuser_reserved_connections')::bigint
	    - coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::bigint AS usable
), sessions AS (
	SELECT a.usesysid, a.usename, count(*) AS n
	FROM pg_catalog.pg_stat_activity AS a
	WHERE a.backend_type = 'client backend'
	GROUP BY a.usesysid, a.usename
), used AS (
	SELECT sum(n)::bigint AS used, (pg_catalog.array_agg(usename::text ORDER BY n DESC, usename))[1] AS top,
	    (pg_catalog.array_agg(usesysid ORDER BY n DESC, usename))[1] AS top_id, max(n) AS top_n
	FROM sessions
), judged AS (
	SELECT s.usable, u.used, u.top, u.top_id, u.top_n, greatest(s.usable - u.used, 0) AS free,
	    u.used::float8 / greatest(s.usable, 1) AS ratio
	FROM slots AS s CROSS JOIN used AS u
)
SELECT '' AS object, ratio AS value,
    CASE WHEN ratio >= :critical_ratio::float8 AND free < :critical_free::bigint THEN 'critical'
        WHEN ratio >= :warning_ratio::float8 AND free < :warning_free::bigint THEN 'warning' END AS severity,
    pg_catalog.format('%s of %s used, %s free; most by role %s (%s)', used, usable, free, top, top_n) AS detail,
    used, usable, free,
    'SELECT usename, datname, application_name, client_addr, state, count(*), max(now() - state_change) AS oldest'
    || E'\nFROM pg_stat_activity WHERE backend_type = ''client backend''\nGROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC;' AS remedy,
    pg_catalog.format(E'SELECT pg_terminate_backend(pid) FROM pg_stat_activity\nWHERE usesysid = %s AND state = ''idle'' AND backend_type = ''client backend''\n'
        '  AND pid <> pg_backend_pid() AND state_change < now() - interval ''%s s'';',
        top_id, :idle_after::float8) AS remedy_2,
    pg_catalog.format('ALTER SYSTEM SET max_connections = %s;', pg_catalog.current_setting('max_connections')::bigint * 2) AS remedy_3
FROM judged
-- @evidence
SELECT count(*) AS sessions, a.state, a.usename AS role, nullif(a.application_name, '') AS application,
    coalesce(pg_catalog.host(a.client_addr), 'local') AS client, a.datname AS database,
    @seconds(pg_catalog.clock_timestamp() - min(a.state_change)) AS oldest_state,
    @seconds(pg_catalog.clock_timestamp() - min(a.backend_start)) AS oldest_session
FROM pg_catalog.pg_stat_activity AS a
WHERE a.backend_type = 'client backend'
GROUP BY a.state, a.usename, a.application_name, a.client_addr, a.datname
ORDER BY count(*) DESC, a.usename, a.state, a.application_name
LIMIT 50
