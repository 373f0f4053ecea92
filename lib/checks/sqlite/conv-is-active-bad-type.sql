-- id: conv-is-active-bad-type
-- title: soft-delete column is not boolean NOT NULL
-- engine: sqlite
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured conventions=soft-delete
-- metric: dbhealth_soft_delete_bad_type
-- param.active: is_active
-- message: is {type}, not boolean NOT NULL
-- why: A row whose mark is NULL is neither in use nor out of use: WHERE is_active and WHERE NOT is_active both
--   lose it. Numbers and words know a third value sooner or later.
-- spares: BOOLEAN, BOOL and integers, which hold 0 and 1; join tables, bookkeeping tables of migration tools, views, virtual
--   tables, conventions_exclude.
-- fix: SQLite cannot change a column: make the table anew with BOOLEAN NOT NULL, in a STRICT table INTEGER NOT NULL. Fill the
--   rows that are NULL first.
-- evidence: pragma_table_xinfo
-- remedy.1: count its values | look | load | | helps
-- remedy.2: make the table anew with BOOLEAN NOT NULL | manual | lock | the old table, until it is dropped | closes
WITH @house
SELECT t.name || '.' || c.name AS object,
    CASE c.type WHEN '' THEN 'without a type' ELSE c.type END || CASE WHEN c."notnull" THEN '' ELSE ' and may be NULL' END AS type,
    'SELECT ' || @ident(c.name) || ', count(*) FROM ' || @ident(t.name) || ' GROUP BY 1;' AS remedy,
    'Make ' || t.name || ' anew with ' || c.name || CASE WHEN t.strict THEN ' INTEGER' ELSE ' BOOLEAN' END || ' NOT NULL DEFAULT 1.' AS remedy_2
FROM convention_table AS t JOIN @column_of(c, t, :active)
WHERE NOT (c."notnull" AND (upper(c.type) LIKE 'BOOL%' OR @affinity(c.type) = 'integer' OR upper(c.type) LIKE 'BIT%')) AND c.hidden = 0
ORDER BY 1 LIMIT 1000
