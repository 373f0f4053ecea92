-- id: index-reindex-leftover
-- title: leftover of a failed REINDEX CONCURRENTLY
-- engine: postgresql
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: bytes
-- for: 1h
-- metric: dbhealth_reindex_leftover_bytes
-- message: {detail}
-- why: REINDEX CONCURRENTLY builds a copy beside the index and swaps both. One that failed leaves the copy
--   (_ccnew) or the old index (_ccold): no query uses it, it takes disk, and writes may have to maintain it.
-- spares: valid indexes, whatever their names; those being built, rebuilt or dropped now; anything younger
--   than an hour; tables of extensions and temporary ones. Other invalid indexes are index-invalid.
-- fix: Drop it: the index itself is in place. Never rebuild it, that makes a second copy. Look in the log
--   why the REINDEX failed before it is tried again; for a unique index it is mostly duplicates.
-- remedy.1: drop it while reads and writes go on | sql | none | | closes
-- remedy.2: drop it from all partitions, under a strong lock for an instant | sql | lock | | closes
WITH @user_schema, @index_in_work, owner AS (
	-- The table itself, or the one whose large values the index serves.
	SELECT c.oid, c.oid AS rel, c.relname, n.nspname
	FROM pg_catalog.pg_class AS c JOIN user_schema AS n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' AND NOT @extension_member(pg_class, c.oid)
	UNION ALL
	SELECT c.reltoastrelid, c.oid, c.relname, n.nspname
	FROM pg_catalog.pg_class AS c JOIN user_schema AS n ON n.oid = c.relnamespace
	WHERE c.reltoastrelid <> 0 AND c.relpersistence <> 't' AND NOT @extension_member(pg_class, c.oid)
), found AS (
	SELECT o.nspname, o.relname, xn.nspname AS xnspname, x.relname AS index, x.relkind, x.relpages,
	    ARRAY[xn.nspname::text, x.relname::text] AS parts
	FROM pg_catalog.pg_index AS i
	JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
	JOIN pg_catalog.pg_namespace AS xn ON xn.oid = x.relnamespace
	JOIN owner AS o ON o.oid = i.indrelid
	WHERE @reindex_leftover(i, x.relname)
	  AND i.indexrelid NOT IN (SELECT w.relation FROM in_work AS w)
	  AND i.indrelid NOT IN (SELECT w.relation FROM in_work AS w)
	ORDER BY x.relpages DESC, o.nspname, o.relname, x.relname
	LIMIT 1000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, index) AS object,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS value,
    'warning' AS severity,
    CASE WHEN index ~ '_ccold[0-9]*$' THEN 'the old index, left by a REINDEX CONCURRENTLY that could not drop it'
        ELSE 'the copy, left by a REINDEX CONCURRENTLY that did not finish' END AS detail,
    @index_drop(remedy, remedy_2, found)
ORDER BY relpages DESC, object
