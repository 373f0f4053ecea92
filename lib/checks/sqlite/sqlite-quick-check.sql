-- id: sqlite-quick-check
-- title: the file's structure is damaged
-- engine: sqlite
-- probe: integrity
-- topic: corruption
-- scope: database
-- interval: 6h
-- kind: scrub
-- default: on
-- cost: scrub
-- unit: count
-- severity: critical
-- caused-by: sqlite-not-a-database, critical sqlite-truncated
-- metric: dbhealth_sqlite_damaged_structures
-- param.max_lines: 100
-- message: damaged {place}: {words}
-- why: Pages of the file are not what they should be: rows, or the entries of an index, are lost or
--   unreadable, and every further write can spread the damage. Backups made from now on hold it too.
-- spares: rows that break NOT NULL or CHECK (sqlite-integrity-check tells those), foreign keys
--   (fk-orphan-rows), bits that changed inside a value, which SQLite cannot see.
-- fix: Stop writers. Copy the file, -wal and -shm together before anything opens it. Where nothing but
--   indexes is damaged: REINDEX, then PRAGMA integrity_check. Else, or where SQLite refuses that, restore the newest
--   verified backup; where there is none, .recover from the copy and compare row counts. Look at the
--   disk and its cables before the data goes back.
-- evidence: PRAGMA quick_check
-- remedy.1: keep a copy of all parts before anything opens it | command | load | | helps
-- remedy.2: build the index anew, then check again; go on only where SQLite refuses that | sql | load | the copy | helps
-- remedy.3: restore the newest verified backup | manual | data-loss | the damaged copy, kept aside | closes
-- remedy.4: save what can be read into a new file, then compare row counts | command | data-loss | the copy; what cannot be read is not in the new file | helps
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
), line AS MATERIALIZED (
	-- What concerns pages comes in one answer of many lines; names do not occur in it.
	SELECT t.text, t.place ->> 'kind' AS kind, t.place ->> 'tree' AS tree, t.place ->> 'page' AS page
	FROM (SELECT l.value AS text, damage_place(l.value) AS place
	    FROM answer AS a JOIN json_each(CASE WHEN a.text LIKE '*** in database %'
	        THEN '[' || replace(json_quote(a.text), '\n', '","') || ']' ELSE json_array(a.text) END) AS l
	    WHERE l.value NOT LIKE '*** in database %' AND l.value <> '') AS t
), owner AS MATERIALIZED (
	-- Before 3.42 a line has the number of a page only: whose it is, the trees themselves tell.
	SELECT o.value ->> 0 AS page, o.value ->> 1 AS root
	FROM json_each(CASE WHEN EXISTS (SELECT 1 FROM line WHERE tree = 0 AND page > 0)
	    THEN page_owners((SELECT json_group_array(DISTINCT page) FROM line WHERE page > 0)) ELSE '[]' END) AS o
), virtual AS (
	-- Their rows lie in tables that may each be well: only the module sees that they are no tree.
	SELECT s.name, s.module, s.sql, s.question, prepares(s.question) AS why
	FROM (SELECT v.name, v.sql, 'SELECT count(*) FROM "' || replace(v.name, '"', '""') || '"' AS question,
	        (SELECT lower(n.value ->> 1) FROM json_each(tokens(v.sql)) AS u, json_each(tokens(v.sql)) AS n
	         WHERE u.value ->> 0 = 'word' AND upper(u.value ->> 1) = 'USING' AND n.key = u.key + 1 LIMIT 1) AS module
	    FROM sqlite_schema AS v
	    WHERE v.type = 'table' AND v.sql LIKE 'create virtual%') AS s
	WHERE s.module IN ('rtree', 'rtree_i32', 'fts4', 'fts5') AND s.module IN (SELECT m.name FROM pragma_module_list AS m)
	  AND NOT EXISTS (SELECT 1 FROM line)
), named AS (
	SELECT v.text, '' AS kind, 0 AS follows, v.name AS object, 'table ' || v.name AS place, NULL AS reindex
	FROM (SELECT name, CASE WHEN module LIKE 'rtree%' THEN coalesce(why, (SELECT q.value FROM json_each(lines(question)) AS q
	            WHERE q.value LIKE 'it could not go on%'))
	        -- Full text may lack a tokenizer of its application, or a newer library: those say which.
	        WHEN why LIKE 'vtable constructor failed%' THEN why
	        WHEN why IS NULL AND module = 'fts5' AND sql NOT LIKE '%content%'
	            THEN prepares((SELECT 'SELECT ' || group_concat('c' || c.cid) FROM pragma_table_info(virtual.name) AS c)
	                || ' FROM "' || replace(virtual.name, '"', '""') || '_content"') END AS text FROM virtual) AS v
	WHERE v.text IS NOT NULL
	UNION ALL
	SELECT l.text, l.kind, l.kind IN ('page-unused', 'cut') AS follows,
	    coalesce(CASE s.type WHEN 'index' THEN s.tbl_name || '.' || s.name ELSE s.name END, '') AS object,
	    CASE WHEN s.type = 'index' THEN 'index ' || s.name || ' of table ' || s.tbl_name
	        WHEN s.type = 'table' THEN 'table ' || s.name
	        WHEN coalesce(nullif(l.tree, 0), o.root) = 1 THEN 'schema' ELSE 'file' END AS place,
	    CASE WHEN s.type = 'index' THEN 'REINDEX "' || replace(s.name, '"', '""') || '";' END AS reindex
	FROM line AS l
	LEFT JOIN owner AS o ON o.page = l.page
	LEFT JOIN sqlite_schema AS s ON s.rootpage = coalesce(nullif(l.tree, 0), o.root)
)
SELECT n.object, count(*) AS value, 'damage' AS kind, max(n.place) AS place, damage_words(n.text, n.place LIKE 'index %') AS words,
    substr(group_concat(n.text, '; '), 1, 600) AS detail,
    (SELECT 'mkdir -m 700 ' || folder || ' && cp -p ' || file || '* ' || folder FROM rescue) AS remedy,
    'Stop the application, keep the damaged file with its -wal and -shm aside, put the newest verified backup in its place.' AS remedy_3,
    CASE WHEN NOT EXISTS (SELECT 1 FROM named AS o WHERE NOT o.follows AND (o.reindex IS NULL OR o.kind = 'page-twice'))
        THEN max(n.reindex) END AS remedy_2,
    (SELECT 'cd ' || folder || ' && { sqlite3 ' || base || ' .recover >rows.sql || sqlite3 ' || base
        || ' .dump | sed ''s/^ROLLBACK; -- due to errors$/COMMIT;/'' >rows.sql; }; sqlite3 recovered.db <rows.sql' FROM rescue) AS remedy_4
FROM named AS n
-- Pages that nobody names any more, and an end before its time, are what damage to a tree leaves behind.
WHERE NOT n.follows OR NOT EXISTS (SELECT 1 FROM named AS o WHERE NOT o.follows)
GROUP BY n.object ORDER BY n.object LIMIT 1000
-- @items
SELECT '' AS key, '' AS object, '' AS sql, file_fact('size') AS cost
