-- id: index-leading-nullable
-- title: most entries of the index are NULL
-- engine: postgresql
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: ratio
-- metric: dbhealth_index_null_ratio
-- param.min_null: 50%
-- param.min_rows: 1000
-- message: {value} of {column} is NULL
-- why: Rows whose leading column is NULL are seldom sought, yet each has its entry: the index is larger and
--   slower to write than what it serves.
-- spares: columns that are NULL in half of the rows or less; unique indexes, those behind a constraint,
--   CLUSTER or the replica identity; partial indexes; expressions; tables under 1,000 rows or without
--   statistics; methods other than btree.
-- fix: Build it again with WHERE column IS NOT NULL and drop the old one, if no query seeks the NULLs
--   (IS NULL) or sorts all rows by it. It still serves a foreign key.
-- remedy.1: look at its use | look | none | | helps
-- remedy.2: put a partial one in its place while reads and writes go on | sql | load | CREATE INDEX CONCURRENTLY without WHERE | closes
WITH @user_schema, @user_index, first_column AS (
	SELECT u.*, a.attname, a.attnum
	FROM user_index AS u
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = u.indrelid AND a.attnum = u.indkey[0] AND NOT a.attnotnull
	WHERE u.amname = 'btree' AND u.indpred IS NULL AND NOT u.bound
	  AND u.reltuples >= :min_rows::float8
), judged AS (
	-- The statistics of a column are shown to those who may read it.
	SELECT l.*, pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS entered, pg_catalog.has_column_privilege(l.indrelid, l.attnum, 'SELECT') AS seen,
	    s.null_frac AS share
	FROM first_column AS l
	JOIN user_schema AS n ON n.nspname = l.nspname
	LEFT JOIN LATERAL (
		SELECT max(p.null_frac) AS null_frac FROM pg_catalog.pg_stats AS p
		WHERE p.schemaname = l.nspname AND p.tablename = l.relname AND p.attname = l.attname
	) AS s ON true
), named AS (
	SELECT j.*, @ident(j.attname) AS col, ARRAY[j.nspname::text, j.index::text, j.relname::text, 'dbhealth_' || j.indexrelid] AS parts
	FROM judged AS j
	WHERE NOT (j.seen AND j.entered) OR j.share > :min_null::float8
	ORDER BY j.relpages DESC, j.nspname, j.relname, j.index
	LIMIT 1000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, index) AS object,
    CASE WHEN seen AND entered THEN share END AS value,
    'info' AS severity,
    pg_catalog.quote_ident(attname) AS "column",
    pg_catalog.format('used %s times', pg_catalog.pg_stat_get_numscans(indexrelid)) AS detail,
    nullif(pg_catalog.concat_ws(' ', CASE WHEN NOT entered THEN pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I;', nspname, current_user) END,
        CASE WHEN NOT seen THEN pg_catalog.format('GRANT SELECT (%I) ON %I.%I TO %I;', attname, nspname, relname, current_user) END), '') AS "grant",
    pg_catalog.format('SELECT idx_scan, idx_tup_read FROM pg_stat_all_indexes WHERE indexrelid = %s;', indexrelid) AS remedy,
    CASE WHEN relkind = 'i' THEN pg_catalog.format(
        E'CREATE INDEX CONCURRENTLY %s ON %s.%s %s WHERE %s IS NOT NULL;\nDROP INDEX CONCURRENTLY %s.%s;\nSET lock_timeout = ''2s'';\nALTER INDEX %s.%s RENAME TO %s;',
        q[4], q[1], q[3], @index_definition(named), col, q[1], q[2], q[1], q[4], q[2]) END AS remedy_2
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY relpages DESC, nspname, relname, index
