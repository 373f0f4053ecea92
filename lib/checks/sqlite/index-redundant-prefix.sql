-- id: index-redundant-prefix
-- title: index is the leading part of another
-- engine: sqlite
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- metric: dbhealth_redundant_indexes
-- message: the leading part of {wider}
-- why: What this index can find, the wider one finds, too. Every write maintains both and the cache holds both.
-- spares: unique indexes and those behind a primary key or UNIQUE; indexes over expressions; indexes of which a column,
--   its order, collation or the condition differ; identical ones (index-duplicate).
-- fix: Drop the one that is named. The wider one is larger, so a query that reads long stretches of the narrow one alone
--   may become a little slower.
-- evidence: pragma_index_xinfo and the text of the index
-- remedy.1: drop it | sql | lock | CREATE INDEX with its columns | closes
WITH @user_table, @index_sql, @user_index, @index_key, several AS MATERIALIZED (
	-- place: among identical ones; only the first is of interest here.
	SELECT k.*, row_number() OVER (PARTITION BY k.tbl, k.keys, k.words ORDER BY k.origin <> 'c' DESC, k.uniq DESC, k.seq DESC) AS place
	FROM index_key AS k
), narrow AS MATERIALIZED (
	-- In the order of keys whatever begins with an index stands right behind it.
	SELECT * FROM (SELECT s.*, lead(keys) OVER (PARTITION BY tbl, condition ORDER BY keys) AS next FROM several AS s WHERE place = 1)
	WHERE origin = 'c' AND NOT uniq AND NOT special AND substr(next, 1, length(keys) + 1) = keys || char(2)
), pair AS MATERIALIZED (
	SELECT n.tbl, n.name AS narrow, w.name AS wide, w.n, w.origin, w.seq
	FROM narrow AS n CROSS JOIN several AS w
	  ON w.tbl = n.tbl AND w.condition = n.condition AND w.n > n.n AND substr(w.keys, 1, length(n.keys) + 1) = n.keys || char(2)
), chosen AS (
	-- The one that stays is not itself the leading part of another.
	SELECT p.tbl, p.narrow, p.wide, row_number() OVER (PARTITION BY p.tbl, p.narrow ORDER BY p.origin = 'c', p.n, p.seq DESC) AS place
	FROM pair AS p WHERE p.wide NOT IN (SELECT o.narrow FROM pair AS o)
)
SELECT tbl || '.' || narrow AS object, wide AS wider, 'DROP INDEX ' || @ident(narrow) || ';' AS remedy
FROM chosen WHERE place = 1
ORDER BY tbl, narrow LIMIT 1000
