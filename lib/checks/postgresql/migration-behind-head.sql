-- id: migration-behind-head
-- title: database is behind the code
-- engine: postgresql
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: scrub
-- default: on
-- cost: cheap
-- unit: count
-- needs: role primary, migrations expected
-- warning: >= 1
-- for: 1min
-- caused-by: migration-failed by object, migration-dirty by object
-- metric: dbhealth_migrations_behind
-- message: {detail}
-- why: The code that is deployed expects a schema that this database does not have: the migration was not run
--   here, failed, or ran against another database.
-- spares: what a baseline or a squashed migration covers; change sets for other contexts or databases;
--   labelled branches of which this database has none; a deployment shorter than a minute.
-- fix: Run the tool's upgrade command with the code that is deployed.
-- evidence: the bookkeeping table against expect_migration
-- remedy.1: apply what is missing | command | lock | | closes
-- remedy.2: see what this database has applied | look | none | | helps
-- remedy.3: expect the revision that is right | config | none | | helps
-- @items
WITH @user_schema, @bookkeeping, @history
SELECT object AS key, object, CASE WHEN missing IS NULL THEN pg_catalog.format($q$
WITH RECURSIVE @history_rows, @known_rows, ancestor AS (
	-- What Alembic's heads stand on; a list by hand is one line of descent.
	SELECT k.pos FROM known AS k JOIN h ON h.id = k.id WHERE %4$L = 'alembic'
	UNION
	SELECT d::int4 FROM ancestor AS a CROSS JOIN LATERAL pg_catalog.jsonb_array_elements_text(
	    CASE WHEN :migrations::jsonb IS NOT NULL THEN coalesce(:migrations::jsonb -> 'known' -> a.pos -> 'd', '[]')
	    WHEN a.pos > 0 THEN pg_catalog.jsonb_build_array(a.pos - 1) ELSE '[]' END) AS d
), done AS MATERIALIZED (
	-- What has failed or runs is told by its own check.
	SELECT h.id, h.app, h.v, h.seq, h.state, h.sum FROM h
	WHERE %4$L <> 'alembic' AND h.state IN ('applied', 'baseline', 'dirty', 'failed', 'started')
	UNION ALL
	SELECT k.id, '', k.v, k.pos, 'applied', NULL FROM known AS k JOIN ancestor AS a ON a.pos = k.pos
	UNION ALL
	SELECT h.id, '', h.v, NULL, 'applied', NULL FROM h WHERE %4$L = 'alembic' AND h.id NOT IN (SELECT k.id FROM known AS k)
), top AS MATERIALIZED (
	SELECT d.app, pg_catalog.max(d.id) AS id FROM done AS d WHERE d.id !~ '^R__' GROUP BY d.app
), expected AS MATERIALIZED (
	SELECT (%2$s) COLLATE "C" AS id, e.* FROM (
		SELECT pg_catalog.btrim(x) AS v, CASE WHEN %4$L = 'django' THEN pg_catalog.split_part(pg_catalog.btrim(x), '.', 1) ELSE '' END AS app
		FROM pg_catalog.regexp_split_to_table(:expect_migration, ',') AS x WHERE :migrations::jsonb IS NULL
	) AS e
), missing AS MATERIALIZED (
	SELECT e.v, e.id, 0 AS pos FROM expected AS e
	WHERE NOT EXISTS (SELECT FROM done AS d WHERE d.id = e.id AND d.app = e.app)
	  AND NOT EXISTS (SELECT FROM done AS d WHERE d.id >= e.id AND (d.state = 'baseline' OR %4$L = 'golang-migrate'))
	UNION ALL
	SELECT k.v, k.id, k.pos FROM known AS k LEFT JOIN top AS t ON t.app = k.app
	WHERE :migrations::jsonb IS NOT NULL AND coalesce(k.j ->> 'opt', '') <> 'true'
	  AND NOT EXISTS (SELECT FROM done AS d WHERE d.id = k.id AND d.app = k.app
	      AND (k.id !~ '^R__' OR d.sum IS NULL OR coalesce(k.j -> 'sums' @> pg_catalog.to_jsonb(d.sum), true)))
	  AND CASE WHEN %4$L = 'alembic' THEN NOT EXISTS (SELECT FROM h WHERE h.id NOT IN (SELECT x.id FROM known AS x))
	          AND (k.j ->> 'label' IS NULL OR NOT EXISTS (SELECT FROM h) OR EXISTS (
	              SELECT FROM done AS d JOIN known AS x ON x.id = d.id WHERE x.j ->> 'label' = k.j ->> 'label'))
	      WHEN %4$L = 'liquibase' THEN true
	      ELSE k.id > coalesce(t.id, '') END
	  AND NOT @squashed(k)
), told AS (
	SELECT count(*) AS n, pg_catalog.string_agg(m.v, ', ' ORDER BY m.pos, m.id) FILTER (WHERE m.r <= 5) AS some,
	    (pg_catalog.array_agg(m.v ORDER BY m.pos DESC, m.id DESC))[1] AS last
	FROM (SELECT m.*, pg_catalog.row_number() OVER (ORDER BY m.pos, m.id) AS r FROM missing AS m) AS m
), now AS (
	SELECT CASE WHEN %4$L = 'alembic' THEN (SELECT pg_catalog.string_agg(h.v, ', ' ORDER BY h.v) FROM h)
	    ELSE (SELECT d.v FROM done AS d WHERE d.id !~ '^R__' ORDER BY CASE WHEN %4$L = 'liquibase' THEN d.seq END DESC NULLS LAST, d.id DESC LIMIT 1) END AS v
)
SELECT %3$L AS object, t.n AS value, %4$L AS tool, coalesce(now.v, '') AS current, t.last AS expected,
    pg_catalog.format('%%s, expected %%s: not applied: %%s%%s', coalesce('at ' || now.v, 'nothing is applied'), t.last, t.some,
        CASE WHEN t.n > 5 THEN pg_catalog.format(' and %%s more', t.n - 5) ELSE '' END) AS detail,
    %6$L AS remedy, 'SELECT * FROM ' || %5$L || ';' AS remedy_2,
    'expect_migration = ' || coalesce(now.v, 'REVISION') AS remedy_3
FROM told AS t CROSS JOIN now WHERE t.n > 0
$q$, rows_sql, id_sql, object, tool, q, @upgrade_command(tool)) END AS sql,
    4096 AS cost, missing AS "grant"
FROM history
WHERE judged
ORDER BY key
