-- id: column-varchar-n
-- title: varchar(n)
-- engine: postgresql
-- probe: schema
-- topic: types
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: {type}: a limit that is hard to change later
-- why: A limit that nobody chose for a reason fails writes one day, and views and functions that name the type keep it
--   from being changed.
-- spares: columns of a domain; views, partitions, bookkeeping tables and tables of extensions.
-- fix: text, and a CHECK where a limit is meant: that can be added NOT VALID and changed without touching the
--   column. The change rewrites nothing, it only takes a strong lock for an instant.
-- remedy.1: take the limit away | sql | lock | ALTER TABLE ... TYPE varchar(n), which reads the table | closes
-- remedy.2: what depends on the column comes first: views, keys, conditions | manual | lock | | closes
WITH RECURSIVE @user_schema, @user_table, @base_type, @typed_column, found AS (
	SELECT c.*, @retype_needs_a_person(c) AS refused
	FROM typed_column AS c
	WHERE c.base = 'pg_catalog.varchar'::pg_catalog.regtype AND c.typmod >= 0 AND NOT c.domain
	ORDER BY c.nspname, c.relname, c.attnum
	LIMIT 2000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, attname) AS object,
    1 AS value, 'info' AS severity, type,
    CASE WHEN NOT refused THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ALTER COLUMN %s TYPE text;', q[1], q[2], q[3]) END AS remedy,
    CASE WHEN refused THEN pg_catalog.format('ALTER TABLE %s.%s ALTER COLUMN %s TYPE text;', q[1], q[2], q[3]) END AS remedy_2
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname::text, attname::text])
) AS quoted
ORDER BY nspname, relname, attname
