-- id: sqlite-zero-length
-- title: the database file is empty
-- engine: sqlite
-- probe: integrity
-- topic: corruption
-- scope: database
-- kind: finding
-- source: file
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- for: 0s
-- metric: dbhealth_sqlite_zero_length
-- message: the file has no bytes: {detail}
-- why: SQLite opens an empty file as an empty database without a word: a wrong path, a restore that
--   failed or a full disk looks like "no such table", or like a fresh start.
-- spares: a new database, before its first write, is info; it is critical only where require_tables
--   says that tables must be there. An empty file with a -wal that holds the database.
-- fix: Look for the real file (a relative path in the application's settings, an unmounted volume), then
--   restore it. A file that is meant to be new needs nothing.
-- evidence: size of the file
-- remedy.1: see who made the file and when | command | none | | helps
-- remedy.2: restore the newest verified backup, or correct the path | manual | none | | closes
SELECT '' AS object, 1 AS value,
    CASE WHEN json_array_length(:require_tables) > 0 THEN 'critical' ELSE 'info' END AS severity,
    CASE WHEN json_array_length(:require_tables) > 0
        THEN 'tables are required (require_tables), none can be there'
        ELSE 'a new database, or a wrong path' END AS detail,
    'stat ''' || replace(file_fact('path'), '''', '''\''''') || '''' AS remedy,
    'Find where the data is; put the newest verified backup in place, or correct the path.' AS remedy_2
WHERE file_fact('kind') = 'file' AND file_fact('size') = 0 AND coalesce(file_fact('wal_committed_pages'), 0) = 0
