-- id: unsafe-developer-setting
-- title: a setting for rescue work is on
-- engine: postgresql
-- probe: integrity
-- topic: durability
-- scope: server
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- message: {object} is on: {detail}
-- why: These settings make a damaged server readable for the moment of rescue. Left on they destroy what is still
--   sound, or hide that it is not.
-- spares: our own session's values.
-- fix: Switch it off and look for damage meanwhile done: dump every database, run amcheck.
-- evidence: pg_settings.reset_val, and pg_db_role_setting for roles and databases
-- remedy.1: switch it off | sql | none | ALTER SYSTEM SET the setting on | closes
-- remedy.2: take it out of the configuration and restart the server | manual | ends-session | | closes
WITH @setting('{zero_damaged_pages,ignore_checksum_failure,ignore_system_indexes,allow_system_table_mods,ignore_invalid_pages}'::text[])
SELECT s.object,
    1 AS value,
    CASE WHEN s.name IN ('zero_damaged_pages', 'ignore_checksum_failure') THEN 'critical' ELSE 'warning' END AS severity,
    CASE s.name WHEN 'zero_damaged_pages' THEN 'a damaged page is overwritten with zeros when it is read, with all its rows'
        WHEN 'ignore_checksum_failure' THEN 'damaged pages are used, and spread'
        WHEN 'ignore_system_indexes' THEN 'the catalogue is searched without its indexes'
        WHEN 'allow_system_table_mods' THEN 'one wrong statement changes the catalogue itself'
        ELSE 'recovery goes on past pages that are missing' END AS detail,
    CASE WHEN s.undo IS NOT NULL THEN s.undo
        WHEN s.source <> 'command line' AND s.context <> 'postmaster' THEN
            pg_catalog.format(E'ALTER SYSTEM SET %s = off;\nSELECT pg_reload_conf();', s.name)
    END AS remedy,
    CASE WHEN s.source = 'command line' OR s.context = 'postmaster' THEN pg_catalog.format('%s = off', s.name) END AS remedy_2
FROM setting AS s
WHERE @is_on(s.value)
ORDER BY severity, s.object
LIMIT 500
