-- id: sqlite-truncated
-- title: the file is shorter than the database in it, or ends within a page
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
-- message: {detail}
-- why: Of a file that is cut off, pages that the header counts are not there: a copy that was cut off,
--   a full disk, a failed transfer. Reading what lay on them fails, or returns something else after the
--   next write. Bytes behind the last page are no part of the database: something was appended, or a
--   write was cut off before it counted; SQLite does not read them.
-- spares: a WAL database whose newest pages are still in the -wal; a header whose page count the last
--   writer did not keep (very old SQLite); a file that is longer than it must be by whole pages.
-- fix: Stop writers. Copy the file, -wal and -shm together before anything opens it. Restore the newest
--   verified backup; else .recover from the copy, and compare row counts. Where all pages are there: keep a copy, find out
--   who writes to the file without SQLite, then let VACUUM write it anew, which drops the rest.
-- evidence: header and size, read without SQLite
-- remedy.1: keep a copy of all parts before anything opens it | command | none | | helps
-- remedy.2: restore the newest verified backup | manual | data-loss | the damaged copy, kept aside | closes
-- remedy.3: save what can be read into a new file, then compare row counts | command | data-loss | the copy; what cannot be read is not in the new file | helps
-- remedy.4: let SQLite write the file anew, without what stands behind its last page | sql | lock | the copy, kept aside | closes
WITH rescue AS (
	-- The file as the shell needs it, its name alone, and a folder of that name that nobody else made.
	SELECT file, base, '''/var/tmp/damaged-' || substr(base, 2) AS folder
	FROM (SELECT '''' || replace(file_fact('path'), '''', '''\''''') || '''' AS file,
	    '''' || replace(replace(file_fact('path'), rtrim(file_fact('path'), replace(file_fact('path'), '/', '')), ''), '''', '''\''''') || '''' AS base)
)
SELECT '' AS object, missing AS value, CASE WHEN behind THEN 'warning' ELSE 'critical' END AS severity,
    CASE WHEN behind THEN printf('%,d bytes stand behind the last of %,d pages, no whole number of pages of %d bytes: something was appended to the file, or a write was cut off',
            size - pages * page_size, pages, page_size)
        WHEN missing > 0 THEN printf('the file is cut off: %,d pages of %d bytes are expected, the file has %,d bytes', pages, page_size, size)
        ELSE printf('the file is cut off: %,d bytes are no whole number of pages of %d bytes', size, page_size) END AS detail,
    (SELECT 'mkdir -m 700 ' || folder || ' && cp -p ' || file || '* ' || folder FROM rescue) AS remedy,
    CASE WHEN NOT behind THEN 'Stop the application, keep the damaged file with its -wal and -shm aside, put the newest verified backup in its place.' END AS remedy_2,
    CASE WHEN NOT behind THEN (SELECT 'cd ' || folder || ' && { sqlite3 ' || base || ' .recover >rows.sql || sqlite3 ' || base
        || ' .dump | sed ''s/^ROLLBACK; -- due to errors$/COMMIT;/'' >rows.sql; }; sqlite3 recovered.db <rows.sql' FROM rescue) END AS remedy_3,
    CASE WHEN behind THEN 'VACUUM;' END AS remedy_4
FROM (
	SELECT file_fact('truncated_pages_expected') AS pages, file_fact('page_size') AS page_size,
	    file_fact('size') AS size, file_fact('size_remainder') AS remainder,
	    max(file_fact('truncated_pages_expected') * file_fact('page_size') - file_fact('size'), 0) AS missing,
	    -- All pages that the header counts are there.  Where they are not, and yet none is missing, the log has them.
	    file_fact('page_count_valid') AS counted, file_fact('page_count_valid') = 1
	        AND file_fact('page_count_header') * file_fact('page_size') <= file_fact('size') AS behind
)
WHERE file_fact('kind') = 'file' AND size > 0 AND file_fact('header_ok') = 1 AND (missing > 0 OR (remainder > 0 AND (behind OR counted = 0)))
