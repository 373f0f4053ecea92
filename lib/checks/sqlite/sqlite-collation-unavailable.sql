-- id: sqlite-collation-unavailable
-- title: an index with a collation that we do not know
-- engine: sqlite
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: sorts by {collation}
-- why: Only the application has that collation: integrity_check cannot verify the index, and the sqlite3 shell can neither use nor
--   rebuild it.
-- spares: BINARY, NOCASE, RTRIM and what else is known here.
-- fix: Nothing need be done; a program without the collation must not write to the table.
-- evidence: pragma_index_xinfo against pragma_collation_list
-- remedy.1: index by a collation that SQLite has | manual | lock | | closes
WITH @user_table, @index_sql, @user_index
SELECT u.tbl || '.' || u.name AS object, group_concat(DISTINCT x.coll) AS collation, 'Create ' || u.name || ' anew with a collation that SQLite has, if the application can do without.' AS remedy
FROM user_index AS u JOIN pragma_index_xinfo(u.name) AS x
WHERE x.key AND upper(x.coll) NOT IN (SELECT upper(l.name) FROM pragma_collation_list AS l)
GROUP BY 1 ORDER BY 1 LIMIT 1000
