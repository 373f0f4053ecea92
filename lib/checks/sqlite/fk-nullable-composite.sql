-- id: fk-nullable-composite
-- title: a foreign key of several columns is not checked when one of them is NULL
-- engine: sqlite
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: may be NULL: {detail}
-- why: One NULL among the columns switches the whole check off: (5, NULL) passes though there is no parent 5. Such
--   rows drop out of joins without a word. SQLite does not know MATCH FULL.
-- spares: keys whose columns are all NOT NULL.
-- fix: SQLite cannot add NOT NULL to a column: make the table anew with it, or with a CHECK that demands all
--   columns or none.
-- evidence: pragma_foreign_key_list and pragma_table_xinfo
-- remedy.1: list rows that are half given | look | load | | helps
-- remedy.2: make the table anew with NOT NULL, or a CHECK | manual | lock | the old table, until it is dropped | closes
WITH @user_table, @user_column, @primary_key, @foreign_key, whole AS (
	SELECT k.child, k.id, k.parent, count(*) AS n, group_concat(k.col, ',') AS columns,
	    group_concat(CASE WHEN NOT c."notnull" AND NOT (c.pk > 0 AND (c.wr OR c.strict OR coalesce(p.alias, 0))) THEN c.name END, ', ') AS nullable,
	    group_concat(@ident(k.col) || ' IS NULL', ' OR ') AS some, group_concat(@ident(k.col) || ' IS NULL', ' AND ') AS every
	FROM foreign_key AS k
	JOIN user_column AS c ON c.tbl = k.child AND c.low = k.lcol
	LEFT JOIN primary_key AS p ON p.tbl = k.child
	GROUP BY k.child, k.id
)
SELECT child || '.' || columns AS object, child || '.' || columns || ' ' || parent AS key, nullable AS detail,
    'SELECT * FROM ' || @ident(child) || ' WHERE (' || some || ') AND NOT (' || every || ') LIMIT 100;' AS remedy,
    'Make ' || child || ' anew with NOT NULL on ' || nullable || ', or with CHECK ((' || every || ') OR NOT (' || some || ')).' AS remedy_2
FROM whole WHERE n > 1 AND nullable IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2 LIMIT 1000
