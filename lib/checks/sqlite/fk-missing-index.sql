-- id: fk-missing-index
-- title: foreign key without an index on the referencing side
-- engine: sqlite
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- metric: dbhealth_foreign_keys_without_index_rows
-- param.min_rows: 1000
-- message: {object} has no index for its {detail}
-- why: Each DELETE of a parent row, or UPDATE of its key, reads the whole child table while it holds the
--   only write lock of the file.
-- spares: columns covered by the rowid, the primary key or a unique index; columns in any order; a
--   partial index WHERE the column IS NOT NULL. An index of another collation than the parent's does
--   not serve. Under 1,000 rows (param.min_rows) it is info only; no more are counted.
-- fix: CREATE INDEX on the referencing columns; it locks out writers while it is built.
-- evidence: pragma_foreign_key_list against pragma_index_xinfo
-- remedy.1: build the index | sql | lock | DROP INDEX the new index | closes
WITH fk AS (
	SELECT l.name AS child, k.id, k."table" AS parent, lower(k."from") AS col, k.seq,
	    coalesce(k."to", (SELECT i.name FROM pragma_table_info(k."table") AS i WHERE i.pk = k.seq + 1)) AS target,
	    k."from" AS spelled
	FROM pragma_table_list AS l JOIN pragma_foreign_key_list(l.name) AS k
	WHERE l.schema = 'main' AND l.type = 'table'
	ORDER BY l.name, k.id, k.seq
), collated AS (
	SELECT f.*, upper((SELECT x.coll FROM pragma_index_list(f.parent) AS i JOIN pragma_index_xinfo(i.name) AS x
	    WHERE i."unique" AND x.key AND lower(x.name) = lower(f.target)
	    -- A constraint's index has the column's own collation, as the key needs it.
	    ORDER BY i.origin = 'c', i.seq LIMIT 1)) AS coll
	FROM fk AS f
), key AS (
	SELECT child, id, parent, count(*) AS n, group_concat(spelled, ',') AS columns,
	    group_concat('"' || replace(spelled, '"', '""') || '"'
	        || CASE WHEN coll <> 'BINARY' THEN ' COLLATE "' || replace(coll, '"', '""') || '"' ELSE '' END, ', ') AS quoted, min(col) AS only
	FROM collated GROUP BY child, id
), bare AS (
	SELECT k.* FROM key AS k
	WHERE NOT (k.n = 1 AND EXISTS (
		-- The rowid itself: INTEGER PRIMARY KEY has no index of its own.
		SELECT 1 FROM pragma_table_info(k.child) AS c WHERE c.pk = 1 AND lower(c.name) = k.only
		  AND upper(c.type) = 'INTEGER'
		  AND NOT EXISTS (SELECT 1 FROM pragma_table_info(k.child) AS d WHERE d.pk = 2)))
	  AND NOT EXISTS (
		SELECT 1 FROM pragma_index_list(k.child) AS i
		WHERE (NOT i.partial OR k.n = 1 AND (
		        SELECT replace(replace(replace(replace(lower(s.sql), '"', ''), '[', ''), ']', ''), '`', '')
		        FROM sqlite_schema AS s WHERE s.type = 'index' AND s.name = i.name
		    ) LIKE '% where ' || replace(replace(k.only, '_', '\_'), '%', '\%') || ' is not null' ESCAPE '\')
		  AND (SELECT count(*) FROM pragma_index_xinfo(i.name) AS x JOIN collated AS f
		        ON f.child = k.child AND f.id = k.id AND f.col = lower(x.name)
		        AND (f.coll IS NULL OR upper(x.coll) = f.coll)
		      WHERE x.key AND x.seqno < k.n) = k.n)
), counted AS MATERIALIZED (
	SELECT b.*, scalar('SELECT count(*) FROM (SELECT 1 FROM "' || replace(b.child, '"', '""') || '" LIMIT '
	    || CAST(:min_rows AS INTEGER) || ')') AS rows
	FROM bare AS b
)
SELECT b.child || '.' || b.columns AS object, b.child || '.' || b.columns || ' ' || b.parent AS key,
    b.rows AS value, CASE WHEN b.rows >= CAST(:min_rows AS INTEGER) THEN 'warning' ELSE 'info' END AS severity,
    'foreign key to ' || b.parent || printf('; %,d ', b.rows) || CASE WHEN b.rows >= CAST(:min_rows AS INTEGER) THEN 'or more rows'
        WHEN b.rows = 1 THEN 'row' ELSE 'rows' END AS detail, b.parent AS target,
    'CREATE INDEX "' || replace(b.child || '_' || replace(b.columns, ',', '_') || '_idx', '"', '""') || '" ON "'
    || replace(b.child, '"', '""') || '" (' || b.quoted || ');' AS remedy
FROM counted AS b
ORDER BY b.child, b.id LIMIT 10000
