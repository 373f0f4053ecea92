-- id: pk-column-not-first
-- title: the primary key is not the first column
-- engine: postgresql
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: the first column is {first}
-- why: Only people are disturbed: who reads the table, an INSERT without column names or a dump looks for
--   the key in front.
-- spares: dropped columns before it; keys of several columns one of which comes first; partitions, and
--   tables that inherit their columns; tables of extensions and of migration tools.
-- fix: Nothing to do in the running database: columns cannot be moved. Put the key first where the table is
--   made anew.
-- remedy.1: put the key first when the table is next made anew | manual | lock | | closes
WITH @user_schema, @user_table, found AS (
	SELECT c.nspname, c.relname, a.attname AS first, @names(c.oid, (i.indkey::int2[])[0 : i.indnkeyatts - 1]) AS names
	FROM pg_catalog.pg_index AS i
	JOIN user_table AS c ON c.oid = i.indrelid
	CROSS JOIN LATERAL (
		SELECT f.attnum, f.attname, f.attinhcount FROM pg_catalog.pg_attribute AS f
		WHERE f.attrelid = c.oid AND f.attnum > 0 AND NOT f.attisdropped
		ORDER BY f.attnum LIMIT 1
	) AS a
	WHERE i.indisprimary AND a.attnum <> ALL ((i.indkey::int2[])[0 : i.indnkeyatts - 1]) AND a.attinhcount = 0
	  AND NOT @migration_table(c.relname)
	ORDER BY c.nspname, c.relname
	LIMIT 1000
)
SELECT pg_catalog.format('%I.%I.', nspname, relname) || @comma_list(names) AS object,
    first::text AS first,
    pg_catalog.format('Where %I.%I is made anew, name (%s) first.', nspname, relname, @comma_list(names)) AS remedy
FROM found
ORDER BY object
