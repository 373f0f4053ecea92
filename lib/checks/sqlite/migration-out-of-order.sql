-- id: migration-out-of-order
-- title: migration was applied after a newer one
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- info: >= 1
-- metric: dbhealth_migrations_out_of_order
-- message: {detail}
-- why: The order here was another than in a new database, so the two may differ: a column that one migration adds and the
--   next fills, a default that was overwritten. It usually comes of branches merged late.
-- spares: repeatable migrations and baselines; what was undone; tools that do not record an order (Rails, dbmate,
--   golang-migrate, Alembic), Django, whose order is by dependency, and Liquibase, whose change sets have none.
-- fix: Compare the schema with that of a database that was migrated from nothing (dbhealth diff).
-- evidence: the rows of the bookkeeping table
-- remedy.1: review the order | look | none | | helps
WITH @user_table, @bookkeeping, @history, late AS (
	SELECT h.*, max(h.id) OVER (PARTITION BY h.tbl ORDER BY h.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
	FROM h WHERE h.tool IN ('flyway', 'sqlx', 'knex', 'prisma', 'goose') AND h.state = 'applied' AND h.v NOT GLOB 'R__*'
), some AS (
	SELECT l.tbl, l.tool, l.q, count(*) AS n, group_concat(CASE WHEN l.r <= 5 THEN l.v END, ', ') AS first
	FROM (SELECT l.*, row_number() OVER (PARTITION BY l.tbl ORDER BY l.seq DESC) AS r FROM late AS l WHERE l.before > l.id ORDER BY l.tbl, r) AS l
	GROUP BY l.tbl
)
SELECT s.tbl AS object, s.n AS value, s.tool, s.first AS versions,
    'applied after a newer one: ' || s.first || @more(s.n) AS detail,
    'SELECT * FROM ' || s.q || ' ORDER BY ' || CASE s.tool WHEN 'flyway' THEN 'installed_rank' WHEN 'sqlx' THEN 'installed_on' WHEN 'prisma' THEN 'started_at' ELSE 'id' END || ';' AS remedy
FROM some AS s
ORDER BY 1 LIMIT 100
