-- id: migration-duplicate-version
-- title: version is recorded twice
-- engine: postgresql
-- probe: schema
-- topic: migrations
-- scope: database
-- kind: scrub
-- default: on
-- cost: cheap
-- unit: count
-- needs: role primary
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
-- @items
WITH @user_schema, @bookkeeping, @history, keyed AS (
	SELECT h.*, CASE tool WHEN 'flyway' THEN 'version' WHEN 'django' THEN 'app, name' WHEN 'knex' THEN 'name' WHEN 'prisma' THEN 'migration_name'
	    WHEN 'liquibase' THEN 'id, author, filename' WHEN 'alembic' THEN 'version_num' ELSE 'version' END AS cols,
	    CASE tool WHEN 'flyway' THEN 'installed_rank' WHEN 'django' THEN 'id' WHEN 'knex' THEN 'id' WHEN 'prisma' THEN 'started_at'
	    WHEN 'liquibase' THEN 'orderexecuted' ELSE 'ctid' END AS first,
	    CASE tool WHEN 'flyway' THEN 'success AND version IS NOT NULL AND type !~ ''^(UNDO|DELETE)''' WHEN 'prisma' THEN 'finished_at IS NOT NULL AND rolled_back_at IS NULL'
	    WHEN 'liquibase' THEN 'exectype <> ''RERAN''' ELSE 'true' END AS counted
	FROM history AS h
	WHERE tool <> 'goose'
)
SELECT object AS key, object, CASE WHEN missing IS NULL THEN pg_catalog.format($q$
WITH @history_rows
SELECT %3$L AS object, %3$L || ' ' || h.v AS key, count(*) AS value, %4$L AS tool, h.v AS version,
    pg_catalog.format('SELECT * FROM %%s WHERE (%%s) IN (SELECT %%s FROM %%s WHERE %%s GROUP BY %%s HAVING count(*) > 1) ORDER BY %%s;', %5$L, %6$L, %6$L, %5$L, %8$L, %6$L, %7$L) AS remedy,
    pg_catalog.format(E'DELETE FROM %%s WHERE ctid IN (\n\tSELECT ctid FROM (SELECT ctid, row_number() OVER (PARTITION BY %%s ORDER BY %%s) AS n FROM %%s WHERE %%s) AS d\n\tWHERE n > 1);',
        %5$L, %6$L, %7$L, %5$L, %8$L) AS remedy_2
FROM h
WHERE h.state = 'applied' AND h.v !~ '^R__'
  AND (%4$L <> 'liquibase' OR h.raw IN (SELECT x.raw FROM h AS x GROUP BY x.raw HAVING count(*) > 1))
GROUP BY h.app, h.id, h.v
HAVING count(*) > 1
ORDER BY h.v
LIMIT 100
$q$, rows_sql, id_sql, object, tool, q, cols, first, counted) END AS sql,
    4096 AS cost, missing AS "grant"
FROM keyed
ORDER BY key
