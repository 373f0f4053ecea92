-- id: index-redundant-predicate
-- title: index leaves out NULLs that cannot be
-- engine: postgresql
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: bytes
-- metric: dbhealth_redundant_predicate_index_bytes
-- message: WHERE ... IS NOT NULL on {columns}, NOT NULL anyway
-- why: The condition leaves nothing out, but a query must prove it before it may use the index, and a unique
--   one can be no target of a foreign key or ON CONFLICT without it.
-- spares: columns that may be NULL; conditions that leave other rows out (then only that part is of no use);
--   IS NOT NULL of an expression.
-- fix: Build the index without the condition while reads and writes go on, then drop the old one.
-- remedy.1: put one without it in its place while reads and writes go on | sql | load | CREATE INDEX CONCURRENTLY with WHERE | closes
-- remedy.2: build it again without that condition | manual | load | | closes
WITH @user_schema, @user_index, tested AS (
	-- Tests of a column that cannot be NULL are marked #, the number of the column behind.
	SELECT u.*, pg_catalog.regexp_replace(u.indpred::text, k.test, '#\1#', 'g') AS pred
	FROM user_index AS u
	CROSS JOIN LATERAL (
		SELECT '\{NULLTEST :arg \{VAR :varno 1 :varattno (' || pg_catalog.string_agg(a.attnum::text, '|') || ') [^{}]*\} :nulltesttype 1 [^{}]*\}' AS test
		FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = u.indrelid AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped
	) AS k
	WHERE u.indpred IS NOT NULL AND k.test IS NOT NULL AND u.indpred::text ~ k.test
), flat AS (
	-- From inside out, what an AND joins stays and everything else goes with the marks in it: what is left
	-- in the end are the terms that must all hold.
	SELECT t.*, f.flat
	FROM tested AS t
	CROSS JOIN LATERAL (
		WITH RECURSIVE step AS (
			SELECT t.pred AS s, 0 AS depth
			UNION ALL
			SELECT CASE WHEN a.joined <> b.s THEN a.joined ELSE pg_catalog.regexp_replace(b.s, '\{[^{}]*\}', '~', 'g') END, b.depth + 1
			FROM step AS b
			CROSS JOIN LATERAL (
				SELECT pg_catalog.regexp_replace(b.s, '\{BOOLEXPR :boolop and :args \(([^{}()]*)\)[^{}()]*\}', ' \1 ', 'g') AS joined
			) AS a
			WHERE b.s ~ '\{' AND b.depth < 100
		)
		SELECT b.s AS flat FROM step AS b ORDER BY b.depth DESC LIMIT 1
	) AS f
), named AS (
	SELECT f.*, f.flat !~ '~' AS whole, c.columns, ARRAY[f.nspname::text, f.index::text, f.relname::text, 'dbhealth_' || f.indexrelid] AS parts
	FROM flat AS f
	CROSS JOIN LATERAL (
		SELECT pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(a.attname), ', ') AS columns
		FROM pg_catalog.regexp_matches(f.flat, '#(\d+)#', 'g') AS m (hit)
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.indrelid AND a.attnum = m.hit[1]::int2
	) AS c
	WHERE c.columns IS NOT NULL
	ORDER BY f.relpages DESC, f.nspname, f.relname, f.index
	LIMIT 1000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, index) AS object,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS value,
    'info' AS severity,
    columns,
    CASE WHEN whole THEN 'the whole predicate' ELSE 'a part of the predicate' END AS detail,
    CASE WHEN mend.possible THEN pg_catalog.format(
        E'CREATE %sINDEX CONCURRENTLY %s ON %s.%s %s;\nDROP INDEX CONCURRENTLY %s.%s;\nSET lock_timeout = ''2s'';\nALTER INDEX %s.%s RENAME TO %s;',
        CASE WHEN indisunique THEN 'UNIQUE ' ELSE '' END, q[4], q[1], q[3], @index_definition(named), q[1], q[2], q[1], q[4], q[2]) END AS remedy,
    CASE WHEN NOT mend.possible THEN 'CREATE INDEX CONCURRENTLY with the definition but that condition; then drop the old one.' END AS remedy_2
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
CROSS JOIN LATERAL (
	SELECT whole AND relkind = 'i' AND indexprs IS NULL AND NOT indisclustered AND NOT indisreplident AS possible
) AS mend
ORDER BY relpages DESC, nspname, relname, index
