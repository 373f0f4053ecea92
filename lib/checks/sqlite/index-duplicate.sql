-- id: index-duplicate
-- title: identical indexes
-- engine: sqlite
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- metric: dbhealth_duplicate_indexes
-- message: the same index as {same_as}{detail}
-- why: Every write maintains both, the cache holds both, and the planner uses only one of them.
-- spares: indexes that differ in any column, order, collation, expression or condition; the index behind a primary key
--   or UNIQUE, which cannot be dropped; a unique one beside a plain one (the plain one is told).
-- fix: Drop the one that is named; the other keeps serving. Look first that no query names it (INDEXED BY).
-- evidence: pragma_index_xinfo and the text of the index
-- remedy.1: drop it | sql | lock | CREATE INDEX as the one that is kept | closes
WITH @user_table, @index_sql, @user_index, @index_key, ranked AS (
	SELECT k.*, row_number() OVER w AS place, first_value(k.name) OVER w AS same_as, first_value(k.origin) OVER w AS kept
	FROM index_key AS k
	WINDOW w AS (PARTITION BY k.tbl, k.keys, k.words ORDER BY k.origin <> 'c' DESC, k.uniq DESC, k.seq DESC)
)
SELECT tbl || '.' || name AS object, same_as,
    CASE kept WHEN 'pk' THEN ', which the primary key has anyway' WHEN 'u' THEN ', which UNIQUE has anyway' ELSE '' END AS detail,
    'DROP INDEX ' || @ident(name) || ';' AS remedy
FROM ranked WHERE place > 1 AND origin = 'c'
ORDER BY tbl, name LIMIT 1000
