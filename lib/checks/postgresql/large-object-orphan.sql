-- id: large-object-orphan
-- title: large objects that nothing refers to
-- engine: postgresql
-- probe: integrity
-- topic: orphans
-- scope: database
-- interval: 1d
-- kind: scrub
-- changing: pending
-- default: off
-- cost: scrub
-- unit: count
-- severity: info
-- metric: dbhealth_orphan_large_objects
-- message: {detail}
-- why: Deleting a row does not delete the large object whose number it held. They fill the disk and every dump.
-- spares: large objects whose number stands in any column of type oid, oid[] or lo, of any table; databases
--   without large objects. Nothing is said while one such column cannot be read. Numbers kept as text or
--   integer are not seen: look before anything is removed.
-- fix: vacuumlo -n lists what it would remove, vacuumlo removes it; a trigger lo_manage (extension lo) keeps it
--   from coming back.
-- evidence: anti-join of all large objects with all columns that can hold their numbers
-- remedy.1: count what vacuumlo would remove | command | none | | helps
-- remedy.2: look whose they are | look | load | | helps
-- remedy.3: remove them | sql | data-loss | none: their content is lost | closes
-- @items
WITH holder AS (
	-- Every table counts, also those that the configuration leaves out.
	SELECT c.oid, a.attnum, n.oid AS nsp, n.nspname, c.relname, a.attname, c.relpages, ty.typcategory = 'A' AS list
	FROM pg_catalog.pg_attribute AS a
	JOIN pg_catalog.pg_type AS ty ON ty.oid = a.atttypid
	JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'm', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
	WHERE a.attnum > 0 AND NOT a.attisdropped
	  AND coalesce(nullif(ty.typbasetype, 0), ty.oid) IN ('pg_catalog.oid'::pg_catalog.regtype, 'pg_catalog._oid'::pg_catalog.regtype)
), named AS (
	SELECT h.*, @ident(h.nspname) || '.' || @ident(h.relname) AS tab, @ident(h.attname) AS col,
	    pg_catalog.concat_ws('; ',
	    @grant_usage(h.nsp, h.nspname),
	    @grant_select_column(h)) AS missing
	FROM holder AS h
), whole AS (
	SELECT coalesce(sum(relpages), 0)::bigint AS pages,
	    CASE WHEN count(*) FILTER (WHERE missing <> '') <= 3
	        THEN pg_catalog.string_agg(nullif(missing, ''), '; ' ORDER BY nspname, relname, attname)
	        ELSE pg_catalog.string_agg(DISTINCT pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I; GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I',
	            nspname, current_user, nspname, current_user), '; ') FILTER (WHERE missing <> '') END AS missing,
	    coalesce(' AND NOT EXISTS (SELECT FROM (' || pg_catalog.string_agg(pg_catalog.format(
	        CASE WHEN list THEN 'SELECT pg_catalog.unnest(%s) AS held FROM %s' ELSE 'SELECT %s AS held FROM %s' END, col, tab),
	        ' UNION ALL ' ORDER BY nspname, relname, attname) || ') AS t WHERE t.held = m.oid)', '') AS free
	FROM named
)
SELECT 'large objects' AS key, 'large objects' AS object,
    CASE WHEN missing IS NULL THEN pg_catalog.format(
        E'SELECT '''' AS object, ''large objects'' AS key, count(*) AS value,\n'
        '    pg_catalog.format(''%%s of %%s large objects are referred to by nothing'', count(*), (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata)) AS detail,\n'
        '    %L AS remedy, %L AS remedy_2, %L AS remedy_3\n'
        'FROM pg_catalog.pg_largeobject_metadata AS m WHERE true%s HAVING count(*) > 0',
        'vacuumlo -n -v ' || CASE WHEN pg_catalog.current_database() ~ '^[A-Za-z0-9_]+$' THEN pg_catalog.current_database()::text ELSE 'DATABASE' END,
        pg_catalog.format('SELECT m.oid, m.lomowner::regrole FROM pg_catalog.pg_largeobject_metadata AS m WHERE true%s LIMIT 100;', free),
        pg_catalog.format('SELECT lo_unlink(m.oid) FROM pg_catalog.pg_largeobject_metadata AS m WHERE true%s;', free),
        free) END AS sql,
    pages * pg_catalog.current_setting('block_size')::bigint AS cost,
    missing || ';' AS "grant"
FROM whole
WHERE EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)
ORDER BY key
LIMIT 1
