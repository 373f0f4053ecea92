-- What the role needs on the server as a whole: (order, kind, level, what, statement, whether it is there).
WITH me AS (
	SELECT w.role, r.oid, r.rolcanlogin, r.rolconnlimit, pg_catalog.quote_ident(w.role) AS q,
	    pg_catalog.current_setting('server_version_num')::int AS version
	FROM (SELECT :role::text AS role) AS w LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = w.role
)
SELECT 1, 'grant', 0, 'the role, limited in its connections',
    pg_catalog.format('DO $dbhealth$BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = %L) '
        'THEN CREATE ROLE %s LOGIN CONNECTION LIMIT %s; END IF; END$dbhealth$;', role, q, :limit::int),
    oid IS NOT NULL
FROM me
UNION ALL
SELECT 2, 'grant', 0, 'it may log in, and not fill the server',
    pg_catalog.format('ALTER ROLE %s LOGIN CONNECTION LIMIT %s;', q, :limit::int),
    oid IS NULL OR rolcanlogin AND CASE WHEN :limit_given::bool THEN rolconnlimit = :limit::int ELSE rolconnlimit BETWEEN 2 AND 100 END
FROM me
UNION ALL
-- The daemon sets it for itself; this holds whoever logs in as the role.
SELECT 3, 'grant', 0, 'it writes nothing by mistake',
    pg_catalog.format('ALTER ROLE %s SET default_transaction_read_only = on;', q),
    EXISTS (SELECT FROM pg_catalog.pg_db_role_setting AS s
        WHERE s.setrole = me.oid AND s.setdatabase = 0 AND 'default_transaction_read_only=on' = ANY (s.setconfig))
FROM me
UNION ALL
SELECT 4, 'grant', 0, 'statistics, settings and sessions of all',
    CASE WHEN oid IS NULL OR pg_catalog.pg_has_role(oid, 'pg_monitor', 'USAGE') OR NOT pg_catalog.pg_has_role(oid, 'pg_monitor', 'MEMBER')
        THEN pg_catalog.format('GRANT pg_monitor TO %s;', q)
    WHEN version < 160000 THEN pg_catalog.format('GRANT pg_monitor TO %s; ALTER ROLE %s INHERIT;', q, q)
    ELSE pg_catalog.format('GRANT pg_monitor TO %s WITH INHERIT TRUE;', q) END,
    coalesce(pg_catalog.pg_has_role(oid, 'pg_monitor', 'USAGE'), false)
FROM me
UNION ALL
SELECT 5, 'grant', 2, 'every table, as you asked (--read-all)',
    pg_catalog.format('GRANT pg_read_all_data TO %s;', q),
    coalesce(pg_catalog.pg_has_role(oid, (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'pg_read_all_data'), 'USAGE'), false)
FROM me WHERE :read_all::bool AND version >= 140000
UNION ALL
SELECT 6, 'grant', 0, 'to enter the database',
    pg_catalog.format('GRANT CONNECT ON DATABASE %s TO %s;', @ident(d.datname), q),
    coalesce(pg_catalog.has_database_privilege(me.oid, d.oid, 'CONNECT'), false)
FROM me, pg_catalog.pg_database AS d
WHERE d.datname IN (SELECT pg_catalog.jsonb_array_elements_text(:databases::jsonb))
ORDER BY 1, 5
