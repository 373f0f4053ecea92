-- id: column-timestamp-precision
-- title: moments are rounded to seconds
-- engine: postgresql
-- probe: schema
-- topic: types
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: {type} rounds, also into the future
-- why: A timestamp of so little precision is rounded, not cut: what is written now may be half a second ahead, and
--   two events in a row may change their order.
-- spares: (3) and finer, which drivers write on purpose; columns of a domain; views, partitions, bookkeeping tables
--   and tables of extensions.
-- fix: Without a precision nothing is rounded. The change rewrites nothing, it only takes a strong lock for an
--   instant. To show seconds, use date_trunc().
-- remedy.1: keep what is written | sql | lock | ALTER TABLE ... TYPE with the precision, which rounds and rewrites | closes
-- remedy.2: what depends on the column comes first: views, keys, conditions | manual | lock | | closes
WITH RECURSIVE @user_schema, @user_table, @base_type, @typed_column, found AS (
	SELECT c.*, @retype_needs_a_person(c) AS refused
	FROM typed_column AS c
	WHERE c.base IN ('pg_catalog.timestamp'::pg_catalog.regtype, 'pg_catalog.timestamptz'::pg_catalog.regtype) AND c.typmod BETWEEN 0 AND 2 AND NOT c.domain
	ORDER BY c.nspname, c.relname, c.attnum
	LIMIT 2000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, attname) AS object,
    1 AS value, 'info' AS severity, type,
    CASE WHEN NOT refused THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ALTER COLUMN %s TYPE %s;', q[1], q[2], q[3], base::pg_catalog.regtype) END AS remedy,
    CASE WHEN refused THEN pg_catalog.format('ALTER TABLE %s.%s ALTER COLUMN %s TYPE %s;', q[1], q[2], q[3], base::pg_catalog.regtype) END AS remedy_2
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname::text, attname::text])
) AS quoted
ORDER BY nspname, relname, attname
