-- id: conv-required-table-missing
-- title: required table is missing
-- engine: postgresql
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: configured require_tables
-- metric: dbhealth_required_tables_missing
-- param.grace: 24h
-- message: required table does not exist{detail}
-- why: The application needs this table (require_tables). Without it requests fail: migrations did not run
--   here, ran in another database or schema, or somebody dropped it.
-- spares: views, materialized views, foreign and partitioned tables of that name, which serve as well.
--   In a database without any user table it is info for the first 24 hours of our sight.
-- fix: Run the application's migrations against this database; if the table was dropped, restore it from a
--   backup; if it is not needed any more, take it out of require_tables.
-- remedy.1: see tables of that name in any schema | look | none | | helps
-- remedy.2: run the application's migrations against this database | manual | lock | | closes
-- remedy.3: require it no longer | config | none | | helps
WITH wanted AS (
	SELECT w.text, w.o, @name_parts(w.text) AS part
	FROM pg_catalog.jsonb_array_elements_text(:require_tables::jsonb) WITH ORDINALITY AS w (text, o)
), named AS (
	-- A name without a schema is looked for in public; one that cannot be read is missing as it stands.
	SELECT text, o, CASE WHEN part IS NULL THEN NULL WHEN part[2] IS NULL THEN 'public' ELSE part[1] END AS nspname,
	    coalesce(part[2], part[1], text) AS relname
	FROM (SELECT text, o, CASE WHEN pg_catalog.cardinality(part) < 3 THEN part END AS part FROM wanted) AS w
), missing AS (
	SELECT DISTINCT ON (m.nspname, m.relname) m.*,
	    CASE WHEN m.nspname IS NULL THEN m.text ELSE pg_catalog.format('%I.%I', m.nspname, m.relname) END AS object
	FROM named AS m
	WHERE NOT EXISTS (
		SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = m.nspname AND c.relname = m.relname AND c.relkind IN ('r', 'p', 'f', 'v', 'm'))
	ORDER BY m.nspname, m.relname, m.o
	LIMIT 1000
), empty AS (
	SELECT @no_table_yet AS empty
), found AS (
	SELECT m.*, e.empty, (
	    SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I', n.nspname, c.relname), ', ' ORDER BY n.nspname, c.relname)
	    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	    WHERE pg_catalog.lower(c.relname) = pg_catalog.lower(m.relname) AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
	      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema') AS alike
	FROM missing AS m CROSS JOIN empty AS e
)
SELECT object, 1 AS value,
    CASE WHEN empty AND @young(object)
        THEN 'info' ELSE 'critical' END AS severity,
    CASE WHEN nspname IS NULL THEN ' (the name cannot be read as schema.table)'
        WHEN alike IS NOT NULL THEN pg_catalog.format('; there is %s', alike)
        WHEN empty THEN '; the database has no tables at all'
        ELSE '' END AS detail,
    pg_catalog.format('SELECT oid::regclass, relkind FROM pg_class WHERE relname ILIKE %L;', relname) AS remedy,
    pg_catalog.format('Run the migrations that create %s; restore it from a backup if it was dropped.', object) AS remedy_2,
    pg_catalog.format('take %s out of require_tables', text) AS remedy_3
FROM found
ORDER BY o
