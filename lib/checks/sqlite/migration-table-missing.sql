-- id: migration-table-missing
-- title: bookkeeping table of the migration tool is missing
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- metric: dbhealth_migration_tables_missing
-- message: {detail}
-- why: The configuration names a migration tool, a table of it or a revision to expect, but nothing of the kind is here:
--   the migrations were never run, ran against another file, or the table was dropped.
-- spares: databases for which nothing of migrations is configured.
-- fix: Run the migrations; if the schema came by another way, record its revision; or correct the configuration.
-- remedy.1: run the migrations | command | lock | | closes
-- remedy.2: see the tables of such names | look | none | | helps
-- remedy.3: name the table that is there | config | none | | closes
WITH @user_table, @bookkeeping, @judged, wish AS (
	SELECT f.tool, coalesce(f.tool, 'the migration tool') AS who, :migration_table AS wanted,
	    CASE WHEN lower(:migration_table) LIKE 'main.%' THEN substr(lower(:migration_table), 6) ELSE lower(:migration_table) END AS name
	FROM folder AS f
	WHERE :migration_tool IS NOT 'none' AND (f.tool IS NOT NULL OR :migration_table IS NOT NULL OR coalesce(:expect_migration, '') <> '')
), seen AS (
	SELECT w.*, (SELECT group_concat(b.name || ' (' || b.tool || ')', ', ') FROM bookkeeping AS b WHERE b.tool NOT LIKE '% lock') AS others,
	    (SELECT group_concat(l.name, ', ') FROM pragma_table_list AS l WHERE l.schema = 'main' AND lower(l.name) = w.name) AS shapeless
	FROM wish AS w
)
SELECT coalesce(wanted, CASE tool WHEN 'alembic' THEN 'alembic_version' WHEN 'django' THEN 'django_migrations' WHEN 'flyway' THEN 'flyway_schema_history'
        WHEN 'liquibase' THEN 'DATABASECHANGELOG' WHEN 'prisma' THEN '_prisma_migrations' WHEN 'knex' THEN 'knex_migrations'
        WHEN 'goose' THEN 'goose_db_version' WHEN 'sqlx' THEN '_sqlx_migrations' ELSE 'schema_migrations' END) AS object,
    1 AS value, tool,
    CASE WHEN shapeless IS NOT NULL THEN shapeless || ' is there, but has not the columns of a table of ' || who
        WHEN wanted IS NOT NULL THEN 'the bookkeeping table of ' || who || ' does not exist'
        ELSE who || ' has no bookkeeping table here' END
    || coalesce('; there is ' || others, '') AS detail,
    coalesce(@upgrade_command(tool), 'Run the migrations of the application.') AS remedy,
    'SELECT name FROM sqlite_schema WHERE type = ''table'' AND (name LIKE ''%migration%'' OR name LIKE ''%version%'' OR name LIKE ''%changelog%'' OR name LIKE ''%history%'');' AS remedy_2,
    CASE WHEN others IS NOT NULL THEN 'migration_table = TABLE' END AS remedy_3
FROM seen
WHERE NOT EXISTS (SELECT 1 FROM judged)
ORDER BY 1 LIMIT 1
