-- What the data role needs on the server as a whole: (order, kind, level, what, statement, whether it is there).
WITH me AS (
	SELECT w.role, r.oid, r.rolcanlogin, r.rolconnlimit, pg_catalog.quote_ident(w.role) AS q
	FROM (SELECT :data_role::text AS role) AS w LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = w.role
)
SELECT 11, 'grant', 2, 'data_role: runs the rules and operators that are code of the database, and nothing else',
    pg_catalog.format('DO $dbhealth$BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = %L) '
        'THEN CREATE ROLE %s LOGIN CONNECTION LIMIT %s; END IF; END$dbhealth$;', role, q, :limit::int),
    oid IS NOT NULL
FROM me
UNION ALL
SELECT 12, 'grant', 2, 'data_role: it may log in, and not fill the server',
    pg_catalog.format('ALTER ROLE %s LOGIN CONNECTION LIMIT %s;', q, :limit::int),
    oid IS NULL OR rolcanlogin AND rolconnlimit BETWEEN 1 AND 100
FROM me
UNION ALL
SELECT 13, 'grant', 2, 'data_role: it writes nothing by mistake',
    pg_catalog.format('ALTER ROLE %s SET default_transaction_read_only = on;', q),
    EXISTS (SELECT FROM pg_catalog.pg_db_role_setting AS s
        WHERE s.setrole = me.oid AND s.setdatabase = 0 AND 'default_transaction_read_only=on' = ANY (s.setconfig))
FROM me
UNION ALL
SELECT 14, 'grant', 2, 'data_role: to enter the database',
    pg_catalog.format('GRANT CONNECT ON DATABASE %s TO %s;', @ident(d.datname), q),
    coalesce(pg_catalog.has_database_privilege(me.oid, d.oid, 'CONNECT'), false)
FROM me, pg_catalog.pg_database AS d
WHERE d.datname IN (SELECT pg_catalog.jsonb_array_elements_text(:databases::jsonb))
ORDER BY 1, 5
