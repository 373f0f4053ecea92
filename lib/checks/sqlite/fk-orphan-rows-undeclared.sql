-- id: fk-orphan-rows-undeclared
-- title: rows name something that does not exist
-- engine: sqlite
-- probe: integrity
-- topic: orphans
-- scope: database
-- interval: 1d
-- kind: scrub
-- default: on
-- cost: scrub
-- unit: count
-- severity: warning
-- needs: configured require_relationships
-- metric: dbhealth_undeclared_orphan_rows
-- param.max_rows: 10000
-- message: {detail}
-- why: The configuration says that this column refers to another table (require_relationships), and no foreign
--   key keeps it so: rows were deleted, or written in the wrong order. Joins lose these rows without a word,
--   and the foreign key cannot be validated while they are there.
-- spares: relationships that a foreign key holds (fk-orphan-rows reads those); NULL; tables and columns that do not exist
--   (conv-required-relationship-missing).
-- fix: Look at the rows, put the parents back or correct the key, then make the table anew with the foreign key, so that it
--   cannot come back.
-- evidence: anti-join of both tables, up to ten thousand rows
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: put the parents back, or correct the keys | manual | load | | closes
-- @items
WITH @user_table, @user_column, @foreign_key, asked AS (
	SELECT lower(trim(substr(r.value, 1, instr(r.value, '->') - 1))) AS child, lower(trim(substr(r.value, instr(r.value, '->') + 2))) AS parent
	FROM json_each(:require_relationships) AS r
), named AS (
	SELECT c.tbl AS child, c.name AS col, p.tbl AS parent, p.name AS target
	FROM asked AS a
	JOIN user_column AS c ON c.ltbl || '.' || c.low = CASE WHEN a.child LIKE 'main.%' THEN substr(a.child, 6) ELSE a.child END
	JOIN user_column AS p ON p.ltbl || '.' || p.low = CASE WHEN a.parent LIKE 'main.%' THEN substr(a.parent, 6) ELSE a.parent END
	WHERE NOT EXISTS (SELECT 1 FROM foreign_key AS k WHERE k.child = c.tbl AND k.lcol = c.low AND k.lparent = p.ltbl AND lower(k.target) = p.low)
), built AS (
	SELECT *, 'FROM ' || @ident(child) || ' AS c WHERE c.' || @ident(col) || ' IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ' || @ident(parent) || ' AS p WHERE p.' || @ident(target) || ' = c.' || @ident(col) || ')' AS orphan
	FROM named
)
SELECT child || '.' || col || ' -> ' || parent || '.' || target AS key, child || '.' || col AS object,
    'SELECT ' || quote(child || '.' || col) || ' AS object, ' || quote(child || '.' || col || ' -> ' || parent || '.' || target) || ' AS key, count(*) AS value, printf(''%,d %s %s'', count(*), iif(count(*) = 1, ''row names'', ''rows name''), '
    || quote(parent || '.' || target || ' that does not exist') || ') AS detail, '
    || quote('SELECT * ' || orphan || ' LIMIT 100;') || ' AS remedy, ' || quote('Put the rows of ' || parent || ' back, or correct ' || child || '.' || col || '.') || ' AS remedy_2'
    || ' FROM (SELECT 1 ' || orphan || ' LIMIT ' || CAST(:max_rows AS INTEGER) || ') HAVING count(*) > 0' AS sql, 0 AS cost
FROM built
ORDER BY 1 LIMIT 20000
