-- id: catalog-dangling
-- title: catalogue row that refers to nothing
-- engine: postgresql
-- probe: integrity
-- topic: corruption
-- scope: database
-- interval: 7d
-- kind: scrub
-- severity: critical
-- default: off
-- cost: scrub
-- unit: count
-- needs: server >= 14
-- metric: dbhealth_catalog_dangling_rows
-- message: {value} rows name a {target} that does not exist
-- why: The catalogue contradicts itself: a dump or an upgrade will fail, and dropping what is concerned
--   fails too. It comes of a crash with unsafe settings, of damage, or of a hand in the catalogue.
-- spares: references that may be empty; what the monitoring role may not read (passwords, user mappings).
--   Both sides are seen in one snapshot, so DDL beside it disturbs nothing.
-- fix: Find out which objects they belong to, dump what can be dumped, restore into a new database. Only
--   who knows the catalogue well removes rows by hand.
-- evidence: pg_get_catalog_foreign_keys(), an anti-join for each
-- reference: https://www.postgresql.org/docs/current/functions-info.html
-- remedy.1: look at the rows | look | none | | helps
-- remedy.2: dump and restore the database | manual | load | | closes
-- @items
WITH reference AS (
	SELECT k.fktable::oid AS fk, k.pktable::oid AS pk, f.relname AS fkname, p.relname AS pkname, k.fkcols, k.pkcols, k.is_array, k.is_opt,
	    f.relpages + p.relpages AS pages
	FROM pg_catalog.pg_get_catalog_foreign_keys() AS k
	JOIN pg_catalog.pg_class AS f ON f.oid = k.fktable
	JOIN pg_catalog.pg_class AS p ON p.oid = k.pktable
	WHERE NOT EXISTS (
		SELECT FROM pg_catalog.unnest(k.fkcols) AS c (name) WHERE NOT pg_catalog.has_column_privilege(k.fktable::oid, c.name, 'SELECT'))
	  AND NOT EXISTS (
		SELECT FROM pg_catalog.unnest(k.pkcols) AS c (name) WHERE NOT pg_catalog.has_column_privilege(k.pktable::oid, c.name, 'SELECT'))
), built AS (
	SELECT r.*, pg_catalog.format('pg_catalog.%I.%s', fkname, pg_catalog.array_to_string(fkcols, ',')) AS object,
	    CASE WHEN is_array THEN pg_catalog.format('pg_catalog.%I AS f CROSS JOIN LATERAL pg_catalog.unnest(f.%I) AS u (x)', fkname, fkcols[pg_catalog.cardinality(fkcols)])
	        ELSE pg_catalog.format('pg_catalog.%I AS f', fkname) END AS source,
	    (SELECT pg_catalog.string_agg(CASE WHEN is_array AND o = pg_catalog.cardinality(fkcols) THEN pg_catalog.format('p.%I = u.x', b)
	            ELSE pg_catalog.format('p.%I = f.%I', b, a) END, ' AND ' ORDER BY o)
	        FROM ROWS FROM (pg_catalog.unnest(fkcols), pg_catalog.unnest(pkcols)) WITH ORDINALITY AS c (a, b, o)) AS equal,
	    -- A zero is an empty reference where that is allowed; the last column is the one that may be empty.
	    CASE WHEN NOT is_opt THEN 'true' WHEN is_array THEN 'u.x <> 0'
	        ELSE pg_catalog.format('f.%I <> 0', fkcols[pg_catalog.cardinality(fkcols)]) END AS given
	FROM reference AS r
)
SELECT object || ' ' || pkname AS key, object,
    pg_catalog.format('SELECT %L AS object, %L AS key, %L AS target, count(*) AS value, %L AS remedy FROM %s WHERE %s AND NOT EXISTS (SELECT FROM pg_catalog.%I AS p WHERE %s) HAVING count(*) > 0',
        object, object || ' ' || pkname, 'pg_catalog.' || pkname,
        pg_catalog.format('SELECT f.* FROM %s WHERE %s AND NOT EXISTS (SELECT FROM pg_catalog.%I AS p WHERE %s) LIMIT 100;', source, given, pkname, equal),
        source, given, pkname, equal) AS sql,
    pages::bigint * pg_catalog.current_setting('block_size')::bigint AS cost,
    NULL AS "grant"
FROM built
ORDER BY key
LIMIT 1000
