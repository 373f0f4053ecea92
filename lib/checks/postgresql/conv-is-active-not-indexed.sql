-- id: conv-is-active-not-indexed
-- title: soft-delete column without an index
-- engine: postgresql
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- needs: configured conventions=soft-delete
-- metric: dbhealth_soft_delete_not_indexed_rows
-- param.active: is_active
-- param.created: created_at
-- param.min_rows: 0
-- message: no index has it as a column or in its condition, about {value} rows
-- why: Nearly every query asks for rows in use. Where many are out of use, it reads those too, on every page.
-- spares: tables with an index limited by the column or that has it among its columns; columns that are not
--   boolean (conv-is-active-bad-type); join tables, partitions (their root is told), bookkeeping tables of
--   migration tools, tables of extensions, views, foreign tables, conventions_exclude.
-- fix: An index on the boolean alone tells few rows apart (index-boolean): limit the index that queries use
--   to the rows in use. CREATE INDEX CONCURRENTLY cannot run in a transaction and waits for older ones.
-- remedy.1: build an index of the rows in use, while reads and writes go on | sql | load | DROP INDEX CONCURRENTLY the new index | closes
-- remedy.2: build it on all partitions at once; their writes wait meanwhile | sql | lock | DROP INDEX the new index | closes
WITH @user_schema, @user_table, @convention_table, found AS MATERIALIZED (
	SELECT t.oid, t.nspname, t.relname, t.relkind, t.object, a.attname, @tree_rows(t)::bigint AS rows
	FROM convention_table AS t
	JOIN @column(a, t, :active::text::name)
	WHERE @type_below(a.atttypid) = 16 AND NOT EXISTS (
		SELECT FROM pg_catalog.pg_index AS i
		WHERE i.indrelid = t.oid AND i.indisvalid AND i.indisready AND i.indislive
		  AND (a.attnum = ANY ((i.indkey::int2[])[0 : i.indnkeyatts - 1])
		    OR i.indpred::text ~ (':varattno ' || a.attnum || ' ') OR i.indexprs::text ~ (':varattno ' || a.attnum || ' ')))
), large AS (
	-- What the index is on: the time of creation, else the key, else the mark itself.
	SELECT f.*, coalesce(
	    (SELECT ARRAY[c.attname::text] FROM pg_catalog.pg_attribute AS c
	     WHERE c.attrelid = f.oid AND c.attname = :created::text::name AND c.attnum > 0 AND NOT c.attisdropped),
	    (SELECT pg_catalog.array_agg(c.attname::text ORDER BY g.o) FROM pg_catalog.pg_index AS i
	     CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS g (o)
	     JOIN pg_catalog.pg_attribute AS c ON c.attrelid = f.oid AND c.attnum = i.indkey[g.o]
	     WHERE i.indrelid = f.oid AND i.indisprimary),
	    ARRAY[f.attname::text]) AS keys
	FROM found AS f WHERE f.rows >= :min_rows::bigint
	ORDER BY f.rows DESC, f.nspname, f.relname
	LIMIT 1000
)
SELECT object || '.' || pg_catalog.quote_ident(attname) AS object, rows AS value,
    CASE WHEN relkind = 'r' THEN pg_catalog.format('CREATE INDEX CONCURRENTLY ON %s.%s (%s) WHERE %s;',
        q[1], q[2], pg_catalog.array_to_string(q[4:], ', '), q[3]) END AS remedy,
    CASE WHEN relkind = 'p' THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nCREATE INDEX ON %s.%s (%s) WHERE %s;',
        q[1], q[2], pg_catalog.array_to_string(q[4:], ', '), q[3]) END AS remedy_2
FROM large
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname, attname] || keys)
) AS quoted
ORDER BY rows DESC, nspname, relname
