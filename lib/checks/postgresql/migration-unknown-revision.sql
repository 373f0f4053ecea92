-- id: migration-unknown-revision
-- title: revision that the code does not have
-- engine: postgresql
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: scrub
-- default: on
-- cost: cheap
-- unit: count
-- needs: role primary, migrations known
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
-- @items
WITH @user_schema, @bookkeeping, @history
SELECT object AS key, object, CASE WHEN missing IS NULL THEN pg_catalog.format($q$
WITH @history_rows, @known_rows, top AS MATERIALIZED (
	SELECT k.app, pg_catalog.max(k.id) AS id, count(*) AS n FROM known AS k WHERE k.id !~ '^R__' GROUP BY k.app
), last AS (
	SELECT pg_catalog.max(h.seq) AS seq FROM h JOIN known AS k ON k.id = h.id
), stray AS (
	SELECT h.v, h.id, pg_catalog.row_number() OVER (ORDER BY h.id) AS r
	FROM h LEFT JOIN top AS t ON t.app = h.app
	WHERE h.state IN ('applied', 'dirty', 'failed', 'started') AND h.v !~ '^R__'
	  AND NOT EXISTS (SELECT FROM known AS k WHERE k.id = h.id AND k.app = h.app)
	  -- What a squashed migration that is known stands for.
	  AND NOT EXISTS (SELECT FROM known AS k WHERE k.j -> 'replaces' @> pg_catalog.to_jsonb(h.v))
	  AND CASE WHEN %4$L IN ('alembic', 'knex', 'golang-migrate') THEN true
	      WHEN %4$L = 'liquibase' THEN h.seq > coalesce((SELECT l.seq FROM last AS l), 0)
	      ELSE h.id > t.id END
), told AS (
	SELECT count(*) AS n, pg_catalog.string_agg(s.v, ', ' ORDER BY s.r) FILTER (WHERE s.r <= 5) AS some FROM stray AS s
)
SELECT %3$L AS object, t.n AS value, %4$L AS tool, t.some AS versions,
    pg_catalog.format('applied here, but not in the code: %%s%%s', t.some, CASE WHEN t.n > 5 THEN pg_catalog.format(' and %%s more', t.n - 5) ELSE '' END) AS detail,
    pg_catalog.format('Deploy the code that has %%s, or downgrade with it before the older code.', t.some) AS remedy,
    'SELECT * FROM ' || %5$L || ';' AS remedy_2,
    CASE WHEN :migrations::jsonb IS NULL THEN 'known_migrations = ..., ' || t.some END AS remedy_3
FROM told AS t WHERE t.n > 0 AND EXISTS (SELECT FROM known)
$q$, rows_sql, id_sql, object, tool, q) END AS sql,
    4096 AS cost, missing AS "grant"
FROM history
WHERE judged
ORDER BY key
