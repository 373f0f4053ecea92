-- id: migration-pending
-- title: migration was left out
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: migrations known
-- warning: >= 1
-- for: 1min
-- caused-by: migration-failed by object, migration-dirty by object
-- metric: dbhealth_migrations_left_out
-- message: {detail}
-- why: The code has a migration that is older than the newest one applied here, and it never ran: it came with a
--   branch that was merged late. The schema differs from every test database.
-- spares: versions up to a baseline; what a squashed migration covers; tools that keep nothing but their last
--   revision (Alembic, golang-migrate) or no order (Liquibase), of which migration-behind-head tells.
-- fix: Apply it, after a look whether it still fits the newer ones.
-- evidence: the bookkeeping table against the files, or known_migrations
-- remedy.1: apply what was left out | command | lock | | closes
-- remedy.2: see what this database has applied | look | none | | helps
WITH @user_table, @bookkeeping, @judged, @history, @known, done AS MATERIALIZED (
	SELECT h.tbl, h.id, h.app, h.v, h.state FROM h WHERE h.state IN ('applied', 'baseline', 'dirty', 'failed', 'started')
), top AS MATERIALIZED (
	SELECT d.tbl, d.app, max(d.id) AS id, max(CASE WHEN d.state = 'baseline' THEN d.id END) AS base
	FROM done AS d WHERE d.id NOT GLOB 'R__*' GROUP BY d.tbl, d.app
), missing AS (
	SELECT k.tbl, k.v, k.tool, k.q, row_number() OVER (PARTITION BY k.tbl ORDER BY k.id) AS r
	FROM known AS k JOIN top AS t ON t.tbl = k.tbl AND t.app = k.app AND k.id < t.id AND k.id > coalesce(t.base, '')
	WHERE k.tool NOT IN ('alembic', 'golang-migrate', 'liquibase') AND k.opt = 0
	  AND (k.tbl, k.app, k.id) NOT IN (SELECT d.tbl, d.app, d.id FROM done AS d)
	  AND NOT @squashed(k)
), some AS (
	SELECT m.tbl, m.tool, m.q, count(*) AS n, group_concat(CASE WHEN m.r <= 5 THEN m.v END, ', ') AS first
	FROM (SELECT * FROM missing ORDER BY tbl, r) AS m GROUP BY m.tbl
)
SELECT s.tbl AS object, s.n AS value, s.tool, s.first AS versions,
    'never applied, though newer ones are: ' || s.first || @more(s.n) AS detail,
    CASE s.tool WHEN 'flyway' THEN 'flyway -outOfOrder=true migrate' WHEN 'goose' THEN 'goose -allow-missing up' WHEN 'sqlx' THEN 'sqlx migrate run' ELSE @upgrade_command(s.tool) END AS remedy,
    'SELECT * FROM ' || s.q || ';' AS remedy_2
FROM some AS s
ORDER BY 1 LIMIT 100
