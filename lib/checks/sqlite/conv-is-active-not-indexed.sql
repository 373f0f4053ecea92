-- id: conv-is-active-not-indexed
-- title: soft-delete column without an index
-- engine: sqlite
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- needs: configured conventions=soft-delete
-- metric: dbhealth_soft_delete_not_indexed_rows
-- param.active: is_active
-- param.created: created_at
-- param.min_rows: 0
-- param.max_rows: 100000
-- message: no index has it as a column or in its condition, {detail}
-- why: Nearly every query asks for rows in use. Where many are out of use, it reads those too, on every page.
-- spares: tables with an index limited by the column or that has it among its columns; join tables, bookkeeping tables of
--   migration tools, views, virtual tables, conventions_exclude.
-- fix: An index on the mark alone tells few rows apart: limit the index that queries use to the rows in use. CREATE INDEX
--   locks out writers while it is built.
-- evidence: pragma_index_xinfo and the conditions of partial indexes
-- remedy.1: build an index of the rows in use | sql | lock | DROP INDEX the new index | closes
WITH @house, bare AS MATERIALIZED (
	SELECT t.name, c.name AS col, coalesce((SELECT o.name FROM user_column AS o WHERE o.tbl = t.name AND o.low = lower(:created) AND o.hidden <> 2), c.name) AS by, @rows(t.name, :max_rows) AS n
	FROM convention_table AS t JOIN @column_of(c, t, :active)
	WHERE NOT EXISTS (SELECT 1 FROM user_index AS u JOIN pragma_index_xinfo(u.name) AS x ON x.key WHERE u.tbl = t.name AND lower(x.name) = c.low)
	  AND NOT EXISTS (SELECT 1 FROM user_index AS u, json_each(tokens(u.sql)) AS j WHERE u.tbl = t.name AND u.partial AND lower(j.value ->> 1) = c.low AND j.value ->> 0 <> 'string')
)
SELECT name || '.' || col AS object, n AS value, CASE WHEN n >= CAST(:max_rows AS INTEGER) THEN printf('%,d or more rows', n) ELSE printf('%,d %s', n, iif(n = 1, 'row', 'rows')) END AS detail,
    'CREATE INDEX ' || @ident(name || '_' || col || '_idx') || ' ON ' || @ident(name) || ' (' || @ident(by) || ') WHERE ' || @ident(col) || ';' AS remedy
FROM bare WHERE n >= CAST(:min_rows AS INTEGER)
ORDER BY 1 LIMIT 1000
