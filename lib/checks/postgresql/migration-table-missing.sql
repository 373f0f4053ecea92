-- id: migration-table-missing
-- title: bookkeeping table of the migration tool is missing
-- engine: postgresql
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: role primary
-- severity: warning
-- metric: dbhealth_migration_tables_missing
-- message: {detail}
-- why: The configuration names a migration tool, a table of it or a revision to expect, but nothing of the kind is here:
--   the migrations were never run, ran against another database or schema, or the table was dropped.
-- spares: databases for which nothing of migrations is configured.
-- fix: Run the migrations; if the schema came by another way, record its revision; or correct the configuration.
-- remedy.1: run the migrations | command | lock | | closes
-- remedy.2: see tables of that name in any schema | look | none | | helps
-- remedy.3: name the table that is there | config | none | | closes
WITH @user_schema, @bookkeeping, wish AS (
	SELECT t.*, :migration_table AS wanted, coalesce(t.tool, 'the migration tool') AS who
	FROM told AS t
	WHERE t.none IS NOT TRUE AND (t.tool IS NOT NULL OR t.name IS NOT NULL OR coalesce(:expect_migration, '') <> '')
), seen AS (
	SELECT w.*, (SELECT pg_catalog.string_agg(b.object || ' (' || b.tool || ')', ', ' ORDER BY b.object) FROM bookkeeping AS b WHERE b.tool !~ ' lock$') AS others,
	    (SELECT pg_catalog.string_agg(s.object, ', ' ORDER BY s.object) FROM (
	        SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS object FROM pg_catalog.pg_class AS c JOIN user_schema AS n ON n.oid = c.relnamespace
	        WHERE c.relkind IN ('r', 'v', 'p', 'f', 'm') AND w.name IN (pg_catalog.lower(c.relname), pg_catalog.lower(n.nspname || '.' || c.relname))) AS s) AS shapeless
	FROM wish AS w
)
SELECT coalesce(wanted, CASE tool WHEN 'alembic' THEN 'alembic_version' WHEN 'django' THEN 'django_migrations' WHEN 'flyway' THEN 'flyway_schema_history'
        WHEN 'liquibase' THEN 'databasechangelog' WHEN 'prisma' THEN '_prisma_migrations' WHEN 'knex' THEN 'knex_migrations'
        WHEN 'goose' THEN 'goose_db_version' WHEN 'sqlx' THEN '_sqlx_migrations' ELSE 'schema_migrations' END) AS object,
    1 AS value, tool,
    CASE WHEN shapeless IS NOT NULL THEN pg_catalog.format('%s is there, but has not the columns of a table of %s', shapeless, who)
        WHEN wanted IS NOT NULL THEN pg_catalog.format('the bookkeeping table of %s does not exist', who)
        ELSE pg_catalog.format('%s has no bookkeeping table here', who) END
    || CASE WHEN others IS NOT NULL THEN '; there is ' || others ELSE '' END AS detail,
    coalesce(@upgrade_command(tool), 'Run the migrations of the application.') AS remedy,
    'SELECT schemaname, tablename FROM pg_tables WHERE tablename ~ ''migration|version|changelog|history'';' AS remedy_2,
    CASE WHEN others IS NOT NULL THEN 'migration_table = SCHEMA.TABLE' END AS remedy_3
FROM seen
WHERE NOT EXISTS (SELECT FROM bookkeeping AS b WHERE b.judged AND b.tool !~ ' lock$')
ORDER BY 1
LIMIT 1
