-- id: table-unlogged
-- title: unlogged table
-- engine: postgresql
-- probe: schema
-- topic: tables
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: bytes
-- metric: dbhealth_unlogged_table_bytes
-- param.allow: ^$
-- message: unlogged: {detail}
-- why: A crash empties it, it is not in a base backup that is restored, and on standbys it is empty and cannot
--   be read. That is fine for caches and queues of work, not for what nobody can make again.
-- spares: temporary tables; tables of extensions; names (schema.table) that match param.allow.
-- fix: SET LOGGED writes the whole table to the log under a strong lock; a table that it refers to by a
--   foreign key comes first. What may be lost is named in param.allow or ignore.
-- remedy.1: make it a logged table; rewrites it under a strong lock | sql | lock | ALTER TABLE ... SET UNLOGGED | closes
WITH @user_schema, bare AS (
	SELECT c.oid, coalesce(r.root, c.oid) AS root, n.nspname, c.relname, c.relpages, c.relispartition
	FROM pg_catalog.pg_class AS c JOIN user_schema AS n ON n.oid = c.relnamespace
	LEFT JOIN LATERAL (SELECT pg_catalog.pg_partition_root(c.oid)::oid AS root) AS r ON c.relispartition
	WHERE c.relkind = 'r' AND c.relpersistence = 'u'
	  AND NOT @extension_member(pg_class, c.oid)
), found AS (
	SELECT b.root, sum(b.relpages)::bigint AS pages, count(*) AS n, pg_catalog.bool_or(b.relispartition) AS partitions,
	    pg_catalog.string_agg(pg_catalog.format('ALTER TABLE %s.%s SET LOGGED;', @ident(b.nspname), @ident(b.relname)), E'\n' ORDER BY b.oid) AS text
	FROM bare AS b
	GROUP BY b.root
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS object,
    f.pages * pg_catalog.current_setting('block_size')::bigint AS value,
    'info' AS severity,
    CASE WHEN f.partitions THEN pg_catalog.format('%s of its partitions; ', f.n) ELSE '' END
    || 'emptied by a crash, absent on standbys' AS detail,
    E'SET lock_timeout = ''2s'';\n' || f.text AS remedy
FROM found AS f
JOIN pg_catalog.pg_class AS c ON c.oid = f.root
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname || '.' || c.relname !~ :allow
ORDER BY f.pages DESC, object
LIMIT 1000
