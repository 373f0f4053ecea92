-- id: conv-timestamps-missing
-- title: table without its timestamps
-- engine: sqlite
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured conventions=timestamps
-- metric: dbhealth_timestamps_missing
-- param.created: created_at
-- param.updated: updated_at
-- message: no column {columns}
-- why: Every table says when a row was made and last changed (conventions). Without them nobody can tell
--   after a fault which rows it touched, and neither sync nor archive can go by time.
-- spares: join tables (a key of foreign keys), bookkeeping tables of migration tools, views, virtual tables, conventions_exclude.
--   A name of "-" asks for no such column.
-- fix: SQLite adds a column without touching the rows, but not with the present time as its default: what writes rows must
--   set it. Rows that are there get the time of this change.
-- evidence: pragma_table_xinfo
-- remedy.1: add what is missing | sql | lock | ALTER TABLE ... DROP COLUMN ... | closes
-- remedy.2: leave this table out of the rule | config | none | | helps
WITH @house, asked (place, name) AS (VALUES (1, :created), (2, :updated)), missing AS (
	SELECT t.name, a.name AS col FROM asked AS a, convention_table AS t
	WHERE a.name <> '-' AND NOT EXISTS (SELECT 1 FROM user_column AS c WHERE c.tbl = t.name AND c.low = lower(a.name))
	ORDER BY t.name, a.place
)
SELECT name AS object, count(*) AS value, group_concat(col, ', ') AS columns,
    group_concat('ALTER TABLE ' || @ident(name) || ' ADD COLUMN ' || @ident(col) || ' TEXT;', char(10)) || char(10) || 'UPDATE ' || @ident(name) || ' SET '
    || group_concat(@ident(col) || ' = strftime(''%Y-%m-%dT%H:%M:%SZ'', ''now'')', ', ') || ';' AS remedy, @exclude(name) AS remedy_2
FROM missing GROUP BY name
ORDER BY 1 LIMIT 1000
