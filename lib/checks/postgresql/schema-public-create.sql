-- id: schema-public-create
-- title: everybody may create objects in a schema
-- engine: postgresql
-- probe: schema
-- topic: security
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- message: every role may create tables and functions in it
-- why: A function or operator that anybody puts there is found by the unqualified names of others and runs with
--   their rights. Until 14 this was the default of the schema public, and an upgrade keeps it.
-- spares: schemas of extensions and those left out by schemas_exclude.
-- fix: Grant CREATE to the roles that migrate, then take it from PUBLIC. What exists stays as it is.
-- remedy.1: take the right from PUBLIC | sql | none | GRANT CREATE ON SCHEMA ... TO PUBLIC | closes
WITH @user_schema
SELECT pg_catalog.quote_ident(n.nspname) AS object,
    1 AS value, 'info' AS severity,
    pg_catalog.string_agg(CASE WHEN a.grantor = n.nspowner THEN '' ELSE 'SET ROLE ' || @ident(w.rolname) || E';\n' END
        || pg_catalog.format('REVOKE CREATE ON SCHEMA %s FROM PUBLIC;', @ident(n.nspname))
        || CASE WHEN a.grantor = n.nspowner THEN '' ELSE E'\nRESET ROLE;' END, E'\n' ORDER BY a.grantor) AS remedy
FROM user_schema AS n
CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
LEFT JOIN pg_catalog.pg_roles AS w ON w.oid = a.grantor
WHERE a.grantee = 0 AND a.privilege_type = 'CREATE'
  AND NOT @extension_member(pg_namespace, n.oid)
GROUP BY n.nspname
ORDER BY n.nspname
LIMIT 1000
