-- id: fk-undeclared
-- title: a column names another table and is no foreign key
-- engine: sqlite
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- param.outer: external, foreign, remote, legacy, source, upstream
-- param.vendor: stripe, google, facebook, github, paypal
-- message: looks like a reference to {target}
-- why: Nothing keeps the rows together: parents go and leave children that name nobody, and a wrong
--   number is taken without a word.
-- spares: columns of another affinity than that key; names that fit no table, or more than one; columns beside a
--   NAME_type column (polymorphic); ids of outer systems by their name; keys of several columns; tables of
--   migration tools.
-- fix: SQLite cannot add a foreign key to a table: make the table anew with it. Rows without a parent must be mended
--   first.
-- evidence: names and types of columns
-- remedy.1: list rows that name nobody | look | load | | helps
-- remedy.2: make the table anew with the foreign key | manual | lock | the old table, until it is dropped | closes
WITH @user_table, @user_column, @primary_key, @foreign_key, col AS (
	SELECT c.tbl, c.name, c.type, lower(substr(c.name, 1, length(c.name) - 3)) AS stem
	FROM user_column AS c
	WHERE c.name LIKE '%_\_id' ESCAPE '\' AND c.hidden = 0 AND NOT @migration_table(c.tbl)
	  AND NOT EXISTS (SELECT 1 FROM foreign_key AS k WHERE k.child = c.tbl AND k.lcol = c.low)
	  AND NOT EXISTS (SELECT 1 FROM user_column AS o WHERE o.tbl = c.tbl AND o.low = substr(c.low, 1, length(c.low) - 3) || '_type')
	  AND NOT EXISTS (SELECT 1 FROM json_each('["' || replace(:outer || ',' || :vendor, ',', '","') || '"]') AS w
	      WHERE lower(c.name) LIKE trim(w.value) || '\_%' ESCAPE '\')
), candidate AS (
	SELECT c.tbl, c.name, c.type, t.name AS parent, count(*) AS n
	FROM col AS c JOIN user_table AS t
	  ON t.low IN (c.stem, c.stem || 's', c.stem || 'es', CASE WHEN c.stem LIKE '%y' THEN substr(c.stem, 1, length(c.stem) - 1) || 'ies' END)
	GROUP BY c.tbl, c.name
)
SELECT c.tbl || '.' || c.name AS object, c.parent AS target,
    'SELECT c.* FROM ' || @ident(c.tbl) || ' AS c WHERE c.' || @ident(c.name) || ' IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ' || @ident(c.parent)
    || ' AS p WHERE p.' || @ident(p.first) || ' = c.' || @ident(c.name) || ') LIMIT 100;' AS remedy,
    'Make ' || c.tbl || ' anew with ' || c.name || ' REFERENCES ' || c.parent || '.' AS remedy_2
FROM candidate AS c
JOIN primary_key AS p ON p.tbl = c.parent AND p.n = 1
JOIN user_column AS k ON k.tbl = p.tbl AND k.name = p.first
WHERE c.n = 1 AND c.tbl <> c.parent AND c.type <> '' AND @affinity(c.type) = @affinity(k.type)
ORDER BY 1 LIMIT 1000
