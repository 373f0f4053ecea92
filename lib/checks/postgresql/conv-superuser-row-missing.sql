-- id: conv-superuser-row-missing
-- title: nobody is superuser of the application
-- engine: postgresql
-- probe: integrity
-- topic: conventions
-- scope: database
-- interval: 15min
-- kind: scrub
-- changing: pending
-- default: on
-- cost: cheap
-- unit: count
-- confined: yes
-- needs: configured users_table, configured superuser
-- metric: dbhealth_superuser_rows_missing
-- param.active: is_active
-- param.grace: 24h
-- message: no user of the application may administer it{detail}
-- why: Without a user that fulfils the condition (superuser) nobody can administer the application: no new
--   users, no rights, no way in but the database. A failed migration, a restore or a delete did it.
-- spares: an empty users table, as before the first start, is a warning only; where the database has no user
--   table at all it is info for the first 24 hours of our sight. Where the users table has a boolean column
--   is_active (param.active), only users in use count.
-- fix: Make one with the application's own command, which hashes the password and writes what else belongs to
--   a user. If there should be some, look at the backup and at who changed the table.
-- evidence: one look for a row of users_table that fulfils the condition; rows are neither counted nor kept
-- remedy.1: look at who is there | look | load | | helps
-- remedy.2: make one with the application's own command (createsuperuser or the like) | manual | none | | closes
-- remedy.3: correct users_table, or run the migrations that create it | manual | none | | closes
-- @items
WITH @users_table, named AS (
	-- A view of that name would run code of who owns it.
	SELECT c.relkind FROM (SELECT @name_parts(:users_table::text) AS part) AS u
	JOIN pg_catalog.pg_namespace AS n ON n.nspname = CASE WHEN pg_catalog.cardinality(u.part) = 1 THEN 'public' ELSE u.part[1] END
	JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = u.part[pg_catalog.cardinality(u.part)]
	WHERE c.relkind NOT IN ('r', 'p') AND c.relkind IN ('v', 'm', 'f')
), active AS (
	SELECT a.attname, a.attnum FROM users AS t
	JOIN @column(a, t, :active::text::name)
	WHERE @type_below(a.atttypid) = 16
), asked AS (
	-- Columns that the condition speaks of, at least one, so that a right to read the others is not needed.
	SELECT a.attname, a.attnum FROM users AS t
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE pg_catalog.strpos(:superuser::text, '"' || pg_catalog.replace(a.attname, '"', '""') || '"') > 0
	  OR a.attname ~ '^[a-z_\u0080-\uffff][a-z0-9_$\u0080-\uffff]*$'
	     AND pg_catalog.lower(:superuser::text) ~ ('(^|[^[:alnum:]_$"\u0080-\uffff])' || pg_catalog.replace(a.attname, '$', '\$') || '($|[^[:alnum:]_$"\u0080-\uffff])')
	  OR a.attnum = (SELECT x.attnum FROM active AS x)
), looker AS (
	-- The condition may call code of the database: the data role runs it where there is one.
	SELECT r.oid, r.rolname, r.rolbypassrls FROM pg_catalog.pg_roles AS r WHERE r.rolname = coalesce(:data_role::text, current_user)
), rights AS (
	SELECT pg_catalog.concat_ws('; ',
	    CASE WHEN NOT pg_catalog.has_schema_privilege(l.oid, u.nsp, 'USAGE')
	        THEN pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', u.nspname, l.rolname) END,
	    CASE WHEN EXISTS (SELECT FROM asked AS a WHERE NOT pg_catalog.has_column_privilege(l.oid, u.oid, a.attnum, 'SELECT'))
	        THEN pg_catalog.format('GRANT SELECT (%s) ON %I.%I TO %I',
	            (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM asked AS a), u.nspname, u.relname, l.rolname)
	    WHEN NOT pg_catalog.has_any_column_privilege(l.oid, u.oid, 'SELECT')
	        THEN pg_catalog.format('GRANT SELECT ON %I.%I TO %I', u.nspname, u.relname, l.rolname) END,
	    CASE WHEN CASE WHEN l.rolname = current_user THEN pg_catalog.row_security_active(u.oid)
	        ELSE NOT l.rolbypassrls AND EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = u.oid AND c.relrowsecurity) END
	        THEN pg_catalog.format('ALTER ROLE %I BYPASSRLS', l.rolname) END) AS missing
	FROM users AS u LEFT JOIN looker AS l ON true
), built AS (
	SELECT pg_catalog.format('%I.%I', u.nspname, u.relname) AS object, q[1] || '.' || q[2] AS rel, nullif(r.missing, '') AS missing,
	    CASE WHEN EXISTS (SELECT FROM active) THEN ' AND ' || q[3] ELSE '' END AS active, q[3] AS column
	FROM users AS u CROSS JOIN rights AS r
	CROSS JOIN LATERAL (
		@idents(ARRAY[u.nspname::text, u.relname, coalesce((SELECT a.attname FROM active AS a), '')])
	) AS quoted
)
SELECT object AS key, object,
    -- The condition ends with its line: nothing of it reaches what follows.
    CASE WHEN missing IS NULL THEN pg_catalog.format(
        E'SELECT %L AS object, 0 AS value, CASE WHEN f.some THEN ''critical'' ELSE ''warning'' END AS severity,\n'
        '    CASE WHEN NOT f.some THEN ''; the table is empty'' WHEN f.inactive THEN %L ELSE '''' END AS detail,\n'
        '    %L AS remedy, ''Run the command of the application that makes a superuser.'' AS remedy_2\n'
        'FROM (SELECT EXISTS (SELECT FROM %s) AS some, EXISTS (SELECT FROM %4$s WHERE (%s\n)) AS inactive) AS f\n'
        'WHERE NOT EXISTS (SELECT FROM %4$s WHERE (%5$s\n)%s)',
        object, '; there are some, but none with ' || "column",
        pg_catalog.format('SELECT * FROM %s WHERE %s LIMIT 100;', rel, :superuser::text), rel, :superuser::text, active) END AS sql,
    0 AS cost, missing || ';' AS "grant", CASE WHEN :data_role::text IS NOT NULL THEN 'data' END AS login
FROM built
UNION ALL
SELECT :users_table::text, :users_table::text, pg_catalog.format(
    'SELECT %L AS object, 0 AS value, %L AS severity, %L AS detail, NULL AS remedy, NULL AS remedy_2, %L AS remedy_3',
    :users_table::text,
    CASE WHEN EXISTS (SELECT FROM named) THEN 'warning' WHEN @no_table_yet AND @young(:users_table::text) THEN 'info' ELSE 'critical' END,
    CASE WHEN EXISTS (SELECT FROM named) THEN '; users_table is no table, so nobody looked' ELSE '; its table does not exist' END,
    'Run the migrations that create ' || :users_table::text || ', or correct users_table.'), 0, NULL, NULL
WHERE NOT EXISTS (SELECT FROM users)
ORDER BY key
LIMIT 1
