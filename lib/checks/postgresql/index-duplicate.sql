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
--   included column or method; an index behind a constraint, a foreign key, CLUSTER or the replica
--   identity; a unique one beside a plain one (the plain one is told); indexes attached to a
--   partitioned index (their root is told).
-- fix: Drop the one that is named; the other keeps serving. DROP INDEX CONCURRENTLY cannot run in a
--   transaction and waits for older transactions. Check that no hint or script names it.
-- remedy.1: drop it while reads and writes go on | sql | none | CREATE INDEX CONCURRENTLY as the one that is kept | closes
-- remedy.2: drop it from all partitions, under a strong lock for an instant | sql | lock | CREATE INDEX as the one that is kept | closes
WITH all_of AS (
	SELECT i.indexrelid, i.indrelid, i.indisunique, i.indimmediate, x.relname AS index, x.relkind, x.relispartition, x.relpages,
	    c.relname, n.nspname,
	    i.indisclustered OR i.indisreplident OR i.indisprimary
	    OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.indexrelid) AS kept,
	    pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct' AS nulls,
	    -- All that makes two indexes the same, but uniqueness; never printed columns, whose order or
	    -- prefix may deceive.  Places in the statement's text are no part of an expression.
	    pg_catalog.row_to_json(ROW(x.relam, i.indnkeyatts, (i.indkey::int2[])[0 : i.indnkeyatts - 1], i.indclass::text,
	        i.indcollation::text, i.indoption::text, (SELECT pg_catalog.array_agg(u ORDER BY u)
	            FROM pg_catalog.unnest((i.indkey::int2[])[i.indnkeyatts : i.indnatts - 1]) AS u),
	        pg_catalog.regexp_replace(i.indexprs::text, ':location -?\d+', '', 'g'),
	        pg_catalog.regexp_replace(i.indpred::text, ':location -?\d+', '', 'g')))::text AS same
	FROM pg_catalog.pg_index AS i
	JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
	JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	WHERE i.indisvalid AND i.indisready AND i.indislive AND NOT i.indisexclusion
	  AND c.relpersistence <> 't'
	  -- Only tables with two indexes at least are worth the texts.
	  AND EXISTS (SELECT FROM pg_catalog.pg_index AS o WHERE o.indrelid = i.indrelid AND o.indexrelid <> i.indexrelid)
	  AND @schema_is_ours(n.nspname)
	  AND NOT @extension_member(pg_class, c.oid)
), ranked AS (
	SELECT a.*, pg_catalog.first_value(a.indexrelid) OVER w AS keeper, pg_catalog.row_number() OVER w AS place
	FROM all_of AS a
	WINDOW w AS (PARTITION BY a.indrelid, a.same
	    ORDER BY a.kept DESC, a.relispartition DESC, a.indisunique DESC, a.indexrelid
	    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
), found AS (
	SELECT r.*, s.index AS same_as, pg_catalog.pg_stat_get_numscans(r.indexrelid) AS scans
	FROM ranked AS r
	CROSS JOIN LATERAL (
		-- A unique one may go only for another that is as strict.
		SELECT o.index FROM ranked AS o
		WHERE o.indrelid = r.indrelid AND o.same = r.same AND o.place < r.place
		  AND (NOT r.indisunique OR o.indisunique AND o.indimmediate = r.indimmediate
		    AND o.nulls IS NOT DISTINCT FROM r.nulls)
		ORDER BY o.place LIMIT 1
	) AS s
	WHERE r.place > 1 AND NOT r.kept AND NOT r.relispartition
	ORDER BY r.relpages DESC, r.nspname, r.relname, r.index
	LIMIT 1000
), named AS (
	SELECT f.*, ARRAY[nspname::text, index::text] AS parts FROM found AS f
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, index) AS object,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS value,
    'warning' AS severity,
    pg_catalog.format('this one was used %s times', scans) AS detail,
    same_as,
    CASE WHEN relkind = 'i' THEN pg_catalog.format('DROP INDEX CONCURRENTLY %s.%s;', q[1], q[2]) END AS remedy,
    CASE WHEN relkind = 'I' THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nDROP INDEX %s.%s;', q[1], q[2]) END AS remedy_2
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY relpages DESC, nspname, relname, index
