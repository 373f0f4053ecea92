-- id: column-money
-- title: money
-- engine: postgresql
-- probe: schema
-- topic: types
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: money has no currency, and its digits depend on lc_monetary
-- why: The fraction digits and the form come from a setting of the session: with another lc_monetary the same bytes
--   are another amount, and a dump may not be read back.
-- spares: columns of a domain; views, partitions, bookkeeping tables and tables of extensions.
-- fix: numeric keeps the amount exactly; keep the currency in a column of its own. ALTER ... TYPE rewrites the table and its indexes under a strong lock: plan it, or fill a new column beside
--   the old one step by step and exchange their names.
-- remedy.1: convert to numeric | sql | lock | ALTER TABLE ... TYPE money USING column::money | closes
-- remedy.2: what depends on the column comes first: views, keys, conditions | manual | lock | | closes
WITH RECURSIVE @user_schema, @user_table, @base_type, @typed_column, found AS (
	SELECT c.*, @retype_needs_a_person(c) AS refused
	FROM typed_column AS c
	WHERE c.base = 'pg_catalog.money'::pg_catalog.regtype AND NOT c.domain
	ORDER BY c.nspname, c.relname, c.attnum
	LIMIT 2000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, attname) AS object,
    1 AS value, 'info' AS severity, type,
    CASE WHEN NOT refused THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ALTER COLUMN %s TYPE numeric USING %s::numeric;', q[1], q[2], q[3], q[3]) END AS remedy,
    CASE WHEN refused THEN pg_catalog.format('ALTER TABLE %s.%s ALTER COLUMN %s TYPE numeric USING %s::numeric;', q[1], q[2], q[3], q[3]) END AS remedy_2
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname::text, attname::text])
) AS quoted
ORDER BY nspname, relname, attname
