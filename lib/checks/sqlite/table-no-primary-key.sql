-- id: table-no-primary-key
-- title: table without a primary key
-- engine: sqlite
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- metric: dbhealth_tables_without_primary_key_rows
-- param.min_rows: 1000
-- message: {object} has no primary key{detail}
-- why: Without a key no row can be named: duplicates creep in, foreign keys cannot point here, and the
--   hidden rowid changes with VACUUM.
-- spares: virtual tables and their shadow tables, views, SQLite's own tables, the bookkeeping of
--   Liquibase and golang-migrate. Under 1,000 rows it is info only.
-- fix: SQLite cannot add a primary key to a table: make the table anew with one, copy the rows, rename,
--   all in one transaction; then create its indexes and triggers again.
-- evidence: pragma_table_info
-- remedy.1: make the table anew with a key | manual | lock | the old table, until it is dropped | closes
-- remedy.1.text: In one transaction: CREATE TABLE a new one with all columns, constraints and a PRIMARY KEY;
--   INSERT INTO it SELECT from the old one; DROP the old one; ALTER TABLE RENAME; create its indexes,
--   triggers and views again. Steps: https://sqlite.org/lang_altertable.html#otheralter
SELECT t.name AS object, n AS value,
    CASE WHEN n >= CAST(:min_rows AS INTEGER) THEN 'warning' ELSE 'info' END AS severity,
    CASE WHEN EXISTS (SELECT 1 FROM pragma_index_list(t.name) AS i WHERE i."unique" AND NOT i.partial)
        THEN '; it has a unique index that could become one' ELSE '' END AS detail
FROM (
	SELECT l.name, scalar('SELECT count(*) FROM (SELECT 1 FROM "' || replace(l.name, '"', '""')
	    || '" LIMIT ' || CAST(:min_rows AS INTEGER) || ')') AS n
	FROM pragma_table_list AS l
	WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\_%' ESCAPE '\'
	  AND NOT EXISTS (SELECT 1 FROM pragma_table_info(l.name) AS c WHERE c.pk > 0)
	  AND lower(l.name) <> 'databasechangelog'
	  AND NOT (lower(l.name) = 'schema_migrations'
	      AND (SELECT group_concat(lower(c.name)) FROM pragma_table_info(l.name) AS c) = 'version,dirty')
) AS t
ORDER BY t.name LIMIT 10000
