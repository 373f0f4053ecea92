-- id: conv-timestamp-nullable
-- title: timestamp of a row may be NULL
-- engine: sqlite
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- needs: configured conventions=timestamps
-- metric: dbhealth_timestamps_nullable
-- param.created: created_at
-- param.updated: updated_at
-- message: may be NULL
-- why: A row whose time is NULL falls out of every query by time: it is never archived, never synced, and
--   sorts last.
-- spares: join tables, bookkeeping tables of migration tools, views, virtual tables, conventions_exclude.
-- fix: SQLite cannot add NOT NULL to a column: make the table anew with it. Fill the rows that are NULL first.
-- evidence: pragma_table_xinfo
-- remedy.1: count the rows that are NULL | look | load | | helps
-- remedy.2: make the table anew with NOT NULL | manual | lock | the old table, until it is dropped | closes
WITH @house
SELECT t.name || '.' || c.name AS object, 'SELECT count(*) FROM ' || @ident(t.name) || ' WHERE ' || @ident(c.name) || ' IS NULL;' AS remedy,
    'Make ' || t.name || ' anew with NOT NULL on ' || c.name || '.' AS remedy_2
FROM convention_table AS t JOIN user_column AS c ON c.tbl = t.name AND c.low IN (lower(:created), lower(:updated)) AND c.low <> '-'
WHERE NOT c."notnull" AND c.hidden = 0
ORDER BY 1 LIMIT 1000
