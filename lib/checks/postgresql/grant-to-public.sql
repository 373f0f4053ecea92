-- id: grant-to-public
-- title: everybody has rights on a table
-- engine: postgresql
-- probe: schema
-- topic: security
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- message: PUBLIC has {rights}
-- why: A right of PUBLIC is a right of every role, also of those that are created next year for one report.
-- spares: tables and views of extensions; temporary ones. Rights that only read are info. A partition tree is
--   told as its root.
-- fix: Grant the rights to the roles that use them first, then take them from PUBLIC. Neither locks the table.
-- remedy.1: take the rights from PUBLIC | sql | none | GRANT the same TO PUBLIC | closes
WITH @user_schema, granted AS (
	SELECT c.oid, c.relkind, a.grantor, a.privilege_type AS privilege
	FROM pg_catalog.pg_class AS c
	JOIN user_schema AS n ON n.oid = c.relnamespace
	CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
	WHERE c.relacl IS NOT NULL AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND a.grantee = 0
	UNION
	SELECT c.oid, c.relkind, a.grantor, a.privilege_type
	FROM pg_catalog.pg_attribute AS t
	JOIN pg_catalog.pg_class AS c ON c.oid = t.attrelid
	JOIN user_schema AS n ON n.oid = c.relnamespace
	CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) AS a
	WHERE t.attacl IS NOT NULL AND NOT t.attisdropped
	  AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND a.grantee = 0
), by_grantor AS (
	SELECT g.oid, coalesce(CASE WHEN g.relkind IN ('r', 'p') THEN pg_catalog.pg_partition_root(g.oid) END, g.oid) AS root, g.grantor,
	    pg_catalog.array_agg(g.privilege ORDER BY g.privilege) AS rights
	FROM granted AS g
	WHERE NOT @extension_member(pg_class, g.oid)
	GROUP BY g.oid, g.relkind, g.grantor
), revoked AS (
	-- A right is taken back as the one who gave it; a superuser stands for the owner.
	SELECT b.root, pg_catalog.string_agg(
	        CASE WHEN b.grantor = c.relowner THEN '' ELSE 'SET ROLE ' || @ident(w.rolname) || E';\n' END
	        || pg_catalog.format('REVOKE %s ON TABLE %s.%s FROM PUBLIC;', pg_catalog.array_to_string(b.rights, ', '), @ident(n.nspname), @ident(c.relname))
	        || CASE WHEN b.grantor = c.relowner THEN '' ELSE E'\nRESET ROLE;' END,
	        E'\n' ORDER BY b.oid <> b.root, n.nspname, c.relname, b.grantor) AS revoke
	FROM by_grantor AS b
	JOIN pg_catalog.pg_class AS c ON c.oid = b.oid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	LEFT JOIN pg_catalog.pg_roles AS w ON w.oid = b.grantor
	GROUP BY b.root
), rights AS (
	SELECT b.root, pg_catalog.array_agg(DISTINCT p ORDER BY p) AS rights
	FROM by_grantor AS b CROSS JOIN LATERAL pg_catalog.unnest(b.rights) AS p GROUP BY b.root
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS object,
    pg_catalog.cardinality(g.rights) AS value,
    CASE WHEN g.rights && '{INSERT,UPDATE,DELETE,TRUNCATE,TRIGGER,MAINTAIN}' THEN 'warning' ELSE 'info' END AS severity,
    pg_catalog.array_to_string(g.rights, ', ') AS rights,
    r.revoke AS remedy
FROM rights AS g
JOIN revoked AS r ON r.root = g.root
JOIN pg_catalog.pg_class AS c ON c.oid = g.root
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY severity DESC, n.nspname, c.relname
LIMIT 2000
