-- id: table-single-column
-- title: table with a single column
-- engine: postgresql
-- probe: schema
-- topic: smells
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: its only column is {detail}
-- why: A lone column says nothing about anything: often a migration stopped half way, or a list that belongs into a type,
--   a CHECK or another table.
-- spares: bookkeeping tables of migration tools; partitions, whose root is told; views; temporary tables and tables of extensions.
-- fix: Look at what it is for; comment it, or merge it into the table that uses it.
-- remedy.1: see who refers to it | look | none | | helps
-- remedy.2: merge it, or add what is missing | manual | lock | | closes
WITH @user_schema, @user_table
SELECT pg_catalog.format('%I.%I', t.nspname, t.relname) AS object,
    1 AS value, 'info' AS severity,
    pg_catalog.format('%I %s', a.name, a.type) AS detail,
    pg_catalog.format('SELECT conrelid::regclass, conname FROM pg_constraint WHERE confrelid = %s;', t.oid) AS remedy
FROM user_table AS t
CROSS JOIN LATERAL (
	SELECT count(*) AS n, pg_catalog.min(a.attname::text) AS name, pg_catalog.min(pg_catalog.format_type(a.atttypid, a.atttypmod)) AS type
	FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
) AS a
WHERE a.n = 1 AND NOT @migration_table(t.relname)
ORDER BY t.nspname, t.relname
LIMIT 2000
