-- id: fk-orphan-rows
-- title: rows name a parent that does not exist
-- engine: sqlite
-- probe: integrity
-- topic: orphans
-- scope: database
-- interval: 1d
-- kind: scrub
-- default: on
-- cost: scrub
-- unit: count
-- severity: critical
-- metric: dbhealth_orphan_rows
-- message: {detail}
-- why: joins drop these rows; turning foreign_keys on makes their updates fail.
-- spares: keys that are partly NULL; a parent row that is there in another case where the parent's
--   collation says so; tables without a foreign key.
-- fix: Foreign keys are enforced only by connections that say PRAGMA foreign_keys = ON. Look at the rows,
--   put the parents back or correct the keys; only what nobody can place is set to NULL or deleted. Then
--   switch enforcement on in every connection of the application.
-- evidence: PRAGMA foreign_key_check
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: forget the reference | sql | data-loss | none: which parent they named is lost | closes
-- remedy.3: delete the rows | sql | data-loss | none: the rows are lost | closes
-- @items
WITH fk AS (
	SELECT t.name AS child, t.wr AS without_rowid, f.id, f."table" AS parent,
	    group_concat(f."from", ',') AS columns,
	    group_concat('"' || replace(f."from", '"', '""') || '"', ', ') AS quoted,
	    group_concat('c."' || replace(f."from", '"', '""') || '" IS NOT NULL', ' AND ') AS present,
	    group_concat('p."' || replace(f.target, '"', '""') || '" = c."' || replace(f."from", '"', '""') || '"', ' AND ') AS joined,
	    group_concat('"' || replace(f."from", '"', '""') || '" = NULL', ', ') AS forgotten,
	    group_concat(f.target, ',') AS targets, max(f.fixed) AS fixed
	FROM (
		SELECT * FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
	) AS t JOIN (
		SELECT l.name AS child, k.id, k.seq, k."table", k."from",
		    coalesce(k."to", (SELECT i.name FROM pragma_table_info(k."table") AS i WHERE i.pk = k.seq + 1)) AS target,
		    (SELECT i."notnull" OR i.pk > 0 FROM pragma_table_info(l.name) AS i WHERE lower(i.name) = lower(k."from")) AS fixed
		FROM pragma_table_list AS l JOIN pragma_foreign_key_list(l.name) AS k
		WHERE l.schema = 'main' AND l.type = 'table'
		ORDER BY l.name, k.id, k.seq
	) AS f ON f.child = t.name
	GROUP BY t.name, f.id
), text AS (
	SELECT *, '"' || replace(child, '"', '""') || '"' AS qchild, '"' || replace(parent, '"', '""') || '"' AS qparent
	FROM fk
), condition AS (
	SELECT *, present || char(10) || '  AND NOT EXISTS (SELECT 1 FROM ' || qparent || ' AS p WHERE ' || joined || ')' AS orphan
	FROM text
)
SELECT child || '.' || columns || ' ' || id AS key, child || '.' || columns AS object,
    'SELECT ' || quote(child || '.' || columns) || ' AS object, count(*) AS value, '
    || 'printf(''%,d of %,d rows name '
    || replace(replace(CASE WHEN parent GLOB '[AEIOaeio]*' THEN 'an ' ELSE 'a ' END || parent || '.' || coalesce(targets, '?'), '''', ''''''), '%', '%%')
    || ' that does not exist%s'', count(*), (SELECT count(*) FROM ' || qchild || '), '
    || CASE WHEN without_rowid THEN '''''' ELSE
        '(SELECT '' (rowid '' || group_concat(r, '', '') || CASE WHEN count(*) = 3 THEN '', ...)'' ELSE '')'' END'
        || ' FROM (SELECT rowid AS r FROM pragma_foreign_key_check(' || quote(child) || ') WHERE fkid = ' || id || ' ORDER BY 1 LIMIT 3))' END
    || ') AS detail, '
    || quote('SELECT ' || CASE WHEN without_rowid THEN '' ELSE 'rowid, ' END || quoted || ' FROM ' || qchild || ' AS c WHERE '
        || coalesce(orphan, '1') || ';') || ' AS remedy, '
    || CASE WHEN fixed OR orphan IS NULL THEN 'NULL' ELSE
        quote('UPDATE ' || qchild || ' AS c SET ' || forgotten || ' WHERE ' || orphan || ';') END || ' AS remedy_2, '
    || CASE WHEN orphan IS NULL THEN 'NULL' ELSE quote('DELETE FROM ' || qchild || ' AS c WHERE ' || orphan || ';') END || ' AS remedy_3'
    || ' FROM pragma_foreign_key_check(' || quote(child) || ') WHERE fkid = ' || id || ' HAVING count(*) > 0' AS sql,
    0 AS cost
FROM condition
ORDER BY child, id LIMIT 20000
