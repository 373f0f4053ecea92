-- id: sqlite-quick-check
-- title: the file's structure is damaged
-- engine: sqlite
-- probe: integrity
-- topic: corruption
-- scope: database
-- interval: 6h
-- kind: finding
-- default: on
-- cost: scrub
-- unit: count
-- severity: critical
-- metric: dbhealth_sqlite_damaged_structures
-- param.max_lines: 100
-- message: damaged: {detail}
-- why: Pages of the file are not what they should be: rows are lost or unreadable, and every further
--   write can spread the damage. Backups made from now on hold it too.
-- spares: rows that break NOT NULL or CHECK (sqlite-integrity-check tells those), foreign keys
--   (fk-orphan-rows), bits that changed inside a value, which SQLite cannot see.
-- fix: Stop writers. Copy the file, -wal and -shm together before anything opens it. Restore the newest
--   verified backup; where there is none, .recover from the copy and compare row counts. Look at the
--   disk and its cables before the data goes back.
-- evidence: PRAGMA quick_check
-- remedy.1: keep a copy of all parts before anything opens it | command | load | | helps
-- remedy.2: restore the newest verified backup | manual | data-loss | the damaged copy, kept aside | closes
-- remedy.3: save what can be read into a new file, then compare row counts | command | load | remove the new folder | helps
WITH rescue AS (
	-- The file as the shell needs it, its name alone, and a folder of that name that nobody else made.
	SELECT file, base, '''/var/tmp/damaged-' || substr(base, 2) AS folder
	FROM (SELECT '''' || replace(file_fact('path'), '''', '''\''''') || '''' AS file,
	    '''' || replace(replace(file_fact('path'), rtrim(file_fact('path'), replace(file_fact('path'), '/', '')), ''), '''', '''\''''') || '''' AS base)
), answer AS (
	SELECT q.value AS text FROM json_each(lines('PRAGMA quick_check(' || CAST(:max_lines AS INTEGER) || ')')) AS q
	WHERE q.value <> 'ok' AND q.value NOT LIKE 'NULL value in %'
	  AND q.value NOT LIKE 'CHECK constraint failed in %' AND q.value NOT LIKE 'NUMERIC value in %'
	  AND q.value NOT LIKE 'TEXT value in %' AND q.value NOT LIKE 'non-% value in %'
), line AS (
	-- What concerns pages comes in one answer of many lines; names do not occur in it.
	SELECT l.value AS text,
	    CASE WHEN l.value GLOB 'Tree [0-9]*' THEN CAST(substr(l.value, 6) AS INTEGER)
	        WHEN l.value GLOB 'Page [0-9]*: *' THEN CAST(substr(l.value, 6) AS INTEGER)
	        WHEN l.value GLOB 'On tree page [0-9]*' THEN CAST(substr(l.value, 14) AS INTEGER)
	    END AS page
	FROM answer AS a JOIN json_each(CASE WHEN a.text LIKE '*** in database %'
	    THEN '[' || replace(json_quote(a.text), '\n', '","') || ']' ELSE json_array(a.text) END) AS l
	WHERE l.value NOT LIKE '*** in database %' AND l.value <> ''
), named AS (
	SELECT l.text, l.text LIKE 'Page % is never used' OR l.text LIKE 'Page %: never used' AS follows,
	    -- Pages below the root do not tell whose they are.
	    coalesce((SELECT CASE s.type WHEN 'index' THEN s.tbl_name || '.' || s.name ELSE s.name END
	        FROM sqlite_schema AS s WHERE s.rootpage = l.page), '') AS object
	FROM line AS l
)
SELECT n.object, count(*) AS value, 'damage' AS kind,
    substr(group_concat(n.text, '; '), 1, 600) AS detail,
    (SELECT 'mkdir -m 700 ' || folder || ' && cp -p ' || file || '* ' || folder FROM rescue) AS remedy,
    'Stop the application, keep the damaged file with its -wal and -shm aside, put the newest verified backup in its place.' AS remedy_2,
    (SELECT 'cd ' || folder || ' && { sqlite3 ' || base || ' .recover >rows.sql || sqlite3 ' || base
        || ' .dump | sed ''s/^ROLLBACK; -- due to errors$/COMMIT;/'' >rows.sql; }; sqlite3 recovered.db <rows.sql' FROM rescue) AS remedy_3
FROM named AS n
-- Pages that nobody names any more are what damage to a tree leaves behind.
WHERE NOT n.follows OR NOT EXISTS (SELECT 1 FROM named AS o WHERE NOT o.follows)
GROUP BY n.object ORDER BY n.object LIMIT 1000
