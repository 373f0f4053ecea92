-- id: sqlite-wal-orphaned
-- title: a log lies beside a database that it is not part of
-- engine: sqlite
-- probe: integrity
-- topic: corruption
-- scope: database
-- kind: finding
-- source: file
-- default: on
-- cost: cheap
-- unit: bytes
-- severity: warning
-- for: 0s
-- metric: dbhealth_sqlite_wal_orphaned_bytes
-- message: {detail}
-- why: File, -wal and -journal are one database. A log without its database holds commits that nobody
--   sees; beside another database it is played into that one at the next open, which destroys it.
-- spares: the log of an application that runs, or that was killed: the next open takes it over; an empty
--   log; one whose pages may be those of this file.
-- fix: Keep the parts together: put the database back under its old name beside its log. A log that is
--   left from a former database moves aside before anything opens the file; keep it until the file is
--   verified.
-- evidence: the headers of both files, page 1 of the log
-- remedy.1: see the files that lie there | command | none | | helps
-- remedy.2: move what is left out of the way, with no process on the database | command | none | the same with the names exchanged | closes
-- remedy.3: bring file and log together again | manual | none | | closes
SELECT object, value, detail, 'ls -l ' || q || '*' AS remedy,
    CASE WHEN movable THEN 'for f in ' || q || object || CASE object WHEN '-wal' THEN ' ' || q || '-shm' ELSE '' END
        || '; do test ! -e "$f" || mv -n "$f" "$f.left"; done' END AS remedy_2,
    CASE WHEN kind = 'absent' THEN 'Find where the database went and put it back beside its log, under the same name.'
        WHEN NOT movable THEN 'Copy file and -wal together to a folder that can be written, or make the folder writable for the owner of the file, and open it once.'
        END AS remedy_3
FROM (
	SELECT '-wal' AS object, file_fact('wal_size') AS value, 1 AS movable,
	    printf('the database is gone, its log of %,d bytes is still there', file_fact('wal_size')) AS detail
	WHERE file_fact('kind') = 'absent' AND file_fact('wal_size') > 32
	UNION ALL
	SELECT '-journal', file_fact('journal_size'), 1,
	    printf('the database is gone, its journal of %,d bytes is still there', file_fact('journal_size'))
	WHERE file_fact('kind') = 'absent' AND file_fact('journal_size') > 0
	UNION ALL
	SELECT '-wal', file_fact('wal_size'), 1, 'the log is not of this database: ' || file_fact('wal_foreign')
	WHERE file_fact('kind') = 'file' AND file_fact('wal_foreign') IS NOT NULL
	UNION ALL
	SELECT '-wal', file_fact('wal_size'), 0, 'the log must be taken over, and the '
	    || CASE file_fact('fs_readonly') WHEN 1 THEN 'file system' ELSE 'folder' END || ' cannot be written: nobody can open the database'
	WHERE file_fact('kind') = 'file' AND file_fact('wal_mode') = 1 AND file_fact('wal_foreign') IS NULL
	  AND file_fact('wal_committed_frames') > 0 AND file_fact('shm_exists') = 0
	  AND (file_fact('fs_readonly') = 1 OR file_fact('dir_writable_by_owner') = 0)
	  AND coalesce(file_fact('lock_exclusive'), 0) = 0
), (SELECT file_fact('kind') AS kind,
    '''' || replace(coalesce(file_fact('resolved_path'), file_fact('path')), '''', '''\''''') || '''' AS q)
ORDER BY object LIMIT 2
