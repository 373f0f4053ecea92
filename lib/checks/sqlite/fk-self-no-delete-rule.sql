-- id: fk-self-no-delete-rule
-- title: a table refers to itself and says nothing about deletion
-- engine: sqlite
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: {detail}
-- why: A row with children cannot be deleted, and a tree only leaf by leaf: clean-up jobs fail with a
--   foreign key violation.
-- spares: CASCADE, SET NULL and SET DEFAULT.
-- fix: Say what shall become of the children: ON DELETE SET NULL, or CASCADE where they belong to their parent.
--   SQLite cannot alter a foreign key: make the table anew.
-- evidence: pragma_foreign_key_list
-- remedy.1: make the table anew with ON DELETE SET NULL or CASCADE | manual | lock | the old table, until it is dropped | closes
WITH @user_table, @foreign_key
SELECT child || '.' || group_concat(col, ',') AS object, child || '.' || group_concat(col, ',') || ' ' || id AS key, 'ON DELETE ' || on_delete AS detail
FROM foreign_key WHERE lower(parent) = lower(child) AND on_delete IN ('NO ACTION', 'RESTRICT')
GROUP BY child, id
ORDER BY 1, 2 LIMIT 1000
