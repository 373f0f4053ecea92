-- id: pgdata-permissions
-- title: the data directory is open to others
-- engine: postgresql
-- probe: integrity
-- topic: permissions
-- scope: server
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- needs: host, privilege (pg_monitor) or unknown
-- severity: warning
-- message: {detail}
-- why: Whoever may read the data directory has all data and all password hashes; whoever may write there has the
--   server. With such permissions the server does not even start again.
-- spares: 0700, and 0750, which initdb --allow-group-access makes for backups; servers on another host.
-- fix: chmod takes effect at once and disturbs nobody.
-- evidence: the directory's mode as the host tells it
-- remedy.1: close it | command | none | chmod with the mode from before | closes
WITH folder AS (
	SELECT :host::jsonb ->> 'mode' AS mode, pg_catalog.current_setting('data_directory_mode') AS meant,
	    (SELECT s.reset_val FROM pg_catalog.pg_settings AS s WHERE s.name = 'data_directory') AS path
)
SELECT '' AS object,
    1 AS value, 'warning' AS severity,
    pg_catalog.format('%s has the permissions %s, the server wants 0700 or 0750', f.path, f.mode) AS detail,
    pg_catalog.format('chmod %s ''%s''', f.meant, pg_catalog.replace(f.path, '''', '''\''''')) AS remedy
FROM folder AS f
WHERE f.mode !~ '^.*7[05]0$'
