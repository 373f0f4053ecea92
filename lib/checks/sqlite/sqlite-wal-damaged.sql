-- id: sqlite-wal-damaged
-- title: the WAL is damaged before its end: commits behind it are lost
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
-- for: 0s
-- metric: dbhealth_sqlite_wal_damaged
-- message: transactions that were committed are lost: {detail}
-- why: SQLite reads the log up to the first frame whose checksum does not hold and silently forgets the
--   rest. Whoever opens the database next goes on from there: the lost commits are then overwritten.
-- spares: frames of an older generation behind the last commit; what a rollback or a crash left at the
--   end, where no commit follows; a frame that a living writer has not filled yet. Of a log the first
--   gigabyte is read: of a longer one that is whole so far it is unknown whether it is damaged.
-- fix: Copy the file, -wal and -shm together before anything opens it. While the application that wrote
--   them still runs, it still knows those frames: let it take the log over (PRAGMA wal_checkpoint),
--   then verify. Else restore the newest verified backup, or accept the loss: what comes before the
--   damage is whole. Look at the disk.
-- evidence: the checksums of the log recomputed frame by frame, without SQLite
-- remedy.1: keep a copy of all parts before anything opens it | command | none | | helps
-- remedy.2: restore the newest verified backup | manual | data-loss | the damaged copy, kept aside | closes
-- remedy.3: accept the loss and keep what comes before the damage | command | data-loss | the damaged copy, kept aside | closes
WITH rescue AS (
	-- The file as the shell needs it, its name alone, and a folder of that name that nobody else made.
	SELECT file, base, '''/var/tmp/damaged-' || substr(base, 2) AS folder
	FROM (SELECT '''' || replace(path, '''', '''\''''') || '''' AS file,
	    '''' || replace(replace(path, rtrim(path, replace(path, '/', '')), ''), '''', '''\''''') || '''' AS base
	    FROM (SELECT file_fact('resolved_path') AS path))
)
SELECT '' AS object, 1 AS value, file_fact('wal_damage') AS detail,
    (SELECT 'mkdir -m 700 ' || folder || ' && cp -p ' || file || '* ' || folder FROM rescue) AS remedy,
    'Stop the application, keep the damaged file with its -wal and -shm aside, put the newest verified backup in its place.' AS remedy_2,
    (SELECT CASE file_fact('wal_committed_frames') WHEN 0 THEN 'rm -f ' || substr(file, 1, length(file) - 1) || '-wal'' ' || substr(file, 1, length(file) - 1) || '-shm'''
        ELSE 'sqlite3 ' || file || ' ''PRAGMA wal_checkpoint(TRUNCATE)''' END FROM rescue) AS remedy_3
WHERE file_fact('kind') = 'file' AND file_fact('size') > 0
  AND CASE file_fact('wal_damaged') WHEN 1 THEN 1 ELSE give_up(file_fact('wal_unread')) END
