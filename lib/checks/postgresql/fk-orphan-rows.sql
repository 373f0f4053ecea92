-- id: fk-orphan-rows
-- title: rows name a parent that does not exist
-- engine: postgresql
-- probe: integrity
-- topic: orphans
-- scope: database
-- interval: 1d
-- kind: scrub
-- changing: pending
-- default: on
-- cost: scrub
-- unit: count
-- critical: >= 1
-- metric: dbhealth_orphan_rows
-- param.max_rows: 10000
-- param.slice_rows: 10000
-- param.slice_blocks: 256
-- message: {detail}
-- why: The constraint says it cannot be, yet it is: triggers were off (session_replication_role, a
--   restore), the constraint is NOT VALID, or an index is damaged. Joins lose these rows without a
--   word, and the next dump cannot be restored.
-- spares: keys that are partly NULL where MATCH SIMPLE allows it; rows of inheriting tables, which a
--   foreign key never covered; partitions (judged at their root, whole). The whole table is read, never
--   a sample: a large one in key ranges of an index over the key, else in ranges of blocks, going on
--   where it stopped; of one key without a parent no more than 10,000 rows are counted. Keys whose comparison or
--   cast is written in the database itself (SQL, PL) are read by data_role alone, never with the rights of
--   who monitors; without one they are told as not covered.
-- fix: Look at the rows, find the parents (backup, other tables, the application's log) and put them back,
--   or correct the key. Only what nobody can place is set to NULL or deleted. Then check the
--   constraint: one that says it is valid is not checked again by VALIDATE; drop it and add it anew
--   NOT VALID, then validate.
-- evidence: anti-join of both tables, range by range, with the operators of the constraint itself
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: put the parents back, or correct the keys | manual | load | | closes
-- remedy.3: forget the reference | sql | data-loss | none: which parent they named is lost | closes
-- remedy.4: delete the rows | sql | data-loss | none: the rows are lost | closes
-- @items
WITH RECURSIVE @their_functions, @code_of_users, pair AS (
	SELECT pg_catalog.format('%I.%I.%I', n.nspname, c.relname, k.conname) AS key,
	    NULL::text AS object,
	    k.conrelid, k.confrelid, k.conkey, k.confkey, k.conpfeqop AS ops, k.confmatchtype = 'f' AS match_full, NULL::text[] AS spared,
	    pg_catalog.format(' a row of %I.%I that does not exist (constraint %I)', pn.nspname, p.relname, k.conname) AS told,
	    @runs_code(k.conpfeqop, k.conrelid, k.conkey, k.confrelid, k.confkey) AS by_data
	FROM pg_catalog.pg_constraint AS k
	JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
	JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
	WHERE k.contype = 'f' AND k.conparentid = 0 AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
	  -- Unlogged tables cannot be read on a standby.
	  AND NOT (pg_catalog.pg_is_in_recovery() AND 'u' IN (c.relpersistence, p.relpersistence))
	  AND @schema_is_ours(n.nspname)
	  AND NOT @extension_member(pg_class, c.oid)
	ORDER BY n.nspname, c.relname, k.conname
	LIMIT 20000
), @orphan_scan
SELECT * FROM orphan_item
