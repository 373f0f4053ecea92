-- id: migration-lock-stuck
-- title: lock of a migration that nobody holds any more
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- param.age: 15min
-- metric: dbhealth_migration_lock_age_seconds
-- unit: seconds
-- message: {detail}
-- why: The tool notes its lock in a table. When it is killed in the middle the note stays, and every further deployment
--   waits for it, then fails.
-- spares: a fresh lock, which is a migration that runs (info while its age is not known, a warning for
--   Knex); while a process writes in a transaction, which may be the migration, no more than a warning.
-- fix: Make sure that no migration runs, then release the lock.
-- evidence: the lock table and the kernel's list of locks, by the time noted there or by how long we have seen it
-- remedy.1: see which processes have the file open | command | none | | helps
-- remedy.2: once no migration runs: release the lock | sql | none | | closes
-- remedy.3: the same in the tool's own words | command | none | | closes
WITH @user_table, @bookkeeping, lock_row AS (
	SELECT b.name, b.q, CASE b.tool WHEN 'knex lock' THEN 'knex' ELSE 'liquibase' END AS tool,
	    scalar(CASE b.tool WHEN 'knex lock' THEN 'SELECT json_array(CAST(is_locked AS TEXT)) FROM ' || b.q || ' WHERE is_locked <> 0 LIMIT 1'
	        ELSE 'SELECT json_array(CAST(locked AS TEXT), CAST(substr(lockgranted, 1, 40) AS TEXT), CAST(substr(lockedby, 1, 300) AS TEXT)) FROM ' || b.q || ' WHERE lower(CAST(locked AS TEXT)) IN (''1'', ''t'', ''true'') LIMIT 1' END) AS j
	FROM bookkeeping AS b WHERE b.tool LIKE '% lock'
), aged AS (
	SELECT l.name, l.q, l.tool, l.j ->> 2 AS holder,
	    -- Noted by the clock and in the time zone of the tool: a time that is to come tells nothing.
	    unixepoch() - @moment((l.j ->> 1)) AS noted,
	    unixepoch() - (SELECT CAST(f.value AS REAL) FROM json_each(:first_seen) AS f WHERE f.key = l.name) AS seen, @writers AS writers
	FROM lock_row AS l WHERE l.j IS NOT NULL
), judged AS (
	SELECT a.*, coalesce(max(CASE WHEN a.noted >= 0 THEN a.noted END, a.seen), CASE WHEN a.noted >= 0 THEN a.noted END, a.seen) AS age FROM aged AS a
)
SELECT j.name AS object, coalesce(j.age, 0) AS value, j.tool, j.holder,
    CASE WHEN j.writers IS NOT NULL THEN CASE WHEN j.age >= CAST(:age AS REAL) THEN 'warning' ELSE 'none' END
    WHEN j.age >= CAST(:age AS REAL) THEN 'critical' WHEN j.noted >= 0 THEN 'none'
    WHEN j.tool = 'knex' THEN 'warning' ELSE 'info' END AS severity,
    'locked' || coalesce(' by ' || j.holder, '') || CASE WHEN j.age >= 60 THEN ' for ' || CAST(j.age / 60 AS INTEGER) || ' min' ELSE '' END
    || CASE WHEN j.writers IS NULL THEN '; no process writes' ELSE '; processes that write: ' || j.writers END AS detail,
    'fuser -v ' || path.shell || ' || true' AS remedy,
    CASE j.tool WHEN 'knex' THEN 'UPDATE ' || j.q || ' SET is_locked = 0;'
        ELSE 'UPDATE ' || j.q || ' SET locked = 0, lockgranted = NULL, lockedby = NULL WHERE locked;' END AS remedy_2,
    CASE j.tool WHEN 'knex' THEN 'npx knex migrate:unlock' ELSE 'liquibase release-locks' END AS remedy_3
FROM judged AS j, (SELECT '''' || replace(coalesce(file_fact('resolved_path'), file_fact('path')), '''', '''\''''') || '''' AS shell) AS path
ORDER BY 1 LIMIT 100
