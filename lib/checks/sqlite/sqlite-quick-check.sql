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
-- remedy.3: save what can be read into a new file, then compare row counts | command | load | remove the new file | helps
WITH line AS (
	SELECT q.value AS text,
	    CASE WHEN q.value GLOB 'Tree [0-9]*' THEN CAST(substr(q.value, 6) AS INTEGER)
	        WHEN q.value GLOB '*On tree page [0-9]*' THEN
	            CAST(substr(q.value, instr(q.value, 'On tree page ') + 13) AS INTEGER)
	    END AS root
	FROM json_each(lines('PRAGMA quick_check(' || CAST(:max_lines AS INTEGER) || ')')) AS q
	WHERE q.value <> 'ok' AND q.value NOT LIKE 'NULL value in %'
	  AND q.value NOT LIKE 'CHECK constraint failed in %' AND q.value NOT LIKE 'NUMERIC value in %'
	  AND q.value NOT LIKE 'TEXT value in %' AND q.value NOT LIKE 'non-% value in %'
), named AS (
	SELECT replace(replace(l.text, '*** in database main ***' || char(10), ''), char(10), '; ') AS text,
	    coalesce((SELECT CASE s.type WHEN 'index' THEN s.tbl_name || '.' || s.name ELSE s.name END
	        FROM sqlite_schema AS s WHERE s.rootpage = l.root), '') AS object
	FROM line AS l
)
SELECT n.object, count(*) AS value, 'damage' AS kind,
    substr(group_concat(n.text, '; '), 1, 600) AS detail,
    'cp -p ''' || replace(file_fact('path'), '''', '''\''''') || '''* /somewhere/safe/' AS remedy,
    'Stop the application, keep the damaged file with its -wal and -shm aside, put the newest verified backup in its place.' AS remedy_2,
    'sqlite3 /somewhere/safe/COPY.db .recover | sqlite3 /somewhere/safe/recovered.db' AS remedy_3
FROM named AS n
GROUP BY n.object ORDER BY n.object LIMIT 1000
