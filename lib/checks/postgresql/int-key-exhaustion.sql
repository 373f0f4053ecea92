-- id: int-key-exhaustion
-- title: a 32- or 16-bit key comes to its end
-- engine: postgresql
-- probe: schema
-- topic: keys
-- scope: database
-- interval: 1h
-- kind: scrub
-- default: on
-- cost: cheap
-- unit: ratio
-- param.warning_ratio: 60%
-- param.critical_ratio: 80%
-- param.sequence_ratio: 75%
-- param.min_rows: 1000
-- param.max_rows: 1000000
-- message: {detail}
-- why: At 2,147,483,647 (32,767 for smallint) no row can be inserted any more. Widening the key of a large
--   table, and every column that refers to it, takes days of preparation: begin while there is time.
-- spares: bigint and other types; keys of tables under 1,000 rows while most of the range is free; keys that
--   refer to another table's key as wide (that key is told); numbers spread over the negative half too
--   (hashes); a lone highest number of the type (a stand-in for "none"); tables of extensions; partitions
--   (their root is told); the smallest tables where there are more than 3,000 such keys. Above 75 % of a sequence that feeds the key, sequence-near-limit warns and
--   this is info.
-- fix: On a small table ALTER COLUMN ... TYPE bigint, with all columns that refer to it. On a large one: add
--   a bigint column, keep it equal by a trigger, fill it in batches, build its unique index
--   CONCURRENTLY, then swap the columns in one short transaction; the referring columns first.
-- evidence: the sequence's last value, or one probe of the key's index
-- remedy.1: widen it and what refers to it; rewrites the tables under a strong lock | sql | lock | ALTER TABLE ... TYPE integer | closes
-- remedy.2: widen it by way of a second column | manual | load | | closes
-- @items
WITH RECURSIVE @user_schema, @user_table, @fed, @locked, key AS (
	-- Integer columns of primary keys that are not taken from another table.
	SELECT c.oid, c.nspname, c.relname, a.attname, a.attnum, b.base, i.indnkeyatts = 1 AS alone
	FROM pg_catalog.pg_index AS i
	JOIN user_table AS c ON c.oid = i.indrelid
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND a.atttypid <> 20 AND a.attnum = ANY ((i.indkey::int2[])[0 : i.indnkeyatts - 1])
	CROSS JOIN LATERAL (SELECT @type_below(a.atttypid) AS base) AS b
	WHERE i.indisprimary AND b.base IN (21, 23) AND NOT @migration_table(c.relname)
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
	      WHERE k.contype = 'f' AND k.conrelid = c.oid AND k.conkey @> ARRAY[a.attnum])
	-- The largest first: each costs a statement.
	ORDER BY c.relkind = 'p' DESC, c.reltuples DESC, c.oid, a.attnum
	LIMIT 3000
), narrower AS (
	-- Columns that refer to a wider key.
	SELECT DISTINCT ON (c.oid, a.attnum) c.oid, c.nspname, c.relname, a.attname, a.attnum, b.base, k.confrelid AS source, u.target
	FROM pg_catalog.pg_constraint AS k
	JOIN user_table AS c ON c.oid = k.conrelid
	CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey)) AS u (attnum, target)
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.attnum AND a.attnum > 0 AND a.atttypid <> 20
	JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = k.confrelid AND pa.attnum = u.target AND pa.attnum > 0
	CROSS JOIN LATERAL (SELECT @type_below(a.atttypid) AS base, @type_below(pa.atttypid) AS pbase) AS b
	WHERE k.contype = 'f' AND k.conparentid = 0 AND (b.base, b.pbase) IN ((21, 23), (21, 20), (23, 20))
	ORDER BY c.oid, a.attnum, k.oid
	LIMIT 3000
), subject AS (
	SELECT k.*, k.oid AS source, k.attnum AS target, NULL::text AS refers FROM key AS k
	UNION ALL
	SELECT n.oid, n.nspname, n.relname, n.attname, n.attnum, n.base, false, n.source, n.target, pg_catalog.format('%I.%I', pn.nspname, p.relname)
	FROM narrower AS n JOIN pg_catalog.pg_class AS p ON p.oid = n.source JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
), giver AS (
	SELECT DISTINCT ON (f.rel, f.attnum) f.rel, f.attnum, s.seqrelid, s.seqincrement > 0 AS up, s.seqtypid
	FROM fed AS f
	JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = f.seq AND NOT s.seqcycle
	WHERE f.feeds
	ORDER BY f.rel, f.attnum, s.seqrelid
), placed AS (
	SELECT s.*, g.seqrelid, q.relname AS srelname, qn.nspname AS snspname, g.up, g.seqtypid, p.relname AS frelname, n.nspname AS fnspname, fa.attname AS fattname, p.relkind AS frelkind,
	    CASE s.base WHEN 21 THEN 32767 ELSE 2147483647 END::bigint AS ends,
	    g.seqrelid IS NOT NULL AND pg_catalog.has_schema_privilege(qn.oid, 'USAGE') AND pg_catalog.has_sequence_privilege(g.seqrelid, 'SELECT') AS by_sequence,
	    pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_column_privilege(s.source, s.target, 'SELECT') AS by_index
	FROM subject AS s
	JOIN pg_catalog.pg_class AS p ON p.oid = s.source
	JOIN pg_catalog.pg_namespace AS n ON n.oid = p.relnamespace
	JOIN pg_catalog.pg_attribute AS fa ON fa.attrelid = s.source AND fa.attnum = s.target
	LEFT JOIN giver AS g ON g.rel = s.source AND g.attnum = s.target
	LEFT JOIN pg_catalog.pg_class AS q ON q.oid = g.seqrelid
	LEFT JOIN pg_catalog.pg_namespace AS qn ON qn.oid = q.relnamespace
	WHERE (g.seqrelid IS NOT NULL OR EXISTS (
		SELECT FROM pg_catalog.pg_index AS i
		JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
		JOIN pg_catalog.pg_am AS m ON m.oid = x.relam AND m.amname = 'btree'
		WHERE i.indrelid = s.source AND i.indkey[0] = s.target AND i.indpred IS NULL AND i.indisvalid AND i.indisready AND i.indislive))
	  AND s.source NOT IN (SELECT l.relation FROM locked AS l)
	  AND coalesce(g.seqrelid, 0) NOT IN (SELECT l.relation FROM locked AS l)
	  -- Unlogged tables cannot be read on a standby.
	  AND NOT (p.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
), near AS (
	SELECT p.*, CASE c.relkind WHEN 'p' THEN NULL ELSE @rows(c) END AS rows
	FROM placed AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.oid
), roots AS (
	SELECT n.oid FROM near AS n WHERE n.rows IS NULL
), @tree(roots), named AS (
	SELECT p.*, coalesce(p.rows, (SELECT t.rows FROM tree_rows AS t WHERE t.root = p.oid), 0) AS total, coalesce(r.widen, '') AS widen, r.columns,
	    @retype_refused(a) OR coalesce(r.refused, false) OR coalesce(p.rows, 0) + coalesce(r.rows, 0) > :max_rows::bigint AS dear,
	    pg_catalog.format('%I.%I.%I', p.nspname, p.relname, p.attname) AS object,
	    ARRAY[p.nspname::text, p.relname::text, p.attname::text, p.snspname::text, p.srelname::text, p.fnspname::text, p.frelname::text, p.fattname::text] AS parts
	FROM near AS p
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.oid AND a.attnum = p.attnum
	CROSS JOIN LATERAL (
		-- What must be widened with it: keys that depend on this column.
		SELECT pg_catalog.string_agg(pg_catalog.format(E'\nALTER TABLE %s.%s ALTER COLUMN %s TYPE bigint;', @ident(n.nspname), @ident(c.relname), @ident(ra.attname)),
		        '' ORDER BY n.nspname, c.relname, ra.attname) AS widen,
		    pg_catalog.string_agg(pg_catalog.format('%I.%I.%I', n.nspname, c.relname, ra.attname), ', ' ORDER BY n.nspname, c.relname, ra.attname) AS columns,
		    pg_catalog.bool_or(@retype_refused(ra)) AS refused, sum(@rows(c)) AS rows
		FROM pg_catalog.pg_depend AS d
		JOIN pg_catalog.pg_constraint AS k ON k.oid = d.objid AND k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = p.oid AND k.confkey @> ARRAY[p.attnum]
		JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
		JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
		JOIN pg_catalog.pg_attribute AS ra ON ra.attrelid = k.conrelid
		    AND ra.attnum = k.conkey[pg_catalog.array_position(k.confkey, p.attnum)] AND ra.atttypid <> 20
		WHERE d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
		  AND d.refobjid = p.oid AND d.refobjsubid = p.attnum
	) AS r
), built AS (
	SELECT n.*, q, CASE WHEN by_sequence THEN
	        pg_catalog.format('SELECT CASE WHEN is_called THEN %slast_value ELSE 0 END::numeric AS furthest FROM %s.%s', CASE WHEN up THEN '' ELSE '-' END, q[4], q[5])
	    ELSE
	        -- A lone highest number stands for something else; many below zero are no count.
	        pg_catalog.format('SELECT CASE WHEN low < -%1$s / 10 THEN 0 WHEN top = %1$s AND under < %1$s * 0.6 THEN under ELSE top END AS furthest '
	            'FROM (SELECT (SELECT pg_catalog.max(%2$s) FROM %3$s)::numeric AS top, (SELECT pg_catalog.min(%2$s) FROM %3$s)::numeric AS low, '
	            '(SELECT %2$s FROM %3$s ORDER BY %2$s DESC OFFSET 1 LIMIT 1)::numeric AS under) AS k',
	            ends, q[8], pg_catalog.format('%s%s.%s', CASE WHEN frelkind = 'r' THEN 'ONLY ' ELSE '' END, q[6], q[7])) END AS reading,
	    CASE WHEN NOT dear THEN
	        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ALTER COLUMN %s TYPE bigint;', q[1], q[2], q[3])
	        || CASE WHEN refers IS NULL AND seqrelid IS NOT NULL AND seqtypid <> 20 THEN pg_catalog.format(E'\nALTER SEQUENCE %s.%s AS bigint;', q[4], q[5]) ELSE '' END || widen END AS remedy,
	    CASE WHEN dear THEN 'Add a bigint column to ' || pg_catalog.format('%s.%s', q[1], q[2]) || ', keep it equal to ' || q[3]
	        || ' by a trigger, fill it in batches, build its unique index CONCURRENTLY, then swap the names in one short transaction'
	        || coalesce('; first widen what refers to it in the same way: ' || pg_catalog.left(columns, 2000), '') || '.' END AS remedy_2
	FROM named AS n
	CROSS JOIN LATERAL (
		@idents(n.parts)
	) AS quoted
)
SELECT object AS key, object,
    CASE WHEN by_sequence OR by_index THEN pg_catalog.format(
        E'SELECT %L AS object, k.used AS value, CASE WHEN k.used >= %s AND %L THEN ''info'' WHEN k.used >= %s THEN ''critical'' WHEN k.used >= %s THEN ''warning'' ELSE ''info'' END AS severity,\n'
        '    pg_catalog.format(%L, k.furthest) AS detail, %L AS remedy, %L AS remedy_2\n'
        'FROM (SELECT furthest, greatest(furthest, 0)::float8 / %s AS used FROM (%s) AS f) AS k WHERE k.used >= %s OR %L',
        object, :sequence_ratio::float8, by_sequence AND refers IS NULL, :critical_ratio::float8, :warning_ratio::float8,
        pg_catalog.replace(CASE base WHEN 21 THEN 'smallint' ELSE 'integer' END || CASE WHEN refers IS NULL THEN ' key' ELSE ' refers to a wider key of ' || refers END, '%', '%%')
            || ', %s of ' || ends || ' used', remedy, remedy_2, ends, reading, :warning_ratio::float8, alone AND refers IS NULL AND total >= :min_rows::bigint)
    END AS sql,
    65536 AS cost,
    CASE WHEN by_sequence OR by_index THEN NULL
    WHEN seqrelid IS NOT NULL THEN pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I; GRANT SELECT ON SEQUENCE %I.%I TO %I;', snspname, current_user, snspname, srelname, current_user)
    ELSE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I; GRANT SELECT (%I) ON %I.%I TO %I;', fnspname, current_user, fattname, fnspname, frelname, current_user) END AS "grant"
FROM built
ORDER BY key
