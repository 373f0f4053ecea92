-- id: column-large-object
-- title: oid column: large objects
-- engine: postgresql
-- probe: schema
-- topic: types
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: {type} names large objects, which nothing deletes with the row
-- why: Large objects are not deleted with the row that names them, have their own rights, are not replicated logically,
--   and slow pg_upgrade down by their number.
-- spares: columns whose name says that they keep another oid (relid, typoid ...); columns of other domains than lo; views,
--   partitions, bookkeeping tables and tables of extensions.
-- fix: bytea for up to some megabytes; larger things outside the database. After the conversion vacuumlo deletes what no row
--   names any more.
-- remedy.1: see how many there are | look | load | | helps
-- remedy.2: convert to bytea, while what a row names exists | manual | load | | closes
WITH RECURSIVE @user_schema, @user_table, @base_type, @typed_column, found AS (
	SELECT c.*
	FROM (
		-- The names are looked at last: few columns are of this type.
		SELECT t.* FROM typed_column AS t
		WHERE t.base = 'pg_catalog.oid'::pg_catalog.regtype
		OFFSET 0
	) AS c
	WHERE (NOT c.domain OR c.type ~ '(^|\.)lo$')
	  AND c.attname !~* '(rel|table|class|obj|type?|attr|proc|func|role|user|owner|db|database|schema|nsp|namespace|index|idx|trigger|constraint)_?(oid|id)$'
	  AND c.attname !~* '^(oid|relation|relname|relfilenode|classid|datid|datoid|xid|tableoid)$'
	ORDER BY c.nspname, c.relname, c.attnum
	LIMIT 2000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, attname) AS object,
    1 AS value, 'info' AS severity, type,
    'SELECT count(*) FROM pg_largeobject_metadata;' AS remedy,
    pg_catalog.format('ALTER TABLE %s.%s ALTER COLUMN %s TYPE bytea USING lo_get(%s);', q[1], q[2], q[3], q[3]) AS remedy_2
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname::text, attname::text])
) AS quoted
ORDER BY nspname, relname, attname
