-- id: sqlite-wal-large
-- title: the WAL grows and is not taken over into the database
-- engine: sqlite
-- probe: performance
-- topic: capacity
-- scope: database
-- kind: gauge
-- source: file
-- default: on
-- cost: cheap
-- unit: bytes
-- for: 10min
-- caused-by: sqlite-locked
-- metric: dbhealth_sqlite_wal_valid_bytes
-- param.min_bytes: 64MB
-- param.min_ratio: 25%
-- message: WAL holds {value} of valid frames{detail}
-- why: A checkpoint cannot pass a reader that still looks at an old state: one forgotten transaction, or
--   automatic checkpoints switched off, and the WAL grows until the disk is full. Every read gets
--   slower meanwhile.
-- spares: a large -wal file whose frames are of an older generation (journal_size_limit keeps its
--   size), or all taken over with no reader behind: the next write begins at its start; a WAL that is
--   small against its database.
-- fix: End the transaction that the named process keeps open, then take the WAL over:
--   PRAGMA wal_checkpoint(TRUNCATE). If nobody holds a lock, look for wal_autocheckpoint = 0.
-- evidence: frames counted by the index that the application keeps (-shm), else by their salts; holders of
--   read marks by the kernel's list of locks
-- remedy.1: see which processes have the file open | command | none | | helps
-- remedy.2: end the transaction that holds it back | manual | none | | helps
-- remedy.3: take the WAL over into the database, once nobody reads an older state of it | command | load | | closes
WITH reader AS (
	-- Who reads the newest state is in nobody's way for long; who reads an older one is named first.
	SELECT x.value ->> 'pid' AS pid, x.value ->> 'command' AS command, x.value ->> 'unit' AS unit,
	    x.value ->> 'frame' AS frame
	FROM json_each(file_fact('lock_holders')) AS x WHERE x.value ->> 'type' = 'wal-read'
), named AS (
	SELECT 'pid ' || pid || ' (' || concat || ')' AS who, 'pid ' || pid || ' (' || concat || CASE min(frame)
	    WHEN file_fact('wal_live_frames') THEN ') holds a read lock'
	    ELSE coalesce(printf(') holds a read lock on the state of frame %,d of %,d', min(frame), file_fact('wal_live_frames')), ') holds a read lock') END AS text,
	    coalesce(min(frame), 0) AS frame
	FROM (SELECT pid, frame, command || CASE unit WHEN '' THEN '' ELSE ', ' || unit END AS concat FROM reader)
	GROUP BY pid, concat ORDER BY 3, pid LIMIT 10
)
SELECT '' AS object, live AS value,
    CASE WHEN live > CAST(:min_bytes AS REAL) AND live > CAST(:min_ratio AS REAL) * file_fact('size')
          AND NOT coalesce(file_fact('wal_checkpointed_frames') = file_fact('wal_live_frames') AND file_fact('wal_pinned') = 0, 0)
        THEN 'warning' END AS severity,
    CASE WHEN EXISTS (SELECT 1 FROM named) THEN ': ' || (SELECT group_concat(text, ', ') FROM named)
        WHEN file_fact('wal_in_use') = 0 THEN ': no process has it open, the next one that opens the database takes it over'
        WHEN file_fact('wal_pinned') = 1 OR file_fact('locks_visible') = 0
        THEN ': a process that cannot be seen from here (of another container) holds a read lock'
        WHEN file_fact('wal_checkpointed_frames') < file_fact('wal_live_frames')
        THEN printf(': nobody holds it back, %,d of %,d frames wait for a checkpoint (wal_autocheckpoint = 0?)',
            file_fact('wal_live_frames') - file_fact('wal_checkpointed_frames'), file_fact('wal_live_frames'))
        ELSE '' END AS detail,
    CASE WHEN NOT EXISTS (SELECT 1 FROM named) THEN 'fuser -v ''' || replace(file_fact('resolved_path'), '''', '''\''''') || '-wal''' END AS remedy,
    CASE WHEN EXISTS (SELECT 1 FROM named)
        THEN 'End the transaction of ' || (SELECT group_concat(who, ', ') FROM named) || ': as long as it is open no checkpoint takes the WAL over.'
        WHEN file_fact('wal_in_use') <> 0 AND (file_fact('wal_pinned') = 1 OR file_fact('locks_visible') = 0)
        THEN 'End the transaction of the process, of another container, that holds a read lock: as long as it is open no checkpoint takes the WAL over.'
        ELSE 'Nobody holds it back now. If it grows again: the application has to end its transactions, and wal_autocheckpoint must not be 0.'
    END AS remedy_2,
    'sqlite3 ''' || replace(file_fact('resolved_path'), '''', '''\''''') || ''' ''PRAGMA wal_checkpoint(TRUNCATE)''' AS remedy_3
FROM (SELECT file_fact('wal_live_bytes') AS live)
WHERE file_fact('wal_mode') = 1 AND file_fact('wal_exists') = 1 AND live IS NOT NULL
