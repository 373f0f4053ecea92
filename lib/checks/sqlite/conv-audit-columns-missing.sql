-- id: conv-audit-columns-missing
-- title: table without its audit columns
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
-- metric: dbhealth_audit_columns_missing
-- param.created_by: created_by_id
-- param.updated_by: updated_by_id
-- message: no column {columns}
-- why: Every table says who made a row and who changed it last (conventions). Without that nobody can answer
--   for a change, and rules like "one may edit what one made" cannot be written.
-- spares: the users table itself, join tables (a key of foreign keys), bookkeeping tables of migration tools, views, virtual
--   tables, conventions_exclude. A name of "-" asks for no such column.
-- fix: Columns without a default are added in an instant, and rows that are there keep NULL: nobody knows who made them.
-- evidence: pragma_table_xinfo
-- remedy.1: add what is missing | sql | lock | ALTER TABLE ... DROP COLUMN ... | closes
-- remedy.2: add what is missing | manual | lock | ALTER TABLE ... DROP COLUMN ... | closes
-- remedy.3: leave this table out of the rule | config | none | | helps
WITH @house, @users_table, asked (place, name) AS (VALUES (1, :created_by), (2, :updated_by)), missing AS (
	SELECT t.name, a.name AS col FROM asked AS a, convention_table AS t
	WHERE a.name <> '-' AND t.low NOT IN (SELECT u.low FROM users AS u)
	  AND NOT EXISTS (SELECT 1 FROM user_column AS c WHERE c.tbl = t.name AND c.low = lower(a.name))
	ORDER BY t.name, a.place
)
SELECT m.name AS object, count(*) AS value, group_concat(m.col, ', ') AS columns,
    CASE WHEN u.n = 1 THEN group_concat('ALTER TABLE ' || @ident(m.name) || ' ADD COLUMN ' || @ident(m.col) || ' ' || u.type || ' REFERENCES ' || @ident(u.name) || ' (' || @ident(u.key) || ');', char(10)) END AS remedy,
    CASE WHEN u.n IS NOT 1 THEN 'ALTER TABLE ' || m.name || ' ADD COLUMN each, with REFERENCES to the users.' END AS remedy_2, @exclude(m.name) AS remedy_3
FROM missing AS m LEFT JOIN users AS u
GROUP BY m.name
ORDER BY 1 LIMIT 1000
