-- id: sqlite-schema-malformed
-- title: the schema cannot be read
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
-- caused-by: sqlite-not-a-database, critical sqlite-truncated
-- metric: dbhealth_sqlite_schema_malformed
-- message: the schema cannot be read: {detail}
-- why: SQLite parses the whole schema before the first statement: one bad line in it makes every
--   statement fail, so the application cannot work at all.
-- spares: a missing extension or collation, which only limits what we can see; a file that is cut off
--   (sqlite-truncated) or no database (sqlite-not-a-database); a locked file.
-- fix: Stop writers. Copy the file, -wal and -shm together before anything opens it. Restore the newest
--   verified backup; else .recover from the copy. Editing sqlite_schema by hand is for experts, on a copy.
-- evidence: the first error of opening the file and reading sqlite_schema
-- remedy.1: keep a copy of all parts before anything opens it | command | none | | helps
-- remedy.2: restore the newest verified backup | manual | data-loss | the damaged copy, kept aside | closes
-- remedy.3: save what can be read into a new file, then compare row counts | command | data-loss | the copy; what cannot be read is not in the new file | helps
WITH rescue AS (
	-- The file as the shell needs it, its name alone, and a folder of that name that nobody else made.
	SELECT file, base, '''/var/tmp/damaged-' || substr(base, 2) AS folder
	FROM (SELECT '''' || replace(file_fact('path'), '''', '''\''''') || '''' AS file,
	    '''' || replace(replace(file_fact('path'), rtrim(file_fact('path'), replace(file_fact('path'), '/', '')), ''), '''', '''\''''') || '''' AS base)
)
SELECT '' AS object, 1 AS value, file_fact('open_error') AS detail,
    (SELECT 'mkdir -m 700 ' || folder || ' && cp -p ' || file || '* ' || folder FROM rescue) AS remedy,
    'Stop the application, keep the damaged file with its -wal and -shm aside, put the newest verified backup in its place.' AS remedy_2,
    (SELECT 'cd ' || folder || ' && { sqlite3 ' || base || ' .recover >rows.sql || sqlite3 ' || base
        || ' .dump | sed ''s/^ROLLBACK; -- due to errors$/COMMIT;/'' >rows.sql; }; sqlite3 recovered.db <rows.sql' FROM rescue) AS remedy_3
WHERE file_fact('kind') = 'file' AND file_fact('size') > 0 AND file_fact('header_ok') = 1
  AND file_fact('open_ok') = 0 AND (file_fact('open_error_code') & 255) = 11
  AND file_fact('truncated_pages_expected') * file_fact('page_size') <= file_fact('size')
