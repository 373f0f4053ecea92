-- id: fk-undeclared
-- title: a column names another table and is no foreign key
-- engine: postgresql
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- param.outer: ^(external|foreign|remote|legacy|source|upstream)_
-- param.vendor: ^(stripe|google|facebook|github|paypal)_
-- message: looks like a reference to {target}
-- why: Nothing keeps the rows together: parents go and leave children that name nobody, and a wrong
--   number is taken without a word.
-- spares: columns of another type than that key; names that fit no table, or more than one; columns
--   beside a NAME_type column (polymorphic); ids of outer systems by their name; keys of several columns;
--   partitions, and columns that are inherited; tables of migration tools and of extensions.
-- fix: Declare it NOT VALID, which is quick, then validate while reads and writes go on. Rows without a
--   parent must be mended first.
-- remedy.1: list rows that name nobody | look | load | | helps
-- remedy.2: declare the foreign key | sql | lock | ALTER TABLE ... DROP CONSTRAINT ... | closes
WITH @user_schema, @user_table, col AS (
	SELECT c.oid, c.nspname, c.relname, c.relkind, c.relpersistence, a.attnum, a.attname, a.atttypid, a.atttypmod,
	    pg_catalog.left(a.attname, -3) AS stem
	FROM pg_catalog.pg_attribute AS a JOIN user_table AS c ON c.oid = a.attrelid
	WHERE a.attname ~ '._id$' AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0 AND a.attgenerated = ''
	  AND a.attname !~ :outer AND a.attname !~ :vendor AND NOT @migration_table(c.relname)
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
	      WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conkey @> ARRAY[a.attnum])
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS t
	      WHERE t.attrelid = c.oid AND t.attname::text = pg_catalog.left(a.attname, -3) || '_type' AND NOT t.attisdropped)
), spelled AS (
	SELECT col.*, s.name FROM col
	CROSS JOIN LATERAL (SELECT DISTINCT u.name FROM pg_catalog.unnest(ARRAY[stem, stem || 's', stem || 'es',
	    pg_catalog.regexp_replace(stem, 'y$', 'ies')]) AS u (name)) AS s
), candidate AS (
	-- Of the same schema before others; then it must be the only one.
	SELECT s.*, p.oid AS parent, p.nspname AS pnspname, p.relname AS prelname, i.indkey[0] AS key,
	    p.nspname = s.nspname AS near, p.relpersistence AS ppersistence
	FROM spelled AS s
	JOIN user_table AS p ON p.relname = s.name
	LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = p.oid AND i.indisprimary AND i.indnkeyatts = 1
), sole AS (
	SELECT c.* FROM (SELECT c.*, count(*) OVER (PARTITION BY c.oid, c.attnum, c.near) AS n,
	        pg_catalog.bool_or(c.near) OVER (PARTITION BY c.oid, c.attnum) AS nearer FROM candidate AS c) AS c
	WHERE c.n = 1 AND c.near = c.nearer
), found AS (
	SELECT o.*, a.attname AS keyname, pg_catalog.format('%s_%s_fkey', o.relname, o.attname) AS plain
	FROM sole AS o
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = o.parent AND a.attnum = o.key
	    AND a.atttypid = o.atttypid AND a.atttypmod = o.atttypmod
	WHERE o.oid <> o.parent AND (o.relpersistence = 'u' OR o.ppersistence = 'p')
	ORDER BY o.nspname, o.relname, o.attnum
	LIMIT 1000
), named AS (
	SELECT f.*, ARRAY[f.nspname::text, f.relname::text, f.attname::text, f.pnspname::text, f.prelname::text, f.keyname::text,
	    CASE WHEN pg_catalog.octet_length(f.plain) < 64 AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
	            WHERE k.conrelid = f.oid AND k.conname::text = f.plain) THEN f.plain
	        ELSE pg_catalog.format('fk_%s_%s', f.oid, f.attnum) END] AS parts
	FROM found AS f
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, attname) AS object,
    pg_catalog.format('%I.%I', pnspname, prelname) AS target,
    pg_catalog.format('SELECT c.* FROM %s.%s AS c WHERE c.%s IS NOT NULL AND NOT EXISTS (SELECT FROM %s.%s AS p WHERE p.%s = c.%s) LIMIT 100;',
        q[1], q[2], q[3], q[4], q[5], q[6], q[3]) AS remedy,
    -- A partitioned table takes NOT VALID only from 18 on.
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s.%s (%s)%s;',
        q[1], q[2], q[7], q[3], q[4], q[5], q[6], CASE WHEN relkind = 'r' THEN ' NOT VALID' END)
    || CASE WHEN relkind = 'r' THEN pg_catalog.format(E'\nALTER TABLE %s.%s VALIDATE CONSTRAINT %s;', q[1], q[2], q[7]) ELSE '' END AS remedy_2
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY object
