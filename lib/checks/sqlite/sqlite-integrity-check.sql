-- id: sqlite-integrity-check
-- title: tables and their indexes or constraints disagree
-- engine: sqlite
-- probe: integrity
-- topic: corruption
-- scope: database
-- interval: 7d
-- kind: scrub
-- default: on
-- cost: scrub
-- unit: count
-- severity: critical
-- caused-by: sqlite-not-a-database, critical sqlite-truncated, sqlite-quick-check
-- remedies: after-cause
-- metric: dbhealth_sqlite_inconsistencies
-- param.max_lines: 100
-- param.whole_limit: 1GB
-- message: {place}: {words}
-- why: An index that misses rows, or names rows that are gone, makes queries answer wrongly without an
--   error. Rows that break NOT NULL or UNIQUE, or the type of a STRICT table, were written past the
--   constraint, or the file is damaged.
-- spares: what sqlite-quick-check tells (the structure of the file itself); foreign keys
--   (fk-orphan-rows). CHECK constraints: SQLite does not examine them for who opened the file
--   only to read; in a shell that may write, PRAGMA integrity_check does. Files over 1 GB are gone through table by table, over days.
-- fix: Index lines alone: REINDEX, then check again. Lines about values: look at the rows, correct them.
--   Anything else as for sqlite-quick-check: copy first, restore, else .recover.
-- evidence: PRAGMA integrity_check, whole or by table
-- remedy.1: look at the lines | look | load | | helps
-- remedy.2: build the indexes of the table anew | sql | lock | none needed: nothing but indexes changes | closes
-- remedy.3: correct the rows | manual | lock | | closes
-- @items
WITH stmt (head, tail) AS (
	SELECT 'WITH line AS (SELECT c.integrity_check AS text FROM pragma_integrity_check(',
	    ') AS c WHERE c.integrity_check <> ''ok'' AND c.integrity_check NOT LIKE ''*** in database %''
	AND c.integrity_check NOT LIKE ''%inverted index%'' AND c.integrity_check NOT LIKE ''In RTree %''
), named AS (
	SELECT l.text, CASE WHEN l.text LIKE ''% index %'' THEN 1 ELSE 0 END AS by_index,
	    CASE WHEN l.text LIKE ''% index %'' THEN substr(l.text, instr(l.text, '' index '') + 7)
	        WHEN l.text LIKE ''CHECK constraint failed in %'' THEN substr(l.text, 28)
	        WHEN l.text LIKE ''row not in PRIMARY KEY order for %'' THEN substr(l.text, 34)
	        WHEN l.text LIKE ''%value in %.%'' THEN substr(l.text, instr(l.text, ''value in '') + 9)
	        ELSE '''' END AS name
	FROM line AS l
), placed AS (
	SELECT n.text, n.by_index, n.text LIKE ''non-unique entry %'' AS twice, s.tbl_name, CASE WHEN n.by_index THEN coalesce(s.tbl_name || ''.'', '''') || n.name ELSE n.name END AS object,
	    CASE WHEN n.by_index AND s.name IS NOT NULL THEN ''index '' || s.name || '' of table '' || s.tbl_name
	        WHEN n.by_index THEN ''index '' || n.name
	        WHEN n.text LIKE ''%value in %.%'' THEN ''column '' || n.name
	        WHEN n.name <> '''' THEN ''table '' || n.name ELSE ''file'' END AS place
	FROM named AS n LEFT JOIN sqlite_schema AS s ON n.by_index AND s.type = ''index'' AND s.name = n.name
), hole AS MATERIALIZED (
	-- By the type of what is stored: IS NULL of such a column is folded to false, and an index may disagree.
	SELECT n.name, coalesce(r.value || '', '', '''') AS id, '' FROM "'' || replace(t.name, ''"'', ''""'') || ''" NOT INDEXED WHERE typeof("'' || replace(c.name, ''"'', ''""'') || ''") = ''''null'''' LIMIT '' AS source
	FROM (SELECT DISTINCT name FROM named WHERE text LIKE ''NULL value in %'') AS n
	CROSS JOIN pragma_table_list AS t ON t.schema = ''main'' AND t.type = ''table'' AND substr(n.name, 1, length(t.name) + 1) = t.name || ''.''
	CROSS JOIN pragma_table_xinfo(t.name) AS c ON t.name || ''.'' || c.name = n.name
	LEFT JOIN json_each(''["rowid","_rowid_","oid"]'') AS r ON NOT t.wr AND r.value NOT IN (SELECT lower(o.name) FROM pragma_table_xinfo(t.name) AS o)
	GROUP BY n.name
), shown AS MATERIALIZED (
	SELECT h.name, ''SELECT '' || h.id || ''*'' || h.source || ''100;'' AS look,
	    CASE WHEN h.id <> '''' THEN (SELECT '' (rowid '' || group_concat(CASE WHEN l.key < 3 THEN l.value ELSE ''...'' END, '', '') || '')''
	        FROM json_each(lines(''SELECT '' || rtrim(h.id, '', '') || h.source || ''4'')) AS l WHERE l.value NOT LIKE ''it could not%'') END AS rows
	FROM hole AS h
)
SELECT p.object, count(*) AS value, max(p.place) AS place, damage_words(p.text, p.place LIKE ''index %'') || coalesce(max(h.rows), '''') AS words, substr(group_concat(p.text, ''; ''), 1, 600) AS detail,
    coalesce(max(h.look), ''PRAGMA integrity_check;'') AS remedy,
    CASE WHEN max(p.by_index) AND NOT max(p.twice) AND max(p.tbl_name) IS NOT NULL THEN ''REINDEX "'' || replace(max(p.tbl_name), ''"'', ''""'') || ''";'' END AS remedy_2,
    CASE WHEN max(p.twice) THEN ''Find the rows that are there twice, correct or delete them, then REINDEX the table.''
        WHEN max(p.text LIKE ''row not in %'') THEN ''Copy the file, restore the newest verified backup, else .recover it: no index can mend the rows of the table itself.''
        WHEN max(p.by_index) THEN ''Only where REINDEX says that a UNIQUE constraint failed: rows share a key; correct or delete them, then REINDEX again.''
        ELSE ''Find the rows and give them values that the column allows.'' END AS remedy_3
FROM placed AS p LEFT JOIN shown AS h ON h.name = p.object AND p.text LIKE ''NULL value in %'' GROUP BY p.object ORDER BY p.object LIMIT 1000'
), whole (yes) AS (
	SELECT p.page_count * s.page_size <= CAST(:whole_limit AS REAL) FROM pragma_page_count AS p, pragma_page_size AS s
)
SELECT '' AS key, '' AS object, stmt.head || CAST(:max_lines AS INTEGER) || stmt.tail AS sql,
    file_fact('size') AS cost
FROM stmt, whole WHERE whole.yes
UNION ALL
SELECT t.name, t.name, stmt.head || '''' || replace(t.name, '''', '''''') || '''' || stmt.tail, 0
FROM stmt, whole, pragma_table_list AS t
WHERE NOT whole.yes AND t.schema = 'main' AND t.type IN ('table', 'shadow')
ORDER BY 1 LIMIT 20000
