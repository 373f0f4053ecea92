-- id: index-redundant-prefix
-- title: index is the leading part of another
-- engine: postgresql
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: bytes
-- metric: dbhealth_redundant_index_bytes
-- message: the leading part of {wider}: {detail}
-- why: What this index can find, the wider one finds, too. Every write maintains both and the cache holds
--   both.
-- spares: unique indexes and those behind a constraint, CLUSTER or the replica identity; indexes of which a
--   column, its order, operator class, collation or expression, the predicate or the method differ; those
--   whose included columns the other has not; identical ones (index-duplicate); a wider one that is not
--   valid; indexes attached to a partitioned index (their root is told).
-- fix: Drop the one that is named. The wider one is larger, so a query that reads long stretches of the
--   narrow one alone may become a little slower: look at its use first.
-- remedy.1: look at the use of both | look | none | | helps
-- remedy.2: drop it while reads and writes go on | sql | none | CREATE INDEX CONCURRENTLY with its columns | closes
-- remedy.3: drop it from all partitions, under a strong lock for an instant | sql | lock | CREATE INDEX with its columns | closes
WITH @user_schema, @user_index, shared AS MATERIALIZED (
	-- First columns that several indexes of a table have: only those are worth the rest.
	SELECT i.indrelid, i.indkey[0] AS first FROM pg_catalog.pg_index AS i
	WHERE i.indrelid >= 16384 AND i.indisvalid AND i.indnatts > 0
	GROUP BY i.indrelid, i.indkey[0] HAVING count(*) > 1
), tree AS (
	SELECT u.*, (u.indkey::int2[])[0 : u.indnkeyatts - 1] AS keys, (u.indkey::int2[])[u.indnkeyatts : u.indnatts - 1] AS payload,
	    -- Places in the statement's text are no part of an expression.
	    coalesce(pg_catalog.regexp_replace(u.indexprs::text, ':location -?\d+', '', 'g'), '') AS exprs,
	    coalesce(pg_catalog.regexp_replace(u.indpred::text, ':location -?\d+', '', 'g'), '') AS pred
	FROM user_index AS u
	WHERE u.amname = 'btree' AND NOT u.indisexclusion
	  AND (u.indrelid, u.indkey[0]) IN (SELECT s.indrelid, s.first FROM shared AS s)
), pair AS (
	SELECT n.indexrelid AS narrow, w.indexrelid AS wide
	FROM tree AS n
	JOIN tree AS w ON w.indrelid = n.indrelid AND w.indexrelid <> n.indexrelid AND w.indkey[0] = n.indkey[0]
	WHERE NOT n.bound
	  AND w.indnkeyatts >= n.indnkeyatts
	  AND w.keys[1 : n.indnkeyatts] = n.keys
	  AND (w.indclass::oid[])[0 : n.indnkeyatts - 1] = (n.indclass::oid[])[0 : n.indnkeyatts - 1]
	  AND (w.indcollation::oid[])[0 : n.indnkeyatts - 1] = (n.indcollation::oid[])[0 : n.indnkeyatts - 1]
	  AND (w.indoption::int2[])[0 : n.indnkeyatts - 1] = (n.indoption::int2[])[0 : n.indnkeyatts - 1]
	  AND n.payload <@ (w.keys || w.payload)
	  -- Longer in keys or in payload; as long is index-duplicate.
	  AND (w.indnkeyatts > n.indnkeyatts OR NOT w.payload <@ n.payload)
	  AND n.pred = w.pred
	  -- A list of expressions is told by its beginning, up to the brace that closes it.
	  AND pg_catalog.starts_with(w.exprs, pg_catalog.left(n.exprs, -1))
), chosen AS (
	-- The one that stays is not itself the leading part of another.
	SELECT DISTINCT ON (p.narrow) p.narrow, p.wide
	FROM pair AS p JOIN tree AS w ON w.indexrelid = p.wide
	WHERE p.wide NOT IN (SELECT o.narrow FROM pair AS o)
	ORDER BY p.narrow, w.bound DESC, w.relpages, p.wide
), named AS (
	SELECT n.*, w.indexrelid AS wide, w.index AS wider, ARRAY[n.nspname::text, n.index::text] AS parts
	FROM chosen AS c
	JOIN tree AS n ON n.indexrelid = c.narrow
	JOIN tree AS w ON w.indexrelid = c.wide
	ORDER BY n.relpages DESC, n.nspname, n.relname, n.index
	LIMIT 1000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, index) AS object,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS value,
    'info' AS severity,
    pg_catalog.format('this one was used %s times, the other %s', pg_catalog.pg_stat_get_numscans(indexrelid), pg_catalog.pg_stat_get_numscans(wide)) AS detail,
    wider,
    pg_catalog.format('SELECT indexrelname, idx_scan, idx_tup_read, idx_tup_fetch FROM pg_stat_all_indexes WHERE indexrelid IN (%s, %s);', indexrelid, wide) AS remedy,
    @index_drop(remedy_2, remedy_3, named)
ORDER BY relpages DESC, nspname, relname, index
