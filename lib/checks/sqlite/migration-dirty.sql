-- id: migration-dirty
-- title: migration is marked dirty
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- critical: >= 1
-- metric: dbhealth_migration_dirty
-- message: version {version} is dirty
-- why: golang-migrate sets the flag before a migration and takes it back after: the last one failed half-way. The
--   tool refuses every further one until somebody forces a version.
-- spares: tables without that flag (Rails, dbmate); a migration that is running, for as long as its process has a
--   transaction that writes.
-- fix: Look what of the version was applied, undo or complete it by hand, then force the version it is at.
-- evidence: the dirty column
-- remedy.1: see the row | look | none | | helps
-- remedy.2: once the changes of that version are completed by hand | sql | none | | closes
-- remedy.3: the same in the tool's own words | command | none | | closes
WITH @user_table, @bookkeeping, @history
SELECT h.tbl AS object, 1 AS value, h.tool, h.v AS version,
    'SELECT * FROM ' || h.q || ';' AS remedy,
    'UPDATE ' || h.q || ' SET dirty = 0 WHERE version = ' || h.raw || ';' AS remedy_2,
    'migrate -path migrations -database "$DATABASE_URL" force ' || h.v AS remedy_3
FROM h
-- While it runs it writes in a transaction.
WHERE h.state = 'dirty' AND @writers IS NULL
ORDER BY h.tbl, h.id DESC LIMIT 100
