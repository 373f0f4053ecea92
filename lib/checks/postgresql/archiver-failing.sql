-- id: archiver-failing
-- title: WAL archiving fails
-- engine: postgresql
-- probe: performance
-- topic: archiving
-- scope: server
-- kind: gauge
-- default: on
-- cost: cheap
-- unit: seconds
-- warning: >= 2min
-- critical: >= 10min
-- for: 0s
-- needs: privilege (pg_monitor) or unknown, flavour != managed
-- caused-by: critical disk-space-low
-- metric: dbhealth_archiver_failing_seconds
-- message: WAL archiving has been failing for {value}: {detail}
-- why: Backups can be restored only as far as the archive reaches, and every segment that cannot be
--   archived stays in pg_wal until the disk is full.
-- spares: a failure after which an attempt succeeded; a standby unless archive_mode is always.
-- fix: The log has the words of archive_command. Mostly the target is full, unreachable, or refuses a
--   segment that is there already with other content. The archiver tries again by itself.
-- remedy.1: see what failed | look | none | | helps
-- remedy.1.text: SELECT last_archived_wal, last_archived_time, last_failed_wal, last_failed_time, failed_count, current_setting('archive_command') AS archive_command FROM pg_stat_archiver;
-- remedy.2: read the words of the command | command | none | | helps
-- remedy.2.text: grep -h 'archive command failed' -A 2 /var/log/postgresql/*.log | tail
-- remedy.3: mend the target of archive_command, or the command; it is tried again each minute | manual | none | | closes
-- remedy.3.text: Mend what the log says of the archive's target; archiving goes on by itself.
WITH waiting AS (
	SELECT count(*) AS n, min(s.modification) AS since
	FROM pg_catalog.pg_ls_archive_statusdir() AS s
	WHERE s.name LIKE '%.ready'
)
-- Failing since the oldest segment waits, but not longer than since the last success.
SELECT '' AS object,
    greatest(extract(epoch FROM pg_catalog.clock_timestamp() - greatest(coalesce(w.since, a.last_failed_time),
        a.last_archived_time)), 0)::float8 AS value,
    pg_catalog.format('%s segments wait, %s failed at %s UTC', w.n, a.last_failed_wal,
        pg_catalog.to_char(a.last_failed_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')) AS detail,
    w.n AS waiting
FROM pg_catalog.pg_stat_archiver AS a CROSS JOIN waiting AS w
WHERE pg_catalog.current_setting('archive_mode') <> 'off'
  AND (pg_catalog.current_setting('archive_mode') = 'always' OR NOT pg_catalog.pg_is_in_recovery())
  AND a.last_failed_time > coalesce(a.last_archived_time, '-infinity')
