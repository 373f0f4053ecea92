-- id: database-invalid
-- title: database was dropped half
-- engine: postgresql
-- probe: integrity
-- topic: corruption
-- scope: server
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- for: 10min
-- metric: dbhealth_invalid_databases
-- message: a DROP DATABASE did not finish; nobody can connect to it
-- why: Part of its files are gone, so it cannot be repaired, and VACUUM cannot reach it: its age holds the
--   whole server back until transaction numbers run out.
-- spares: a DROP DATABASE that runs now; databases that merely forbid connections.
-- fix: Drop it again. Where its content was needed, restore it from a backup under its name afterwards.
-- remedy.1: look in the log when it was dropped, and why that ended | command | none | | helps
-- remedy.1.text: grep -h 'DROP DATABASE\|invalid database' /var/log/postgresql/*.log | tail
-- remedy.2: drop what is left of it | sql | data-loss | none: it cannot be opened any more | closes
SELECT pg_catalog.quote_ident(d.datname) AS object,
    1 AS value,
    'warning' AS severity,
    pg_catalog.format('DROP DATABASE %s;', @ident(d.datname)) AS remedy_2
FROM pg_catalog.pg_database AS d
WHERE d.datconnlimit = -2
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS l
      WHERE l.locktype = 'object' AND l.classid = 'pg_catalog.pg_database'::pg_catalog.regclass AND l.objid = d.oid
        AND l.mode = 'AccessExclusiveLock')
ORDER BY object
LIMIT 1000
