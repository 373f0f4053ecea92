-- id: fk-self-no-delete-rule
-- title: a table refers to itself and says nothing about deletion
-- engine: postgresql
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: {detail}
-- why: A row with children cannot be deleted, and a tree only leaf by leaf: clean-up jobs fail with a
--   foreign key violation.
-- spares: CASCADE, SET NULL and SET DEFAULT; partitions (their root is told); tables of extensions.
-- fix: Say what shall become of the children: ON DELETE SET NULL, or CASCADE where they belong to their
--   parent. A rule cannot be altered: add the key anew NOT VALID, validate it, drop the old one.
-- remedy.1: the same key with ON DELETE SET NULL | sql | lock | the same without it | closes
-- remedy.2: decide what becomes of the children | manual | lock | | closes
WITH @user_schema, @user_table, @user_fk, found AS (
	SELECT k.* FROM user_fk AS k
	WHERE k.conrelid = k.confrelid AND k.confdeltype IN ('a', 'r')
	ORDER BY k.nspname, k.relname, k.conname
	LIMIT 1000
), named AS (
	SELECT f.*, a.on_update, a.deferral,
	    EXISTS (SELECT FROM pg_catalog.pg_attribute AS c JOIN pg_catalog.pg_type AS t ON t.oid = c.atttypid
	        WHERE c.attrelid = f.conrelid AND c.attnum = ANY (f.conkey) AND (c.attnotnull OR t.typnotnull OR c.attgenerated <> '')) AS demanded,
	    ARRAY[f.nspname::text, f.relname::text, f.conname::text, 'dbhealth_' || f.oid]
	    || @names(f.conrelid, f.conkey) || @names(f.confrelid, f.confkey) AS parts
	@found_fk_clauses
	WHERE NOT a.temporal
), told AS (
	SELECT n.*, q, pg_catalog.array_to_string(q[5 : 4 + n.n], ', ') AS columns, pg_catalog.array_to_string(q[5 + n.n :], ', ') AS targets
	FROM named AS n
	CROSS JOIN LATERAL (
		@idents(n.parts)
	) AS quoted
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, conname) AS object,
    CASE confdeltype WHEN 'r' THEN 'ON DELETE RESTRICT' ELSE 'no rule ON DELETE' END AS detail,
    CASE WHEN NOT demanded THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s.%s (%s)%s%s ON DELETE SET NULL%s%s;\n',
            q[1], q[2], q[4], columns, q[1], q[2], targets, CASE confmatchtype WHEN 'f' THEN ' MATCH FULL' END, on_update, deferral,
            CASE WHEN relkind = 'r' THEN ' NOT VALID' END)
        || CASE WHEN relkind = 'r' THEN pg_catalog.format(E'ALTER TABLE %s.%s VALIDATE CONSTRAINT %s;\n', q[1], q[2], q[4]) ELSE '' END
        || pg_catalog.format(E'ALTER TABLE %s.%s DROP CONSTRAINT %s;\nALTER TABLE %s.%s RENAME CONSTRAINT %s TO %s;', q[1], q[2], q[3], q[1], q[2], q[4], q[3]) END AS remedy,
    CASE WHEN demanded THEN pg_catalog.format('A column of %s on %s.%s is NOT NULL: the children can only go with their parent (ON DELETE CASCADE) or be given another first.',
        q[3], q[1], q[2]) END AS remedy_2
FROM told
ORDER BY object
