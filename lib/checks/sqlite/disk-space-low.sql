-- id: disk-space-low
-- title: the disk of the database fills up
-- engine: sqlite
-- probe: performance
-- topic: capacity
-- scope: database
-- kind: gauge
-- source: file
-- default: on
-- cost: cheap
-- unit: ratio
-- for: 1min
-- metric: dbhealth_disk_free_ratio
-- param.warning_ratio: 15%
-- param.warning_bytes: 100GB
-- param.critical_ratio: 5%
-- param.critical_bytes: 20GB
-- message: {value} free on {object}: {detail}
-- why: On a full disk every write fails: the WAL cannot grow, the journal cannot be made, and the
--   application stops. VACUUM needs up to twice the size of the database for a while.
-- spares: file systems with much room in bytes whatever its share; read-only file systems; those that
--   do not count inodes.
-- fix: Find what grows: the -wal of a database that nobody checkpoints, logs, old copies. Free space by
--   removing what is not needed; VACUUM returns free pages only if there is room to run it.
-- evidence: statvfs of the file's folder
-- remedy.1: see what takes the space | command | none | | helps
-- remedy.2: free space or enlarge the file system | manual | none | | closes
SELECT mount AS object, ratio AS value,
    CASE WHEN bytes_ratio < CAST(:critical_ratio AS REAL) AND free < CAST(:critical_bytes AS REAL) OR inode_ratio < CAST(:critical_ratio AS REAL) THEN 'critical'
        WHEN bytes_ratio < CAST(:warning_ratio AS REAL) AND free < CAST(:warning_bytes AS REAL) OR inode_ratio < CAST(:warning_ratio AS REAL) THEN 'warning'
    END AS severity,
    CASE WHEN inode_ratio < bytes_ratio THEN printf('%,d of %,d inodes', file_fact('fs_free_inodes'), file_fact('fs_total_inodes'))
        ELSE printf('%,d MB of %,d MB', free / 1048576, total / 1048576) END AS detail,
    'df -h ''' || replace(mount, '''', '''\''''') || '''; sudo du -xh --max-depth=3 '''
    || replace(mount, '''', '''\''''') || ''' | sort -h | tail -30' AS remedy,
    'Remove what is not needed, or enlarge the file system.' AS remedy_2
FROM (
	SELECT mount, free, total, bytes_ratio, inode_ratio, min(bytes_ratio, inode_ratio) AS ratio
	FROM (
		SELECT file_fact('fs_mount') AS mount, file_fact('fs_free_bytes') AS free, file_fact('fs_total_bytes') AS total,
		    1.0 * file_fact('fs_free_bytes') / file_fact('fs_total_bytes') AS bytes_ratio,
		    coalesce(1.0 * file_fact('fs_free_inodes') / nullif(file_fact('fs_total_inodes'), 0), 1.0) AS inode_ratio
		WHERE file_fact('fs_total_bytes') > 0 AND coalesce(file_fact('fs_readonly'), 0) = 0
	)
)
ORDER BY mount LIMIT 1
