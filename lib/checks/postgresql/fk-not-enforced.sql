-- id: fk-not-enforced
-- title: constraint is declared NOT ENFORCED
-- engine: postgresql
-- probe: schema
-- topic: constraints
-- scope: database
-- kind: finding
-- default: off
-- needs: server >= 18
-- cost: cheap
-- unit: count
-- message: {detail}
-- why: The constraint is shown with the table but nothing checks it: rows that break it come in, and
--   whoever reads the schema relies on what is not so.
-- spares: what partitions and heirs have from their parent; tables of extensions.
-- fix: A foreign key: add it anew NOT VALID, validate it, drop the old one; ALTER CONSTRAINT ... ENFORCED
--   does it in one step but reads the table under a lock that stops writes. A CHECK: drop it and add it
--   again NOT VALID, then validate.
-- remedy.1: show what it says | look | none | | helps
-- remedy.2: the same key, enforced | sql | lock | ALTER TABLE ... ALTER CONSTRAINT ... NOT ENFORCED | closes
-- remedy.3: add the constraint again, enforced | manual | lock | | closes
WITH @user_schema, @user_table, found AS (
	SELECT k.oid, k.conname, k.contype, k.conrelid, k.confrelid, k.conkey, k.confkey, k.confmatchtype, pg_catalog.cardinality(k.conkey) AS n,
	    c.nspname, c.relname, c.relkind, pn.nspname AS pnspname, p.relname AS prelname
	FROM pg_catalog.pg_constraint AS k
	JOIN user_table AS c ON c.oid = k.conrelid
	LEFT JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
	LEFT JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
	WHERE NOT k.conenforced AND k.conparentid = 0 AND (k.coninhcount = 0 OR k.conislocal)
	ORDER BY c.nspname, c.relname, k.conname
	LIMIT 1000
), named AS (
	SELECT f.*, a.on_update, a.on_delete, a.deferral, a.temporal,
	    ARRAY[f.nspname::text, f.relname::text, f.conname::text, 'dbhealth_' || f.oid, f.pnspname::text, f.prelname::text]
	    || @names(f.conrelid, f.conkey) || @names(f.confrelid, f.confkey) AS parts
	@found_fk_clauses
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, conname) AS object,
    'warning' AS severity,
    CASE contype WHEN 'f' THEN pg_catalog.format('foreign key to %I.%I that nothing checks', pnspname, prelname) ELSE 'CHECK that nothing checks' END AS detail,
    pg_catalog.format('SELECT pg_get_constraintdef(%s);', oid) AS remedy,
    CASE WHEN contype = 'f' AND NOT temporal THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s.%s (%s)%s%s%s%s NOT VALID;\n',
            q[1], q[2], q[4], pg_catalog.array_to_string(q[7 : 6 + n], ', '), q[5], q[6], pg_catalog.array_to_string(q[7 + n :], ', '),
            CASE confmatchtype WHEN 'f' THEN ' MATCH FULL' END, on_update, on_delete, deferral)
        || pg_catalog.format(E'ALTER TABLE %s.%s VALIDATE CONSTRAINT %s;\nALTER TABLE %s.%s DROP CONSTRAINT %s;\nALTER TABLE %s.%s RENAME CONSTRAINT %s TO %s;',
            q[1], q[2], q[4], q[1], q[2], q[3], q[1], q[2], q[4], q[3]) END AS remedy_2,
    CASE WHEN contype <> 'f' OR temporal THEN pg_catalog.format('Drop %s from %s.%s and add it again NOT VALID as it is shown, then VALIDATE CONSTRAINT.', q[3], q[1], q[2]) END AS remedy_3
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY object
