-- id: fk-duplicate
-- title: the same foreign key twice
-- engine: sqlite
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- message: the same columns and target as {same_as}{detail}
-- why: Each write looks up the parent for both, and each delete of a parent row looks for children twice.
-- spares: keys to another table or to other columns of it.
-- fix: SQLite cannot drop a foreign key: make the table anew with it once. Where the two differ in ON DELETE or ON
--   UPDATE, choose first: both act today.
-- evidence: pragma_foreign_key_list
-- remedy.1: make the table anew with the foreign key once | manual | lock | the old table, until it is dropped | closes
WITH @user_table, @foreign_key, whole AS (
	SELECT child, id, lower(parent) AS parent, group_concat(lower(col) || char(1) || coalesce(lower(target), ''), char(2)) AS same,
	    group_concat(col, ',') AS columns, max(on_delete) AS acts, max(parent) AS spelled
	FROM (SELECT * FROM foreign_key ORDER BY child, id, lower(col), lower(target)) GROUP BY child, id
), ranked AS (
	SELECT *, row_number() OVER w AS place, first_value(acts) OVER w AS kept
	FROM whole WINDOW w AS (PARTITION BY child, parent, same ORDER BY id DESC)
)
-- SQLite counts its foreign keys from the last one.
SELECT child || '.' || columns AS object, child || '.' || columns || ' ' || id AS key,
    CASE WHEN max(acts <> kept) THEN ', but it acts otherwise' ELSE '' END AS detail,
    'another one to ' || spelled AS same_as,
    'In one transaction: make ' || child || ' anew with one foreign key on ' || columns || ', copy the rows, drop the old table, rename.' AS remedy
FROM ranked WHERE place > 1
GROUP BY child, parent, same
ORDER BY 1 LIMIT 1000
