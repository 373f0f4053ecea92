-- id: sqlite-file-permissions
-- title: the wrong users may write the database
-- engine: sqlite
-- probe: integrity
-- topic: permissions
-- scope: database
-- kind: finding
-- source: file
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- metric: dbhealth_sqlite_open_permissions
-- message: {detail}
-- why: Any account of this host can change or destroy the data, or plant a journal that SQLite would
--   play back. A folder, -wal or -shm that the owner of the database cannot write makes every write of the
--   application fail.
-- spares: group-writable files and folders (a common set-up); folders with the sticky bit, like /tmp;
--   what ACLs grant to named users.
-- fix: Take the right of others away: chmod o-w. SQLite gives -wal, -shm and -journal the mode of the
--   database, so mend that one first.
-- evidence: mode bits of the file, its companions and its folder
-- remedy.1: put rights and owner right | command | none | chmod or chown back | closes
SELECT object, 1 AS value, detail,
    CASE WHEN mode IS NULL THEN 'chown --reference=''' || replace(file_fact('resolved_path'), '''', '''\''''') || ''''
        ELSE 'chmod ' || mode END || ' ''' || replace(path, '''', '''\''''') || '''' AS remedy
FROM (
	SELECT 1 AS n, 'file' AS object, 'mode ' || file_fact('mode') || ' lets everybody write' AS detail,
	    'o-w' AS mode, file_fact('resolved_path') AS path, file_fact('mode') AS bits
	UNION ALL
	SELECT 2, '-wal', 'mode ' || file_fact('wal_mode_bits') || ' lets everybody write', 'o-w',
	    file_fact('resolved_path') || '-wal', file_fact('wal_mode_bits')
	UNION ALL
	SELECT 3, '-shm', 'mode ' || file_fact('shm_mode_bits') || ' lets everybody write', 'o-w',
	    file_fact('resolved_path') || '-shm', file_fact('shm_mode_bits')
	UNION ALL
	SELECT 4, '-journal', 'mode ' || file_fact('journal_mode_bits') || ' lets everybody write', 'o-w',
	    file_fact('resolved_path') || '-journal', file_fact('journal_mode_bits')
	UNION ALL
	SELECT 5, 'folder', 'mode ' || file_fact('dir_mode') || ' lets everybody create and rename files beside the database',
	    'o-w', file_fact('dir'), CASE file_fact('dir_writable_by_others') WHEN 1 THEN '2' ELSE '0' END
	UNION ALL
	SELECT 6, 'folder (owner)', 'mode ' || file_fact('dir_mode') || ' keeps the owner of the database ('
	    || file_fact('owner') || ') from making its journal', 'u+w', file_fact('dir'),
	    CASE WHEN file_fact('dir_writable_by_owner') = 0 AND file_fact('dir_uid') = file_fact('uid') THEN '2' ELSE '0' END
	UNION ALL
	-- After a restore or chown of the database alone its owner cannot write what lies beside it.
	SELECT 7 + c.n, c.suffix || ' (owner)', 'it belongs to user ' || c.uid || ' with mode ' || c.bits || ': the owner of the database ('
	    || file_fact('owner') || ') cannot write it', NULL, file_fact('resolved_path') || c.suffix,
	    CASE WHEN c.uid <> file_fact('uid') AND file_fact('uid') <> 0 AND substr(c.bits, -2, 1) NOT IN ('2', '3', '6', '7')
	        AND substr(c.bits, -1) NOT IN ('2', '3', '6', '7') THEN '2' ELSE '0' END
	FROM (SELECT 0 AS n, '-wal' AS suffix, file_fact('wal_uid') AS uid, file_fact('wal_mode_bits') AS bits
	    UNION ALL SELECT 1, '-shm', file_fact('shm_uid'), file_fact('shm_mode_bits')
	    UNION ALL SELECT 2, '-journal', file_fact('journal_uid'), file_fact('journal_mode_bits')) AS c
)
WHERE file_fact('kind') = 'file' AND substr(bits, -1) IN ('2', '3', '6', '7')
ORDER BY n LIMIT 10
