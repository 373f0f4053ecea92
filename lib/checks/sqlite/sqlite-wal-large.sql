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
-- metric: dbhealth_sqlite_wal_valid_bytes
-- param.min_bytes: 64MB
-- param.min_ratio: 25%
-- message: WAL holds {value} of valid frames{detail}
-- why: A checkpoint cannot pass a reader that still looks at an old state: one forgotten transaction, or
--   automatic checkpoints switched off, and the WAL grows until the disk is full. Every read gets
--   slower meanwhile.
-- spares: a large -wal file whose frames are of an older generation (journal_size_limit keeps its
--   size); a WAL that is small against its database.
-- fix: End the transaction that the named process keeps open, then take the WAL over:
--   PRAGMA wal_checkpoint(TRUNCATE). If nobody holds a lock, look for wal_autocheckpoint = 0.
-- evidence: frames counted by their checksums; holders of read marks by the kernel's list of locks
-- remedy.1: see which processes have the file open | command | none | | helps
-- remedy.2: take the WAL over into the database | command | load | | closes
SELECT '' AS object, valid AS value,
    CASE WHEN valid > CAST(:min_bytes AS REAL) AND valid > CAST(:min_ratio AS REAL) * file_fact('size') THEN 'warning' END AS severity,
    coalesce((SELECT ': pid ' || group_concat((x.value ->> 'pid') || ' (' || (x.value ->> 'command') || ')', ', pid ') || ' holds a read lock'
        FROM json_each(file_fact('lock_holders')) AS x WHERE x.value ->> 'type' = 'wal-read'), '') AS detail,
    'fuser -v ''' || replace(file_fact('resolved_path'), '''', '''\''''') || '-wal''' AS remedy,
    'sqlite3 ''' || replace(file_fact('resolved_path'), '''', '''\''''') || ''' ''PRAGMA wal_checkpoint(TRUNCATE)''' AS remedy_2
FROM (SELECT file_fact('wal_valid_bytes') AS valid)
WHERE file_fact('wal_mode') = 1 AND file_fact('wal_exists') = 1 AND valid IS NOT NULL
