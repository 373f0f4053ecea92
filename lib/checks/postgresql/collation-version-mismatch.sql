-- id: collation-version-mismatch
-- title: sort order of the system has changed under the indexes
-- engine: postgresql
-- probe: integrity
-- topic: collation
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- metric: dbhealth_collation_mismatch_indexes
-- message: {detail}
-- why: Text indexes are in the order that the C library or ICU had when they were built. After an upgrade
--   of the system that order may differ: queries miss rows, and unique indexes admit duplicates.
-- spares: C and POSIX, which never change; collations that no column, index or person of this database
--   uses; versions that the library does not tell. Before 15 the database's own collation has no
--   recorded version.
-- fix: Rebuild every index that depends on it, then record the new version. Never record it first: that
--   hides the damage. REINDEX CONCURRENTLY lets reads and writes go on; a unique index that fails has
--   duplicates to mend. Partition bounds and CHECK constraints over text may be wrong, too.
-- evidence: recorded and present version, and the indexes that depend on it
-- remedy.1: see the indexes that depend on it | look | none | | helps
-- remedy.2: rebuild them, then record the version | sql | load | | closes
-- @part used
used AS (
	SELECT a.attcollation AS coll FROM pg_catalog.pg_attribute AS a
	WHERE a.attcollation <> 0 AND a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
	UNION SELECT i.coll FROM pg_catalog.pg_index AS x CROSS JOIN LATERAL pg_catalog.unnest(x.indcollation) AS i (coll) WHERE x.indexrelid >= 16384
)
-- @end
-- @part versioned
SELECT c.oid AS coll, pg_catalog.format('%I.%I', n.nspname, c.collname) AS object, n.nspname::text AS nspname, c.collname::text AS name,
	    c.collversion AS recorded, pg_catalog.pg_collation_actual_version(c.oid) AS present
	FROM pg_catalog.pg_collation AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.collnamespace
	WHERE c.collversion IS NOT NULL AND (c.oid >= 16384 OR c.oid IN (SELECT u.coll FROM used AS u))
	  AND c.collencoding IN (-1, (SELECT d.encoding FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()))
-- @end
-- @part judged
dependent AS (
	-- By a key, or by an expression or predicate that names it.
	SELECT m.coll, x.oid, n.nspname, x.relname,
	    -- A constraint that excludes cannot be rebuilt beside the work.
	    CASE WHEN i.indisexclusion THEN pg_catalog.format('REINDEX INDEX %I.%I;', n.nspname, x.relname)
	    ELSE pg_catalog.format('REINDEX INDEX CONCURRENTLY %I.%I;', n.nspname, x.relname) END AS rebuild, i.indisexclusion
	FROM mismatch AS m
	JOIN pg_catalog.pg_index AS i ON i.indexrelid >= 16384 AND (m.coll = ANY (i.indcollation::oid[])
	    OR EXISTS (SELECT FROM pg_catalog.pg_depend AS d
	        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid
	          AND d.refclassid = 'pg_catalog.pg_collation'::pg_catalog.regclass AND d.refobjid = m.coll))
	JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid AND x.relkind = 'i' AND x.relpersistence <> 't'
	JOIN pg_catalog.pg_namespace AS n ON n.oid = x.relnamespace
	WHERE n.nspname !~ '^pg_'
), told AS (
	SELECT m.*, d.n, d.first, d.odd
	FROM mismatch AS m
	CROSS JOIN LATERAL (
		SELECT count(*) AS n, pg_catalog.string_agg(pg_catalog.format('%I.%I', s.nspname, s.relname), ', ' ORDER BY s.nspname, s.relname) FILTER (WHERE s.o <= 5) AS first,
		    pg_catalog.bool_or(s.nspname || s.relname ~ '[\u0001-\u001f\u007f-\u009f]') AS odd
		FROM (SELECT e.*, pg_catalog.row_number() OVER (ORDER BY e.nspname, e.relname) AS o FROM dependent AS e WHERE e.coll = m.coll) AS s
	) AS d
	WHERE m.recorded <> m.present
), named AS (
	SELECT t.*, ARRAY[pg_catalog.current_database()::text, nspname, name] AS parts FROM told AS t
)
SELECT object, n AS value,
    CASE WHEN n > 0 THEN 'critical' ELSE 'info' END AS severity,
    pg_catalog.format('%s was built with version %s, the system has %s; ', CASE WHEN object = '' THEN 'the database''s collation' ELSE 'collation' END, recorded, present)
    || CASE WHEN n = 0 THEN 'no index depends on it'
        ELSE pg_catalog.format('%s on it: %s%s', CASE WHEN n = 1 THEN '1 index depends' ELSE n || ' indexes depend' END, first, CASE WHEN n > 5 THEN ' ...' ELSE '' END) END AS detail,
    recorded, present,
    pg_catalog.format('SELECT indexrelid::regclass FROM pg_index WHERE %s = ANY (indcollation::oid[]) AND indexrelid >= 16384;', coll) AS remedy,
    CASE WHEN n BETWEEN 1 AND 20 AND NOT odd THEN (
        SELECT pg_catalog.string_agg(e.rebuild, E'\n' ORDER BY e.nspname, e.relname)
        FROM dependent AS e WHERE e.coll = named.coll) || E'\n'
        WHEN n > 0 THEN pg_catalog.format(E'REINDEX (VERBOSE) DATABASE CONCURRENTLY %s;\n', q[1]) || coalesce((
        SELECT pg_catalog.string_agg(e.rebuild || E'\n', '' ORDER BY e.nspname, e.relname)
        FROM dependent AS e WHERE e.coll = named.coll AND e.indisexclusion), '') ELSE '' END
    || CASE WHEN object = '' THEN pg_catalog.format('ALTER DATABASE %s REFRESH COLLATION VERSION;', q[1])
        ELSE pg_catalog.format('ALTER COLLATION %s.%s REFRESH VERSION;', q[2], q[3]) END AS remedy_2
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY n DESC, object
LIMIT 1000
-- @end
-- @when server >= 15
WITH @used, mismatch AS (
	SELECT 100::oid AS coll, '' AS object, NULL::text AS nspname, d.datname::text AS name, d.datcollversion AS recorded,
	    pg_catalog.pg_database_collation_actual_version(d.oid) AS present
	FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()
	UNION ALL
	@versioned
), @judged
-- @when server < 15
WITH @used, mismatch AS (
	@versioned
), @judged
