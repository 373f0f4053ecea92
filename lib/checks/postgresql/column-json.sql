-- id: column-json
-- title: json instead of jsonb
-- engine: postgresql
-- probe: schema
-- topic: types
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: json is kept as text and parsed at each use
-- why: It has no equality, so DISTINCT, GROUP BY and UNION fail; it cannot be indexed as a whole, and each access parses
--   all of it again.
-- spares: columns of a domain; views, partitions, bookkeeping tables and tables of extensions.
-- fix: jsonb. It loses blanks, the order of keys and all but the last of duplicate keys: keep json where the exact text
--   counts. ALTER ... TYPE rewrites the table and its indexes under a strong lock: plan it, or fill a new column beside
--   the old one step by step and exchange their names.
-- remedy.1: convert to jsonb; what json kept of the text is lost | sql | lock | ALTER TABLE ... TYPE json USING column::json | closes
-- remedy.2: what depends on the column comes first: views, keys, conditions | manual | lock | | closes
WITH RECURSIVE @user_schema, @user_table, @base_type, @typed_column, found AS (
	SELECT c.*, @retype_needs_a_person(c) AS refused
	FROM typed_column AS c
	WHERE c.base = 'pg_catalog.json'::pg_catalog.regtype AND NOT c.domain
	ORDER BY c.nspname, c.relname, c.attnum
	LIMIT 2000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, attname) AS object,
    1 AS value, 'info' AS severity, type,
    CASE WHEN NOT refused THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ALTER COLUMN %s TYPE jsonb USING %s::jsonb;', q[1], q[2], q[3], q[3]) END AS remedy,
    CASE WHEN refused THEN pg_catalog.format('ALTER TABLE %s.%s ALTER COLUMN %s TYPE jsonb USING %s::jsonb;', q[1], q[2], q[3], q[3]) END AS remedy_2
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname::text, attname::text])
) AS quoted
ORDER BY nspname, relname, attname
