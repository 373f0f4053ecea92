-- id: migration-failed
-- title: migration failed half-way
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- critical: >= 1
-- param.running: 10min
-- metric: dbhealth_migration_failed
-- message: {version} failed{detail}
-- why: A migration stopped in the middle: part of its changes may be there, and the tool refuses to go on until
--   somebody decides. Every further deployment waits for that.
-- spares: failures that a later run of the same version made good; what is marked as rolled back; Prisma's
--   migrations that began a few minutes ago and have not said anything, which are running.
-- fix: Look what of it was applied and undo or complete that by hand, then tell the tool.
-- evidence: the row of the migration
-- remedy.1: see the row | look | none | | helps
-- remedy.2: once its changes are undone by hand: let it run again | sql | none | | closes
-- remedy.3: the same in the tool's own words | command | none | | closes
WITH @user_table, @bookkeeping, @history
SELECT h.tbl AS object, h.tbl || ' ' || h.v AS key,
    -- What began a moment ago runs.
    h.state = 'failed' OR coalesce(h.at, (SELECT CAST(f.value AS REAL) FROM json_each(:first_seen) AS f WHERE f.key = h.tbl || ' ' || h.v), 0) < unixepoch() - CAST(:running AS REAL) AS value, h.tool, h.v AS version,
    coalesce(strftime(', at %Y-%m-%d %H:%MZ', h.at, 'unixepoch'), '') || CASE h.state WHEN 'started' THEN ' or never ended' ELSE '' END AS detail,
    CASE h.tool WHEN 'flyway' THEN 'SELECT * FROM ' || h.q || ' WHERE installed_rank = ' || h.raw || ';'
        WHEN 'sqlx' THEN 'SELECT * FROM ' || h.q || ' WHERE version = ' || h.raw || ';' WHEN 'prisma' THEN 'SELECT migration_name, started_at, logs FROM ' || h.q || ' WHERE id = ' || quote(h.raw) || ';'
        ELSE 'SELECT * FROM ' || h.q || ' WHERE id || ''::'' || author || ''::'' || filename = ' || quote(h.raw) || ';' END AS remedy,
    CASE h.tool WHEN 'flyway' THEN 'DELETE FROM ' || h.q || ' WHERE NOT success AND installed_rank = ' || h.raw || ';'
        WHEN 'sqlx' THEN 'DELETE FROM ' || h.q || ' WHERE NOT success AND version = ' || h.raw || ';'
        WHEN 'prisma' THEN 'UPDATE ' || h.q || ' SET rolled_back_at = CAST(unixepoch() * 1000 AS INTEGER) WHERE id = ' || quote(h.raw) || ';'
        ELSE 'DELETE FROM ' || h.q || ' WHERE exectype = ''FAILED'' AND id || ''::'' || author || ''::'' || filename = ' || quote(h.raw) || ';' END AS remedy_2,
    CASE h.tool WHEN 'flyway' THEN 'flyway repair' WHEN 'prisma' THEN 'npx prisma migrate resolve --rolled-back ' || CASE WHEN h.v NOT GLOB '*[^A-Za-z0-9_.-]*' THEN h.v ELSE '''' || replace(h.v, '''', '''\''''') || '''' END END AS remedy_3
FROM h
WHERE h.state IN ('failed', 'started')
ORDER BY 3 DESC, h.tbl, h.seq DESC LIMIT 100
