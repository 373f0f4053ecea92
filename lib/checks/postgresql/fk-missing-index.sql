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
-- spares: key covered by a primary key, unique index, hash index (one column), GiST index that knows
--   equality (exclusion constraints), or partial index WHERE column IS NOT NULL; columns in any order;
--   keys that are not enforced; partitions (their root is told, unless each has an index of its own);
--   tables of extensions.  Under 1,000 rows it is info only.
-- fix: CREATE INDEX CONCURRENTLY ON schema.table (columns); cannot run in a transaction; waits for older
--   transactions; if it fails it leaves an invalid index (index-invalid): drop it, try again. On a
--   partitioned table: the index ON ONLY its root, CONCURRENTLY on each partition, then ATTACH.
-- remedy.1: build the index while reads and writes go on | sql | load | DROP INDEX CONCURRENTLY the new index | closes
-- remedy.2: build it on all partitions at once; their writes wait meanwhile | sql | lock | DROP INDEX the new index | closes
WITH RECURSIVE @user_schema, @user_table, @user_fk, fk AS (
	-- Of several keys over the same columns one; without triggers (NOT ENFORCED) nothing is looked up.
	SELECT DISTINCT ON (k.conrelid, s.sorted) k.conrelid AS oid, k.oid AS con, k.relkind, k.relname, k.nspname, k.conname, k.confrelid, k.conkey, k.n, k.reltuples,
	    @names(k.conrelid, k.conkey) AS names
	FROM user_fk AS k
	CROSS JOIN LATERAL (SELECT pg_catalog.array_agg(u ORDER BY u) AS sorted FROM pg_catalog.unnest(k.conkey) AS u) AS s
	WHERE EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgconstraint = k.oid)
	ORDER BY k.conrelid, s.sorted, k.oid
), rootless AS (
	SELECT f.*, c.conpfeqop FROM fk AS f JOIN pg_catalog.pg_constraint AS c ON c.oid = f.con
	WHERE NOT @fk_covered(f.oid, f.conkey, f.n, c.conpfeqop)
), clone AS (
	-- The key as each partition has it, whose columns may stand elsewhere.
	SELECT f.con AS root, f.con AS oid, f.oid AS rel, f.conkey, f.n, f.conpfeqop FROM rootless AS f WHERE f.relkind = 'p'
	UNION ALL
	SELECT c.root, k.oid, k.conrelid, k.conkey, c.n, k.conpfeqop
	FROM clone AS c JOIN pg_catalog.pg_constraint AS k ON k.conparentid = c.oid AND k.conrelid <> c.rel AND k.contype = 'f'
), bare AS (
	SELECT f.* FROM rootless AS f
	-- Not where each partition has an index of its own.
	WHERE f.relkind = 'r' OR NOT EXISTS (SELECT FROM clone AS c JOIN pg_catalog.pg_class AS l ON l.oid = c.rel AND l.relkind = 'r' WHERE c.root = f.con)
	   OR EXISTS (SELECT FROM clone AS c JOIN pg_catalog.pg_class AS l ON l.oid = c.rel AND l.relkind = 'r'
	       WHERE c.root = f.con AND NOT @fk_covered(c.rel, c.conkey, c.n, c.conpfeqop))
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
