-- id: column-char-n
-- title: char(n)
-- engine: postgresql
-- probe: schema
-- topic: types
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: {type} pads with blanks, and does not check that the length is n
-- why: Values are padded when stored, and the blanks are ignored in some comparisons and not in others (LIKE, regular
--   expressions). It saves neither room nor time.
-- spares: "char", which is another type; columns of a domain; views, partitions, bookkeeping tables and tables of extensions.
-- fix: text, with a CHECK on length() where the length matters. ALTER ... TYPE rewrites the table and its indexes under a strong lock: plan it, or fill a new column beside
--   the old one step by step and exchange their names.
-- remedy.1: convert to text | sql | lock | ALTER TABLE ... TYPE char(n) | closes
-- remedy.2: what depends on the column comes first: views, keys, conditions | manual | lock | | closes
WITH RECURSIVE @user_schema, @user_table, @base_type, @typed_column, found AS (
	SELECT c.*, @retype_needs_a_person(c) AS refused
	FROM typed_column AS c
	WHERE c.base = 'pg_catalog.bpchar'::pg_catalog.regtype AND NOT c.domain
	ORDER BY c.nspname, c.relname, c.attnum
	LIMIT 2000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, attname) AS object,
    1 AS value, 'info' AS severity, type,
    CASE WHEN NOT refused THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ALTER COLUMN %s TYPE text USING %s::text;', q[1], q[2], q[3], q[3]) END AS remedy,
    CASE WHEN refused THEN pg_catalog.format('ALTER TABLE %s.%s ALTER COLUMN %s TYPE text USING %s::text;', q[1], q[2], q[3], q[3]) END AS remedy_2
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname::text, attname::text])
) AS quoted
ORDER BY nspname, relname, attname
