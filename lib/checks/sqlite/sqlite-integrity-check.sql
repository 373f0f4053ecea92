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
-- metric: dbhealth_sqlite_inconsistencies
-- param.max_lines: 100
-- param.whole_limit: 1GB
-- message: {object}: {detail}
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
	    ') AS c WHERE c.integrity_check LIKE ''% missing from index %'' OR c.integrity_check LIKE ''wrong # of entries in index %''
	OR c.integrity_check LIKE ''non-unique entry in index %'' OR c.integrity_check LIKE ''NULL value in %''
	OR c.integrity_check LIKE ''CHECK constraint failed in %'' OR c.integrity_check LIKE ''%value in %.%''
	OR c.integrity_check LIKE ''rowid not at end-of-record for row % of index %''
	OR c.integrity_check LIKE ''row % values differ from index %''
), named AS (
	SELECT l.text, CASE WHEN l.text LIKE ''% index %'' THEN 1 ELSE 0 END AS by_index,
	    CASE WHEN l.text LIKE ''% index %'' THEN substr(l.text, instr(l.text, '' index '') + 7)
	        WHEN l.text LIKE ''CHECK constraint failed in %'' THEN substr(l.text, 28)
	        ELSE substr(l.text, instr(l.text, ''value in '') + 9) END AS name
	FROM line AS l
), placed AS (
	SELECT n.text, n.by_index, n.text LIKE ''non-unique entry %'' AS twice, s.tbl_name, CASE WHEN n.by_index THEN coalesce(s.tbl_name || ''.'', '''') || n.name ELSE n.name END AS object
	FROM named AS n LEFT JOIN sqlite_schema AS s ON n.by_index AND s.type = ''index'' AND s.name = n.name
)
SELECT p.object, count(*) AS value, substr(group_concat(p.text, ''; ''), 1, 600) AS detail,
    ''PRAGMA integrity_check;'' AS remedy,
    CASE WHEN max(p.by_index) AND NOT max(p.twice) AND max(p.tbl_name) IS NOT NULL THEN ''REINDEX "'' || replace(max(p.tbl_name), ''"'', ''""'') || ''";'' END AS remedy_2,
    CASE WHEN max(p.twice) THEN ''Find the rows that are there twice, correct or delete them, then REINDEX the table.''
        WHEN NOT max(p.by_index) THEN ''Find the rows and give them values that the column allows.'' END AS remedy_3
FROM placed AS p GROUP BY p.object ORDER BY p.object LIMIT 1000'
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
