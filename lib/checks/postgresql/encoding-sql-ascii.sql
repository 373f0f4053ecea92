-- id: encoding-sql-ascii
-- title: the database takes any bytes as text
-- engine: postgresql
-- probe: integrity
-- topic: corruption
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- message: its encoding is SQL_ASCII: text is neither checked nor converted
-- why: Clients with different encodings write bytes that others cannot read; length, case and patterns are wrong
--   for all that is not ASCII. The longer it lasts the less can be told which encoding a row has.
-- spares: templates.
-- fix: Dump it, convert the dump to UTF-8 (rows of unknown encoding by hand), restore it into a new database made
--   from template0 with ENCODING 'UTF8', then exchange the names.
-- remedy.1: convert by dump and restore | manual | load | keep the old database under another name | closes
SELECT '' AS object, 1 AS value, 'info' AS severity,
    pg_catalog.format('CREATE DATABASE new_name TEMPLATE template0 ENCODING ''UTF8'';') AS remedy
FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database() AND d.encoding = 0 AND NOT d.datistemplate
