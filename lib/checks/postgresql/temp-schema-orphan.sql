-- id: temp-schema-orphan
-- title: temporary tables of a session that is gone
-- engine: postgresql
-- probe: integrity
-- topic: tables
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- for: 1d
-- needs: role primary
-- metric: dbhealth_orphan_temp_tables
-- message: {value} temporary tables of a session that is gone: {detail}
-- why: A crash leaves them in the catalogue. Autovacuum cannot freeze them, so their age holds the whole
--   database back until transaction numbers run out.
-- spares: temporary tables of every session that lives; what is gone within a day (autovacuum drops them when it
--   comes by). Before 16 the server does not tell which idle session has which schema: there all that
--   may belong to one are spared.
-- fix: Drop the schema, as a superuser. It is made anew when a session needs it.
-- remedy.1: drop them | sql | lock | | closes
-- @part temp
temp AS (
	SELECT n.nspname, pg_catalog.substring(n.nspname::text, '\d+')::int AS id, count(*) AS n,
	    max(pg_catalog.age(c.relfrozenxid)) FILTER (WHERE c.relfrozenxid <> 0) AS age
	FROM pg_catalog.pg_namespace AS n
	JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relpersistence = 't'
	WHERE n.nspname ~ '^pg_temp_\d+$' AND n.oid <> pg_catalog.pg_my_temp_schema()
	GROUP BY n.nspname
)
-- @end
-- @part answer
SELECT t.nspname AS object,
    t.n AS value,
    CASE WHEN t.age > pg_catalog.current_setting('autovacuum_freeze_max_age')::bigint THEN 'critical' ELSE 'warning' END AS severity,
    coalesce(pg_catalog.format('the oldest is %s transactions old', pg_catalog.to_char(t.age, 'FM999,999,999,990')), 'no rows of their own') AS detail,
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nDROP SCHEMA %I CASCADE;', t.nspname) AS remedy
FROM temp AS t
-- We make none ourselves.
JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
WHERE NOT EXISTS (SELECT FROM owner AS o WHERE t.id BETWEEN o.least AND o.most AND o.who IS DISTINCT FROM me.oid)
ORDER BY t.age DESC NULLS LAST, object
LIMIT 1000
-- @end
-- @part this_database
(SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
-- @end
-- @when server >= 16
WITH @temp, owner AS (
	SELECT b.id AS least, b.id AS most, pg_catalog.pg_stat_get_backend_userid(b.id) AS who
	FROM pg_catalog.pg_stat_get_backend_idset() AS b (id)
	WHERE pg_catalog.pg_stat_get_backend_dbid(b.id) = @this_database
)
@answer
-- @when server < 16
WITH @temp, backend AS (
	-- In the order of their numbers, which only sessions within a transaction show.
	SELECT s.place, s.who, s.db, v.id
	FROM (SELECT b.place, pg_catalog.pg_stat_get_backend_pid(b.place) AS pid, pg_catalog.pg_stat_get_backend_userid(b.place) AS who,
	        pg_catalog.pg_stat_get_backend_dbid(b.place) AS db
	    FROM pg_catalog.pg_stat_get_backend_idset() AS b (place)) AS s
	LEFT JOIN (SELECT l.pid, pg_catalog.split_part(min(l.virtualtransaction), '/', 1)::int AS id
	    FROM pg_catalog.pg_locks AS l WHERE l.pid IS NOT NULL GROUP BY l.pid) AS v ON v.pid = s.pid AND v.id > 0
), place AS (
	-- Between its neighbours' where its own is not shown; behind the last known one there is no bound.
	SELECT b.who, coalesce(b.id, greatest(b.place, max(b.id) OVER (ORDER BY b.place) + 1)) AS least,
	    coalesce(b.id, min(b.id) OVER (ORDER BY b.place DESC) - 1) AS most, b.db
	FROM backend AS b
), owner AS (
	SELECT p.least, coalesce(p.most, 2147483647) AS most, p.who FROM place AS p WHERE p.db = @this_database
)
@answer
