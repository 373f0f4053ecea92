-- id: migration-behind-head
-- title: database is behind the code
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: migrations expected
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
WITH RECURSIVE @user_table, @bookkeeping, @judged, @history, @known, ancestor(tbl, pos) AS (
	-- What Alembic's heads stand on; a list by hand is one line of descent.
	SELECT k.tbl, k.pos FROM known AS k JOIN h ON h.tbl = k.tbl AND h.id = k.id WHERE k.tool = 'alembic'
	UNION
	SELECT k.tbl, CAST(d.value AS INTEGER) FROM ancestor AS a JOIN known AS k ON k.tbl = a.tbl AND k.pos = a.pos, json_each(k.d) AS d
), done AS MATERIALIZED (
	-- What has failed or runs is told by its own check.
	SELECT h.tbl, h.id, h.app, h.v, CASE h.tool WHEN 'liquibase' THEN h.seq END AS seq, h.state, h.sum FROM h
	WHERE h.tool <> 'alembic' AND h.state IN ('applied', 'baseline', 'dirty', 'failed', 'started')
	UNION ALL
	SELECT k.tbl, k.id, '', k.v, NULL, 'applied', NULL FROM known AS k JOIN ancestor AS a ON a.tbl = k.tbl AND a.pos = k.pos
	UNION ALL
	SELECT h.tbl, h.id, '', h.v, NULL, 'applied', NULL FROM h WHERE h.tool = 'alembic' AND (h.tbl, h.id) NOT IN (SELECT k.tbl, k.id FROM known AS k)
), top AS MATERIALIZED (
	SELECT d.tbl, d.app, max(d.id) AS id FROM done AS d WHERE d.id NOT GLOB 'R__*' GROUP BY d.tbl, d.app
), expected AS MATERIALIZED (
	SELECT b.name AS tbl, b.tool, x.v, @version_id(b.tool, x.v) AS id, CASE b.tool WHEN 'django' THEN substr(x.v, 1, instr(x.v, '.') - 1) ELSE '' END AS app
	FROM judged AS b, (SELECT trim(e.value) AS v FROM json_each('[' || replace(json_quote(:expect_migration), ',', '","') || ']') AS e) AS x
	WHERE :migrations IS NULL
), settled AS MATERIALIZED (
	SELECT k.tbl, k.app, k.id FROM known AS k JOIN done AS d ON d.tbl = k.tbl AND d.id = k.id AND d.app = k.app
	WHERE k.id NOT GLOB 'R__*' OR d.sum IS NULL OR k.sums IS NULL OR d.sum IN (SELECT s.value FROM json_each(k.sums) AS s)
), missing AS MATERIALIZED (
	SELECT e.tbl, e.v, e.id, 0 AS pos FROM expected AS e
	WHERE (e.tbl, e.app, e.id) NOT IN (SELECT d.tbl, d.app, d.id FROM done AS d)
	  AND NOT EXISTS (SELECT 1 FROM done AS d WHERE d.tbl = e.tbl AND d.id >= e.id AND (d.state = 'baseline' OR e.tool = 'golang-migrate'))
	UNION ALL
	SELECT k.tbl, k.v, k.id, k.pos FROM known AS k LEFT JOIN top AS t ON t.tbl = k.tbl AND t.app = k.app
	WHERE :migrations IS NOT NULL AND k.opt = 0
	  AND (k.tbl, k.app, k.id) NOT IN (SELECT s.tbl, s.app, s.id FROM settled AS s)
	  AND CASE WHEN k.tool = 'alembic' THEN k.tbl NOT IN (SELECT h.tbl FROM h WHERE (h.tbl, h.id) NOT IN (SELECT x.tbl, x.id FROM known AS x))
	          AND (k.label IS NULL OR k.tbl NOT IN (SELECT h.tbl FROM h) OR (k.tbl, k.label) IN (
	              SELECT d.tbl, x.label FROM done AS d JOIN known AS x ON x.tbl = d.tbl AND x.id = d.id WHERE x.label IS NOT NULL))
	      WHEN k.tool = 'liquibase' THEN 1
	      ELSE k.id > coalesce(t.id, '') END
	  AND NOT @squashed(k)
), some AS (
	SELECT m.tbl, count(*) AS n, group_concat(CASE WHEN m.r <= 5 THEN m.v END, ', ') AS first, max(CASE WHEN m.r = m.n THEN m.v END) AS last
	FROM (SELECT m.*, row_number() OVER w AS r, count(*) OVER (PARTITION BY m.tbl) AS n FROM missing AS m WINDOW w AS (PARTITION BY m.tbl ORDER BY m.pos, m.id) ORDER BY m.tbl, r) AS m
	GROUP BY m.tbl
), now AS (
	SELECT b.name AS tbl, CASE WHEN b.tool = 'alembic' THEN (SELECT group_concat(h.v, ', ') FROM (SELECT h.v FROM h WHERE h.tbl = b.name ORDER BY h.v) AS h)
	    ELSE (SELECT d.v FROM done AS d WHERE d.tbl = b.name AND d.id NOT GLOB 'R__*' ORDER BY d.seq DESC, d.id DESC LIMIT 1) END AS v
	FROM judged AS b
)
SELECT s.tbl AS object, s.n AS value, b.tool, coalesce(now.v, '') AS current, s.last AS expected,
    coalesce('at ' || now.v, 'nothing is applied') || ', expected ' || s.last || ': not applied: ' || s.first || @more(s.n) AS detail,
    @upgrade_command(b.tool) AS remedy, 'SELECT * FROM ' || b.q || ';' AS remedy_2,
    'expect_migration = ' || coalesce(now.v, 'REVISION') AS remedy_3
FROM some AS s JOIN judged AS b ON b.name = s.tbl JOIN now ON now.tbl = s.tbl
ORDER BY 1 LIMIT 100
