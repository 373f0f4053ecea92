-- id: column-timetz
-- title: time with time zone
-- engine: postgresql
-- probe: schema
-- topic: types
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: {type} keeps an offset, but no date to make sense of it
-- why: The offset of a place changes with the date, which the value does not have. Nearly always timestamptz or
--   time was meant.
-- spares: columns of a domain; views, partitions, bookkeeping tables and tables of extensions.
-- fix: Choose what is meant: time where the offset means nothing, timestamptz where a moment is meant.
-- remedy.1: decide between time and timestamptz, then convert | manual | lock | | closes
WITH RECURSIVE @user_schema, @user_table, @base_type, @typed_column, found AS (
	SELECT c.*
	FROM typed_column AS c
	WHERE c.base = 'pg_catalog.timetz'::pg_catalog.regtype AND NOT c.domain
	ORDER BY c.nspname, c.relname, c.attnum
	LIMIT 2000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, attname) AS object,
    1 AS value, 'info' AS severity, type,
    pg_catalog.format('ALTER TABLE %s.%s ALTER COLUMN %s TYPE time;', q[1], q[2], q[3]) AS remedy
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname::text, attname::text])
) AS quoted
ORDER BY nspname, relname, attname
