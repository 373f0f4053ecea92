-- id: conv-audit-fk-missing
-- title: audit column without a foreign key
-- engine: sqlite
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured conventions=audit
-- metric: dbhealth_audit_columns_without_foreign_key
-- param.created_by: created_by_id
-- param.updated_by: updated_by_id
-- message: no foreign key
-- why: Who made or changed a row is a user that exists. Without the foreign key the column may name users that
--   were deleted or never were.
-- spares: foreign keys of several columns that hold this one; the users table itself; join tables, bookkeeping tables of
--   migration tools, views, virtual tables, conventions_exclude.
-- fix: SQLite cannot add a foreign key to a column: make the table anew with it, after what names nobody is mended.
-- evidence: pragma_foreign_key_list
-- remedy.1: look at values that name nobody | look | load | | helps
-- remedy.2: make the table anew with the foreign key | manual | lock | the old table, until it is dropped | closes
WITH @house, @users_table
SELECT t.name || '.' || c.name AS object,
    CASE WHEN u.n = 1 THEN 'SELECT ' || @ident(c.name) || ', count(*) FROM ' || @ident(t.name) || ' AS c WHERE ' || @ident(c.name) || ' IS NOT NULL AND NOT EXISTS (SELECT 1 FROM '
        || @ident(u.name) || ' AS u WHERE u.' || @ident(u.key) || ' = c.' || @ident(c.name) || ') GROUP BY 1 LIMIT 100;' END AS remedy,
    'Make ' || t.name || ' anew with ' || c.name || ' REFERENCES ' || coalesce(u.name, 'the users') || '.' AS remedy_2
FROM convention_table AS t JOIN user_column AS c ON c.tbl = t.name AND c.low IN (lower(:created_by), lower(:updated_by)) AND c.low <> '-'
LEFT JOIN users AS u
WHERE t.low NOT IN (SELECT o.low FROM users AS o) AND NOT EXISTS (SELECT 1 FROM foreign_key AS k WHERE k.child = t.name AND k.lcol = c.low)
ORDER BY 1 LIMIT 1000
