-- id: sqlite-network-fs
-- title: the database lies on a file system that SQLite cannot rely on
-- engine: sqlite
-- probe: integrity
-- topic: durability
-- scope: database
-- kind: finding
-- source: file
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- for: 0s
-- metric: dbhealth_sqlite_network_fs
-- message: {detail}
-- why: SQLite needs locks that work, and in WAL mode memory shared by all who have the file open. Network
--   file systems grant a lock to two at once after a lost connection, and share no memory between hosts:
--   the database is destroyed sooner or later. What lies in the layer of a container goes with it.
-- spares: local file systems; a network file system that is mounted read-only.
-- fix: Move the database to a local disk (sqlite3 FILE '.backup COPY' while the application is stopped), or
--   let one host own it and serve the others. Until then journal_mode = DELETE and one host only. In a
--   container put it on a volume.
-- evidence: type of the file system by statfs and the list of mounts
-- remedy.1: see the file system | command | none | | helps
-- remedy.2: move the database to a local disk | manual | none | | closes
SELECT '' AS object, 1 AS value, severity,
    CASE severity WHEN 'info' THEN printf('it lies on %s: the layer of a container, gone with it', type)
        ELSE printf('it lies on %s (mounted at %s), where locks are not to be relied on', type, coalesce(file_fact('fs_mount'), '?'))
            || CASE WHEN file_fact('wal_mode') = 1 THEN ', in WAL mode' ELSE '' END END AS detail,
    'df -T ''' || replace(file_fact('resolved_path'), '''', '''\''''') || '''' AS remedy,
    'Stop the application, copy the database with .backup to a local disk, and let the application use it there.' AS remedy_2
FROM (
	SELECT type, CASE WHEN type IN ('overlay', 'aufs', 'unionfs') THEN 'info'
	    WHEN file_fact('fs_network') = 0 THEN NULL
	    WHEN type IN ('nfs', 'nfs4', 'cifs', 'smb', 'smb2', 'smb3', 'smbfs', 'afs', 'coda', 'fuse.sshfs') AND file_fact('wal_mode') = 1 THEN 'critical'
	    ELSE 'warning' END AS severity
	FROM (SELECT coalesce(file_fact('fs_type'), 'a network file system') AS type)
)
WHERE file_fact('kind') = 'file' AND severity IS NOT NULL AND coalesce(file_fact('fs_readonly'), 0) = 0
