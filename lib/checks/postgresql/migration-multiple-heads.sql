-- id: migration-multiple-heads
-- title: several heads are applied
-- engine: postgresql
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: scrub
-- default: on
-- cost: cheap
-- unit: count
-- needs: role primary
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
-- @items
WITH @user_schema, @bookkeeping, @history
SELECT object AS key, object, CASE WHEN missing IS NULL THEN pg_catalog.format($q$
WITH @history_rows, @known_rows, counted AS (
	SELECT count(*) AS n, pg_catalog.string_agg(h.v, ', ' ORDER BY h.v) AS all, pg_catalog.array_agg(h.v) AS each,
	    count(DISTINCT k.j ->> 'label') AS labels
	FROM h LEFT JOIN known AS k ON k.id = h.id
)
SELECT %3$L AS object, c.n AS value, c.all AS versions,
    'alembic merge -m "merge heads" heads && alembic upgrade head' AS remedy,
    'SELECT * FROM ' || %5$L || ';' AS remedy_2,
    'expect_migration = ' || c.all AS remedy_3
FROM counted AS c
WHERE c.n > 1 AND c.labels < c.n
  AND NOT coalesce(pg_catalog.regexp_split_to_array(:expect_migration, '\s*,\s*') @> c.each, false)
$q$, rows_sql, id_sql, object, tool, q) END AS sql,
    4096 AS cost, missing AS "grant"
FROM history
WHERE tool = 'alembic'
ORDER BY key
