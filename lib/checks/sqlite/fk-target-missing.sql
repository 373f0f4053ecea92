-- id: fk-target-missing
-- title: foreign key to a table or column that does not exist
-- engine: sqlite
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- metric: dbhealth_foreign_keys_without_target
-- message: {detail}
-- why: SQLite takes such a table without a word. As soon as a connection enforces foreign keys, every write to it
--   fails.
-- spares: names that differ in case only; keys that name no column, where the parent's primary key is meant
--   (fk-target-not-unique judges those).
-- fix: Create the parent, or make the table anew with the right target. Often a parent was renamed by an older
--   library, or the migration that makes it did not run.
-- evidence: pragma_foreign_key_list against pragma_table_list
-- remedy.1: create the parent, or make the table anew with the right target | manual | lock | | closes
WITH @user_table, thing AS MATERIALIZED (
	SELECT lower(l.name) AS name, l.type FROM pragma_table_list AS l WHERE l.schema = 'main'
), @foreign_key, judged AS (
	SELECT k.child, k.id, group_concat(k.col, ',') AS columns, k.parent, t.type,
	    group_concat(CASE WHEN t.type IN ('table', 'shadow') AND NOT k.implied
	        AND NOT EXISTS (SELECT 1 FROM pragma_table_xinfo(k.parent) AS c WHERE lower(c.name) = lower(k.target)) THEN k.target END, ', ') AS gone
	FROM foreign_key AS k LEFT JOIN thing AS t ON t.name = k.lparent
	GROUP BY k.child, k.id
)
SELECT child || '.' || columns AS object, child || '.' || columns || ' ' || parent AS key, parent AS target,
    CASE WHEN type = 'view' THEN 'refers to ' || parent || ', which is a view'
        WHEN type IS NULL THEN 'refers to ' || parent || ', which does not exist'
        ELSE 'refers to ' || parent || ' (' || gone || '), which has no such column' END AS detail,
    'Make ' || parent || CASE WHEN type IS NULL THEN '' ELSE ' what the key needs' END || ', or make ' || child || ' anew with the right target.' AS remedy
FROM judged WHERE type IS NULL OR type = 'view' OR gone IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2 LIMIT 1000
