-- id: fk-orphan-rows-undeclared
-- title: rows name something that does not exist
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
-- warning: >= 1
-- needs: configured require_relationships
-- metric: dbhealth_undeclared_orphan_rows
-- param.max_rows: 10000
-- param.slice_rows: 10000
-- param.slice_blocks: 256
-- param.spare_zero: no
-- param.spare_empty: no
-- message: {detail}
-- why: The configuration says that this column refers to another table (require_relationships), and no foreign
--   key keeps it so: rows were deleted, or written in the wrong order. Joins lose these rows without a word,
--   and the foreign key cannot be validated while they are there.
-- spares: relationships that a foreign key holds (fk-orphan-rows reads those); NULL; where it is said so, 0
--   (param.spare_zero) and the empty text (param.spare_empty), which some programs write for "none". What is compared or cast by code of the
--   database itself is read by data_role alone; without one it is told as not covered.
-- fix: Look at the rows, put the parents back or correct the key, then declare the foreign key NOT VALID and
--   validate it, so that it cannot come back.
-- evidence: anti-join of both tables, range by range, with the equality that an index of the parent sorts by
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: put the parents back, or correct the keys | manual | load | | closes
-- remedy.3: forget the reference | sql | data-loss | none: which parent they named is lost | closes
-- remedy.4: delete the rows | sql | data-loss | none: the rows are lost | closes
-- @items
WITH RECURSIVE @their_functions, @code_of_users, wanted AS (
	SELECT pg_catalog.regexp_split_to_array(w.text, '\s*->\s*') AS side, w.o
	FROM pg_catalog.jsonb_array_elements_text(:require_relationships::jsonb) WITH ORDINALITY AS w (text, o)
), readable AS (
	SELECT o, CASE WHEN ok THEN pg_catalog.parse_ident(pg_catalog.btrim(side[1])) END AS f,
	    CASE WHEN ok THEN pg_catalog.parse_ident(pg_catalog.btrim(side[2])) END AS t
	FROM wanted
	CROSS JOIN LATERAL (SELECT pg_catalog.cardinality(side) = 2 AND pg_catalog.bool_and(
	    s ~ '^\s*("([^"]|"")+"|[[:alpha:]_\u0080-\uffff][[:alnum:]_$\u0080-\uffff]*)(\s*\.\s*("([^"]|"")+"|[[:alpha:]_\u0080-\uffff][[:alnum:]_$\u0080-\uffff]*)){1,2}\s*$') AS ok
	    FROM pg_catalog.unnest(side) AS s) AS r
), side AS (
	-- schema.table.column on both sides; without a schema it is public.
	SELECT o, CASE WHEN pg_catalog.cardinality(f) = 2 THEN ARRAY['public'] || f ELSE f END AS f,
	    CASE WHEN pg_catalog.cardinality(t) = 2 THEN ARRAY['public'] || t ELSE t END AS t
	FROM readable
), meant AS (
	SELECT DISTINCT ON (c.oid, a.attnum, p.oid, pa.attnum) m.f, m.t, c.oid AS rel, a.attnum, p.oid AS prel, pa.attnum AS pattnum,
	    coalesce(nullif(ct.typbasetype, 0), ct.oid) AS type, coalesce(nullif(pt.typbasetype, 0), pt.oid) AS ptype
	FROM side AS m
	JOIN pg_catalog.pg_namespace AS n ON n.nspname = m.f[1]
	JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = m.f[2] AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = m.f[3] AND a.attnum > 0 AND NOT a.attisdropped
	JOIN pg_catalog.pg_type AS ct ON ct.oid = a.atttypid
	JOIN pg_catalog.pg_namespace AS pn ON pn.nspname = m.t[1]
	JOIN pg_catalog.pg_class AS p ON p.relnamespace = pn.oid AND p.relname = m.t[2] AND p.relkind IN ('r', 'p') AND p.relpersistence <> 't'
	JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = p.oid AND pa.attname = m.t[3] AND pa.attnum > 0 AND NOT pa.attisdropped
	JOIN pg_catalog.pg_type AS pt ON pt.oid = pa.atttypid
	WHERE NOT (pg_catalog.pg_is_in_recovery() AND 'u' IN (c.relpersistence, p.relpersistence))
	  AND NOT EXISTS (
		SELECT FROM pg_catalog.pg_constraint AS k
		WHERE k.contype = 'f' AND k.conrelid = c.oid AND k.confrelid = p.oid
		  AND EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey)) AS u (c, p)
		      WHERE u.c = a.attnum AND u.p = pa.attnum))
	ORDER BY c.oid, a.attnum, p.oid, pa.attnum, m.o
), pair AS (
	SELECT pg_catalog.format('%I.%I.%I -> %I.%I.%I', m.f[1], m.f[2], m.f[3], m.t[1], m.t[2], m.t[3]) AS key,
	    pg_catalog.format('%I.%I.%I', m.f[1], m.f[2], m.f[3]) AS object,
	    m.rel AS conrelid, m.prel AS confrelid, ARRAY[m.attnum] AS conkey, ARRAY[m.pattnum] AS confkey, ARRAY[e.amopopr] AS ops, false AS match_full,
	    nullif(CASE WHEN :spare_zero::bool THEN ARRAY['0'] ELSE ARRAY[]::text[] END || CASE WHEN :spare_empty::bool THEN ARRAY[''] ELSE ARRAY[]::text[] END, ARRAY[]::text[]) AS spared,
	    pg_catalog.format(' a row of %I.%I that does not exist (no foreign key is declared)', m.t[1], m.t[2]) AS told,
	    @runs_code(ARRAY[e.amopopr], m.rel, ARRAY[m.attnum], m.prel, ARRAY[m.pattnum]) AS by_data
	FROM meant AS m
	CROSS JOIN LATERAL (
		-- What compares both: of their own types, else of what one or both are stored as.
		SELECT o.amopopr FROM pg_catalog.pg_opclass AS oc
		JOIN pg_catalog.pg_am AS am ON am.oid = oc.opcmethod AND am.amname = 'btree'
		JOIN pg_catalog.pg_amop AS o ON o.amopfamily = oc.opcfamily AND o.amopstrategy = 3 AND o.amoppurpose = 's'
		WHERE oc.opcdefault AND o.amoplefttype = oc.opcintype
		  AND (oc.opcintype = m.ptype OR EXISTS (SELECT FROM pg_catalog.pg_cast AS k WHERE k.castsource = m.ptype AND k.casttarget = oc.opcintype AND k.castmethod = 'b' AND k.castcontext = 'i')
		      OR (oc.opcintype = 3500 AND EXISTS (SELECT FROM pg_catalog.pg_type AS y WHERE y.oid = m.ptype AND y.typtype = 'e')))
		  AND (o.amoprighttype = m.type OR EXISTS (SELECT FROM pg_catalog.pg_cast AS k WHERE k.castsource = m.type AND k.casttarget = o.amoprighttype AND k.castmethod = 'b' AND k.castcontext = 'i')
		      OR (o.amoprighttype = 3500 AND m.type = m.ptype))
		ORDER BY oc.opcintype = m.ptype DESC, o.amoprighttype = m.type DESC, o.oid
		LIMIT 1
	) AS e
), @orphan_scan
SELECT * FROM orphan_item
