-- id: durability-setting-off
-- title: a crash may lose or damage data
-- engine: postgresql
-- probe: integrity
-- topic: durability
-- scope: server
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: flavour != aurora, flavour != alloydb, flavour != neon
-- message: {object} is off: {detail}
-- why: Without fsync, or without full_page_writes, a power cut or a crash of the system leaves files that no
--   recovery can mend. With synchronous_commit off the last transactions that were reported as done
--   are lost, but nothing is damaged.
-- spares: platforms whose storage does this itself (Aurora, AlloyDB, Neon); our own session's values; settings of
--   synchronous_commit other than off. On a file system that never tears a page, as ZFS with a fitting record
--   size, full_page_writes may be off: name it in ignore.
-- fix: Switching fsync on does not write what is already in the system's cache: CHECKPOINT and sync afterwards.
-- evidence: pg_settings.reset_val, and pg_db_role_setting for roles and databases
-- remedy.1: switch it on | sql | load | ALTER SYSTEM RESET the setting | closes
-- remedy.2: it was given on the server's command line: take it out there | manual | ends-session | | closes
WITH @setting('{fsync,full_page_writes,synchronous_commit}'::text[])
SELECT s.object,
    1 AS value,
    CASE WHEN s.name = 'synchronous_commit' THEN 'info' ELSE 'critical' END AS severity,
    CASE s.name WHEN 'fsync' THEN 'a crash of the system damages the data beyond recovery'
        WHEN 'full_page_writes' THEN 'a page that is half written at a crash cannot be recovered'
        ELSE 'a crash loses the last transactions that were reported as done' END AS detail,
    CASE WHEN s.undo IS NOT NULL THEN s.undo
        WHEN s.source <> 'command line' THEN pg_catalog.format(E'ALTER SYSTEM SET %s = on;\nSELECT pg_reload_conf();', s.name)
    END AS remedy,
    CASE WHEN s.source = 'command line' THEN pg_catalog.format('-c %s=%s', s.name, s.value) END AS remedy_2
FROM setting AS s
WHERE @is_off(s.value)
ORDER BY severity, s.object
LIMIT 500
