-- id: fk-orphan-rows
-- title: rows name a parent that does not exist
-- engine: postgresql
-- probe: integrity
-- topic: orphans
-- scope: database
-- interval: 1d
-- kind: scrub
-- default: on
-- cost: scrub
-- unit: count
-- critical: >= 1
-- metric: dbhealth_orphan_rows
-- param.max_rows: 10000
-- message: {detail}
-- why: The constraint says it cannot be, yet it is: triggers were off (session_replication_role, a
--   restore), the constraint is NOT VALID, or an index is damaged. Joins lose these rows without a
--   word, and the next dump cannot be restored.
-- spares: keys that are partly NULL where MATCH SIMPLE allows it; rows of inheriting tables, which a
--   foreign key never covered; partitions (judged at their root, whole). The whole table is read, never
--   a sample; counting ends at 10,000.
-- fix: Look at the rows, find the parents (backup, other tables, the application's log) and put them back,
--   or correct the key. Only what nobody can place is set to NULL or deleted. Then check the
--   constraint: one that says it is valid is not checked again by VALIDATE; drop it and add it anew
--   NOT VALID, then validate.
-- evidence: anti-join of both tables with the operators of the constraint itself
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: put the parents back, or correct the keys | manual | load | | closes
-- remedy.3: forget the reference | sql | data-loss | none: which parent they named is lost | closes
-- remedy.4: delete the rows | sql | data-loss | none: the rows are lost | closes
-- @items
WITH RECURSIVE fk AS (
	SELECT k.oid, k.conname, k.conrelid, k.confrelid, k.conkey, k.confkey, k.conpfeqop, k.confmatchtype,
	    pg_catalog.cardinality(k.conkey) AS n, c.relkind, c.relname, n.nspname, n.oid AS nsp, p.relkind AS prelkind, p.relname AS prelname,
	    pn.nspname AS pnspname, pn.oid AS pnsp
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
), tree AS (
	SELECT c.oid AS root, c.oid, c.relpages FROM pg_catalog.pg_class AS c
	WHERE c.oid IN (SELECT f.conrelid FROM fk AS f UNION SELECT f.confrelid FROM fk AS f)
	UNION ALL
	SELECT t.root, c.oid, c.relpages FROM tree AS t
	JOIN pg_catalog.pg_inherits AS h ON h.inhparent = t.oid
	JOIN pg_catalog.pg_class AS c ON c.oid = h.inhrelid AND c.relispartition
), size AS (
	SELECT t.root, sum(t.relpages)::bigint AS pages FROM tree AS t GROUP BY t.root
), named AS (
	-- Schema and table of both sides, then for each column the child's and the parent's name.
	SELECT f.*, k.nullable, ARRAY[f.nspname::text, f.relname::text, f.pnspname::text, f.prelname::text] || k.names || k.targets AS parts, k.names, k.operators, k.casts
	FROM fk AS f
	CROSS JOIN LATERAL (
		SELECT pg_catalog.array_agg(a.attname::text ORDER BY u.o) AS names, pg_catalog.array_agg(pa.attname::text ORDER BY u.o) AS targets,
		    pg_catalog.bool_and(NOT a.attnotnull) AS nullable,
		    -- What stands between and behind the columns: the constraint's own operator, with the casts
		    -- and the collation that the server itself uses for it.
		    pg_catalog.array_agg(pg_catalog.format('%s%s OPERATOR(%I.%s) ',
		        CASE WHEN op.oprleft <> pa.atttypid AND lt.typtype <> 'p' THEN '::' || pg_catalog.format_type(op.oprleft, NULL) END,
		        CASE WHEN a.attcollation <> pa.attcollation AND pa.attcollation <> 0 THEN pg_catalog.format(' COLLATE %I.%I', cn.nspname, co.collname) END,
		        opn.nspname, op.oprname) ORDER BY u.o) AS operators,
		    pg_catalog.array_agg(CASE WHEN op.oprright <> a.atttypid AND rt.typtype <> 'p'
		        THEN '::' || pg_catalog.format_type(op.oprright, NULL) ELSE '' END ORDER BY u.o) AS casts
		FROM ROWS FROM (pg_catalog.unnest(f.conkey), pg_catalog.unnest(f.confkey), pg_catalog.unnest(f.conpfeqop)) WITH ORDINALITY AS u (attnum, target, op, o)
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = u.attnum
		JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = f.confrelid AND pa.attnum = u.target
		JOIN pg_catalog.pg_operator AS op ON op.oid = u.op
		JOIN pg_catalog.pg_namespace AS opn ON opn.oid = op.oprnamespace
		JOIN pg_catalog.pg_type AS lt ON lt.oid = op.oprleft
		JOIN pg_catalog.pg_type AS rt ON rt.oid = op.oprright
		LEFT JOIN pg_catalog.pg_collation AS co ON co.oid = pa.attcollation
		LEFT JOIN pg_catalog.pg_namespace AS cn ON cn.oid = co.collnamespace
	) AS k
), built AS (
	SELECT named.*, w.child, w.forget, w.broken,
	    pg_catalog.format('%I.%I.', nspname, relname)
	    || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(u.name), ',' ORDER BY u.o) FROM pg_catalog.unnest(names) WITH ORDINALITY AS u (name, o)) AS object
	FROM named
	CROSS JOIN LATERAL (
		@idents(parts)
	) AS quoted
	CROSS JOIN LATERAL (
		SELECT pg_catalog.format('%s%s.%s', CASE WHEN relkind = 'r' THEN 'ONLY ' ELSE '' END, q[1], q[2]) AS child,
		    g.forget,
		    -- MATCH SIMPLE: a NULL anywhere satisfies it; MATCH FULL: all NULL or none.
		    CASE WHEN confmatchtype = 'f' AND n > 1
		        THEN pg_catalog.format('pg_catalog.num_nulls(%s) < %s AND (pg_catalog.num_nulls(%s) > 0 OR ', g.list, n, g.list)
		        ELSE g.given || ' AND ' END
		    || pg_catalog.format('NOT EXISTS (SELECT FROM %s%s.%s AS p WHERE %s)',
		        CASE WHEN prelkind = 'r' THEN 'ONLY ' ELSE '' END, q[3], q[4], g.equal)
		    || CASE WHEN confmatchtype = 'f' AND n > 1 THEN ')' ELSE '' END AS broken
		FROM (SELECT pg_catalog.string_agg('c.' || q[4 + i.i], ', ' ORDER BY i.i) AS list,
		        pg_catalog.string_agg(pg_catalog.format('c.%s IS NOT NULL', q[4 + i.i]), ' AND ' ORDER BY i.i) AS given,
		        pg_catalog.string_agg(q[4 + i.i] || ' = NULL', ', ' ORDER BY i.i) AS forget,
		        pg_catalog.string_agg('p.' || q[4 + n + i.i] || operators[i.i] || 'c.' || q[4 + i.i] || casts[i.i], ' AND ' ORDER BY i.i) AS equal
		    FROM pg_catalog.generate_series(1, n) AS i (i)) AS g
	) AS w
), rights AS (
	SELECT b.*, pg_catalog.format('%I.%I.%I', nspname, relname, conname) AS key, pg_catalog.concat_ws('; ',
	    CASE WHEN NOT pg_catalog.has_schema_privilege(b.nsp, 'USAGE') THEN pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', b.nspname, current_user) END,
	    CASE WHEN b.pnsp <> b.nsp AND NOT pg_catalog.has_schema_privilege(b.pnsp, 'USAGE') THEN pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', b.pnspname, current_user) END,
	    CASE WHEN NOT pg_catalog.has_table_privilege(b.conrelid, 'SELECT') THEN pg_catalog.format('GRANT SELECT ON %I.%I TO %I', b.nspname, b.relname, current_user) END,
	    CASE WHEN b.confrelid <> b.conrelid AND NOT pg_catalog.has_table_privilege(b.confrelid, 'SELECT') THEN pg_catalog.format('GRANT SELECT ON %I.%I TO %I', b.pnspname, b.prelname, current_user) END) AS missing
	FROM built AS b
)
SELECT key, object,
    CASE WHEN missing = '' THEN pg_catalog.format(
        E'SELECT %L AS object, %L AS key, count(*) AS value,\n'
        '    CASE WHEN count(*) >= %s THEN ''at least '' ELSE '''' END || count(*)\n'
        '    || CASE WHEN count(*) = 1 THEN '' row names'' ELSE '' rows name'' END || %L AS detail,\n'
        '    %L AS remedy, %L AS remedy_2, %L AS remedy_3, %L AS remedy_4\n'
        'FROM (SELECT FROM %s AS c WHERE %s LIMIT %s) AS orphan HAVING count(*) > 0',
        object, key, :max_rows::bigint,
        pg_catalog.format(' a row of %I.%I that does not exist (constraint %I)', pnspname, prelname, conname),
        pg_catalog.format('SELECT c.* FROM %s AS c WHERE %s LIMIT 100;', child, broken),
        pg_catalog.format('Put the missing rows of %I.%I back from a backup, or correct the key in these rows.', pnspname, prelname),
        CASE WHEN nullable THEN pg_catalog.format('UPDATE %s AS c SET %s WHERE %s;', child, forget, broken) END,
        pg_catalog.format('DELETE FROM %s AS c WHERE %s;', child, broken),
        child, broken, :max_rows::bigint) END AS sql,
    (coalesce(child_size.pages, 0) + CASE WHEN confrelid <> conrelid THEN coalesce(parent_size.pages, 0) ELSE 0 END)
        * pg_catalog.current_setting('block_size')::bigint AS cost,
    nullif(missing, '') || ';' AS "grant"
FROM rights
LEFT JOIN size AS child_size ON child_size.root = conrelid
LEFT JOIN size AS parent_size ON parent_size.root = confrelid
ORDER BY key
