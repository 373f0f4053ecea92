-- id: migration-version-empty
-- title: bookkeeping table is empty
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- warning: >= 1
-- metric: dbhealth_migrations_unrecorded_tables
-- message: no migration is recorded, but there {detail}
-- why: The tool believes that nothing was ever applied: the next deployment runs the first migration against tables
--   that exist, and fails or overwrites. Somebody restored without this table, truncated it, or created the
--   schema by hand.
-- spares: a fresh database without tables of its own; tables of other migration tools.
-- fix: Record the revision that the tables are at.
-- evidence: the bookkeeping table and sqlite_schema
-- remedy.1: record the revision that the tables are at | command | none | | closes
-- remedy.2: see the tables that are there | look | none | | helps
WITH @user_table, @bookkeeping, @history, mine AS (
	SELECT count(*) AS n FROM user_table AS u
	WHERE u.name NOT IN (SELECT b.name FROM bookkeeping AS b) AND NOT instr(u.low, 'ar_internal_metadata')
)
SELECT b.name AS object, m.n AS value, b.tool,
    CASE WHEN m.n = 1 THEN 'is a table' ELSE 'are ' || m.n || ' tables' END AS detail,
    CASE b.tool WHEN 'alembic' THEN 'alembic stamp head' WHEN 'django' THEN 'python manage.py migrate --fake-initial'
    WHEN 'flyway' THEN 'flyway -baselineVersion=VERSION baseline' WHEN 'liquibase' THEN 'liquibase changelog-sync'
    WHEN 'golang-migrate' THEN 'migrate -path migrations -database "$DATABASE_URL" force VERSION'
    WHEN 'prisma' THEN 'npx prisma migrate resolve --applied NAME'
    ELSE 'INSERT INTO ' || b.q || ' ... -- one row for each migration that the tables already have' END AS remedy,
    'SELECT name FROM sqlite_schema WHERE type = ''table'' AND name NOT LIKE ''sqlite\_%'' ESCAPE ''\'';' AS remedy_2
FROM bookkeeping AS b, mine AS m
WHERE m.n > 0 AND b.tool NOT LIKE '% lock' AND (SELECT count(*) FROM bookkeeping AS o WHERE o.tool NOT LIKE '% lock') = 1
  AND b.name NOT IN (SELECT h.tbl FROM h WHERE h.state <> 'other')
ORDER BY 1 LIMIT 100
