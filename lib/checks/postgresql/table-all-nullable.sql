-- id: table-all-nullable
-- title: every column may be NULL
-- engine: postgresql
-- probe: schema
-- topic: smells
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: all {value} columns beside the key may be NULL
-- why: A row may say nothing at all. Where a value is always there, NOT NULL lets the planner and the readers rely on it.
-- spares: columns of the primary key and of domains that are NOT NULL; tables of one column (table-single-column); bookkeeping tables of migration tools; partitions, whose root is told; views; temporary tables and tables of extensions.
-- fix: ADD CONSTRAINT ... CHECK (column IS NOT NULL) NOT VALID, VALIDATE, then SET NOT NULL, which then need not read
--   the table.
-- remedy.1: see which columns are never NULL | look | load | | helps
-- remedy.2: make them NOT NULL | manual | lock | ALTER COLUMN ... DROP NOT NULL | closes
WITH @user_schema, @user_table
SELECT pg_catalog.format('%I.%I', t.nspname, t.relname) AS object,
    a.n AS value, 'info' AS severity,
    pg_catalog.format('SELECT attname, null_frac FROM pg_stats WHERE schemaname = %L AND tablename = %L ORDER BY null_frac;', t.nspname, t.relname) AS remedy
FROM user_table AS t
LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid AND i.indisprimary
CROSS JOIN LATERAL (
	SELECT count(*) FILTER (WHERE NOT k.key) AS n, count(*) AS live, pg_catalog.bool_or(NOT k.key AND (a.attnotnull OR y.typnotnull)) AS some
	FROM pg_catalog.pg_attribute AS a
	JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
	CROSS JOIN LATERAL (SELECT coalesce(a.attnum = ANY (i.indkey::int2[]), false) AS key) AS k
	WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
) AS a
WHERE a.n > 0 AND a.live > 1 AND NOT a.some AND NOT @migration_table(t.relname)
ORDER BY t.nspname, t.relname
LIMIT 2000
