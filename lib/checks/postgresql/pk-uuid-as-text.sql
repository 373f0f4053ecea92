-- id: pk-uuid-as-text
-- title: a UUID kept as text in a primary key
-- engine: postgresql
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- param.max_rows: 1000000
-- message: {detail}
-- why: As text a UUID takes more than twice the bytes, in the table, its key and every foreign key to it;
--   it is compared by collation, and two spellings of one UUID are two keys.
-- spares: text without a length and lengths other than 32, 36 and 38; columns that refer to another
--   table's key (that key is told); tables of migration tools and of extensions; partitions.
-- fix: ALTER COLUMN ... TYPE uuid rewrites the table under an ACCESS EXCLUSIVE lock, and foreign keys to
--   it must change in the same transaction: on a large table add a uuid column beside it, fill it in
--   batches, then swap.
-- remedy.1: make it a uuid; rewrites the table under a strong lock | sql | lock | ALTER TABLE ... TYPE varchar(36) | closes
-- remedy.2: change the key and all that refer to it together | manual | lock | | closes
WITH RECURSIVE @user_schema, @user_table, @base_type, found AS (
	SELECT c.oid, c.nspname, c.relname, a.attname, a.attnum, b.mod - 4 AS length, b.type,
	    @retype_refused(a) OR a.atthasdef OR (c.oid, a.attnum) IN (SELECT r.confrelid, u.n FROM pg_catalog.pg_constraint AS r
	        CROSS JOIN LATERAL pg_catalog.unnest(r.confkey) AS u (n) WHERE r.contype = 'f')
	    OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS h WHERE h.contype = 'c' AND h.conrelid = c.oid AND h.conkey @> ARRAY[a.attnum]) AS refused
	FROM pg_catalog.pg_index AS i
	JOIN user_table AS c ON c.oid = i.indrelid
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY ((i.indkey::int2[])[0 : i.indnkeyatts - 1])
	LEFT JOIN base_type AS d ON d.oid = a.atttypid
	CROSS JOIN LATERAL (SELECT coalesce(d.base, a.atttypid) AS type, CASE WHEN d.oid IS NULL THEN a.atttypmod ELSE d.typmod END AS mod) AS b
	WHERE i.indisprimary AND b.type IN (1042, 1043) AND b.mod - 4 IN (32, 36, 38)
	  AND NOT @migration_table(c.relname)
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
	      WHERE k.contype = 'f' AND k.conrelid = c.oid AND k.conkey @> ARRAY[a.attnum])
	ORDER BY c.nspname, c.relname, a.attnum
	LIMIT 1000
), @tree(found), named AS (
	SELECT f.*, coalesce(t.rows, 0) AS rows, ARRAY[nspname::text, relname::text, attname::text] AS parts
	FROM found AS f LEFT JOIN tree_rows AS t ON t.root = f.oid
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, attname) AS object,
    rows AS value,
    pg_catalog.format('%s(%s), as long as a UUID in text; uuid takes 16 bytes', CASE type WHEN 1042 THEN 'char' ELSE 'varchar' END, length) AS detail,
    CASE WHEN NOT refused AND rows <= :max_rows::bigint THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ALTER COLUMN %s TYPE uuid USING %s::text::uuid;', q[1], q[2], q[3], q[3]) END AS remedy,
    CASE WHEN refused OR rows > :max_rows::bigint THEN
        pg_catalog.format('%s.%s.%s and every column that refers to it must become uuid together; see first that a default, view, CHECK or policy does not expect text.', q[1], q[2], q[3]) END AS remedy_2
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY rows DESC, object
