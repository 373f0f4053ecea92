-- id: index-duplicate
-- title: identical indexes
-- engine: postgresql
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: bytes
-- metric: dbhealth_duplicate_index_bytes
-- message: the same index as {same_as}: {detail}
-- why: Every write maintains both, the cache holds both, and the planner uses only one of them.
-- spares: indexes that differ in any column, order, operator class, collation, expression, predicate,
--   included column, option or method; an index behind a constraint, a foreign key, CLUSTER or the replica
--   identity; a unique one beside a plain one (the plain one is told); indexes attached to a
--   partitioned index (their root is told).
-- fix: Drop the one that is named; the other keeps serving. DROP INDEX CONCURRENTLY cannot run in a
--   transaction and waits for older transactions. Check that no hint or script names it.
-- remedy.1: drop it while reads and writes go on | sql | none | CREATE INDEX CONCURRENTLY as the one that is kept | closes
-- remedy.2: drop it from all partitions, under a strong lock for an instant | sql | lock | CREATE INDEX as the one that is kept | closes
WITH @user_schema, shared AS MATERIALIZED (
	-- First columns that several indexes of a table have: only those are worth the rest.
	SELECT i.indrelid, i.indkey[0] AS first FROM pg_catalog.pg_index AS i
	WHERE i.indrelid >= 16384 AND i.indisvalid AND i.indnatts > 0
	GROUP BY i.indrelid, i.indkey[0] HAVING count(*) > 1
), rough AS (
	-- What is cheap to compare first: most indexes have no match in that.
	SELECT i.indexrelid, i.indrelid, i.indisunique, i.indimmediate, x.relname AS index, x.relkind, x.relispartition, x.relpages,
	    c.relname, n.nspname, i.indnatts, i.indnkeyatts, i.indkey, i.indexprs, i.indpred,
	    i.indisclustered OR i.indisreplident OR i.indisprimary AS kept,
	    pg_catalog.dense_rank() OVER (PARTITION BY i.indrelid ORDER BY x.relam, (i.indkey::int2[])[0 : i.indnkeyatts - 1],
	        i.indclass::oid[], i.indcollation::oid[], i.indoption::int2[]) AS shape
	FROM pg_catalog.pg_index AS i
	JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
	JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
	JOIN user_schema AS n ON n.oid = c.relnamespace
	WHERE i.indisvalid AND i.indisready AND i.indislive AND NOT i.indisexclusion
	  AND (i.indrelid, i.indkey[0]) IN (SELECT s.indrelid, s.first FROM shared AS s)
	  AND c.relpersistence <> 't'
	  AND NOT @inheritance_partition(c.oid)
), alike AS MATERIALIZED (
	SELECT r.*, count(*) OVER (PARTITION BY r.indrelid, r.shape) AS n FROM rough AS r
), all_of AS (
	SELECT a.indexrelid, a.indrelid, a.indisunique, a.indimmediate, a.index, a.relkind, a.relispartition, a.relpages, a.relname, a.nspname,
	    (SELECT pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct' FROM pg_catalog.pg_index AS i WHERE i.indexrelid = a.indexrelid) AS nulls,
	    a.kept OR a.indexrelid IN (SELECT k.conindid FROM pg_catalog.pg_constraint AS k WHERE k.conindid <> 0) AS kept,
	    -- The rest of what makes two indexes the same, but uniqueness; never printed columns, whose order
	    -- or prefix may deceive.  Places in the statement's text are no part of an expression.
	    pg_catalog.row_to_json(ROW(a.shape, (SELECT pg_catalog.array_agg(u ORDER BY u)
	            FROM pg_catalog.unnest((a.indkey::int2[])[a.indnkeyatts : a.indnatts - 1]) AS u),
	        pg_catalog.regexp_replace(a.indexprs::text, ':location -?\d+', '', 'g'),
	        pg_catalog.regexp_replace(a.indpred::text, ':location -?\d+', '', 'g'),
	        -- What the columns tell their operator class, and how coarse a BRIN is.
	        (SELECT pg_catalog.array_agg(k.attoptions::text ORDER BY k.attnum) FROM pg_catalog.pg_attribute AS k
	            WHERE k.attrelid = a.indexrelid AND k.attoptions IS NOT NULL),
	        (SELECT x.reloptions::text FROM pg_catalog.pg_class AS x JOIN pg_catalog.pg_am AS m ON m.oid = x.relam AND m.amname = 'brin'
	            WHERE x.oid = a.indexrelid)))::text AS same
	FROM alike AS a
	WHERE a.n > 1 AND NOT @extension_member(pg_class, a.indrelid)
), ranked AS (
	SELECT a.*, pg_catalog.row_number() OVER w AS place, count(*) OVER (PARTITION BY a.indrelid, a.same) AS alike
	FROM all_of AS a
	WINDOW w AS (PARTITION BY a.indrelid, a.same
	    ORDER BY a.kept DESC, a.relispartition DESC, a.indisunique DESC, a.indexrelid)
), twin AS MATERIALIZED (
	SELECT r.* FROM ranked AS r WHERE r.alike > 1
), spare AS (
	-- A unique one may go only for another that is as strict.
	SELECT DISTINCT ON (r.indexrelid) r.*, o.index AS same_as
	FROM twin AS r
	JOIN twin AS o ON o.indrelid = r.indrelid AND o.same = r.same
	WHERE o.place < r.place AND NOT r.kept AND NOT r.relispartition
	  AND (NOT r.indisunique OR o.indisunique AND o.indimmediate = r.indimmediate
	    AND o.nulls IS NOT DISTINCT FROM r.nulls)
	ORDER BY r.indexrelid, o.place
), found AS (
	SELECT s.*, pg_catalog.pg_stat_get_numscans(s.indexrelid) AS scans
	FROM spare AS s
	ORDER BY s.relpages DESC, s.nspname, s.relname, s.index
	LIMIT 1000
), named AS (
	SELECT f.*, ARRAY[nspname::text, index::text] AS parts FROM found AS f
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, index) AS object,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS value,
    'warning' AS severity,
    pg_catalog.format('this one was used %s times', scans) AS detail,
    same_as,
    @index_drop(remedy, remedy_2, named)
ORDER BY relpages DESC, nspname, relname, index
