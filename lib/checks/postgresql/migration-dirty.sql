-- id: migration-dirty
-- title: migration is marked dirty
-- engine: postgresql
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: scrub
-- default: on
-- cost: cheap
-- unit: count
-- needs: role primary
-- critical: >= 1
-- metric: dbhealth_migration_dirty
-- message: version {version} is dirty
-- why: golang-migrate sets the flag before a migration and takes it back after: the last one failed half-way. The
--   tool refuses every further one until somebody forces a version.
-- spares: tables without that flag (Rails, dbmate); a migration that is running, for as long as a session changes
--   the schema.
-- fix: Look what of the version was applied, undo or complete it by hand, then force the version it is at.
-- evidence: the dirty column
-- remedy.1: see the row | look | none | | helps
-- remedy.2: once the changes of that version are completed by hand | sql | none | | closes
-- remedy.3: the same in the tool's own words | command | none | | closes
-- @items
WITH @user_schema, @bookkeeping, @history
SELECT object AS key, object, CASE WHEN missing IS NULL THEN pg_catalog.format($q$
WITH @history_rows
SELECT %3$L AS object, 1 AS value, %4$L AS tool, h.v AS version,
    'SELECT * FROM ' || %5$L || ';' AS remedy,
    pg_catalog.format('UPDATE %%s SET dirty = false WHERE version = %%s;', %5$L, h.raw) AS remedy_2,
    'migrate -path migrations -database "$DATABASE_URL" force ' || h.v AS remedy_3
FROM h
WHERE h.state = 'dirty'
  -- While it runs it holds its advisory lock, and a session has a transaction or a statement open.
  AND NOT EXISTS (
	SELECT FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
	WHERE l.locktype = 'advisory' AND l.granted AND a.datname = pg_catalog.current_database()
	  AND a.pid <> pg_catalog.pg_backend_pid() AND a.state IN ('active', 'idle in transaction'))
ORDER BY h.id DESC
LIMIT 100
$q$, rows_sql, id_sql, object, tool, q) END AS sql,
    4096 AS cost, missing AS "grant"
FROM history
WHERE tool = 'golang-migrate'
ORDER BY key
