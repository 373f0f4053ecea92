-- id: conv-is-active-missing
-- title: table without its soft-delete column
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
-- metric: dbhealth_soft_delete_missing
-- param.active: is_active
-- message: no column {column}
-- why: Rows of this system are taken out of use, not deleted (conventions). On a table without the column
--   the application's delete fails or deletes for good.
-- spares: join tables (a key of foreign keys), bookkeeping tables of migration tools, views, virtual tables, conventions_exclude.
-- fix: Adding a column with a constant default does not touch the rows.
-- evidence: pragma_table_xinfo
-- remedy.1: add it; all rows are in use | sql | lock | ALTER TABLE ... DROP COLUMN ... | closes
-- remedy.2: leave this table out of the rule | config | none | | helps
WITH @house
SELECT t.name AS object, :active AS column,
    'ALTER TABLE ' || @ident(t.name) || ' ADD COLUMN ' || @ident(:active) || CASE WHEN t.strict THEN ' INTEGER' ELSE ' BOOLEAN' END || ' NOT NULL DEFAULT 1 CHECK (' || @ident(:active) || ' IN (0, 1));' AS remedy,
    @exclude(t.name) AS remedy_2
FROM convention_table AS t
WHERE :active <> '-' AND NOT EXISTS (SELECT 1 FROM user_column AS c WHERE c.tbl = t.name AND c.low = lower(:active))
ORDER BY 1 LIMIT 1000
