-- id: table-no-comment
-- title: table without a comment
-- engine: postgresql
-- probe: schema
-- topic: smells
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: nobody wrote down what it is for
-- why: Who comes later must guess from the name what a row means and who may change it.
-- spares: a comment of blanks is none; bookkeeping tables of migration tools; partitions, whose root is told; views; temporary tables and tables of extensions.
-- fix: COMMENT ON TABLE. It takes no lock that readers or writers notice.
-- remedy.1: write it down | manual | none | COMMENT ON TABLE ... IS NULL | closes
WITH @user_schema, @user_table
SELECT pg_catalog.format('%I.%I', t.nspname, t.relname) AS object,
    1 AS value, 'info' AS severity,
    pg_catalog.format('COMMENT ON TABLE %s.%s IS ''what a row is'';', @ident(t.nspname), @ident(t.relname)) AS remedy
FROM user_table AS t
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_description AS d
    WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objoid = t.oid AND d.objsubid = 0 AND d.description ~ '\S')
  AND NOT @migration_table(t.relname)
ORDER BY t.nspname, t.relname
LIMIT 2000
