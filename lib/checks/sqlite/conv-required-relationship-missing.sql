-- id: conv-required-relationship-missing
-- title: a required relationship is missing
-- engine: sqlite
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: configured require_relationships
-- metric: dbhealth_required_relationships_missing
-- param.grace: 24h
-- message: required foreign key {object} to {target} does not exist
-- why: The configuration names this relationship as one the data must keep. Without the foreign key
--   nothing holds a row back from naming a parent that does not exist.
-- spares: names that differ in case only; a foreign key that names its target by the primary key alone;
--   a column that is part of a longer key. In a database without any table it is info for the first
--   24 hours of our sight.
-- fix: SQLite cannot add a foreign key to a table: make the table anew with it, or run the migration that
--   does. Look for orphan rows first (fk-orphan-rows tells them once the key is declared).
-- evidence: pragma_foreign_key_list against require_relationships
-- remedy.1: run the migrations of the application | manual | lock | | closes
-- remedy.1.text: Run the migration that declares the foreign key, or correct require_relationships.
WITH asked AS (
	SELECT r.value AS text, trim(substr(r.value, 1, instr(r.value, '->') - 1)) AS child,
	    trim(substr(r.value, instr(r.value, '->') + 2)) AS parent
	FROM json_each(:require_relationships) AS r
), plain AS (
	SELECT text, CASE WHEN lower(child) LIKE 'main.%' THEN substr(child, 6) ELSE child END AS child,
	    CASE WHEN lower(parent) LIKE 'main.%' THEN substr(parent, 6) ELSE parent END AS parent
	FROM asked
), have AS (
	SELECT lower(l.name || '.' || k."from") AS child,
	    lower(k."table" || '.' || coalesce(k."to", (SELECT i.name FROM pragma_table_info(k."table") AS i WHERE i.pk = k.seq + 1))) AS parent
	FROM pragma_table_list AS l JOIN pragma_foreign_key_list(l.name) AS k
	WHERE l.schema = 'main' AND l.type = 'table'
)
SELECT p.child AS object, p.child || ' -> ' || p.parent AS key, 1 AS value,
    -- A database that nobody has filled yet is given a day to be.
    CASE WHEN NOT EXISTS (SELECT 1 FROM sqlite_schema AS e WHERE e.type = 'table' AND e.name NOT LIKE 'sqlite\_%' ESCAPE '\')
          AND coalesce((SELECT CAST(f.value AS REAL) FROM json_each(:first_seen) AS f WHERE f.key = p.child || ' -> ' || p.parent), unixepoch()) > unixepoch() - CAST(:grace AS REAL)
        THEN 'info' ELSE 'critical' END AS severity, p.parent AS target
FROM plain AS p
WHERE NOT EXISTS (SELECT 1 FROM have AS h WHERE h.child = lower(p.child) AND h.parent = lower(p.parent))
ORDER BY p.child, p.parent LIMIT 1000
