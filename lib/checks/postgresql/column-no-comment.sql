-- id: column-no-comment
-- title: column without a comment
-- engine: postgresql
-- probe: schema
-- topic: smells
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: nobody wrote down what it means
-- why: Units, allowed values and who fills it are known only to the code, if at all.
-- spares: a comment of blanks is none; columns of heirs that their parent has; bookkeeping tables of migration tools; partitions, whose root is told; views; temporary tables and tables of extensions.
-- fix: COMMENT ON COLUMN.
-- remedy.1: write it down | manual | none | COMMENT ON COLUMN ... IS NULL | closes
WITH @user_schema, @user_table
SELECT pg_catalog.format('%I.%I.%I', t.nspname, t.relname, a.attname) AS object,
    1 AS value, 'info' AS severity,
    pg_catalog.format('COMMENT ON COLUMN %s.%s.%s IS ''what it means'';', @ident(t.nspname), @ident(t.relname), @ident(a.attname)) AS remedy
FROM user_table AS t
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_description AS d
    WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objoid = t.oid AND d.objsubid = a.attnum AND d.description ~ '\S')
  AND NOT @migration_table(t.relname)
ORDER BY t.nspname, t.relname, a.attnum
LIMIT 2000
