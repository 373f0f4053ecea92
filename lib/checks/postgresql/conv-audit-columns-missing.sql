-- id: conv-audit-columns-missing
-- title: table without its audit columns
-- engine: postgresql
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured conventions=audit
-- metric: dbhealth_audit_columns_missing
-- param.created_by: created_by_id
-- param.updated_by: updated_by_id
-- message: no column {columns}
-- why: Every table says who made a row and who changed it last (conventions). Without that nobody can answer
--   for a change, and rules like "one may edit what one made" cannot be written.
-- spares: the users table itself, join tables (a key of foreign keys), partitions, tables that inherit from
--   one that is told, bookkeeping tables of migration tools, tables of extensions, views, foreign tables,
--   conventions_exclude. A name of "-" asks for no such column.
-- fix: Columns without a default are added in an instant, and rows that are there keep NULL: nobody knows who
--   made them. The foreign key is added NOT VALID and validated afterwards, which holds up nobody.
-- remedy.1: add what is missing | sql | lock | ALTER TABLE ... DROP COLUMN ... | closes
-- remedy.2: then prove the foreign keys | sql | load | | helps
-- remedy.3: add what is missing | manual | lock | ALTER TABLE ... DROP COLUMN ... | closes
-- remedy.4: leave this table out of the rule | config | none | | helps
WITH @user_schema, @user_table, @convention_table, @users_table, @users_key, missing AS (
	SELECT t.nspname, t.relname, t.relkind, t.object, m.names, k.nspname AS pnspname, k.relname AS prelname, k.attname AS pattname, k.type
	FROM convention_table AS t
	LEFT JOIN users_key AS k ON true
	CROSS JOIN LATERAL (
		SELECT pg_catalog.array_agg(u.name ORDER BY u.o) AS names
		FROM pg_catalog.unnest(ARRAY[:created_by::text, :updated_by::text]) WITH ORDINALITY AS u (name, o)
		WHERE u.name <> '-' AND NOT @has_column(t, u.name)
	) AS m
	WHERE m.names IS NOT NULL AND NOT @heir(t) AND t.oid NOT IN (SELECT u.oid FROM users AS u)
	ORDER BY t.nspname, t.relname
	LIMIT 1000
), named AS (
	SELECT m.*, ARRAY[m.nspname::text, m.relname, coalesce(m.pnspname, ''), coalesce(m.prelname, ''), coalesce(m.pattname, '')]
	    || m.names || (SELECT pg_catalog.array_agg(pg_catalog.left(m.relname, 28) || '_' || pg_catalog.left(u.name, 28) || '_fkey' ORDER BY u.o)
	        FROM pg_catalog.unnest(m.names) WITH ORDINALITY AS u (name, o)) AS parts, pg_catalog.cardinality(m.names) AS n
	FROM missing AS m
), quoted AS (
	SELECT named.*, quoted.q, pg_catalog.array_to_string(quoted.q[6 : 5 + n], ', ') AS columns
	FROM named CROSS JOIN LATERAL (
		@idents(parts)
	) AS quoted
)
SELECT object, n AS value, columns,
    CASE WHEN type IS NOT NULL THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s %s;', q[1], q[2],
        (SELECT pg_catalog.string_agg(pg_catalog.format('ADD COLUMN %s %s', q[5 + i], type), ', ' ORDER BY i) || ', '
            || pg_catalog.string_agg(pg_catalog.format('ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s.%s (%s)%s',
                q[5 + n + i], q[5 + i], q[3], q[4], q[5], CASE WHEN relkind = 'r' THEN ' NOT VALID' END), ', ' ORDER BY i)
         FROM pg_catalog.generate_series(1, n) AS g (i))) END AS remedy,
    CASE WHEN type IS NOT NULL AND relkind = 'r' THEN
        (SELECT pg_catalog.string_agg(pg_catalog.format('ALTER TABLE %s.%s VALIDATE CONSTRAINT %s;', q[1], q[2], q[5 + n + i]), E'\n' ORDER BY i)
         FROM pg_catalog.generate_series(1, n) AS g (i)) END AS remedy_2,
    CASE WHEN type IS NULL THEN pg_catalog.format('Add %s to %s.%s, of the type of the key of the users table, with foreign keys to it. With users_table set the statement stands here.',
        columns, q[1], q[2]) END AS remedy_3,
    pg_catalog.format('conventions_exclude = %s.%s', nspname, relname) AS remedy_4
FROM quoted
ORDER BY nspname, relname
