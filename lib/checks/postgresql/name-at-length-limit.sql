-- id: name-at-length-limit
-- title: name as long as a name can be
-- engine: postgresql
-- probe: schema
-- topic: names
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: the {kind} has a name of {value} bytes: it may have been cut off
-- why: Longer names are cut with no more than a notice: two long names that begin alike collide, and tools look for the
--   name that was written.
-- spares: indexes, constraints and sequences of a column, which follow their table; columns of views; partitions, temporary
--   tables and what belongs to extensions.
-- fix: Give it a shorter name, and look for the code that writes the longer one.
-- remedy.1: rename it together with all that names it | manual | lock | rename it back | closes
WITH @user_schema, @user_table, @named_thing
SELECT t.object, pg_catalog.octet_length(t.name) AS value, 'info' AS severity, t.kind,
    pg_catalog.format('ALTER %s %s RENAME %sTO new_name;', CASE t.kind WHEN 'function' THEN 'ROUTINE' WHEN 'column' THEN 'TABLE' ELSE pg_catalog.upper(t.kind) END,
        t.place, CASE WHEN t.kind = 'column' THEN 'COLUMN ' || @ident(t.name) || ' ' ELSE '' END) AS remedy
FROM named_thing AS t
WHERE pg_catalog.octet_length(t.name) >= pg_catalog.current_setting('max_identifier_length')::int
ORDER BY t.object
LIMIT 2000
