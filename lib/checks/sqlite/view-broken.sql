-- id: view-broken
-- title: a view that no longer works
-- engine: sqlite
-- probe: schema
-- topic: views
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- metric: dbhealth_views_broken
-- message: {detail}
-- why: Whoever reads the view gets an error. A table or column was dropped or renamed, by a migration that did not know the
--   view or by an older library.
-- spares: views that miss a function, collation or module, which the application may bring; names in double quotes that SQLite
--   takes for a text (sqlite-dqs-literal). Of more than 2,000 views the first are looked at.
-- fix: Create the view again as it should be; the statement it has now is in sqlite_schema.
-- evidence: SQLite's own answer to SELECT from it, which is prepared and not run
-- remedy.1: look at its statement | look | none | | helps
-- remedy.2: create it again as it should be | manual | lock | | closes
-- remedy.3: drop it, if nobody needs it | sql | lock | CREATE VIEW with its statement | closes
WITH view AS MATERIALIZED (
	SELECT s.name, s.sql, prepares('SELECT * FROM ' || @ident(s.name) || ' LIMIT 0') AS error
	FROM sqlite_schema AS s WHERE s.type = 'view' LIMIT 2000
), broken AS MATERIALIZED (
	SELECT *, replace(CASE WHEN error LIKE 'no such table: %' THEN substr(error, 16) WHEN error LIKE 'no such column: %' THEN substr(error, 17) END, 'main.', '') AS gone
	FROM view
	WHERE error LIKE 'no such table: %' OR error LIKE 'no such column: %' OR error LIKE 'ambiguous column name: %'
	  OR error LIKE 'view % is circularly defined' OR error LIKE 'expected % columns for % but got %'
), tok AS MATERIALIZED (
	SELECT b.name, CAST(j.key AS INTEGER) AS k, j.value ->> 0 AS kind, lower(j.value ->> 1) AS text FROM broken AS b, json_each(tokens(b.sql)) AS j
)
SELECT b.name AS object, b.error AS detail, 'SELECT sql FROM sqlite_schema WHERE type = ''view'' AND name = ' || quote(b.name) || ';' AS remedy,
    'DROP the view ' || b.name || ' and create it again with what exists.' AS remedy_2, 'DROP VIEW ' || @ident(b.name) || ';' AS remedy_3
FROM broken AS b
WHERE NOT (b.error LIKE 'no such table: %' AND (lower(b.gone) IN ('dbstat', 'sqlite_dbpage', 'sqlite_stmt', 'bytecode', 'tables_used', 'completion')
      OR EXISTS (SELECT 1 FROM tok AS t JOIN tok AS n ON n.name = t.name AND n.k = t.k + 1 AND n.kind = 'sign' AND n.text = '(' WHERE t.text = lower(b.gone))))
  AND NOT (b.error LIKE 'no such column: %' AND EXISTS (SELECT 1 FROM tok AS t WHERE t.kind = 'dq'
      AND (t.text = lower(b.gone) OR lower(b.gone) LIKE '"' || replace(t.text, '%', '_') || '" - should this be a string literal%')))
ORDER BY b.name LIMIT 1000
