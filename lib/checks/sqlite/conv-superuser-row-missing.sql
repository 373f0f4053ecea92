-- id: conv-superuser-row-missing
-- title: nobody is superuser of the application
-- engine: sqlite
-- probe: integrity
-- topic: conventions
-- scope: database
-- interval: 15min
-- kind: scrub
-- default: on
-- cost: cheap
-- unit: count
-- needs: configured users_table, configured superuser
-- metric: dbhealth_superuser_rows_missing
-- param.active: is_active
-- param.grace: 24h
-- message: no user of the application may administer it{detail}
-- why: Without a user that fulfils the condition (superuser) nobody can administer the application: no new
--   users, no rights, no way in but the database. A failed migration, a restore or a delete did it.
-- spares: an empty users table, as before the first start, is a warning only; a database without any table is info for the first
--   24 hours of our sight. Where the users table has a column is_active (param.active), only users in use count.
-- fix: Make one with the application's own command, which hashes the password and writes what else belongs to a user. If there
--   should be some, look at the backup and at who changed the table.
-- evidence: one look for a row of users_table that fulfils the condition; rows are neither counted nor kept
-- remedy.1: look at who is there | look | load | | helps
-- remedy.2: make one with the application's own command (createsuperuser or the like) | manual | none | | closes
-- remedy.3: correct users_table, or run the migrations that create it | manual | none | | closes
-- @items
WITH @user_table, @user_column, @users_table, active AS (
	SELECT c.name FROM users AS u JOIN @column_of(c, u, :active)
)
SELECT u.name AS key, u.name AS object,
    -- The condition ends with its line: nothing of it reaches what follows.
    'SELECT ' || quote(u.name) || ' AS object, 0 AS value, CASE WHEN f.some THEN ''critical'' ELSE ''warning'' END AS severity,'
    || ' CASE WHEN NOT f.some THEN ''; the table is empty'' WHEN f.inactive THEN ' || quote('; there are some, but none with ' || coalesce(a.name, '')) || ' ELSE '''' END AS detail, '
    || quote('SELECT * FROM ' || @ident(u.name) || ' WHERE ' || :superuser || ' LIMIT 100;') || ' AS remedy, ''Run the command of the application that makes a superuser.'' AS remedy_2'
    || ' FROM (SELECT EXISTS (SELECT 1 FROM ' || @ident(u.name) || ') AS some, EXISTS (SELECT 1 FROM ' || @ident(u.name) || ' WHERE (' || :superuser || char(10) || ')) AS inactive) AS f'
    || ' WHERE NOT EXISTS (SELECT 1 FROM ' || @ident(u.name) || ' WHERE (' || :superuser || char(10) || ')' || coalesce(' AND ' || @ident(a.name), '') || ')' AS sql,
    0 AS cost
FROM users AS u LEFT JOIN active AS a
UNION ALL
SELECT :users_table, :users_table,
    'SELECT ' || quote(:users_table) || ' AS object, 0 AS value, ' || quote(CASE WHEN NOT EXISTS (SELECT 1 FROM user_table)
        AND coalesce((SELECT CAST(f.value AS REAL) FROM json_each(:first_seen) AS f WHERE f.key = :users_table), unixepoch()) > unixepoch() - CAST(:grace AS REAL) THEN 'info' ELSE 'critical' END)
    || ' AS severity, ''; its table does not exist'' AS detail, NULL AS remedy, NULL AS remedy_2, ' || quote('Run the migrations that create ' || :users_table || ', or correct users_table.') || ' AS remedy_3', 0
WHERE NOT EXISTS (SELECT 1 FROM users)
ORDER BY 1 LIMIT 1
