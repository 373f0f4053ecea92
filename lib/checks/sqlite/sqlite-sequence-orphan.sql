-- id: sqlite-sequence-orphan
-- title: counter of a table that is gone
-- engine: sqlite
-- probe: integrity
-- topic: sequences
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: the counter stands at {value}, and there is no such table
-- why: What is left of an AUTOINCREMENT table that was taken away behind SQLite's back. A new table of that name goes on
--   counting from there.
-- spares: counters of tables that exist, whatever their case.
-- fix: Delete the row.
-- evidence: sqlite_sequence against sqlite_schema
-- remedy.1: delete the row | sql | lock | INSERT INTO sqlite_sequence | closes
SELECT j.value ->> 0 AS object, max(CAST(j.value ->> 1 AS INTEGER)) AS value, 'DELETE FROM sqlite_sequence WHERE name = ' || quote(j.value ->> 0) || ';' AS remedy
FROM json_each(scalar('SELECT json_group_array(json_array(name, CAST(seq AS TEXT))) FROM sqlite_sequence WHERE name IS NOT NULL')) AS j
WHERE NOT EXISTS (SELECT 1 FROM sqlite_schema AS s WHERE s.type = 'table' AND lower(s.name) = lower(j.value ->> 0))
GROUP BY 1 ORDER BY 1 LIMIT 1000
