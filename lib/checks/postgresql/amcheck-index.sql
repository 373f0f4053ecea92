-- id: amcheck-index
-- title: index is damaged
-- engine: postgresql
-- probe: integrity
-- topic: corruption
-- scope: database
-- interval: 7d
-- kind: scrub
-- default: on
-- cost: scrub
-- unit: count
-- critical: >= 1
-- needs: extension amcheck
-- metric: dbhealth_damaged_indexes
-- message: {detail}
-- why: Searches by this index give wrong answers: rows are not found, or found twice; a unique one lets
--   duplicates in. Causes are a changed collation or comparison function, faulty storage or memory,
--   and a copy of files that was not a backup.
-- spares: indexes that are not valid (index-invalid), being built, of other access methods than btree
--   (and GIN, from amcheck 1.5); temporary ones; unlogged ones on a standby. It takes no lock that a write
--   waits for: bt_index_parent_check is never used.
-- fix: Rebuild it, which needs room for a second copy and locks nobody out; then look for rows that the
--   broken index let in twice. Ask where the damage comes from before trusting the host again: run the
--   check on the standbys too, and see the kernel's log and checksum-failures.
-- evidence: bt_index_check with all rows of the table looked for (heapallindexed) and, from amcheck 1.4, unique
--   keys (checkunique); its own words
-- remedy.1: rebuild it | sql | load | | closes
-- @items
WITH @amcheck(('bt_index_check', 'gin_index_check')), ix AS (
	SELECT c.oid, n.nspname, c.relname, c.relpages, t.relpages AS tpages, f.oid AS fn, f.nsp AS fnsp, f.nspname AS fschema, f.proname, f.proargnames,
	    n.nspname = 'pg_catalog' AS of_system
	FROM pg_catalog.pg_index AS i
	JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i'
	JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
	JOIN amcheck AS f ON f.proname = CASE m.amname WHEN 'btree' THEN 'bt_index_check' WHEN 'gin' THEN 'gin_index_check' END
	WHERE i.indisvalid AND i.indisready AND i.indislive AND @may_be_verified(c, n)
	ORDER BY n.nspname, c.relname
	LIMIT 50000
), @amcheck_rights(ix)
SELECT object AS key, object,
    CASE WHEN missing = '' THEN pg_catalog.format(
        'SELECT NULL::text AS object, 0 AS value FROM %I.%I(%s::pg_catalog.oid::pg_catalog.regclass%s%s) AS c HAVING count(*) = 0',
        fschema, proname, oid,
        CASE WHEN 'heapallindexed' = ANY (proargnames) THEN ', heapallindexed => true' END,
        CASE WHEN 'checkunique' = ANY (proargnames) THEN ', checkunique => true' END) END AS sql,
    (relpages + tpages)::bigint * pg_catalog.current_setting('block_size')::bigint AS cost,
    nullif(missing, '') || ';' AS "grant",
    CASE WHEN of_system THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nREINDEX INDEX %s.%s;', q[1], q[2])
        ELSE pg_catalog.format('REINDEX INDEX CONCURRENTLY %s.%s;', q[1], q[2]) END AS remedy
FROM rights
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname::text])
) AS quoted
ORDER BY key
