-- id: migration-version-empty
-- title: bookkeeping table is empty
-- engine: postgresql
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: scrub
-- default: on
-- cost: cheap
-- unit: count
-- needs: role primary
-- warning: >= 1
-- metric: dbhealth_migrations_unrecorded_tables
-- message: no migration is recorded, but there {detail}
-- why: The tool believes that nothing was ever applied: the next deployment runs the first migration against tables
--   that exist, and fails or overwrites. Somebody restored without this table, truncated it, or created the
--   schema by hand.
-- spares: a fresh database without tables of its own; tables of extensions and of other migration tools.
-- fix: Record the revision that the tables are at.
-- evidence: the bookkeeping table and pg_class
-- remedy.1: record the revision that the tables are at | command | none | | closes
-- remedy.2: see the tables that are there | look | none | | helps
-- @items
WITH @user_schema, @user_table, @bookkeeping, @history, mine AS (
	SELECT u.nspname, count(*) AS n, pg_catalog.min(u.relname) AS one FROM user_table AS u
	WHERE u.oid NOT IN (SELECT b.oid FROM bookkeeping AS b) AND u.relname <> 'ar_internal_metadata'
	GROUP BY u.nspname
), total AS (
	SELECT pg_catalog.sum(m.n) AS n, pg_catalog.count(*) AS schemas FROM mine AS m
), beside AS (
	-- A schema with tables of its own stands for itself (one a tenant); else all count.
	SELECT b.*, coalesce(m.n, CASE WHEN (SELECT count(*) FROM history) = 1 THEN t.n END) AS tables
	FROM history AS b LEFT JOIN mine AS m ON m.nspname = b.nspname CROSS JOIN total AS t
)
SELECT object AS key, object, CASE WHEN missing IS NULL THEN pg_catalog.format($q$
WITH @history_rows
SELECT %3$L AS object, %6$s AS value, %4$L AS tool,
    CASE WHEN %6$s = 1 THEN 'is a table' ELSE 'are %6$s tables' END AS detail,
    %7$L AS remedy,
    'SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ ''^(pg_|information_schema$)'';' AS remedy_2
WHERE NOT EXISTS (SELECT FROM h WHERE h.state <> 'other') AND %6$s > 0
$q$, rows_sql, id_sql, object, tool, q, coalesce(tables, 0), CASE tool WHEN 'alembic' THEN 'alembic stamp head' WHEN 'django' THEN 'python manage.py migrate --fake-initial'
    WHEN 'flyway' THEN 'flyway -baselineVersion=VERSION baseline' WHEN 'liquibase' THEN 'liquibase changelog-sync'
    WHEN 'golang-migrate' THEN 'migrate -path migrations -database "$DATABASE_URL" force VERSION'
    WHEN 'prisma' THEN 'npx prisma migrate resolve --applied NAME'
    ELSE 'INSERT INTO ' || q || ' ... -- one row for each migration that the tables already have' END) END AS sql,
    4096 AS cost, missing AS "grant"
FROM beside
ORDER BY key
