-- id: server-restarted
-- title: the server was restarted
-- engine: postgresql
-- probe: connectivity
-- topic: availability
-- scope: server
-- kind: event
-- default: on
-- cost: cheap
-- unit: count
-- hold: 1h
-- needs: privilege (pg_monitor) or unknown
-- param.crash_after: 5s
-- message: {detail}
-- why: A restart ends every session and empties the cache. When one server process dies, all sessions
--   end and the server recovers by itself in seconds, as if nothing had happened; only the start time
--   of its helpers tells.
-- spares: the first sight of a server; a reload.
-- fix: Find the cause in the server's log: "terminated by signal 9" is often the kernel's memory killer
--   (set vm.overcommit_memory = 2), signal 11 or 6 a fault in the server or an extension.
-- evidence: start of the postmaster and of its checkpointer
-- remedy.1: read the server's log and the kernel's | command | none | | helps
-- remedy.1.text: journalctl -k -g 'oom|killed process' -n 20; journalctl -u 'postgresql@*' -n 50
-- remedy.2: see the start times | look | none | | helps
-- remedy.2.text: SELECT backend_type, backend_start, pg_postmaster_start_time() FROM pg_stat_activity WHERE datname IS NULL ORDER BY 2;
WITH started AS (
	-- The checkpointer lives as long as the postmaster unless a crash made it start all helpers
	-- again.  Before 15 it starts only when recovery is consistent, which on a standby takes long.
	SELECT pg_catalog.pg_postmaster_start_time() AS postmaster,
	    coalesce(min(a.backend_start), pg_catalog.pg_postmaster_start_time()) AS helpers
	FROM pg_catalog.pg_stat_activity AS a
	WHERE a.backend_type = 'checkpointer'
), judged AS (
	SELECT postmaster, helpers,
	    helpers - postmaster > pg_catalog.make_interval(secs => :crash_after::float8)
	    AND (pg_catalog.current_setting('server_version_num')::int >= 150000 OR NOT pg_catalog.pg_is_in_recovery()) AS crashed
	FROM started
)
SELECT '' AS object,
    pg_catalog.round(extract(epoch FROM helpers))::bigint AS value,
    CASE WHEN crashed THEN 'critical' ELSE 'info' END AS severity,
    CASE WHEN crashed THEN pg_catalog.format('a server process crashed and all sessions ended; recovered at %s UTC, running since %s UTC',
            pg_catalog.to_char(helpers AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
            pg_catalog.to_char(postmaster AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
        ELSE pg_catalog.format('restarted at %s UTC', pg_catalog.to_char(helpers AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
    END AS detail,
    CASE WHEN crashed THEN 'crash' ELSE 'restart' END AS cause
FROM judged
