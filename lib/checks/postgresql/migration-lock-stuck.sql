-- id: migration-lock-stuck
-- title: lock of a migration that nobody holds any more
-- engine: postgresql
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: scrub
-- changing: open
-- default: on
-- cost: cheap
-- needs: role primary
-- param.age: 15min
-- metric: dbhealth_migration_lock_age_seconds
-- unit: seconds
-- message: {detail}
-- why: The tool notes its lock in a table. When it is killed in the middle the note stays, and every further deployment
--   waits for it, then fails; an advisory lock stays for as long as its idle session does.
-- spares: a fresh lock, which is a migration that runs (info while its age is not known); locks whose holder, by
--   the address in lockedby, still has a session with an open transaction.
-- fix: Make sure that no migration runs, then release the lock.
-- evidence: the lock table or pg_locks, by the time noted there or by how long we have seen it
-- remedy.1: see who is connected | look | none | | helps
-- remedy.2: once no migration runs: release the lock | sql | none | | closes
-- remedy.3: the same in the tool's own words | command | none | | closes
-- @items
WITH @user_schema, @bookkeeping
SELECT object AS key, object, CASE WHEN missing IS NULL THEN pg_catalog.format(
    CASE tool WHEN 'liquibase lock' THEN $q$
WITH taken AS (
	SELECT %2$L::text AS q, lockedby::text AS holder, 'liquibase'::text AS tool,
	    -- Noted by the clock and in the time zone of the tool: a time that is to come tells nothing.
	    pg_catalog.date_part('epoch', pg_catalog.now() - lockgranted::timestamptz) AS noted FROM %2$s WHERE locked
)$q$ ELSE $q$
WITH taken AS (
	SELECT %2$L::text AS q, NULL::text AS holder, 'knex'::text AS tool, NULL::float8 AS noted FROM %2$s WHERE is_locked <> 0
)$q$ END || $q$, aged AS (
	SELECT t.*, pg_catalog.date_part('epoch', pg_catalog.now()) - (:first_seen::jsonb ->> %1$L)::float8 AS seen, (
		SELECT pg_catalog.string_agg(a.pid::text, ', ') FROM pg_catalog.pg_stat_activity AS a
		WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() AND a.xact_start IS NOT NULL
		  AND a.backend_type = 'client backend'
		  AND (t.holder IS NULL OR a.client_addr IS NULL OR pg_catalog.strpos(t.holder, pg_catalog.host(a.client_addr)) > 0)) AS holders
	FROM taken AS t
), judged AS (
	SELECT a.*, greatest(CASE WHEN a.noted >= 0 THEN a.noted END, a.seen) AS age FROM aged AS a LIMIT 1
)
SELECT %1$L AS object, coalesce(j.age, 0) AS value, j.tool, j.holder,
    CASE WHEN j.holders IS NOT NULL THEN CASE WHEN j.age >= :age::float8 THEN 'warning' ELSE 'none' END
    WHEN j.age >= :age::float8 THEN 'critical' WHEN j.noted >= 0 THEN 'none'
    WHEN j.tool = 'knex' THEN 'warning' ELSE 'info' END AS severity,
    pg_catalog.concat('locked', ' by ' || j.holder, CASE WHEN j.age >= 60 THEN pg_catalog.format(' for %%s min', pg_catalog.floor(j.age / 60)) ELSE '' END,
        CASE WHEN j.holders IS NULL THEN '; no session has a transaction of its' ELSE '; open transactions: ' || j.holders END) AS detail,
    'SELECT pid, usename, application_name, client_addr, state, xact_start, left(query, 60) AS query FROM pg_stat_activity WHERE datname = current_database();' AS remedy,
    CASE j.tool WHEN 'knex' THEN pg_catalog.format('UPDATE %%s SET is_locked = 0;', j.q)
        ELSE pg_catalog.format('UPDATE %%s SET locked = false, lockgranted = NULL, lockedby = NULL WHERE locked;', j.q) END AS remedy_2,
    CASE j.tool WHEN 'knex' THEN 'npx knex migrate:unlock' ELSE 'liquibase release-locks' END AS remedy_3
FROM judged AS j
$q$, object, q) END AS sql,
    4096 AS cost, missing AS "grant"
FROM bookkeeping
WHERE tool ~ ' lock$'
UNION ALL
SELECT '*', '*', $q$
WITH RECURSIVE bits(i, c, rest) AS (
	-- CRC-32 of the database's name, of which Rails and sqlx make the number of their lock.
	SELECT 0, 4294967295::int8, pg_catalog.convert_to(pg_catalog.current_database()::text, 'UTF8')
	UNION ALL
	SELECT i + 1, CASE WHEN x & 1 = 1 THEN (x >> 1) # 3988292384 ELSE x >> 1 END, rest
	FROM (SELECT i, rest, CASE WHEN i % 8 = 0 THEN c # pg_catalog.get_byte(rest, i / 8)::int8 ELSE c END AS x
	    FROM bits WHERE i < 8 * pg_catalog.length(rest)) AS b
), crc AS (
	SELECT (c # 4294967295) AS n FROM bits WHERE i = 8 * pg_catalog.length(rest)
), held AS (
	SELECT l.pid, (l.classid::int8 << 32) | l.objid::int8 AS k
	FROM pg_catalog.pg_locks AS l
	WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
	  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
), tool AS (
	SELECT h.pid, CASE WHEN h.k = 72707369 THEN 'prisma' WHEN h.k IN (5887940537704921958, 4097083626) THEN 'goose'
	    WHEN h.k - 77431708279161 BETWEEN -2147483648 AND 2147483647 THEN 'flyway'
	    WHEN h.k = 2053462845 * c.n THEN 'rails' WHEN h.k = 1026731422 * c.n THEN 'sqlx' END AS tool
	FROM held AS h CROSS JOIN crc AS c
), idle AS (
	SELECT t.tool, a.*, pg_catalog.date_part('epoch', pg_catalog.now() - a.state_change) AS age
	FROM tool AS t JOIN pg_catalog.pg_stat_activity AS a ON a.pid = t.pid
	-- Its statements run in a second session of the same program; what has any is at work.
	WHERE t.tool IS NOT NULL AND a.state = 'idle' AND NOT EXISTS (
		SELECT FROM pg_catalog.pg_stat_activity AS o
		WHERE o.pid <> a.pid AND o.pid <> pg_catalog.pg_backend_pid() AND o.datname = a.datname AND o.usename = a.usename
		  AND o.client_addr IS NOT DISTINCT FROM a.client_addr AND o.application_name = a.application_name AND o.xact_start IS NOT NULL)
)
SELECT 'advisory lock' AS object, 'advisory lock ' || pid || '/' || backend_start AS key, age AS value, tool, 'critical' AS severity,
    pg_catalog.format('the advisory lock of %s is held by session %s, idle for %s min', tool, pid, pg_catalog.floor(age / 60)) AS detail,
    'SELECT pid, usename, application_name, client_addr, state, state_change FROM pg_stat_activity WHERE pid = ' || pid || ';' AS remedy,
    pg_catalog.format('SELECT pg_terminate_backend(%s);', pid) AS remedy_2, NULL AS remedy_3
FROM idle
WHERE age >= :age::float8
ORDER BY age DESC
LIMIT 100
$q$, 4096, NULL
FROM told WHERE none IS NOT TRUE
ORDER BY 1
