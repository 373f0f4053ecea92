-- id: disk-space-low
-- title: the disk of the server fills up
-- engine: postgresql
-- probe: performance
-- topic: capacity
-- scope: server
-- kind: gauge
-- default: on
-- cost: cheap
-- unit: ratio
-- for: 1min
-- needs: host
-- metric: dbhealth_disk_free_ratio
-- param.warning_ratio: 15%
-- param.warning_bytes: 100GB
-- param.critical_ratio: 5%
-- param.critical_bytes: 20GB
-- message: {value} free on {object}, which holds {holds}: {detail}
-- why: When no more WAL can be written the server stops at once, with all its sessions; when the data
--   have no room every statement that needs some fails. Recovery needs room as well.
-- spares: file systems with much room in bytes whatever its share; those that do not count inodes;
--   servers on another host or in a container, and those reached over TCP only.
-- fix: Find what grows: pg_wal (a slot or an archiver that fails keeps it), logs, temporary files, a
--   table. Never delete a file below the data directory: not in pg_wal either.
-- evidence: statfs of the data directory and of pg_wal, by a worker on the host
-- remedy.1: see what takes the space | command | none | | helps
-- remedy.2: free space or enlarge the file system | manual | none | | closes
WITH part AS (
	SELECT p.holds, p.disk ->> 'mount' AS mount,
	    (p.disk ->> 'total')::numeric AS total, (p.disk ->> 'free')::numeric AS free,
	    (p.disk ->> 'total_inodes')::numeric AS total_inodes, (p.disk ->> 'free_inodes')::numeric AS free_inodes
	FROM (VALUES ('the data', :host::jsonb -> 'data'), ('the WAL', :host::jsonb -> 'wal')) AS p(holds, disk)
	WHERE pg_catalog.jsonb_typeof(p.disk) = 'object' AND (p.disk ->> 'readonly') <> 'true'
), disk AS (
	SELECT mount, pg_catalog.string_agg(holds, ' and ' ORDER BY holds) AS holds,
	    max(total) AS total, min(free) AS free, max(total_inodes) AS total_inodes, min(free_inodes) AS free_inodes
	FROM part GROUP BY mount
), judged AS (
	SELECT d.*, free / total AS bytes_ratio, coalesce(free_inodes / nullif(total_inodes, 0), 1) AS inode_ratio
	FROM disk AS d WHERE total > 0
)
SELECT coalesce(mount, '') AS object, pg_catalog.round(least(bytes_ratio, inode_ratio), 6) AS value,
    CASE WHEN bytes_ratio < :critical_ratio::float8 AND free < :critical_bytes::bigint OR inode_ratio < :critical_ratio::float8 THEN 'critical'
        WHEN bytes_ratio < :warning_ratio::float8 AND free < :warning_bytes::bigint OR inode_ratio < :warning_ratio::float8 THEN 'warning'
    END AS severity,
    CASE WHEN inode_ratio < bytes_ratio THEN pg_catalog.format('%s of %s inodes', free_inodes, total_inodes)
        ELSE pg_catalog.format('%s of %s', pg_catalog.pg_size_pretty(free), pg_catalog.pg_size_pretty(total)) END AS detail,
    holds,
    'df -h ''' || pg_catalog.replace(mount, '''', '''\''''') || '''; sudo du -xh --max-depth=3 '''
    || pg_catalog.replace(mount, '''', '''\''''') || ''' | sort -h | tail -30' AS remedy,
    'Remove what is not needed, or enlarge the file system. Never delete a file below the data directory.' AS remedy_2
FROM judged
ORDER BY 2, 1
LIMIT 10
-- @evidence
@wal_evidence
