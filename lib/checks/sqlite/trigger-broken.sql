-- id: trigger-broken
-- title: a trigger that no longer works
-- engine: sqlite
-- probe: schema
-- topic: triggers
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: critical
-- metric: dbhealth_triggers_broken
-- message: {detail}
-- why: SQLite compiles the trigger into each statement that fires it: every such write to the table fails.
-- spares: triggers that miss a function, collation or module, which the application may bring; names in double quotes that
--   SQLite takes for a text. Of more than 2,000 tables and events the first are looked at.
-- fix: Create the trigger again as it should be, or what it names; the statement it has now is in sqlite_schema.
-- evidence: SQLite's own answer to a write that fires it, which is prepared and not run
-- remedy.1: look at its statement | look | none | | helps
-- remedy.2: create it again as it should be | manual | lock | | closes
-- remedy.3: drop it, so that writes go on without it | sql | lock | CREATE TRIGGER with its statement | closes
WITH tok AS MATERIALIZED (
	SELECT s.name, s.tbl_name AS tbl, CAST(j.key AS INTEGER) AS k, j.value ->> 0 AS kind, lower(j.value ->> 1) AS text
	FROM sqlite_schema AS s, json_each(tokens(s.sql)) AS j WHERE s.type = 'trigger'
), trig AS MATERIALIZED (
	SELECT t.name, t.tbl, t.text AS event
	FROM tok AS t JOIN (SELECT name, min(k) AS k FROM tok WHERE kind = 'word' AND text IN ('insert', 'update', 'delete') GROUP BY name) AS e ON e.name = t.name AND e.k = t.k
), tried AS MATERIALIZED (
	SELECT g.tbl, g.event, g.n, prepares(CASE g.event WHEN 'insert' THEN 'INSERT INTO ' || @ident(g.tbl) || ' DEFAULT VALUES'
	    WHEN 'delete' THEN 'DELETE FROM ' || @ident(g.tbl)
	    ELSE 'UPDATE ' || @ident(g.tbl) || ' SET ' || (SELECT group_concat(@ident(c.name) || ' = ' || @ident(c.name), ', ') FROM pragma_table_xinfo(g.tbl) AS c WHERE c.hidden = 0) END) AS error
	FROM (SELECT tbl, event, count(*) AS n FROM trig GROUP BY tbl, event LIMIT 2000) AS g
), failed AS MATERIALIZED (
	SELECT *, lower(CASE WHEN error LIKE 'no such table: %' OR error LIKE 'no such column: %' OR error LIKE 'ambiguous column name: %'
	    -- What stands behind the last dot or colon: main.t, new.c, t.c.
	    THEN replace(error, rtrim(error, replace(replace(error, '.', ''), ':', '')), '')
	    WHEN error LIKE 'table % has no column named %' THEN substr(error, instr(error, ' has no column named ') + 21)
	    WHEN error LIKE 'table % has % columns but % values were supplied' THEN substr(error, 7, instr(error, ' has ') - 7)
	    WHEN error LIKE 'cannot modify % because it is a view' THEN substr(error, 15, length(error) - 35) END) AS gone
	FROM tried WHERE error IS NOT NULL
)
SELECT t.tbl || '.' || t.name AS object, f.error AS detail, 'SELECT sql FROM sqlite_schema WHERE type = ''trigger'' AND name = ' || quote(t.name) || ';' AS remedy,
    'DROP the trigger ' || t.name || ' and create it again with what exists.' AS remedy_2, 'DROP TRIGGER ' || @ident(t.name) || ';' AS remedy_3
FROM failed AS f JOIN trig AS t ON t.tbl = f.tbl AND t.event = f.event
-- A trigger is to blame that says the name, not one that fires it.
WHERE f.gone IS NOT NULL AND EXISTS (SELECT 1 FROM tok AS k WHERE k.name = t.name AND k.text = trim(f.gone))
  AND NOT (f.error LIKE 'no such column: %' AND EXISTS (SELECT 1 FROM tok AS k WHERE k.name = t.name AND k.kind = 'dq' AND (k.text = trim(f.gone) OR f.gone LIKE ' "' || k.text || '" - %')))
ORDER BY 1 LIMIT 1000
