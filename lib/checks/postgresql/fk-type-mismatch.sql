-- id: fk-type-mismatch
-- title: foreign key column of another type than its target
-- engine: postgresql
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- param.max_rows: 1000000
-- message: {detail}
-- why: The narrower side runs out first: inserts fail while the other side still counts. Where the server
--   must convert to compare, joins are slower and may not use an index.
-- spares: domains over the target's type; text beside varchar without a length is info only; partitions
--   (their root is told); tables of extensions.
-- fix: ALTER COLUMN ... TYPE rewrites the table under an ACCESS EXCLUSIVE lock unless a length grows.
--   On a large table add a column of the right type, keep both equal by a trigger, fill it in batches,
--   build its index CONCURRENTLY, add the foreign key NOT VALID, validate it, then swap the names in one
--   short transaction.
-- remedy.1: give both sides one type; rewrites the table under a strong lock | sql | lock | ALTER TABLE ... TYPE the old type | closes
-- remedy.2: change the type by way of a second column | manual | load | | closes
WITH RECURSIVE @user_schema, @user_table, @user_fk, @base_type, pair AS (
	SELECT k.oid AS fk, k.nspname, k.relname, k.conname, k.confrelid, pn.nspname AS pnspname, p.relname AS prelname,
	    a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation,
	    pa.attnum AS pattnum, pa.attname AS pattname, pa.atttypid AS patttypid, pa.atttypmod AS patttypmod,
	    coalesce(ab.base, a.atttypid) AS type, CASE WHEN ab.oid IS NULL THEN a.atttypmod ELSE ab.typmod END AS mod,
	    coalesce(pb.base, pa.atttypid) AS ptype, CASE WHEN pb.oid IS NULL THEN pa.atttypmod ELSE pb.typmod END AS pmod
	FROM user_fk AS k
	CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey)) AS u (attnum, target)
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.attnum
	JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = k.confrelid AND pa.attnum = u.target
	JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
	JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
	LEFT JOIN base_type AS ab ON ab.oid = a.atttypid
	LEFT JOIN base_type AS pb ON pb.oid = pa.atttypid
), found AS (
	-- Mend the narrower of two integers, else the referencing side: its values are all among the target's.
	SELECT DISTINCT ON (attrelid, attnum) p.*, w.parent, CASE WHEN w.parent THEN p.confrelid ELSE p.attrelid END AS oid,
	    CASE WHEN w.parent THEN p.pattnum ELSE p.attnum END AS mend
	FROM pair AS p
	CROSS JOIN LATERAL (SELECT (type, ptype) IN ((20, 21), (20, 23), (23, 21)) AS parent) AS w
	WHERE type <> ptype OR mod <> pmod
	ORDER BY attrelid, attnum, fk
	LIMIT 1000
), @tree(found), named AS (
	SELECT f.*, coalesce(t.rows, 0) AS rows, @retype_refused(a) AS refused,
	    CASE WHEN parent THEN ARRAY[f.pnspname::text, f.prelname::text, f.pattname::text] ELSE ARRAY[f.nspname::text, f.relname::text, f.attname::text] END
	    || ARRAY[cn.nspname::text, co.collname::text] AS parts
	FROM found AS f
	LEFT JOIN tree_rows AS t ON t.root = f.oid
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.oid AND a.attnum = f.mend
	-- A collation of the column's own is kept.
	JOIN pg_catalog.pg_type AS ty ON ty.oid = f.ptype
	LEFT JOIN pg_catalog.pg_collation AS co ON co.oid = f.attcollation AND f.attcollation <> ty.typcollation AND ty.typcollation <> 0
	LEFT JOIN pg_catalog.pg_namespace AS cn ON cn.oid = co.collnamespace
), told AS (
	SELECT n.*, q, pg_catalog.format_type(CASE WHEN parent THEN type ELSE ptype END, CASE WHEN parent THEN mod ELSE pmod END)
	    || CASE WHEN NOT parent AND q[5] IS NOT NULL THEN pg_catalog.format(' COLLATE %s.%s', q[4], q[5]) ELSE '' END AS becomes
	FROM named AS n
	CROSS JOIN LATERAL (
		@idents(n.parts)
	) AS quoted
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, attname) AS object,
    CASE WHEN type IN (25, 1043) AND ptype IN (25, 1043) AND mod = -1 AND pmod = -1 THEN 'info' ELSE 'warning' END AS severity,
    pg_catalog.format('%s, but %I.%I.%I is %s', pg_catalog.format_type(atttypid, atttypmod), pnspname, prelname, pattname,
        pg_catalog.format_type(patttypid, patttypmod)) AS detail,
    rows,
    CASE WHEN NOT refused AND rows <= :max_rows::bigint THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ALTER COLUMN %s TYPE %s;', q[1], q[2], q[3], becomes) END AS remedy,
    CASE WHEN refused OR rows > :max_rows::bigint THEN
        pg_catalog.format('%s.%s.%s should be %s. %s Add a column of that type, keep both equal by a trigger, fill it in batches, '
            'build its index CONCURRENTLY, add the foreign key NOT VALID and validate it, then drop the old column and rename the new one in one transaction.',
            q[1], q[2], q[3], becomes, CASE WHEN refused THEN 'Its type cannot be changed in place: a view, trigger, policy, partition key, parent table or generated column depends on it.'
            ELSE pg_catalog.format('About %s rows would be rewritten under a lock.', rows) END) END AS remedy_2
FROM told
ORDER BY rows DESC, nspname, relname, attname
