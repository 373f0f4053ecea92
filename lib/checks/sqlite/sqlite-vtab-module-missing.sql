-- id: sqlite-vtab-module-missing
-- title: a virtual table that we cannot read
-- engine: sqlite
-- probe: schema
-- topic: views
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: needs the module {module}
-- why: The library of this program does not have that module, so the table, and views and triggers that name it, are not judged.
-- spares: modules that are there.
-- fix: Nothing need be done if the application brings the module. Install an SQLite that has it where it comes with SQLite.
-- evidence: the text of the schema against pragma_module_list
-- remedy.1: make the module known, or live with less | manual | none | | closes
SELECT s.name AS object, m.text AS module, 'Install an SQLite that has ' || m.text || ', or drop the table if nobody uses it.' AS remedy
FROM sqlite_schema AS s, (SELECT v.name, (SELECT n.value ->> 1 FROM json_each(tokens(v.sql)) AS u, json_each(tokens(v.sql)) AS n
    WHERE u.value ->> 0 = 'word' AND upper(u.value ->> 1) = 'USING' AND n.key = u.key + 1 LIMIT 1) AS text FROM sqlite_schema AS v WHERE v.type = 'table' AND v.sql LIKE 'create virtual%') AS m
WHERE s.type = 'table' AND m.name = s.name AND lower(m.text) NOT IN (SELECT lower(l.name) FROM pragma_module_list AS l)
ORDER BY 1 LIMIT 1000
