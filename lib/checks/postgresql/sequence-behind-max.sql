-- id: sequence-behind-max
-- title: sequence is behind the rows that are there
-- engine: postgresql
-- probe: integrity
-- topic: sequences
-- scope: database
-- interval: 1h
-- kind: scrub
-- changing: pending
-- default: on
-- cost: cheap
-- unit: count
-- critical: >= 1
-- needs: role primary
-- metric: dbhealth_sequence_behind_rows
-- message: behind {column}: {detail}
-- why: The next value of the sequence is already the key of a row: inserts fail with "duplicate key" until
--   the sequence has passed them all. Loads and restores that bring their own keys leave this behind.
-- spares: columns without a unique index of their own, where no insert fails; empty tables; rows on the
--   other side of where the sequence counts from (negative keys); sequences that start again (CYCLE).
-- fix: Set the sequence to the largest key, under a lock that keeps inserts out for that instant.
-- evidence: one probe of the unique index a sequence
-- remedy.1: compare both | look | none | | helps
-- remedy.2: set the sequence to the largest key | sql | lock | SELECT setval with the old value | closes
-- @items
WITH RECURSIVE busy AS MATERIALIZED (
	-- Reading a sequence waits for who alters it; those are left for the next look.
	SELECT l.relation FROM pg_catalog.pg_locks AS l
	WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock'
	  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
), @fed, pair AS (
	SELECT s.seqrelid, s.seqincrement, s.seqmin, s.seqmax, qn.nspname AS snspname, qn.oid AS snsp, q.relname AS srelname,
	    c.oid AS rel, c.relkind, n.nspname, n.oid AS nsp, c.relname, a.attname
	FROM (SELECT DISTINCT seq, rel, attnum FROM fed) AS f
	JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = f.seq AND NOT s.seqcycle
	JOIN pg_catalog.pg_class AS q ON q.oid = s.seqrelid AND q.relpersistence <> 't'
	JOIN pg_catalog.pg_namespace AS qn ON qn.oid = q.relnamespace
	JOIN pg_catalog.pg_class AS c ON c.oid = f.rel AND c.relkind IN ('r', 'p') AND NOT c.relispartition
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = f.attnum AND NOT a.attisdropped
	WHERE @type_below(a.atttypid) IN (20, 21, 23, 1700)
	  AND EXISTS (
		SELECT FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
		JOIN pg_catalog.pg_am AS m ON m.oid = x.relam AND m.amname = 'btree'
		WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1 AND i.indkey[0] = f.attnum
		  AND i.indpred IS NULL AND i.indisvalid AND i.indisready AND i.indislive)
	  AND q.oid NOT IN (SELECT b.relation FROM busy AS b)
	  AND c.oid NOT IN (SELECT b.relation FROM busy AS b)
	  AND @schema_is_ours(n.nspname)
	  AND NOT @extension_member(pg_class, c.oid)
	ORDER BY qn.nspname, q.relname, n.nspname, c.relname, a.attname
	LIMIT 20000
), named AS (
	SELECT p.*, ARRAY[snspname::text, srelname::text, nspname::text, relname::text, attname::text] AS parts FROM pair AS p
), built AS (
	SELECT named.*, q, pg_catalog.format('%I.%I', snspname, srelname) AS object, pg_catalog.format('%I.%I.%I', nspname, relname, attname) AS col,
	    -- Rows of heirs have an index of their own.
	    CASE WHEN relkind = 'r' THEN 'ONLY ' ELSE '' END || q[3] || '.' || q[4] AS rows_of,
	    CASE WHEN seqincrement > 0 THEN 'max' ELSE 'min' END AS far,
	    pg_catalog.concat_ws('; ',
	    @grant_usage(snsp, snspname),
	    CASE WHEN nsp <> snsp AND NOT pg_catalog.has_schema_privilege(nsp, 'USAGE') THEN pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', nspname, current_user) END,
	    CASE WHEN NOT pg_catalog.has_sequence_privilege(seqrelid, 'SELECT') THEN pg_catalog.format('GRANT SELECT ON SEQUENCE %I.%I TO %I', snspname, srelname, current_user) END,
	    CASE WHEN NOT pg_catalog.has_column_privilege(rel, attname, 'SELECT') THEN pg_catalog.format('GRANT SELECT (%I) ON %I.%I TO %I', attname, nspname, relname, current_user) END) AS missing
	FROM named
	CROSS JOIN LATERAL (
		@idents(parts)
	) AS quoted
)
SELECT object || ' ' || col AS key, object,
    CASE WHEN missing = '' THEN pg_catalog.format(
        -- The furthest key that the sequence will still come to, against the value it gives next.
        E'SELECT %L AS object, %L AS key, %L AS "column", pg_catalog.abs(m.furthest - n.next) + 1 AS value,\n'
        '    pg_catalog.format(''next value %%s, key %%s is there already'', n.next, m.furthest) AS detail, %L AS remedy, %L AS remedy_2\n'
        'FROM (SELECT last_value::numeric + CASE WHEN is_called THEN %s ELSE 0 END AS next FROM %s.%s) AS n\n'
        'CROSS JOIN (SELECT pg_catalog.%s(%s)::numeric AS furthest FROM %s WHERE %s BETWEEN %L::bigint AND %L::bigint) AS m\n'
        'WHERE (m.furthest - n.next) * %s >= 0',
        object, object || ' ' || col, col,
        pg_catalog.format('SELECT last_value, is_called, (SELECT %s(%s) FROM %s) FROM %s.%s;', far, q[5], rows_of, q[1], q[2]),
        -- Never back: another column may have moved it meanwhile.
        pg_catalog.format(E'BEGIN;\nSET LOCAL lock_timeout = ''2s'';\nLOCK TABLE %s.%s IN SHARE ROW EXCLUSIVE MODE;\n'
            'SELECT setval(%s::regclass, %s(last_value, (SELECT %s(%s) FROM %s WHERE %s BETWEEN %s AND %s))::bigint) FROM %s.%s;\nCOMMIT;',
            q[3], q[4], @literal(object), CASE WHEN seqincrement > 0 THEN 'greatest' ELSE 'least' END, far, q[5], rows_of, q[5], seqmin, seqmax, q[1], q[2]),
        seqincrement, q[1], q[2], far, q[5], rows_of, q[5], seqmin, seqmax,
        CASE WHEN seqincrement > 0 THEN 1 ELSE -1 END) END AS sql,
    65536 AS cost,
    nullif(missing, '') || ';' AS "grant"
FROM built
ORDER BY key
