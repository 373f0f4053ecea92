-- id: conv-is-active-missing
-- title: table without its soft-delete column
-- engine: postgresql
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
-- spares: join tables (a key of foreign keys), partitions, tables that inherit from one that is told,
--   bookkeeping tables of migration tools, tables of extensions, views, foreign tables,
--   conventions_exclude.
-- fix: Adding a column with a constant default does not touch the rows; the strong lock lasts an instant.
-- remedy.1: add it; all rows are in use | sql | lock | ALTER TABLE ... DROP COLUMN ... | closes
-- remedy.2: leave this table out of the rule | config | none | | helps
WITH @user_schema, @user_table, @convention_table, missing AS (
	SELECT t.nspname, t.relname, t.object
	FROM convention_table AS t
	WHERE NOT @has_column(t, :active::text) AND NOT @heir(t)
	ORDER BY t.nspname, t.relname
	LIMIT 1000
)
SELECT object, 1 AS value, q[3] AS column,
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ADD COLUMN %s boolean NOT NULL DEFAULT true;', q[1], q[2], q[3]) AS remedy,
    pg_catalog.format('conventions_exclude = %s.%s', nspname, relname) AS remedy_2
FROM missing
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname, :active::text])
) AS quoted
ORDER BY nspname, relname
