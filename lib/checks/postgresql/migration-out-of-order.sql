-- id: migration-out-of-order
-- title: migration was applied after a newer one
-- engine: postgresql
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: scrub
-- default: on
-- cost: cheap
-- unit: count
-- needs: role primary
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
-- @items
WITH @user_schema, @bookkeeping, @history
SELECT object AS key, object, CASE WHEN missing IS NULL THEN pg_catalog.format($q$
WITH @history_rows, late AS (
	SELECT h.*, pg_catalog.max(h.id) OVER (ORDER BY h.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
	FROM h WHERE h.state = 'applied' AND h.v !~ '^R__'
), told AS (
	SELECT count(*) AS n, pg_catalog.string_agg(l.v, ', ' ORDER BY l.r) FILTER (WHERE l.r <= 5) AS some
	FROM (SELECT l.*, pg_catalog.row_number() OVER (ORDER BY l.seq DESC) AS r FROM late AS l WHERE l.before > l.id) AS l
)
SELECT %3$L AS object, t.n AS value, %4$L AS tool, t.some AS versions,
    pg_catalog.format('applied after a newer one: %%s%%s', t.some, CASE WHEN t.n > 5 THEN pg_catalog.format(' and %%s more', t.n - 5) ELSE '' END) AS detail,
    'SELECT * FROM ' || %5$L || ' ORDER BY ' || %6$L || ';' AS remedy
FROM told AS t WHERE t.n > 0
$q$, rows_sql, id_sql, object, tool, q, CASE tool WHEN 'flyway' THEN 'installed_rank' WHEN 'sqlx' THEN 'installed_on' WHEN 'prisma' THEN 'started_at' ELSE 'id' END) END AS sql,
    4096 AS cost, missing AS "grant"
FROM history
WHERE tool IN ('flyway', 'sqlx', 'knex', 'prisma', 'goose')
ORDER BY key
