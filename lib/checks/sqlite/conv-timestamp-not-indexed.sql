-- id: conv-timestamp-not-indexed
-- title: timestamp of a row without an index
-- engine: sqlite
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- needs: configured conventions=timestamps
-- metric: dbhealth_timestamps_not_indexed_rows
-- param.created: created_at
-- param.updated: updated_at
-- param.min_rows: 0
-- param.max_rows: 100000
-- message: no index leads with it, {detail}
-- why: What goes by time, as the newest rows, an archive or a sync, reads the whole table.
-- spares: columns that some index leads with, also descending or partial; join tables, bookkeeping tables of migration tools,
--   views, virtual tables, conventions_exclude.
-- fix: CREATE INDEX locks out writers while it is built. Where nobody asks by this time, name the column in ignore.
-- evidence: pragma_index_xinfo
-- remedy.1: build the index | sql | lock | DROP INDEX the new index | closes
WITH @house, bare AS MATERIALIZED (
	SELECT t.name, c.name AS col, @rows(t.name, :max_rows) AS n
	FROM convention_table AS t JOIN user_column AS c ON c.tbl = t.name AND c.low IN (lower(:created), lower(:updated)) AND c.low <> '-' AND c.hidden <> 2
	WHERE NOT EXISTS (SELECT 1 FROM user_index AS u JOIN pragma_index_xinfo(u.name) AS x ON x.seqno = 0 WHERE u.tbl = t.name AND lower(x.name) = c.low)
)
SELECT name || '.' || col AS object, n AS value, CASE WHEN n >= CAST(:max_rows AS INTEGER) THEN printf('%,d or more rows', n) ELSE printf('%,d %s', n, iif(n = 1, 'row', 'rows')) END AS detail,
    'CREATE INDEX ' || @ident(name || '_' || col || '_idx') || ' ON ' || @ident(name) || ' (' || @ident(col) || ');' AS remedy
FROM bare WHERE n >= CAST(:min_rows AS INTEGER)
ORDER BY 1 LIMIT 1000
