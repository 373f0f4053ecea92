-- id: conv-audit-fk-missing
-- title: audit column without a foreign key
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
-- metric: dbhealth_audit_columns_without_foreign_key
-- param.created_by: created_by_id
-- param.updated_by: updated_by_id
-- message: no foreign key
-- why: Who made or changed a row is a user that exists. Without the foreign key the column may name users that
--   were deleted or never were.
-- spares: foreign keys of several columns that hold this one, or that are NOT VALID yet (constraint-not-valid
--   tells); the users table itself; join tables, partitions, bookkeeping tables of migration tools, tables
--   of extensions, views, foreign tables, conventions_exclude.
-- fix: Add it NOT VALID, which needs a lock on both tables for an instant, mend what names nobody, then
--   VALIDATE. Where users are deleted, the column wants an index too (fk-missing-index).
-- remedy.1: look at values that name nobody | look | load | | helps
-- remedy.2: add it for new rows | sql | lock | ALTER TABLE ... DROP CONSTRAINT ... | closes
-- remedy.3: then prove the rows that are there | sql | load | | helps
-- remedy.4: add it to the users table | manual | lock | | closes
WITH @user_schema, @user_table, @convention_table, @users_table, @users_key, found AS (
	SELECT t.nspname, t.relname, t.relkind, t.object, a.attname, @type_below(a.atttypid) = @type_below(k.atttypid) AS fits,
	    k.nspname AS pnspname, k.relname AS prelname, k.attname AS pattname
	FROM convention_table AS t
	JOIN @column(a, t, ANY (ARRAY[:created_by::text, :updated_by::text]::name[]))
	LEFT JOIN users_key AS k ON true
	WHERE NOT @in_foreign_key(a) AND t.oid NOT IN (SELECT u.oid FROM users AS u)
	ORDER BY t.nspname, t.relname, a.attname
	LIMIT 1000
)
SELECT object || '.' || pg_catalog.quote_ident(attname) AS object, 1 AS value,
    CASE WHEN fits THEN pg_catalog.format('SELECT c.%s, count(*) FROM %s.%s AS c WHERE c.%1$s IS NOT NULL AND NOT EXISTS (SELECT FROM %s.%s AS p WHERE p.%s = c.%1$s) GROUP BY 1 LIMIT 100;',
        q[3], q[1], q[2], q[4], q[5], q[6]) END AS remedy,
    CASE WHEN fits THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s.%s (%s)%s;',
        q[1], q[2], q[7], q[3], q[4], q[5], q[6], CASE WHEN relkind = 'r' THEN ' NOT VALID' END) END AS remedy_2,
    CASE WHEN fits AND relkind = 'r' THEN pg_catalog.format('ALTER TABLE %s.%s VALIDATE CONSTRAINT %s;', q[1], q[2], q[7]) END AS remedy_3,
    CASE WHEN fits IS NOT TRUE THEN pg_catalog.format('Add a foreign key on %s.%s (%s) to the users table; %s', q[1], q[2], q[3],
        CASE WHEN fits IS NULL THEN 'with users_table set to a table with a key of one column the statement stands here.'
            ELSE 'the column must first get the type of its key.' END) END AS remedy_4
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname, attname, coalesce(pnspname, ''), coalesce(prelname, ''), coalesce(pattname, ''), pg_catalog.left(relname, 28) || '_' || pg_catalog.left(attname, 28) || '_fkey'])
) AS quoted
ORDER BY nspname, relname, attname
