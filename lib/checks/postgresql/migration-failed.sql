-- id: migration-failed
-- title: migration failed half-way
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
-- @items
WITH @user_schema, @bookkeeping, @history
SELECT object AS key, object, CASE WHEN missing IS NULL THEN pg_catalog.format($q$
WITH @history_rows
SELECT %3$L AS object, %3$L || ' ' || h.v AS key, 1 AS value, %4$L AS tool, h.v AS version,
    coalesce(pg_catalog.to_char(h.at AT TIME ZONE 'UTC', '", at "YYYY-MM-DD HH24:MI"Z"'), '') || CASE h.state WHEN 'started' THEN ' or never ended' ELSE '' END AS detail,
    pg_catalog.format(CASE %4$L WHEN 'flyway' THEN 'SELECT * FROM %%s WHERE installed_rank = %%s;'
        WHEN 'sqlx' THEN 'SELECT * FROM %%s WHERE version = %%s;' WHEN 'prisma' THEN 'SELECT migration_name, started_at, logs FROM %%s WHERE id = %%L;'
        ELSE 'SELECT * FROM %%s WHERE id || ''::'' || author || ''::'' || filename = %%L;' END, %5$L, h.raw) AS remedy,
    pg_catalog.format(CASE %4$L WHEN 'flyway' THEN 'DELETE FROM %%s WHERE NOT success AND installed_rank = %%s;'
        WHEN 'sqlx' THEN 'DELETE FROM %%s WHERE NOT success AND version = %%s;' WHEN 'prisma' THEN 'UPDATE %%s SET rolled_back_at = now() WHERE id = %%L;'
        ELSE 'DELETE FROM %%s WHERE exectype = ''FAILED'' AND id || ''::'' || author || ''::'' || filename = %%L;' END, %5$L, h.raw) AS remedy_2,
    CASE %4$L WHEN 'flyway' THEN 'flyway repair' WHEN 'prisma' THEN 'npx prisma migrate resolve --rolled-back ' || CASE WHEN h.v ~ '^[\w.-]+$' THEN h.v ELSE '''' || pg_catalog.replace(h.v, '''', '''\''''') || '''' END END AS remedy_3
FROM h
WHERE h.state = 'failed' OR (h.state = 'started' AND h.at < pg_catalog.now() - pg_catalog.make_interval(secs => :running::float8))
ORDER BY h.seq DESC
LIMIT 100
$q$, rows_sql, id_sql, object, tool, q) END AS sql,
    4096 AS cost, missing AS "grant"
FROM history
WHERE tool IN ('flyway', 'sqlx', 'prisma', 'liquibase')
ORDER BY key
