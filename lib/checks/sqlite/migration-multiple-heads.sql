-- id: migration-multiple-heads
-- title: several heads are applied
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- critical: >= 2
-- metric: dbhealth_migration_heads
-- message: {value} heads: {versions}
-- why: Two lines of migrations were applied without a merge: "alembic upgrade head" refuses to run, and what each line
--   believes of the schema may no longer hold. The next deployment stops.
-- spares: branches with labels of their own in the folder of expect_migration; several revisions that
--   expect_migration itself names.
-- fix: Write a merge revision, deploy it and upgrade.
-- evidence: the rows of the version table
-- remedy.1: merge the heads and apply the merge | command | none | alembic downgrade -1 | closes
-- remedy.2: see them | look | none | | helps
-- remedy.3: expect both, where they are meant to stay apart | config | none | | helps
WITH @user_table, @bookkeeping, @judged, @history, @known, counted AS (
	SELECT h.tbl, h.q, count(*) AS n, group_concat(h.v, ', ') AS heads, count(DISTINCT h.label) AS labels
	FROM (SELECT h.tbl, h.q, h.v, k.label FROM h LEFT JOIN known AS k ON k.tbl = h.tbl AND k.id = h.id WHERE h.tool = 'alembic' ORDER BY h.tbl, h.v) AS h
	GROUP BY h.tbl
), expected AS (
	SELECT trim(e.value) AS v FROM json_each('[' || replace(json_quote(:expect_migration), ',', '","') || ']') AS e WHERE :expect_migration IS NOT NULL
)
SELECT c.tbl AS object, c.n AS value, c.heads AS versions,
    'alembic merge -m "merge heads" heads && alembic upgrade head' AS remedy,
    'SELECT * FROM ' || c.q || ';' AS remedy_2,
    'expect_migration = ' || c.heads AS remedy_3
FROM counted AS c
WHERE c.n > 1 AND c.labels < c.n AND EXISTS (SELECT 1 FROM h WHERE h.tbl = c.tbl AND h.v NOT IN (SELECT e.v FROM expected AS e))
ORDER BY 1 LIMIT 100
