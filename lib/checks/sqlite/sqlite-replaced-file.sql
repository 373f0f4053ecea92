-- id: sqlite-replaced-file
-- title: a process works on a file that is no longer there
-- engine: sqlite
-- probe: integrity
-- topic: corruption
-- scope: database
-- kind: finding
-- source: file
-- default: on
-- cost: cheap
-- unit: count
-- severity: critical
-- metric: dbhealth_sqlite_replaced_file
-- message: {detail}
-- why: What those processes write goes to a file without a name: it is lost when they end, and nobody else
--   sees it. Where old and new file share a -wal or -journal, the pages of both are mixed, which destroys
--   the new one.
-- spares: a file that was replaced while nobody had it open; processes that open the file anew for each use;
--   what is in use under another name of the same file.
-- fix: Save what the process has (remedy 1: the kernel keeps the old file as long as it is open), then restart
--   it so that it opens the file by its name. Replace a database by .restore or VACUUM INTO another name
--   while its application is stopped.
-- evidence: what processes have open, and locks on the inode that the file had before
-- remedy.1: save the old file while it is still open | command | load | | helps
-- remedy.2: restart what still uses it | manual | ends-session | | closes
WITH holder AS (
	SELECT x.value ->> 'pid' AS pid, x.value ->> 'command' AS command, x.value ->> 'unit' AS unit,
	    x.value ->> 'how' AS how, x.value ->> 'fd' AS fd, x.value ->> 'wal_fd' AS wal_fd
	FROM json_each(file_fact('replaced_holders')) AS x
	UNION ALL
	SELECT DISTINCT x.value ->> 'pid', x.value ->> 'command', x.value ->> 'unit', 'locks', NULL, NULL
	FROM json_each(file_fact('lock_holders')) AS x
	WHERE x.value ->> 'type' = 'former'
	  AND x.value ->> 'pid' NOT IN (SELECT r.value ->> 'pid' FROM json_each(file_fact('replaced_holders')) AS r)
), path AS (
	SELECT base, '''/var/tmp/rescued-' || substr(base, 2) AS folder
	FROM (SELECT '''' || replace(replace(p, rtrim(p, replace(p, '/', '')), ''), '''', '''\''''') || '''' AS base
	    FROM (SELECT coalesce(file_fact('resolved_path'), file_fact('path')) AS p))
)
SELECT '' AS object, count(*) AS value,
    CASE count(*) WHEN 1 THEN '1 process still works' ELSE count(*) || ' processes still work' END
        || ' on a file that was replaced or deleted: ' || group_concat('pid ' || pid || ' (' || command || CASE unit WHEN '' THEN '' ELSE ', ' || unit END || ') '
        || CASE how WHEN 'deleted' THEN 'has the deleted file open' WHEN 'moved' THEN 'has its log open, but not this file'
            ELSE 'holds locks on the former file' END, ', ') AS detail,
    (SELECT 'mkdir -m 700 ' || folder || ' && cp /proc/' || h.pid || '/fd/' || h.fd || ' ' || folder || '/' || base
        || coalesce(' && cp /proc/' || h.pid || '/fd/' || h.wal_fd || ' ' || folder || '/' || substr(base, 1, length(base) - 1) || '-wal''', '')
     FROM holder AS h, path WHERE h.fd IS NOT NULL LIMIT 1) AS remedy,
    'Restart ' || group_concat(CASE WHEN unit GLOB '*.service' THEN 'the unit ' || unit ELSE 'process ' || pid || ' (' || command || ')' END, ', ')
        || ' once its data is saved.' AS remedy_2,
    NULL AS grant
FROM holder HAVING count(*) > 0
UNION ALL
SELECT '', NULL, NULL, NULL, NULL, 'the user ' || coalesce(file_fact('owner'), 'of the file')
    || ', or AmbientCapabilities=CAP_SYS_PTRACE in the service: to see what its processes have open'
WHERE file_fact('users_visible') = 0 AND NOT EXISTS (SELECT 1 FROM holder)
