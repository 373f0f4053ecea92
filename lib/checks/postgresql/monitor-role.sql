-- id: monitor-role
-- title: rights of the monitoring role
-- engine: postgresql
-- probe: connectivity
-- topic: setup
-- scope: server
-- kind: finding
-- interval: 1min
-- default: on
-- cost: cheap
-- unit: count
-- message: {detail}
-- why: A monitor that may not look reports nothing where it should warn; one that is a superuser makes its
--   own mistakes, or its takeover, a disaster.
-- spares: rights named in accept_missing (by the id of a check, a word of the GRANT, or *; superuser for
--   the second sense). What is not covered for other reasons than rights is listed by dbhealth checks.
-- fix: Grant what is listed, or write accept_missing for what you will not grant. pg_monitor is enough for
--   almost all; reading sequences and the rows of a foreign key needs SELECT on them. dbhealth init prints,
--   compares or grants it by levels.
-- evidence: pg_roles, and the checks that say which right they miss
-- remedy.1: grant what is missing | sql | none | REVOKE the same | closes
-- remedy.2: take away what is too much | sql | none | ALTER ROLE the other way round | closes
-- remedy.3: say that you will not grant it | config | none | | helps
-- remedy.3.text: accept_missing = *
-- remedy.4: see all that a level of rights has and lacks, as a superuser | command | none | | helps
-- remedy.4.text: sudo -u postgres dbhealth init postgresql:///postgres --database '*' --level data --role '{object}' --check
WITH me AS (
	SELECT r.oid, r.rolname, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls,
	    pg_catalog.pg_has_role(r.oid, 'pg_monitor', 'MEMBER') AS monitor
	FROM pg_catalog.pg_roles AS r WHERE r.rolname = session_user
), accepted AS (
	SELECT x FROM pg_catalog.jsonb_array_elements_text(:accept_missing::jsonb) AS x
), missing AS (
	SELECT NULL AS db, 'pg_monitor' AS "check", pg_catalog.format('GRANT pg_monitor TO %I', rolname) AS "grant"
	FROM me WHERE NOT monitor AND NOT rolsuper
	UNION
	SELECT pg_catalog.regexp_replace(n ->> 'database', '[[:cntrl:]]', ' ', 'g'), n ->> 'check', pg_catalog.btrim(n ->> 'grant', ' ;')
	FROM pg_catalog.jsonb_array_elements(:not_covered::jsonb) AS n
	WHERE coalesce(n ->> 'grant', '') <> ''
), wanted AS (
	SELECT m.db, m."check", m."grant" FROM missing AS m
	WHERE NOT EXISTS (SELECT FROM accepted AS a WHERE a.x IN ('*', m."check")
	    OR pg_catalog.strpos(pg_catalog.lower(m."grant"), pg_catalog.lower(a.x)) > 0)
), grants AS (
	SELECT DISTINCT db, "grant" FROM wanted ORDER BY db NULLS FIRST, "grant" LIMIT 40
), blocks AS (
	SELECT db, CASE WHEN (SELECT count(DISTINCT db) FROM grants) > 1 AND db IS NOT NULL THEN '-- in database ' || db || E':\n' ELSE '' END
	    || pg_catalog.string_agg("grant" || ';', E'\n' ORDER BY "grant") AS text
	FROM grants GROUP BY db
), less AS (
	SELECT pg_catalog.string_agg(DISTINCT "check", ', ' ORDER BY "check") AS checks, count(DISTINCT "check") AS n FROM wanted
), more AS (
	SELECT pg_catalog.concat_ws(', ', CASE WHEN rolsuper THEN 'superuser' END,
	        CASE WHEN rolcreaterole AND NOT rolsuper THEN 'createrole' END,
	        CASE WHEN rolcreatedb AND NOT rolsuper THEN 'createdb' END,
	        CASE WHEN rolreplication AND NOT rolsuper THEN 'replication' END,
	        CASE WHEN rolbypassrls AND NOT rolsuper THEN 'bypassrls' END) AS words,
	    pg_catalog.format('ALTER ROLE %I NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS;', rolname) AS narrower
	FROM me
	WHERE NOT EXISTS (SELECT FROM accepted AS a WHERE pg_catalog.lower(a.x) IN ('*', 'superuser'))
)
SELECT me.rolname::text AS object,
    less.n + CASE WHEN coalesce(more.words, '') <> '' THEN 1 ELSE 0 END AS value,
    'info' AS severity,
    pg_catalog.concat_ws('; ',
        CASE WHEN coalesce(more.words, '') <> '' THEN 'has more rights than looking needs (' || more.words || ')' END,
        CASE WHEN less.n > 0 THEN 'misses rights, so not covered: ' || less.checks END) AS detail,
    (SELECT pg_catalog.string_agg(b.text, E'\n' ORDER BY b.db NULLS FIRST) FROM blocks AS b) AS remedy,
    CASE WHEN coalesce(more.words, '') <> '' THEN more.narrower END AS remedy_2
FROM me CROSS JOIN less LEFT JOIN more ON true
WHERE less.n > 0 OR coalesce(more.words, '') <> ''
ORDER BY object
LIMIT 1
