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
--   are declared NOT ENFORCED (fk-not-enforced); foreign tables; tables of extensions.
-- fix: VALIDATE CONSTRAINT reads the table while reads and writes go on. It fails while rows break the
--   constraint: list and mend those first.
-- remedy.1: list rows that break it (in psql) | look | load | | helps
-- remedy.2: validate it | sql | load | | closes
WITH @user_schema, found AS (
	SELECT k.oid, k.conname, k.contype, k.conrelid, k.confrelid, k.conkey, k.confkey, k.confmatchtype,
	    pg_catalog.cardinality(k.conkey) AS n, c.relkind, c.relname, n.nspname, c.reltuples,
	    pg_catalog.format('%I.%I.%I', n.nspname, c.relname, k.conname) AS object
	FROM pg_catalog.pg_constraint AS k
	JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
	JOIN user_schema AS n ON n.oid = c.relnamespace
	WHERE NOT k.convalidated AND k.conparentid = 0 AND (k.coninhcount = 0 OR k.conislocal)
	  AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
	  -- What one partition alone has is its own.
	  AND (NOT c.relispartition OR k.coninhcount = 0)
	  -- Only from 18 on; such a constraint is never valid.
	  AND coalesce(pg_catalog.to_jsonb(k) ->> 'conenforced', 'true') = 'true'
	  AND NOT @extension_member(pg_class, c.oid)
	ORDER BY n.nspname, c.relname, k.conname
	LIMIT 1000
), named AS (
	-- Schema, table, constraint, then for a foreign key its target and the columns of both sides.
	SELECT f.*, ARRAY[f.nspname::text, f.relname::text, f.conname::text, pn.nspname::text, p.relname::text]
	    || @names(f.conrelid, f.conkey) || @names(f.confrelid, f.confkey) AS parts
	FROM found AS f
	LEFT JOIN pg_catalog.pg_class AS p ON p.oid = f.confrelid
	LEFT JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
), quoted AS (
	SELECT named.*, q, pg_catalog.format('%s%s.%s', CASE WHEN relkind = 'r' THEN 'ONLY ' ELSE '' END, q[1], q[2]) AS rows_of
	FROM named
	CROSS JOIN LATERAL (
		@idents(parts)
	) AS quoted
), told AS (
	SELECT object, reltuples,
	    CASE contype WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'CHECK' WHEN 'n' THEN 'NOT NULL' ELSE 'constraint' END
	    || pg_catalog.format(', about %s rows unproven',
	        pg_catalog.to_char(greatest(reltuples, 0)::bigint, 'FM999,999,999,999,990')) AS detail,
	    CASE contype WHEN 'f' THEN (
	        SELECT pg_catalog.format('SELECT c.* FROM %s AS c WHERE %s NOT EXISTS (SELECT FROM %s.%s AS p WHERE %s)%s LIMIT 100;', rows_of,
	            -- MATCH SIMPLE: a NULL anywhere satisfies it; MATCH FULL: all NULL or none.
	            CASE WHEN confmatchtype = 'f' AND n > 1 THEN pg_catalog.format('num_nulls(%1$s) BETWEEN 1 AND %2$s OR (num_nulls(%1$s) = 0 AND',
	                pg_catalog.string_agg('c.' || q[5 + g.k], ', ' ORDER BY g.k), n - 1)
	            ELSE pg_catalog.string_agg(pg_catalog.format('c.%s IS NOT NULL', q[5 + g.k]), ' AND ' ORDER BY g.k) || ' AND' END,
	            q[4], q[5], pg_catalog.string_agg(pg_catalog.format('p.%s = c.%s', q[5 + n + g.k], q[5 + g.k]), ' AND ' ORDER BY g.k),
	            CASE WHEN confmatchtype = 'f' AND n > 1 THEN ')' ELSE '' END)
	        FROM pg_catalog.generate_series(1, n) AS g (k))
	    -- The planner takes "IS NULL" for false there.
	    WHEN 'n' THEN pg_catalog.format('SELECT * FROM %s WHERE num_nulls(%s) > 0 LIMIT 100;', rows_of, q[6])
	    -- Its expression is not read here, which may wait: the statement writes the one to run.
	    ELSE pg_catalog.format('SELECT format(''SELECT * FROM %%s WHERE NOT (%%s) LIMIT 100;'', conrelid::regclass, pg_get_expr(conbin, conrelid)) FROM pg_constraint WHERE oid = %s \gexec', oid) END AS remedy,
	    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s VALIDATE CONSTRAINT %s;', q[1], q[2], q[3]) AS remedy_2
	FROM quoted
	UNION ALL
	SELECT pg_catalog.format('%I.%I.%I', n.nspname, t.typname, k.conname), 0, 'CHECK of a domain, all columns of it unproven', NULL,
	    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER DOMAIN %s.%s VALIDATE CONSTRAINT %s;', @ident(n.nspname), @ident(t.typname), @ident(k.conname))
	FROM pg_catalog.pg_constraint AS k
	JOIN pg_catalog.pg_type AS t ON t.oid = k.contypid
	JOIN user_schema AS n ON n.oid = t.typnamespace
	WHERE NOT k.convalidated AND NOT @extension_member(pg_type, t.oid)
)
SELECT object,
    greatest(reltuples, 0)::bigint AS value,
    CASE WHEN (:first_seen::jsonb ->> object)::float8
            <= extract(epoch FROM pg_catalog.now())::float8 - :grace::float8
        THEN 'warning' ELSE 'info' END AS severity,
    detail, remedy, remedy_2
FROM told
ORDER BY object
