-- id: visibility-map-damage
-- title: the visibility map says what the table does not
-- engine: postgresql
-- probe: integrity
-- topic: corruption
-- scope: database
-- interval: 7d
-- kind: scrub
-- severity: warning
-- default: off
-- cost: scrub
-- unit: count
-- needs: extension pg_visibility, role primary
-- metric: dbhealth_visibility_map_damaged_rows
-- param.max_rows: 1000
-- message: {detail}
-- why: Rows on a page that the map calls all-visible are given by index-only scans though nobody may see
--   them; those it calls frozen are passed over by VACUUM until their transaction ids wrap around.
-- spares: temporary and unlogged tables. The whole map and the pages it vouches for are read.
-- fix: Truncate the map of this table, which VACUUM writes anew. Then look for the cause: a disk that
--   lies about writes, an upgrade by a damaged pg_upgrade, a crash with unsafe settings.
-- evidence: pg_check_frozen() and pg_check_visible() of the extension pg_visibility
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: truncate the map and write it anew | sql | lock | | closes
-- @items
WITH @user_schema, extension AS (
	SELECT n.nspname, n.oid AS nsp,
	    pg_catalog.max(p.oid) FILTER (WHERE p.proname = 'pg_check_frozen') AS frozen,
	    pg_catalog.max(p.oid) FILTER (WHERE p.proname = 'pg_check_visible') AS visible
	FROM pg_catalog.pg_extension AS e
	JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid
	    AND d.classid = 'pg_catalog.pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_catalog.pg_proc AS p ON p.oid = d.objid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
	WHERE e.extname = 'pg_visibility'
	GROUP BY n.nspname, n.oid
), stored AS (
	SELECT c.oid, c.relname, n.nspname, c.relpages, pg_catalog.format('%I.%I', n.nspname, c.relname) AS object
	FROM pg_catalog.pg_class AS c JOIN user_schema AS n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND c.relpages > 0
	  AND NOT @extension_member(pg_class, c.oid)
	ORDER BY n.nspname, c.relname
	LIMIT 50000
), named AS (
	SELECT s.*, e.nspname AS extnsp, pg_catalog.concat_ws('; ',
	    @grant_usage(e.nsp, e.nspname),
	    CASE WHEN NOT pg_catalog.has_function_privilege(e.frozen, 'EXECUTE') THEN pg_catalog.format('GRANT EXECUTE ON FUNCTION %I.pg_check_frozen(regclass) TO %I', e.nspname, current_user) END,
	    CASE WHEN NOT pg_catalog.has_function_privilege(e.visible, 'EXECUTE') THEN pg_catalog.format('GRANT EXECUTE ON FUNCTION %I.pg_check_visible(regclass) TO %I', e.nspname, current_user) END) AS missing
	FROM stored AS s CROSS JOIN extension AS e
)
SELECT object AS key, object,
    CASE WHEN missing = '' THEN pg_catalog.format(
        E'SELECT %1$L AS object, f.n + v.n AS value,\n'
        '    pg_catalog.concat_ws('' and '', CASE WHEN f.n > 0 THEN f.n || '' rows are not frozen where the map says so'' END,\n'
        '        CASE WHEN v.n > 0 THEN v.n || '' rows are not visible to all where it says so'' END) AS detail, %3$L AS remedy, %4$L AS remedy_2\n'
        'FROM (SELECT count(*) AS n FROM (SELECT FROM %2$I.pg_check_frozen(%5$s::regclass) LIMIT %6$s) AS l) AS f\n'
        'CROSS JOIN (SELECT count(*) AS n FROM (SELECT FROM %2$I.pg_check_visible(%5$s::regclass) LIMIT %6$s) AS l) AS v\n'
        'WHERE f.n + v.n > 0',
        object, extnsp,
        pg_catalog.format('SELECT * FROM %I.pg_check_visible(%s::oid::regclass) LIMIT 20;', extnsp, oid),
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nSELECT %I.pg_truncate_visibility_map(%s::oid::regclass);\nRESET lock_timeout;\nVACUUM %s.%s;', extnsp, oid, @ident(nspname), @ident(relname)),
        oid::text || '::oid', :max_rows::bigint) END AS sql,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS cost,
    nullif(missing, '') || ';' AS "grant"
FROM named
ORDER BY key
