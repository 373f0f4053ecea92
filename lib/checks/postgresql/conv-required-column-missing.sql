-- id: conv-required-column-missing
-- title: required column is missing
-- engine: postgresql
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: configured require_columns
-- metric: dbhealth_required_columns_missing
-- param.grace: 24h
-- message: required column does not exist{detail}
-- why: The application reads or writes this column (require_columns). Without it its statements fail: a
--   migration did not run here, ran in another database or schema, or was taken back.
-- spares: columns of views, materialized views and foreign tables, which serve as well. In a database
--   without any user table it is info for the first 24 hours of our sight.
-- fix: Run the application's migrations against this database; a column that was dropped comes back, empty,
--   with ADD COLUMN, its values only from a backup. If it is not needed any more, take it out of
--   require_columns.
-- remedy.1: see the columns that are there | look | none | | helps
-- remedy.2: run the application's migrations against this database | manual | lock | | closes
-- remedy.3: require it no longer | config | none | | helps
WITH wanted AS (
	SELECT w.text, w.o, @name_parts(w.text) AS part
	FROM pg_catalog.jsonb_array_elements_text(:require_columns::jsonb) WITH ORDINALITY AS w (text, o)
), named AS (
	-- table.column is looked for in public; one that cannot be read is missing as it stands.
	SELECT text, o, CASE pg_catalog.cardinality(part) WHEN 2 THEN ARRAY['public'] || part WHEN 3 THEN part END AS part
	FROM wanted
), missing AS (
	SELECT DISTINCT ON (coalesce(m.part, ARRAY[m.text])) m.*, c.oid AS rel,
	    CASE WHEN m.part IS NULL THEN m.text ELSE pg_catalog.format('%I.%I.%I', m.part[1], m.part[2], m.part[3]) END AS object
	FROM named AS m
	LEFT JOIN (pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND c.relkind IN ('r', 'p', 'f', 'v', 'm'))
	    ON n.nspname = m.part[1] AND c.relname = m.part[2]
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
	    WHERE a.attrelid = c.oid AND a.attname = m.part[3] AND a.attnum > 0 AND NOT a.attisdropped)
	ORDER BY coalesce(m.part, ARRAY[m.text]), m.o
	LIMIT 1000
), found AS (
	SELECT m.*, e.empty, (
	    SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_attribute AS a
	    WHERE a.attrelid = m.rel AND pg_catalog.lower(a.attname) = pg_catalog.lower(m.part[3]) AND a.attnum > 0 AND NOT a.attisdropped
	    ORDER BY a.attname LIMIT 1) AS alike
	FROM missing AS m CROSS JOIN (SELECT @no_table_yet AS empty) AS e
)
SELECT object, 1 AS value,
    CASE WHEN empty AND @young(object) THEN 'info' ELSE 'critical' END AS severity,
    CASE WHEN part IS NULL THEN ' (the name cannot be read as schema.table.column)'
        WHEN alike IS NOT NULL THEN pg_catalog.format('; there is %s', alike)
        WHEN empty THEN '; the database has no tables at all'
        WHEN rel IS NULL THEN pg_catalog.format('; there is no table %I.%I', part[1], part[2])
        ELSE '' END AS detail,
    CASE WHEN rel IS NOT NULL THEN pg_catalog.format('SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped;', rel) END AS remedy,
    pg_catalog.format('Run the migrations that create %s.', object) AS remedy_2,
    pg_catalog.format('take %s out of require_columns', text) AS remedy_3
FROM found
ORDER BY o
