-- id: pk-natural-key
-- title: natural primary key
-- engine: postgresql
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: made of {detail}
-- why: What has a meaning changes one day (a number is given again, an address is corrected), and then all
--   rows that refer to it must change too.
-- spares: integer and uuid keys; a UUID kept as text (pk-uuid-as-text); columns that refer to another
--   table; columns by which the table is partitioned; tables of migration tools and of extensions.
-- fix: Add a key without a meaning (bigint identity or uuid), refer to it, keep the natural columns unique.
-- remedy.1: add a key without a meaning | manual | lock | | closes
WITH RECURSIVE @user_schema, @user_table, @base_type, found AS (
	SELECT c.oid, c.nspname, c.relname, k.names, k.meant
	FROM pg_catalog.pg_index AS i
	JOIN user_table AS c ON c.oid = i.indrelid
	LEFT JOIN pg_catalog.pg_partitioned_table AS pt ON pt.partrelid = c.oid
	CROSS JOIN LATERAL (
		SELECT pg_catalog.array_agg(a.attname::text ORDER BY u.o) AS names,
		    pg_catalog.string_agg(pg_catalog.format('%s %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY u.o)
		    FILTER (WHERE b.type NOT IN (20, 21, 23, 2950)
		        AND NOT (b.type IN (1042, 1043) AND b.mod - 4 IN (32, 36, 38))
		        AND a.attnum <> ALL (coalesce(pt.partattrs::int2[], '{}'))
		        AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS f
		            WHERE f.contype = 'f' AND f.conrelid = c.oid AND f.conkey @> ARRAY[a.attnum])) AS meant
		FROM pg_catalog.unnest((i.indkey::int2[])[0 : i.indnkeyatts - 1]) WITH ORDINALITY AS u (attnum, o)
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = u.attnum
		LEFT JOIN base_type AS d ON d.oid = a.atttypid
		CROSS JOIN LATERAL (SELECT coalesce(d.base, a.atttypid) AS type, CASE WHEN d.oid IS NULL THEN a.atttypmod ELSE d.typmod END AS mod) AS b
	) AS k
	WHERE i.indisprimary AND k.meant IS NOT NULL AND NOT @migration_table(c.relname)
	ORDER BY c.nspname, c.relname
	LIMIT 1000
)
SELECT pg_catalog.format('%I.%I.', nspname, relname) || @comma_list(names) AS object,
    meant AS detail,
    pg_catalog.format('Give %I.%I a bigint identity or uuid column as its primary key, and keep (%s) UNIQUE NOT NULL.', nspname, relname, @comma_list(names)) AS remedy
FROM found
ORDER BY object
