-- id: sqlite-not-a-database
-- title: the file is no SQLite database
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
-- metric: dbhealth_sqlite_header_damaged
-- message: the file is no SQLite database: {detail}
-- why: The first 100 bytes are not those of a database, so SQLite refuses it and the application cannot
--   work: it was overwritten, the path is wrong, or the beginning of the file is damaged.
-- spares: an empty file (sqlite-zero-length). An encrypted database looks like this too: where the bytes
--   look random the text says "encrypted?"; disable the check for that database then.
-- fix: Stop writers. Copy the file, -wal and -shm together before anything opens it. Check the path, then
--   restore the newest verified backup; .recover can save rows where only the header is lost.
-- evidence: the header, read without SQLite
-- remedy.1: see what the file is | command | none | | helps
-- remedy.2: restore the newest verified backup | manual | data-loss | the damaged copy, kept aside | closes
SELECT '' AS object, 1 AS value, file_fact('header_error')
    || CASE WHEN file_fact('open_ok') = 1 THEN '; SQLite opens it all the same, but something wrote there' ELSE '' END AS detail,
    'file ''' || replace(file_fact('path'), '''', '''\''''') || '''; head -c 100 '''
    || replace(file_fact('path'), '''', '''\''''') || ''' | od -A d -t x1z' AS remedy,
    'Stop the application, keep the damaged file with its -wal and -shm aside, put the newest verified backup in its place.' AS remedy_2
WHERE file_fact('kind') = 'file' AND file_fact('size') > 0 AND file_fact('header_ok') = 0
