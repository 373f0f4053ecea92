-- id: conv-audit-fk-wrong-target
-- title: audit column refers to another table than users
-- engine: postgresql
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured conventions=audit, configured users_table
-- metric: dbhealth_audit_columns_wrong_target
-- param.created_by: created_by_id
-- param.updated_by: updated_by_id
-- message: {detail}
-- why: Who made or changed a row is a row of the users table (users_table). A foreign key to another table
--   names somebody else of the same number, and a join with users shows a wrong name.
-- spares: columns with a foreign key to the users table beside others; columns without any
--   (conv-audit-fk-missing); join tables, partitions, bookkeeping tables of migration tools, tables of
--   extensions, views, foreign tables, conventions_exclude.
-- fix: Find out what the values mean: they were written as keys of the table that the foreign key names. Map
--   them to users first if they differ; then change the foreign key: NOT VALID, later VALIDATE.
-- remedy.1: look at values that are no user | look | load | | helps
-- remedy.2: refer to users; values must already name users | sql | lock | ALTER TABLE ... DROP CONSTRAINT new, ADD CONSTRAINT old | closes
-- remedy.3: then prove the rows that are there | sql | load | | helps
-- remedy.4: map the values to users, then change the foreign key | manual | lock | | closes
-- remedy.5: correct users_table | config | none | | closes
WITH @user_schema, @user_table, @convention_table, @users_table, @users_key, wrong AS (
	SELECT t.nspname, t.relname, t.relkind, t.object, a.attname, con.conname, c.relname AS trelname, n.nspname AS tnspname,
	    @type_below(a.atttypid) = @type_below(k.atttypid) AND pg_catalog.cardinality(con.conkey) = 1 AS fits,
	    k.nspname AS pnspname, k.relname AS prelname, k.attname AS pattname
	FROM convention_table AS t
	JOIN @column(a, t, ANY (ARRAY[:created_by::text, :updated_by::text]::name[]))
	JOIN pg_catalog.pg_constraint AS con ON con.conrelid = t.oid AND con.contype = 'f' AND a.attnum = ANY (con.conkey) AND con.conparentid = 0
	JOIN pg_catalog.pg_class AS c ON c.oid = con.confrelid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	LEFT JOIN users_key AS k ON true
	WHERE EXISTS (SELECT FROM users) AND NOT EXISTS (
		SELECT FROM pg_catalog.pg_constraint AS o JOIN users AS u ON u.oid = o.confrelid
		WHERE o.conrelid = t.oid AND o.contype = 'f' AND a.attnum = ANY (o.conkey))
	ORDER BY t.nspname, t.relname, a.attname, con.conname
	LIMIT 1000
)
SELECT object || '.' || pg_catalog.quote_ident(attname) AS object, object || '.' || pg_catalog.quote_ident(attname) || ' ' || conname AS key, 1 AS value,
    pg_catalog.format('its foreign key %I leads to %I.%I', conname, tnspname, trelname) AS detail,
    CASE WHEN fits THEN pg_catalog.format('SELECT c.%s, count(*) FROM %s.%s AS c WHERE c.%1$s IS NOT NULL AND NOT EXISTS (SELECT FROM %s.%s AS p WHERE p.%s = c.%1$s) GROUP BY 1 LIMIT 100;',
        q[3], q[1], q[2], q[4], q[5], q[6]) END AS remedy,
    CASE WHEN fits THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s DROP CONSTRAINT %s, ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s.%s (%s)%s;',
        q[1], q[2], q[8], q[7], q[3], q[4], q[5], q[6], CASE WHEN relkind = 'r' THEN ' NOT VALID' END) END AS remedy_2,
    CASE WHEN fits AND relkind = 'r' THEN pg_catalog.format('ALTER TABLE %s.%s VALIDATE CONSTRAINT %s;', q[1], q[2], q[7]) END AS remedy_3,
    CASE WHEN fits IS NOT TRUE THEN pg_catalog.format('Let %s.%s (%s) hold keys of the users table, then replace constraint %s.', q[1], q[2], q[3], q[8]) END AS remedy_4,
    NULL AS remedy_5
FROM wrong
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname, attname, coalesce(pnspname, ''), coalesce(prelname, ''), coalesce(pattname, ''), pg_catalog.left(relname, 26) || '_' || pg_catalog.left(attname, 26) || '_usr_fkey', conname])
) AS quoted
UNION ALL
SELECT :users_table::text, :users_table::text, 1, 'users_table names no table, so nothing could be compared', NULL, NULL, NULL, NULL,
    'correct users_table, or run the migrations that create it'
WHERE NOT EXISTS (SELECT FROM users)
ORDER BY key
