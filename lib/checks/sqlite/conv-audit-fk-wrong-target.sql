-- id: conv-audit-fk-wrong-target
-- title: audit column refers to another table than users
-- engine: sqlite
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured conventions=audit, configured users_table
-- metric: dbhealth_audit_columns_wrong_target
-- param.created_by: created_by_id
-- param.updated_by: updated_by_id
-- message: {detail}
-- why: Who made or changed a row is a row of the users table (users_table). A foreign key to another table
--   names somebody else of the same number, and a join with users shows a wrong name.
-- spares: columns with a foreign key to the users table beside others; columns without any (conv-audit-fk-missing); join
--   tables, bookkeeping tables of migration tools, views, virtual tables, conventions_exclude.
-- fix: Find out what the values mean: they were written as keys of the table that the foreign key names. Map them to users
--   first if they differ; then make the table anew with the right foreign key.
-- evidence: pragma_foreign_key_list
-- remedy.1: make the table anew with a foreign key to the users | manual | lock | the old table, until it is dropped | closes
-- remedy.2: correct users_table | config | none | | closes
WITH @house, @users_table
SELECT t.name || '.' || c.name AS object, 'refers to ' || group_concat(k.parent, ', ') || ', not to ' || u.name AS detail,
    'Make ' || t.name || ' anew with ' || c.name || ' REFERENCES ' || u.name || '.' AS remedy, 'users_table = ' || min(k.parent) AS remedy_2
FROM users AS u JOIN convention_table AS t
JOIN user_column AS c ON c.tbl = t.name AND c.low IN (lower(:created_by), lower(:updated_by)) AND c.low <> '-'
JOIN foreign_key AS k ON k.child = t.name AND k.lcol = c.low
GROUP BY t.name, c.name HAVING max(k.lparent = u.low) = 0
ORDER BY 1 LIMIT 1000
