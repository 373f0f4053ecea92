-- id: migration-unknown-revision
-- title: revision that the code does not have
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: migrations known
-- warning: >= 1
-- for: 10min
-- metric: dbhealth_migrations_unknown
-- message: {detail}
-- why: The database was migrated by code that is not the code that is deployed: a deployment was rolled back without
--   its schema, or somebody migrated from a branch. The next upgrade or downgrade fails or does the wrong thing.
-- spares: versions older than the oldest files that are left (squashed, deleted); applications without files
--   here; baselines; a rolling deployment of less than ten minutes.
-- fix: Deploy the code that has the revision, or downgrade with that code first.
-- evidence: the bookkeeping table against the files, or known_migrations
-- remedy.1: deploy the code that knows this revision | manual | none | | closes
-- remedy.2: see what this database has applied | look | none | | helps
-- remedy.3: let the list know it | config | none | | closes
WITH @user_table, @bookkeeping, @judged, @history, @known, top AS MATERIALIZED (
	SELECT k.tbl, k.app, max(k.id) AS id FROM known AS k WHERE k.id NOT GLOB 'R__*' GROUP BY k.tbl, k.app
), last AS MATERIALIZED (
	SELECT h.tbl, max(h.seq) AS seq FROM h JOIN known AS k ON k.tbl = h.tbl AND k.id = h.id GROUP BY h.tbl
), stray AS (
	SELECT h.tbl, h.v, row_number() OVER (PARTITION BY h.tbl ORDER BY h.id) AS r
	FROM h LEFT JOIN top AS t ON t.tbl = h.tbl AND t.app = h.app LEFT JOIN last AS l ON l.tbl = h.tbl
	WHERE h.state IN ('applied', 'dirty', 'failed', 'started') AND h.v NOT GLOB 'R__*'
	  AND (h.tbl, h.app, h.id) NOT IN (SELECT k.tbl, k.app, k.id FROM known AS k)
	  -- What a squashed migration that is known stands for.
	  AND (h.tbl, h.v) NOT IN (SELECT k.tbl, r.value FROM known AS k, json_each(k.replaces) AS r WHERE k.replaces IS NOT NULL)
	  AND CASE WHEN h.tool IN ('alembic', 'knex', 'golang-migrate') THEN 1
	      WHEN h.tool = 'liquibase' THEN h.seq > coalesce(l.seq, 0)
	      ELSE h.id > t.id END
), some AS (
	SELECT s.tbl, count(*) AS n, group_concat(CASE WHEN s.r <= 5 THEN s.v END, ', ') AS first
	FROM (SELECT * FROM stray ORDER BY tbl, r) AS s GROUP BY s.tbl
)
SELECT s.tbl AS object, s.n AS value, b.tool, s.first AS versions,
    'applied here, but not in the code: ' || s.first || @more(s.n) AS detail,
    'Deploy the code that has ' || s.first || ', or downgrade with it before the older code.' AS remedy,
    'SELECT * FROM ' || b.q || ';' AS remedy_2,
    CASE WHEN :migrations IS NULL THEN 'known_migrations = ..., ' || s.first END AS remedy_3
FROM some AS s JOIN judged AS b ON b.name = s.tbl
WHERE EXISTS (SELECT 1 FROM known)
ORDER BY 1 LIMIT 100
