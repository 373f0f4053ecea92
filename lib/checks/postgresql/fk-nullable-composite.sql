-- id: fk-nullable-composite
-- title: a foreign key of several columns is not checked when one of them is NULL
-- engine: postgresql
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: may be NULL: {detail}
-- why: Under MATCH SIMPLE one NULL among the columns switches the whole check off: (5, NULL) passes though
--   there is no parent 5. Such rows drop out of joins without a word.
-- spares: keys whose columns are all NOT NULL; MATCH FULL; a CHECK over these columns that looks at NULL;
--   partitions (their root is told); tables of extensions.
-- fix: Where all or none shall be given: the same key with MATCH FULL. Where it must always be given: SET
--   NOT NULL, by way of a CHECK that is validated first, so that no lock is held while rows are read.
-- remedy.1: list rows that are half given | look | load | | helps
-- remedy.2: the same key with MATCH FULL: all columns or none | sql | lock | the same with MATCH SIMPLE | closes
-- remedy.3: demand the column | sql | lock | ALTER TABLE ... ALTER COLUMN ... DROP NOT NULL | closes
WITH @user_schema, @user_table, @user_fk, found AS (
	SELECT k.*, c.nullable, pn.nspname AS pnspname, p.relname AS prelname
	FROM user_fk AS k
	JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
	JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
	CROSS JOIN LATERAL (
		SELECT pg_catalog.array_agg(a.attname::text ORDER BY u.o) FILTER (WHERE NOT a.attnotnull AND NOT t.typnotnull) AS nullable
		FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u (attnum, o)
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.attnum
		JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
	) AS c
	WHERE k.n > 1 AND k.confmatchtype = 's' AND c.nullable IS NOT NULL
	  AND NOT EXISTS (
		-- NULLTEST, or num_nulls and num_nonnulls.
		SELECT FROM pg_catalog.pg_constraint AS h
		WHERE h.conrelid = k.conrelid AND h.contype = 'c' AND h.conkey @> k.conkey AND h.conbin::text ~ '\{NULLTEST |:funcid (438|440) ')
	ORDER BY k.nspname, k.relname, k.conname
	LIMIT 1000
), named AS (
	-- Schema, table, constraint, target, a name for the time between, the nullable columns, then both sides.
	SELECT f.*, pg_catalog.cardinality(f.nullable) AS open, a.on_update, a.on_delete, a.deferral,
	    ARRAY[f.nspname::text, f.relname::text, f.conname::text, f.pnspname::text, f.prelname::text, 'dbhealth_' || f.oid]
	    || f.nullable || @names(f.conrelid, f.conkey) || @names(f.confrelid, f.confkey) AS parts
	@found_fk_clauses
	WHERE NOT a.temporal
), told AS (
	SELECT n.*, q, pg_catalog.array_to_string(q[7 : 6 + open], ', ') AS gaps,
	    pg_catalog.array_to_string(q[7 + open : 6 + open + n.n], ', ') AS columns, pg_catalog.array_to_string(q[7 + open + n.n :], ', ') AS targets
	FROM named AS n
	CROSS JOIN LATERAL (
		@idents(n.parts)
	) AS quoted
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, conname) AS object,
    pg_catalog.array_to_string(nullable, ', ') AS detail,
    pg_catalog.format('SELECT * FROM %s.%s WHERE num_nulls(%s) > 0 AND num_nonnulls(%s) > 0 LIMIT 100;', q[1], q[2], gaps, columns) AS remedy,
    CASE WHEN open > 1 THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s.%s (%s) MATCH FULL%s%s%s%s;\n',
            q[1], q[2], q[6], columns, q[4], q[5], targets, on_update, on_delete, deferral, CASE WHEN relkind = 'r' THEN ' NOT VALID' END)
        || CASE WHEN relkind = 'r' THEN pg_catalog.format(E'ALTER TABLE %s.%s VALIDATE CONSTRAINT %s;\n', q[1], q[2], q[6]) ELSE '' END
        || pg_catalog.format(E'ALTER TABLE %s.%s DROP CONSTRAINT %s;\nALTER TABLE %s.%s RENAME CONSTRAINT %s TO %s;', q[1], q[2], q[3], q[1], q[2], q[6], q[3]) END AS remedy_2,
    CASE WHEN open = 1 THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID;\nALTER TABLE %s.%s VALIDATE CONSTRAINT %s;\n'
            'ALTER TABLE %s.%s ALTER COLUMN %s SET NOT NULL;\nALTER TABLE %s.%s DROP CONSTRAINT %s;',
            q[1], q[2], q[6], gaps, q[1], q[2], q[6], q[1], q[2], gaps, q[1], q[2], q[6]) END AS remedy_3
FROM told
ORDER BY object
