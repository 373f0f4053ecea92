-- id: password-md5
-- title: passwords are stored as MD5
-- engine: postgresql
-- probe: schema
-- topic: security
-- scope: server
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: warning
-- message: {detail}
-- why: An MD5 hash is as good as the password itself for whoever sees it, and is quickly guessed. PostgreSQL 18
--   warns of it; a later version will not know it any more.
-- spares: roles that cannot log in. Which roles still have such a hash is only told where the monitoring role may
--   read pg_authid, which pg_monitor may not and should not; password_encryption is told to all.
-- fix: Set password_encryption to scram-sha-256, then set each password anew. Drivers older than libpq 10 cannot
--   log in with such passwords.
-- evidence: password_encryption, and pg_authid where it may be read; hashes never leave the server
-- remedy.1: store new passwords as SCRAM | sql | none | ALTER SYSTEM SET password_encryption = 'md5' | closes
-- remedy.2: set the password anew | manual | none | | closes
WITH @setting('{password_encryption}'::text[]), role AS (
	-- The inner statement is run, and pg_authid touched, only where that is allowed.
	SELECT x::text::oid AS oid
	FROM pg_catalog.unnest(CASE WHEN pg_catalog.has_table_privilege('pg_catalog.pg_authid'::pg_catalog.regclass, 'SELECT') THEN
	    pg_catalog.xpath('/table/row/oid/text()', pg_catalog.query_to_xml(
	        'SELECT a.oid FROM pg_catalog.pg_authid AS a WHERE a.rolcanlogin AND a.rolpassword LIKE ''md5%'' ORDER BY a.oid LIMIT 1000', false, false, '')) END) AS x
)
SELECT s.object, 1 AS value, 'warning' AS severity,
    CASE WHEN s.source = 'own' THEN 'passwords that are set there become MD5 hashes' ELSE 'new passwords are stored as MD5 hashes' END AS detail,
    CASE WHEN s.undo IS NOT NULL THEN s.undo
        ELSE E'ALTER SYSTEM SET password_encryption = ''scram-sha-256'';\nSELECT pg_reload_conf();' END AS remedy,
    NULL AS remedy_2
FROM setting AS s
WHERE s.value <> 'scram-sha-256'
UNION ALL
SELECT pg_catalog.quote_ident(r.rolname), 1, 'warning', 'its password is stored as an MD5 hash',
    NULL, '\password ' || pg_catalog.quote_ident(r.rolname)
FROM role AS o JOIN pg_catalog.pg_roles AS r ON r.oid = o.oid
WHERE NOT @platform_role(r.rolname)
ORDER BY object
LIMIT 1000
