-- id: checksums-disabled
-- title: pages have no checksums
-- engine: postgresql
-- probe: integrity
-- topic: corruption
-- scope: server
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: flavour != aurora, flavour != alloydb, flavour != neon
-- severity: info
-- message: a page that the disk or the file system damages is read as if it were right
-- why: Without checksums damage spreads silently into replicas and backups, and is found when it is too late to
--   have a good copy.
-- spares: platforms whose storage checks its own pages (Aurora, AlloyDB, Neon).
-- fix: pg_checksums works while the server is stopped and reads and writes every page. A standby can be done
--   first, then switched over to. From 18 on initdb turns checksums on.
-- remedy.1: with the server stopped in good order: write them | command | ends-session | pg_checksums --disable, stopped again | closes
SELECT '' AS object,
    1 AS value, 'info' AS severity,
    pg_catalog.format('pg_checksums --enable --progress --pgdata ''%s''', coalesce(
        (SELECT pg_catalog.replace(s.reset_val, '''', '''\''''') FROM pg_catalog.pg_settings AS s WHERE s.name = 'data_directory'), '$PGDATA')) AS remedy
WHERE pg_catalog.current_setting('data_checksums') = 'off'
