-- id: not-null-violation
-- title: NULL in a column that is NOT NULL
-- engine: postgresql
-- probe: integrity
-- topic: corruption
-- scope: database
-- interval: 7d
-- kind: scrub
-- default: off
-- cost: scrub
-- unit: count
-- critical: >= 1
-- metric: dbhealth_not_null_violations
-- param.slice_blocks: 1024
-- message: {detail}
-- why: The catalogue says that it cannot be, and the planner believes it: rows are left out of answers, and a
--   dump cannot be restored. Somebody changed the catalogue by hand, or the table is damaged.
-- spares: columns that may be NULL, partitions (each is read by itself), foreign tables, tables whose rows may not be read.
-- fix: Look at the rows and give the column a value. If many tables show it, look for damage first
--   (amcheck-heap).
-- evidence: num_nulls() over each row, in ranges of blocks; IS NULL would be folded to false from 17 on
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: give them a value | manual | load | | closes
-- @items
WITH @user_schema, tab AS (
	SELECT c.oid, n.oid AS nsp, n.nspname, c.relname, c.relpages, a.names
	FROM pg_catalog.pg_class AS c
	JOIN user_schema AS n ON n.oid = c.relnamespace
	JOIN pg_catalog.pg_am AS m ON m.oid = c.relam AND m.amname = 'heap'
	CROSS JOIN LATERAL (
		SELECT pg_catalog.array_agg(b.attname::text ORDER BY b.attnum) AS names FROM pg_catalog.pg_attribute AS b
		WHERE b.attrelid = c.oid AND b.attnum > 0 AND NOT b.attisdropped AND b.attnotnull AND b.attgenerated <> 'v'
		  -- From 18 on one may be there for new rows only.
		  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'n' AND b.attnum = ANY (k.conkey) AND NOT k.convalidated)
	) AS a
	WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND a.names IS NOT NULL
	  AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
	  AND NOT @extension_member(pg_class, c.oid)
	ORDER BY n.nspname, c.relname
	LIMIT 20000
), told AS (
	SELECT tab.*, pg_catalog.format('%I.%I', nspname, relname) AS object, pg_catalog.format('ONLY %s.%s', q[1], q[2]) AS source,
	    (SELECT pg_catalog.string_agg('c.' || x, ', ' ORDER BY o) FROM pg_catalog.unnest(q[3:]) WITH ORDINALITY AS u (x, o)) AS columns,
	    pg_catalog.concat_ws('; ',
	    CASE WHEN NOT pg_catalog.has_schema_privilege(nsp, 'USAGE') THEN pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', nspname, current_user) END,
	    CASE WHEN NOT pg_catalog.has_table_privilege(tab.oid, 'SELECT') THEN pg_catalog.format('GRANT SELECT ON %I.%I TO %I', nspname, relname, current_user) END) AS missing
	FROM tab
	CROSS JOIN LATERAL (
		@idents(ARRAY[nspname::text, relname::text] || names)
	) AS quoted
	-- The long text is put together behind the sort.
	ORDER BY object
	OFFSET 0
), range AS (
	SELECT 'coalesce(($1::pg_catalog.jsonb ->> ''b'')::pg_catalog.int8, 0)'::text AS b,
	    'coalesce(($1::pg_catalog.jsonb ->> ''n'')::pg_catalog.int8, 0)'::text AS n
)
SELECT object AS key, object,
    CASE WHEN missing = '' THEN pg_catalog.format(
        E'SELECT CASE WHEN a.n > 0 THEN %L END AS object, a.n AS value,\n'
        '    a.n || CASE WHEN a.n = 1 THEN '' row has'' ELSE '' rows have'' END || '' NULL in a column that is NOT NULL''\n'
        '        || coalesce('' (ctid '' || a.first || CASE WHEN a.n > 3 THEN '', ...)'' ELSE '')'' END, '''') AS detail, %L AS remedy, %L AS remedy_2,\n'
        '    CASE WHEN %s + $2::pg_catalog.int8 < pg_catalog.pg_relation_size(%s) / %s\n'
        '        THEN pg_catalog.jsonb_build_object(''b'', %s + $2::pg_catalog.int8, ''n'', a.n, ''first'', a.first)::text END AS resume\n'
        'FROM (SELECT count(*) + %s AS n, nullif(pg_catalog.concat_ws('', '', $1::pg_catalog.jsonb ->> ''first'',\n'
        '        pg_catalog.string_agg(x.at, '', '') FILTER (WHERE x.nth + %s <= 3)), '''') AS first\n'
        '    FROM (SELECT c.ctid::text AS at, pg_catalog.row_number() OVER () AS nth FROM %s AS c\n'
        '        WHERE pg_catalog.num_nulls(%s) > 0 AND c.ctid >= pg_catalog.format(''(%%s,0)'', %s)::pg_catalog.tid\n'
        '          AND c.ctid < pg_catalog.format(''(%%s,0)'', %s + $2::pg_catalog.int8)::pg_catalog.tid) AS x) AS a',
        object, pg_catalog.format('SELECT c.ctid, c.* FROM %s AS c WHERE pg_catalog.num_nulls(%s) > 0 LIMIT 100;', source, columns),
        'Give the column a value in these rows, or let it be NULL.',
        r.b, oid, pg_catalog.current_setting('block_size'), r.b, r.n, r.n, source, columns, r.b, r.b) END AS sql,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS cost,
    nullif(missing, '') || ';' AS "grant", '{}' AS start,
    -- Before 14 every range reads the whole table: one range then.
    CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 140000 THEN :slice_blocks::bigint ELSE 2147483648 END AS slice
FROM told CROSS JOIN range AS r
