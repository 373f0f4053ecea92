-- id: column-timestamp-no-tz
-- title: timestamps without time zone
-- engine: postgresql
-- probe: schema
-- topic: types
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- param.wall_clock: (^|_)(local|wall|wallclock|naive)(_|$)
-- message: {detail}
-- why: The value does not say which moment is meant: two sessions with different TimeZone read it as different
--   moments, differences are wrong by an hour when the clocks change, and one hour each year is there twice.
-- spares: columns whose name says that they keep the time of the wall clock (wall_clock); views, partitions,
--   bookkeeping tables and tables of extensions. One finding a table.
-- fix: timestamptz, which stores the moment and takes the same room. The conversion must know which zone the
--   application wrote; with another than UTC put that in. It rewrites the table under a strong lock; it does
--   not where USING is left out and TimeZone is UTC.
-- remedy.1: if the application writes UTC: convert all of them | sql | lock | ALTER TABLE ... TYPE timestamp USING column AT TIME ZONE 'UTC' | closes
-- remedy.2: what depends on them comes first: views, keys, conditions | manual | lock | | closes
WITH RECURSIVE @user_schema, @user_table, @base_type, @typed_column, found AS (
	SELECT c.*, @retype_needs_a_person(c) AS refused, pg_catalog.row_number() OVER (PARTITION BY c.oid ORDER BY c.attnum) AS place
	FROM typed_column AS c
	WHERE c.base = 'pg_catalog.timestamp'::pg_catalog.regtype AND c.attname !~* :wall_clock
), told AS (
	SELECT f.oid, f.nspname, f.relname, count(*) AS n, pg_catalog.bool_or(f.refused) AS refused,
	    pg_catalog.string_agg(pg_catalog.quote_ident(f.attname), ', ' ORDER BY f.place) FILTER (WHERE f.place <= 5) AS first,
	    pg_catalog.string_agg(pg_catalog.format(E'    ALTER COLUMN %s TYPE timestamptz USING %s AT TIME ZONE ''UTC''', @ident(f.attname), @ident(f.attname)), E',\n' ORDER BY f.place)
	        FILTER (WHERE f.place <= 40) AS clauses
	FROM found AS f GROUP BY f.oid, f.nspname, f.relname
	ORDER BY f.nspname, f.relname
	LIMIT 2000
)
SELECT pg_catalog.format('%I.%I', nspname, relname) AS object,
    n AS value, 'info' AS severity,
    pg_catalog.format('%s without time zone: %s%s', CASE WHEN n = 1 THEN '1 column' ELSE n || ' columns' END, first, CASE WHEN n > 5 THEN ' ...' ELSE '' END) AS detail,
    CASE WHEN NOT refused THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s\n%s;', q[1], q[2], clauses) END AS remedy,
    CASE WHEN refused THEN pg_catalog.format(E'ALTER TABLE %s.%s\n%s;', q[1], q[2], clauses) END AS remedy_2
FROM told
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname::text])
) AS quoted
ORDER BY nspname, relname
