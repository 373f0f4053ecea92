-- id: name-reserved-word
-- title: name that is a key word
-- engine: postgresql
-- probe: schema
-- topic: names
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: the {kind} has the name of a key word
-- why: A reserved word must be quoted in every statement; forgotten quotes give a syntax error or, as with user, another
--   value without any error.
-- spares: words that SQL knows but PostgreSQL lets be used freely; indexes, constraints and sequences of a column, which follow their table; columns of views; partitions, temporary
--   tables and what belongs to extensions.
-- fix: Rename it in a release of its own: statements with the old name fail from that moment.
-- remedy.1: rename it together with all that names it | manual | lock | rename it back | closes
WITH @user_schema, @user_table, @named_thing
SELECT t.object, 1 AS value, 'info' AS severity, t.kind,
    pg_catalog.format('ALTER %s %s RENAME %sTO new_name;', CASE t.kind WHEN 'function' THEN 'ROUTINE' WHEN 'column' THEN 'TABLE' ELSE pg_catalog.upper(t.kind) END,
        t.place, CASE WHEN t.kind = 'column' THEN 'COLUMN ' || @ident(t.name) || ' ' ELSE '' END) AS remedy
FROM named_thing AS t
WHERE EXISTS (SELECT FROM pg_catalog.pg_get_keywords() AS k WHERE k.word = t.name AND k.catcode IN ('R', 'T'))
ORDER BY t.object
LIMIT 2000
