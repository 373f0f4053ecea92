-- id: table-inheritance
-- title: tables inherit
-- engine: postgresql
-- probe: schema
-- topic: tables
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- metric: dbhealth_inheriting_tables
-- message: {detail}
-- why: Keys, unique and foreign keys do not reach across inheriting tables, and every query of the parent reads
--   them all. Partitioning does what it is mostly used for, with none of that.
-- spares: declarative partitions; tables of extensions; chunks of TimescaleDB.
-- fix: Where the children are partitions: make a partitioned table and attach them, with a CHECK that bounds
--   each so that no rows are read. Where they are kinds of a thing: tables of their own with a foreign key.
-- remedy.1: move to declarative partitions or to tables of their own | manual | lock | | closes
WITH RECURSIVE @user_schema, link AS (
	SELECT h.inhparent, h.inhrelid
	FROM pg_catalog.pg_inherits AS h
	JOIN pg_catalog.pg_class AS c ON c.oid = h.inhrelid AND c.relkind IN ('r', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname !~ '^_timescaledb_'
	WHERE NOT @extension_member(pg_class, h.inhrelid)
), tree AS (
	SELECT l.inhparent AS root, l.inhrelid AS oid FROM link AS l WHERE l.inhparent NOT IN (SELECT x.inhrelid FROM link AS x)
	UNION
	SELECT t.root, l.inhrelid FROM tree AS t JOIN link AS l ON l.inhparent = t.oid
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS object,
    count(*) AS value,
    'info' AS severity,
    pg_catalog.format(CASE WHEN count(*) = 1 THEN '%s table inherits from it' ELSE '%s tables inherit from it' END, count(*)) AS detail,
    'Make a partitioned table and attach the children, or give them tables of their own with a foreign key.' AS remedy
FROM tree AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.root
JOIN user_schema AS n ON n.oid = c.relnamespace
WHERE NOT @extension_member(pg_class, c.oid)
GROUP BY n.nspname, c.relname
ORDER BY value DESC, object
LIMIT 1000
