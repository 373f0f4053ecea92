-- id: name-needs-quoting
-- title: name that must be quoted
-- engine: postgresql
-- probe: schema
-- topic: names
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: the {kind} must be written in double quotes everywhere
-- why: Without quotes the server looks for another name: in lower case, or not a name at all. Every tool, script and person
--   must know.
-- spares: letters beyond ASCII, which need no quotes; key words (name-reserved-word); indexes, constraints and sequences of a column, which follow their table; columns of views; partitions, temporary
--   tables and what belongs to extensions.
-- fix: Rename it in a release of its own: statements with the old name fail from that moment. A view with the old name helps
--   over the time between.
-- remedy.1: rename it together with all that names it | manual | lock | rename it back | closes
WITH @user_schema, @user_table, @named_thing
SELECT t.object, 1 AS value, 'info' AS severity, t.kind,
    pg_catalog.format('ALTER %s %s RENAME %sTO new_name;', CASE t.kind WHEN 'function' THEN 'ROUTINE' WHEN 'column' THEN 'TABLE' ELSE pg_catalog.upper(t.kind) END,
        t.place, CASE WHEN t.kind = 'column' THEN 'COLUMN ' || @ident(t.name) || ' ' ELSE '' END) AS remedy
FROM named_thing AS t
WHERE t.name ~ '[A-Z]' OR t.name ~ '^[0-9$]' OR t.name ~ '[\u0001-\u0023\u0025-\u002f\u003a-\u0040\u005b-\u005e\u0060\u007b-\u007f]'
ORDER BY t.object
LIMIT 2000
