-- id: sqlite-truncated
-- title: the file is shorter than the database in it
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
-- metric: dbhealth_sqlite_truncated_bytes
-- message: the file is cut off: {detail}
-- why: Pages that the header counts are not there: a copy that was cut off, a full disk, a failed
--   transfer. Reading what lay on them fails, or returns something else after the next write.
-- spares: a WAL database whose newest pages are still in the -wal; a header whose page count the last
--   writer did not keep (very old SQLite); a file that is longer than it must be.
-- fix: Stop writers. Copy the file, -wal and -shm together before anything opens it. Restore the newest
--   verified backup; else .recover from the copy, and compare row counts.
-- evidence: header and size, read without SQLite
-- remedy.1: keep a copy of all parts before anything opens it | command | none | | helps
-- remedy.2: restore the newest verified backup | manual | data-loss | the damaged copy, kept aside | closes
-- remedy.3: save what can be read into a new file, then compare row counts | command | load | remove the new folder | helps
WITH rescue AS (
	-- The file as the shell needs it, its name alone, and a folder of that name that nobody else made.
	SELECT file, base, '''/var/tmp/damaged-' || substr(base, 2) AS folder
	FROM (SELECT '''' || replace(file_fact('path'), '''', '''\''''') || '''' AS file,
	    '''' || replace(replace(file_fact('path'), rtrim(file_fact('path'), replace(file_fact('path'), '/', '')), ''), '''', '''\''''') || '''' AS base)
)
SELECT '' AS object, missing AS value,
    CASE WHEN missing > 0 THEN printf('%,d pages of %d bytes are expected, the file has %,d bytes', pages, page_size, size)
        ELSE printf('%,d bytes are no whole number of pages of %d bytes', size, page_size) END AS detail,
    (SELECT 'mkdir -m 700 ' || folder || ' && cp -p ' || file || '* ' || folder FROM rescue) AS remedy,
    'Stop the application, keep the damaged file with its -wal and -shm aside, put the newest verified backup in its place.' AS remedy_2,
    (SELECT 'cd ' || folder || ' && { sqlite3 ' || base || ' .recover >rows.sql || sqlite3 ' || base
        || ' .dump | sed ''s/^ROLLBACK; -- due to errors$/COMMIT;/'' >rows.sql; }; sqlite3 recovered.db <rows.sql' FROM rescue) AS remedy_3
FROM (
	SELECT file_fact('truncated_pages_expected') AS pages, file_fact('page_size') AS page_size,
	    file_fact('size') AS size, file_fact('size_remainder') AS remainder,
	    max(file_fact('truncated_pages_expected') * file_fact('page_size') - file_fact('size'), 0) AS missing
)
WHERE file_fact('kind') = 'file' AND size > 0 AND file_fact('header_ok') = 1 AND (missing > 0 OR remainder > 0)
