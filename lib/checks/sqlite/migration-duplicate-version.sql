-- id: migration-duplicate-version
-- title: version is recorded twice
-- engine: sqlite
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- warning: >= 1
-- metric: dbhealth_migration_duplicates
-- message: {version} is recorded {value} times
-- why: Two deployments ran the same migration at once, or rows were copied by hand. What it did may be there twice,
--   and a downgrade of one leaves the other.
-- spares: repeatable migrations, undone, failed and rolled back ones, what was run again on purpose, the history
--   that goose keeps.
-- fix: Look whether the changes were made twice, then delete all rows of the version but the first.
-- evidence: the rows of the bookkeeping table
-- remedy.1: see the rows | look | none | | helps
-- remedy.2: keep the first | sql | data-loss | INSERT the rows again | closes
WITH @user_table, @bookkeeping, @history, keyed AS (
	SELECT b.*, CASE b.tool WHEN 'django' THEN 'app, name' WHEN 'knex' THEN 'name' WHEN 'prisma' THEN 'migration_name'
	    WHEN 'liquibase' THEN 'id, author, filename' WHEN 'alembic' THEN 'version_num' ELSE 'version' END AS cols,
	    CASE b.tool WHEN 'flyway' THEN 'installed_rank' WHEN 'django' THEN 'id' WHEN 'knex' THEN 'id' WHEN 'prisma' THEN 'started_at'
	    WHEN 'liquibase' THEN 'orderexecuted' ELSE 'rowid' END AS first,
	    CASE b.tool WHEN 'flyway' THEN 'success AND version IS NOT NULL AND type NOT GLOB ''UNDO*'' AND type NOT GLOB ''DELETE*''' WHEN 'prisma' THEN 'finished_at IS NOT NULL AND rolled_back_at IS NULL'
	    WHEN 'liquibase' THEN 'exectype <> ''RERAN''' ELSE 'true' END AS counted
	FROM bookkeeping AS b
	WHERE b.tool <> 'goose' AND NOT b.wr
), twice AS (
	SELECT h.tbl, h.v, count(*) AS n
	FROM h
	WHERE h.state = 'applied' AND h.v NOT GLOB 'R__*'
	  AND (h.tool <> 'liquibase' OR (h.tbl, h.raw) IN (SELECT x.tbl, x.raw FROM h AS x GROUP BY x.tbl, x.raw HAVING count(*) > 1))
	GROUP BY h.tbl, h.app, h.id, h.v HAVING count(*) > 1
)
SELECT t.tbl AS object, t.tbl || ' ' || t.v AS key, t.n AS value, k.tool, t.v AS version,
    'SELECT * FROM ' || k.q || ' WHERE (' || k.cols || ') IN (SELECT ' || k.cols || ' FROM ' || k.q || ' WHERE ' || k.counted || ' GROUP BY ' || k.cols || ' HAVING count(*) > 1) ORDER BY ' || k.first || ';' AS remedy,
    'DELETE FROM ' || k.q || ' WHERE rowid IN (' || char(10) || '	SELECT r FROM (SELECT rowid AS r, row_number() OVER (PARTITION BY ' || k.cols || ' ORDER BY ' || k.first || ') AS n FROM ' || k.q
    || ' WHERE ' || k.counted || ') AS d' || char(10) || '	WHERE n > 1);' AS remedy_2
FROM twice AS t JOIN keyed AS k ON k.name = t.tbl
ORDER BY t.tbl, t.v LIMIT 100
