-- id: sqlite-legacy-format
-- title: a schema format of old
-- engine: sqlite
-- probe: schema
-- topic: compatibility
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: schema format {value}, 4 is current
-- why: Below 4 indexes ignore DESC and store 0 and 1 with a byte more: such a file was made by a library before 3.3, or with
--   legacy_file_format.
-- spares: format 4, and files without any table.
-- fix: VACUUM writes the file anew in the current format.
-- evidence: byte 44 of the header
-- remedy.1: write the file anew | sql | lock | | closes
SELECT '' AS object, file_fact('schema_format') AS value, 'VACUUM;' AS remedy
WHERE file_fact('schema_format') BETWEEN 1 AND 3 AND EXISTS (SELECT 1 FROM sqlite_schema)
