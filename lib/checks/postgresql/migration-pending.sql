-- id: migration-pending
-- title: migration was left out
-- engine: postgresql
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: scrub
-- default: on
-- cost: cheap
-- unit: count
-- needs: role primary, migrations known
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
-- @items
WITH @user_schema, @bookkeeping, @history
SELECT object AS key, object, CASE WHEN missing IS NULL THEN pg_catalog.format($q$
WITH @history_rows, @known_rows, done AS MATERIALIZED (
	SELECT h.id, h.app, h.v, h.state FROM h WHERE h.state IN ('applied', 'baseline', 'dirty', 'failed', 'started')
), top AS MATERIALIZED (
	SELECT d.app, pg_catalog.max(d.id) AS id, pg_catalog.max(d.id) FILTER (WHERE d.state = 'baseline') AS base
	FROM done AS d WHERE d.id !~ '^R__' GROUP BY d.app
), missing AS (
	SELECT k.v, k.id, k.pos, pg_catalog.row_number() OVER (ORDER BY k.id) AS r
	FROM known AS k JOIN top AS t ON t.app = k.app AND k.id < t.id AND k.id > coalesce(t.base, '')
	WHERE coalesce(k.j ->> 'opt', '') <> 'true'
	  AND NOT EXISTS (SELECT FROM done AS d WHERE d.id = k.id AND d.app = k.app)
	  AND NOT @squashed(k)
), told AS (
	SELECT count(*) AS n, pg_catalog.string_agg(m.v, ', ' ORDER BY m.r) FILTER (WHERE m.r <= 5) AS some FROM missing AS m
)
SELECT %3$L AS object, t.n AS value, %4$L AS tool, t.some AS versions,
    pg_catalog.format('never applied, though newer ones are: %%s%%s', t.some, CASE WHEN t.n > 5 THEN pg_catalog.format(' and %%s more', t.n - 5) ELSE '' END) AS detail,
    %6$L AS remedy, 'SELECT * FROM ' || %5$L || ';' AS remedy_2
FROM told AS t WHERE t.n > 0
$q$, rows_sql, id_sql, object, tool, q, CASE tool WHEN 'flyway' THEN 'flyway -outOfOrder=true migrate' WHEN 'goose' THEN 'goose -allow-missing up'
    WHEN 'sqlx' THEN 'sqlx migrate run' ELSE @upgrade_command(tool) END) END AS sql,
    4096 AS cost, missing AS "grant"
FROM history
WHERE judged AND tool NOT IN ('alembic', 'golang-migrate', 'liquibase')
ORDER BY key
