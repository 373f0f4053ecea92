-- id: fk-missing-index
-- title: foreign key without an index on the referencing side
-- engine: postgresql
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- metric: dbhealth_foreign_keys_without_index_rows
-- param.min_rows: 1000
-- param.max_partitions: 8
-- message: no index for the foreign key to {target}; about {value} rows
-- why: Each DELETE of a parent row, or UPDATE of its key, reads the whole child table while it holds row
--   locks: slow deletes, lock queues.
-- spares: key covered by a primary key, unique index, hash index (one column), or partial index WHERE
--   column IS NOT NULL; columns in any order; partitions (their root is told); tables of extensions.
--   Under 1,000 rows it is info only.
-- fix: CREATE INDEX CONCURRENTLY ON schema.table (columns); cannot run in a transaction; waits for older
--   transactions; if it fails it leaves an invalid index (index-invalid): drop it, try again. On a
--   partitioned table: the index ON ONLY its root, CONCURRENTLY on each partition, then ATTACH.
-- remedy.1: build the index while reads and writes go on | sql | load | DROP INDEX CONCURRENTLY the new index | closes
-- remedy.2: build it on all partitions at once; their writes wait meanwhile | sql | lock | DROP INDEX the new index | closes
WITH RECURSIVE fk AS (
	SELECT DISTINCT ON (c.oid, k.sorted) c.oid, c.relkind, c.relname, n.nspname,
	    con.conname, con.confrelid, con.conkey, pg_catalog.cardinality(con.conkey) AS n, k.names, c.reltuples
	FROM pg_catalog.pg_constraint AS con
	JOIN pg_catalog.pg_class AS c ON c.oid = con.conrelid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	CROSS JOIN LATERAL (
		SELECT pg_catalog.array_agg(a.attname::text ORDER BY u.o) AS names, pg_catalog.array_agg(u.attnum ORDER BY u.attnum) AS sorted
		FROM pg_catalog.unnest(con.conkey) WITH ORDINALITY AS u (attnum, o)
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = con.conrelid AND a.attnum = u.attnum
	) AS k
	WHERE con.contype = 'f' AND con.conparentid = 0 AND c.relkind IN ('r', 'p')
	  AND c.relpersistence <> 't' AND NOT c.relispartition
	  AND @schema_is_ours(n.nspname)
	  AND NOT @extension_member(pg_class, c.oid)
	ORDER BY c.oid, k.sorted, con.oid
), bare AS (
	SELECT f.* FROM fk AS f
	WHERE NOT EXISTS (
		SELECT FROM pg_catalog.pg_index AS i
		JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
		JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
		-- What is left of the predicate when "column of the key IS NOT NULL" is taken out.
		CROSS JOIN LATERAL (SELECT pg_catalog.regexp_replace(i.indpred::text, pg_catalog.format(
		    '\{NULLTEST :arg \{VAR :varno 1 :varattno (%s) [^{}]*\} :nulltesttype 1 [^{}]*\}',
		    pg_catalog.array_to_string(f.conkey, '|')), '', 'g') AS pred) AS rest
		WHERE i.indrelid = f.oid AND i.indisvalid AND i.indisready AND i.indislive
		  AND (m.amname = 'btree' OR m.amname = 'hash' AND f.n = 1)
		  AND i.indnkeyatts >= f.n
		  -- The leading keys, without payload columns, are the key's columns in any order.
		  AND (i.indkey::int2[])[0 : f.n - 1] @> f.conkey AND (i.indkey::int2[])[0 : f.n - 1] <@ f.conkey
		  AND NOT EXISTS (
			SELECT FROM pg_catalog.generate_series(0, f.n - 1) AS g (k)
			JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.oid AND a.attnum = i.indkey[g.k]
			WHERE i.indcollation[g.k] <> 0 AND i.indcollation[g.k] <> a.attcollation)
		  AND (i.indpred IS NULL OR rest.pred ~ '^\s*(\{BOOLEXPR :boolop and :args \(\s*\)[^{}]*\})?\s*$'))
	ORDER BY f.reltuples DESC, f.nspname, f.relname, f.names
	LIMIT 1000
), tree AS (
	SELECT DISTINCT f.oid AS root, NULL::oid AS parent, f.oid, 0 AS depth FROM bare AS f
	UNION ALL
	SELECT t.root, t.oid, h.inhrelid, t.depth + 1
	FROM tree AS t JOIN pg_catalog.pg_inherits AS h ON h.inhparent = t.oid
	JOIN pg_catalog.pg_class AS c ON c.oid = h.inhrelid AND c.relispartition
), counted AS (
	SELECT f.*, t.rows, t.parts AS partitions, pn.nspname AS pnspname, p.relname AS prelname
	FROM bare AS f
	JOIN pg_catalog.pg_class AS p ON p.oid = f.confrelid
	JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
	CROSS JOIN LATERAL (
		SELECT coalesce(sum(CASE WHEN c.reltuples > 0 THEN c.reltuples ELSE pg_catalog.pg_stat_get_live_tuples(c.oid) END) FILTER (WHERE c.relkind <> 'p'), 0)::bigint AS rows,
		    count(*) - 1 AS parts
		FROM tree AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.oid WHERE t.root = f.oid
	) AS t
), named AS (
	SELECT c.*, ARRAY[nspname::text, relname::text] || names AS parts FROM counted AS c
), told AS (
	SELECT named.*, quoted.q, pg_catalog.array_to_string(quoted.q[3:], ', ') AS columns,
	    pg_catalog.format('fk_%s_%s', oid, pg_catalog.array_to_string(conkey, '_')) AS index
	FROM named
	CROSS JOIN LATERAL (
		@idents(parts)
	) AS quoted
)
SELECT pg_catalog.format('%I.%I.', nspname, relname)
    || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(u.name), ',' ORDER BY u.o) FROM pg_catalog.unnest(names) WITH ORDINALITY AS u (name, o)) AS object,
    rows AS value,
    CASE WHEN rows >= :min_rows::bigint THEN 'warning' ELSE 'info' END AS severity,
    pg_catalog.format('foreign key %I to %I.%I, about %s rows', conname, pnspname, prelname, rows) AS detail,
    pg_catalog.format('%I.%I', pnspname, prelname) AS target,
    CASE WHEN relkind = 'r' THEN pg_catalog.format('CREATE INDEX CONCURRENTLY ON %s.%s (%s);', q[1], q[2], columns)
    WHEN partitions <= :max_partitions::bigint THEN (
        -- From the root down: ON ONLY for partitioned tables, CONCURRENTLY for leaves, each joined to its parent's.
        SELECT pg_catalog.string_agg(CASE WHEN c.relkind = 'p'
                THEN pg_catalog.format('CREATE INDEX %I ON ONLY %s.%s (%s);', index || '_' || c.oid, s.q[1], s.q[2], columns)
                ELSE pg_catalog.format('CREATE INDEX CONCURRENTLY %I ON %s.%s (%s);', index || '_' || c.oid, s.q[1], s.q[2], columns) END,
            E'\n' ORDER BY t.depth, t.oid)
        || coalesce(E'\n' || pg_catalog.string_agg(pg_catalog.format('ALTER INDEX %s.%I ATTACH PARTITION %s.%I;',
                s.q[3], index || '_' || t.parent, s.q[1], index || '_' || t.oid), E'\n' ORDER BY t.depth DESC, t.oid)
            FILTER (WHERE t.parent IS NOT NULL), '')
        FROM tree AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.oid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_class AS up ON up.oid = t.parent
        LEFT JOIN pg_catalog.pg_namespace AS un ON un.oid = up.relnamespace
        CROSS JOIN LATERAL (SELECT ARRAY[n.nspname::text, c.relname::text, coalesce(un.nspname, '')::text] AS parts) AS p
	CROSS JOIN LATERAL (
		@idents(parts)
	) AS s
        WHERE t.root = told.oid) END AS remedy,
    CASE WHEN relkind = 'p' AND partitions > :max_partitions::bigint THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nCREATE INDEX ON %s.%s (%s);', q[1], q[2], columns) END AS remedy_2
FROM told
ORDER BY rows DESC, nspname, relname, names
