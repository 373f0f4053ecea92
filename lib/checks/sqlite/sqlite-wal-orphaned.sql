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
-- severity: critical
-- for: 0s
-- metric: dbhealth_sqlite_wal_orphaned_bytes
-- message: {detail}
-- why: File, -wal and -journal are one database. A log without its database holds commits that nobody
--   sees; beside another database it is played into that one at the next open, which destroys it.
-- spares: the log of an application that runs, or that was killed: the next open takes it over; an empty
--   log; one whose pages may be those of this file. A page that the last commit counts and neither
--   file nor log has is proof; a log too long to be read whole leaves that unknown.
-- fix: Keep the parts together: put the database back under its old name beside its log. A log that is
--   left from a former database moves aside before anything opens the file; keep it until the file is
--   verified. Of an older copy of the file beside a newer log only one can be had: the old copy
--   without the log, or the file that the log was made for.
-- evidence: the headers of both files, page 1 of the log, the pages that its frames hold
-- remedy.1: see the files that lie there | command | none | | helps
-- remedy.2: move what is left out of the way, with no process on the database | command | none | the same with the names exchanged | closes
-- remedy.3: bring file and log together again | manual | none | | closes
SELECT object, value, severity, detail, 'ls -l ' || q || '*' AS remedy,
    CASE WHEN movable THEN 'for f in ' || q || object || CASE object WHEN '-wal' THEN ' ' || q || '-shm' ELSE '' END
        || '; do test ! -e "$f" || mv -n "$f" "$f.left"; done' END AS remedy_2,
    CASE WHEN kind = 'absent' THEN 'Find where the database went and put it back beside its log, under the same name.'
        WHEN severity = 'critical' THEN 'Find out which of the two was put here: bring back the newest file that belongs to this log, or restore the newest verified backup without a log.'
        WHEN NOT movable THEN 'Copy file and -wal together to a folder that can be written, or make the folder writable for the owner of the file, and open it once.'
        END AS remedy_3
FROM (
	SELECT '-wal' AS object, file_fact('wal_size') AS value, 'warning' AS severity, 1 AS movable,
	    printf('the database is gone, its log of %,d bytes is still there', file_fact('wal_size')) AS detail
	WHERE file_fact('kind') = 'absent' AND file_fact('wal_size') > 32
	UNION ALL
	SELECT '-journal', file_fact('journal_size'), 'warning', 1,
	    printf('the database is gone, its journal of %,d bytes is still there', file_fact('journal_size'))
	WHERE file_fact('kind') = 'absent' AND file_fact('journal_size') > 0
	UNION ALL
	SELECT '-wal', file_fact('wal_size'), CASE WHEN file_fact('wal_foreign') IS NULL THEN 'critical' ELSE 'warning' END, 1,
	    coalesce('the log is not of this database: ' || file_fact('wal_foreign'),
	        'file and log do not belong together as they are, whoever opens them reads a damaged database: ' || file_fact('wal_gap'))
	WHERE file_fact('kind') = 'file'
	  AND CASE WHEN coalesce(file_fact('wal_foreign'), file_fact('wal_gap')) IS NULL THEN give_up(file_fact('wal_unread')) ELSE 1 END
	UNION ALL
	SELECT '-wal', file_fact('wal_size'), 'warning', 0, 'the log must be taken over, and the '
	    || CASE file_fact('fs_readonly') WHEN 1 THEN 'file system' ELSE 'folder' END || ' cannot be written: nobody can open the database'
	WHERE file_fact('kind') = 'file' AND file_fact('wal_mode') = 1 AND coalesce(file_fact('wal_foreign'), file_fact('wal_gap')) IS NULL
	  AND file_fact('wal_committed_frames') > 0 AND file_fact('shm_exists') = 0
	  AND (file_fact('fs_readonly') = 1 OR file_fact('dir_writable_by_owner') = 0)
	  AND coalesce(file_fact('lock_exclusive'), 0) = 0
), (SELECT file_fact('kind') AS kind,
    '''' || replace(coalesce(file_fact('resolved_path'), file_fact('path')), '''', '''\''''') || '''' AS q)
ORDER BY object LIMIT 2
