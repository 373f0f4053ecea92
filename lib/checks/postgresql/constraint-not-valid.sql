-- id: constraint-not-valid
-- title: constraint was never validated
-- engine: postgresql
-- probe: schema
-- topic: constraints
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- metric: dbhealth_constraints_not_valid_rows
-- param.grace: 7d
-- message: NOT VALID: {detail}
-- why: The rows that were there when the constraint was added are unproven: they may break it, and the
--   planner does not trust it. The second step of a migration was forgotten, or it failed.
-- spares: the first 7 days of our own sight (info until then); clones on partitions; constraints that
--   are declared NOT ENFORCED; tables of extensions.
-- fix: VALIDATE CONSTRAINT reads the table while reads and writes go on. It fails while rows break the
--   constraint: list and mend those first.
-- remedy.1: list rows that break it | look | load | | helps
-- remedy.2: validate it | sql | load | | closes
WITH found AS (
	SELECT k.oid, k.conname, k.contype, k.conrelid, k.confrelid, k.conkey, k.confkey,
	    pg_catalog.cardinality(k.conkey) AS n, c.relkind, c.relname, n.nspname, c.reltuples,
	    pg_catalog.format('%I.%I.%I', n.nspname, c.relname, k.conname) AS object
	FROM pg_catalog.pg_constraint AS k
	JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	WHERE NOT k.convalidated AND k.conparentid = 0 AND k.coninhcount = 0
	  AND c.relpersistence <> 't' AND NOT c.relispartition
	  -- Only from 18 on; such a constraint is never valid.
	  AND coalesce(pg_catalog.to_jsonb(k) ->> 'conenforced', 'true') = 'true'
	  AND @schema_is_ours(n.nspname)
	  AND NOT @extension_member(pg_class, c.oid)
	ORDER BY n.nspname, c.relname, k.conname
	LIMIT 1000
), named AS (
	-- Schema, table, constraint, then for a foreign key its target and the columns of both sides.
	SELECT f.*, ARRAY[f.nspname::text, f.relname::text, f.conname::text, pn.nspname::text, p.relname::text] || k.names || k.targets AS parts
	FROM found AS f
	LEFT JOIN pg_catalog.pg_class AS p ON p.oid = f.confrelid
	LEFT JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
	LEFT JOIN LATERAL (
		SELECT pg_catalog.array_agg(a.attname::text ORDER BY u.o) AS names, pg_catalog.array_agg(pa.attname::text ORDER BY u.o) AS targets
		FROM ROWS FROM (pg_catalog.unnest(f.conkey), pg_catalog.unnest(f.confkey)) WITH ORDINALITY AS u (attnum, target, o)
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = u.attnum
		JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = f.confrelid AND pa.attnum = u.target
	) AS k ON f.contype = 'f'
)
SELECT object,
    greatest(reltuples, 0)::bigint AS value,
    CASE WHEN (:first_seen::jsonb ->> object)::float8
            <= extract(epoch FROM pg_catalog.now())::float8 - :grace::float8
        THEN 'warning' ELSE 'info' END AS severity,
    CASE contype WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'CHECK' WHEN 'n' THEN 'NOT NULL' ELSE 'constraint' END
    || pg_catalog.format(', about %s rows unproven',
        pg_catalog.to_char(greatest(reltuples, 0)::bigint, 'FM999,999,999,999,990')) AS detail,
    CASE contype WHEN 'f' THEN (
        SELECT pg_catalog.format('SELECT c.* FROM %s%s.%s AS c WHERE %s AND NOT EXISTS (SELECT FROM %s.%s AS p WHERE %s) LIMIT 100;',
            CASE WHEN relkind = 'r' THEN 'ONLY ' ELSE '' END, q[1], q[2],
            pg_catalog.string_agg(pg_catalog.format('c.%s IS NOT NULL', q[5 + g.k]), ' AND ' ORDER BY g.k), q[4], q[5],
            pg_catalog.string_agg(pg_catalog.format('p.%s = c.%s', q[5 + n + g.k], q[5 + g.k]), ' AND ' ORDER BY g.k))
        FROM pg_catalog.generate_series(1, n) AS g (k))
    ELSE pg_catalog.format('SELECT pg_get_constraintdef(%s);', oid) END AS remedy,
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s VALIDATE CONSTRAINT %s;', q[1], q[2], q[3]) AS remedy_2
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY object
