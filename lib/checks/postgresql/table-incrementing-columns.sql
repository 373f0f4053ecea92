-- id: table-incrementing-columns
-- title: columns that are counted through
-- engine: postgresql
-- probe: schema
-- topic: smells
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- param.spare: ^(md|sha|crc|utf|ipv|base|x|y|z)$
-- message: {detail}
-- why: A list in columns has a fixed length: each question about it names them all, and the next value needs a migration.
-- spares: names of one number only (md5, sha256); numbers with gaps (p50, p95); names where the number is no count (spare); bookkeeping tables of migration tools; partitions, whose root is told; views; temporary tables and tables of extensions.
-- fix: A table of its own with a row for each value, or an array.
-- remedy.1: see how many of them are filled | look | none | | helps
-- remedy.2: move them into rows | manual | lock | | closes
WITH @user_schema, @user_table, numbered AS (
	SELECT t.oid, t.nspname, t.relname, a.attname, pg_catalog.lower(pg_catalog.regexp_replace(a.attname, '_?[0-9]+$', '')) AS stem,
	    pg_catalog.substring(a.attname::text, '([0-9]+)$')::int AS number
	FROM user_table AS t
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0
	WHERE a.attname ~ '[^0-9][0-9]{1,4}$' AND NOT @migration_table(t.relname)
), series AS (
	SELECT n.oid, n.nspname, n.relname, n.stem, count(*) AS n, pg_catalog.min(n.number) AS low, pg_catalog.max(n.number) AS high,
	    pg_catalog.string_agg(pg_catalog.quote_ident(n.attname), ', ' ORDER BY n.number) AS names
	FROM numbered AS n
	WHERE n.stem !~ :spare AND n.stem <> ''
	GROUP BY n.oid, n.nspname, n.relname, n.stem
	HAVING count(*) > 1 AND pg_catalog.max(n.number) - pg_catalog.min(n.number) = count(DISTINCT n.number) - 1 AND count(DISTINCT n.number) > 1
)
SELECT pg_catalog.format('%I.%I', nspname, relname) AS object,
    pg_catalog.sum(n)::bigint AS value, 'info' AS severity,
    pg_catalog.left(pg_catalog.string_agg(names, '; ' ORDER BY stem), 200) AS detail,
    pg_catalog.format('SELECT attname, null_frac FROM pg_stats WHERE schemaname = %L AND tablename = %L;', nspname, relname) AS remedy
FROM series
GROUP BY oid, nspname, relname
ORDER BY nspname, relname
LIMIT 2000
