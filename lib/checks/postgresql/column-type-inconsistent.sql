-- id: column-type-inconsistent
-- title: columns of one name have different types
-- engine: postgresql
-- probe: schema
-- topic: types
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- param.generic: ^(id|key|value|data|type|status|state|code|version|result)$
-- message: is {type}, but {usual} in {tables}
-- why: Joins and comparisons between them convert each row, which indexes do not serve, or fail; one of the two is too small
--   for what the other holds.
-- spares: names that mean something else in every table (generic); varchar, char and text, which are taken as one; lengths and
--   precisions; a domain and its base type; bookkeeping tables of migration tools; partitions, whose root is told; views; temporary tables and tables of extensions. The type that most tables have is taken as right, of equals the older one.
-- fix: Give them one type, the wider one. ALTER ... TYPE rewrites the table under a strong lock.
-- remedy.1: see all columns of that name | look | none | | helps
-- remedy.2: give them one type | manual | lock | | closes
WITH RECURSIVE @user_schema, @user_table, @base_type, @typed_column, typed AS (
	SELECT c.oid, c.nspname, c.relname, c.attname, c.type, f.family
	FROM typed_column AS c
	CROSS JOIN LATERAL (SELECT CASE WHEN c.base IN ('pg_catalog.varchar'::pg_catalog.regtype, 'pg_catalog.bpchar'::pg_catalog.regtype)
	    THEN 'pg_catalog.text'::pg_catalog.regtype::oid ELSE c.base END AS family) AS f
	WHERE c.attname !~* :generic
), counted AS (
	SELECT t.attname, t.family, count(*) AS n, pg_catalog.min(t.oid) AS oldest, pg_catalog.min(pg_catalog.format('%I.%I', t.nspname, t.relname)) AS first
	FROM typed AS t GROUP BY t.attname, t.family
), usual AS (
	SELECT DISTINCT ON (c.attname) c.attname, c.family, c.n, c.first FROM counted AS c
	WHERE c.attname IN (SELECT o.attname FROM counted AS o GROUP BY o.attname HAVING count(*) > 1)
	ORDER BY c.attname, c.n DESC, c.oldest
)
SELECT pg_catalog.format('%I.%I.%I', t.nspname, t.relname, t.attname) AS object,
    u.n AS value, 'info' AS severity, t.type, pg_catalog.format_type(u.family, NULL) AS usual,
    CASE WHEN u.n = 1 THEN u.first ELSE u.n || ' tables' END AS tables,
    pg_catalog.format('SELECT attrelid::regclass, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = %L AND attnum > 0 ORDER BY 1;', t.attname) AS remedy,
    pg_catalog.format('ALTER TABLE %s.%s ALTER COLUMN %s TYPE %s;', @ident(t.nspname), @ident(t.relname), @ident(t.attname), pg_catalog.format_type(u.family, NULL)) AS remedy_2
FROM typed AS t
JOIN usual AS u ON u.attname = t.attname AND u.family <> t.family
ORDER BY t.attname, t.nspname, t.relname
LIMIT 2000
