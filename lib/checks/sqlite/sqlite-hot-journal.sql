-- id: sqlite-hot-journal
-- title: a transaction was cut off and waits to be rolled back
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
-- metric: dbhealth_sqlite_hot_journal_bytes
-- message: hot journal of {value}: the database file alone is half a transaction ({detail})
-- why: A writer died in the middle. The journal holds what the file needs to be whole again; whoever
--   deletes, moves or separates it makes the damage permanent. Until the application opens the file
--   again, every copy and backup of the file alone is corrupt.
-- spares: a journal whose writer is alive; one that was zeroed (PERSIST) or emptied (TRUNCATE) after
--   its commit; a super-journal that is gone (then the journal is stale).
-- fix: Do not delete the journal. Keep both files together, and let the application (or the sqlite3
--   shell as the application's user) open the database once: it rolls back by itself.
-- evidence: the journal's header and the kernel's list of locks
-- remedy.1: see the files that belong together | command | none | | helps
-- remedy.2: open it once as the application's user: SQLite rolls back | command | lock | | closes
SELECT '' AS object, file_fact('journal_size') AS value,
    file_fact('path') || '-journal' AS detail,
    'ls -l ''' || replace(file_fact('path'), '''', '''\''''') || '''*' AS remedy,
    'sudo -u ' || CASE WHEN file_fact('owner') GLOB '*[^0-9]*' THEN file_fact('owner') ELSE '''#' || file_fact('owner') || '''' END || ' sqlite3 ''' || replace(file_fact('path'), '''', '''\''''')
    || ''' ''SELECT count(*) FROM sqlite_schema''' AS remedy_2
WHERE file_fact('kind') = 'file' AND file_fact('journal_hot') = 1
  AND (file_fact('journal_super') IS NULL OR file_fact('journal_super_exists') = 1)
