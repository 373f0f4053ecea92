-- id: rls-policy-but-disabled
-- title: policies exist, but row security is off
-- engine: postgresql
-- probe: schema
-- topic: security
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- message: row security is off, so {detail}
-- why: A policy does nothing until row level security is enabled on its table: everybody with a right on
--   the table sees and changes all rows, while whoever reads the schema believes them guarded.
-- spares: tables of extensions. A partition tree is told once, as its root.
-- fix: ALTER TABLE ... ENABLE ROW LEVEL SECURITY takes a strong lock for an instant. From then on roles that
--   no policy names see no rows: compare the policies with who uses the table first. If they are not
--   wanted any more, drop them.
-- remedy.1: see the policies and whom they name | look | none | | helps
-- remedy.2: enable row security | sql | lock | ALTER TABLE ... DISABLE ROW LEVEL SECURITY | closes
WITH @user_schema, policied AS (
	SELECT c.oid, n.nspname, c.relname, coalesce(pg_catalog.pg_partition_root(c.oid), c.oid) AS root,
	    count(*) AS policies, pg_catalog.min(p.polname::text) AS first
	FROM pg_catalog.pg_policy AS p
	JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
	JOIN user_schema AS n ON n.oid = c.relnamespace
	WHERE NOT c.relrowsecurity AND c.relpersistence <> 't'
	  AND NOT @extension_member(pg_class, c.oid)
	GROUP BY c.oid, n.nspname, c.relname
), rooted AS (
	SELECT t.root, pg_catalog.sum(t.policies)::bigint AS policies, pg_catalog.min(t.first) AS first,
	    pg_catalog.string_agg(pg_catalog.format('ALTER TABLE %s.%s ENABLE ROW LEVEL SECURITY;', @ident(t.nspname), @ident(t.relname)),
	        E'\n' ORDER BY t.oid <> t.root, t.nspname, t.relname) AS enable
	FROM policied AS t GROUP BY t.root
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS object,
    r.policies AS value, 'critical' AS severity,
    CASE WHEN r.policies = 1 THEN pg_catalog.format('policy %I has no effect', r.first)
        ELSE pg_catalog.format('%s policies have no effect, as %I', r.policies, r.first) END AS detail,
    pg_catalog.format('SELECT schemaname, tablename, policyname, permissive, roles, cmd, qual, with_check FROM pg_policies WHERE schemaname = %L AND tablename = %L;',
        n.nspname, c.relname) AS remedy,
    E'SET lock_timeout = ''2s'';\n' || r.enable AS remedy_2
FROM rooted AS r
JOIN pg_catalog.pg_class AS c ON c.oid = r.root
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY r.policies DESC, n.nspname, c.relname
LIMIT 1000
