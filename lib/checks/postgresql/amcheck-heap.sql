-- id: amcheck-heap
-- title: table is damaged
-- engine: postgresql
-- probe: integrity
-- topic: corruption
-- scope: database
-- interval: 7d
-- kind: scrub
-- default: on
-- cost: scrub
-- unit: count
-- critical: >= 1
-- needs: server >= 14, extension amcheck >= 1.3
-- metric: dbhealth_damaged_tuples
-- param.slice_blocks: 1024
-- message: {detail}
-- why: Rows here cannot be read, or not as they were written; VACUUM, a dump or a query that meets them may
--   fail or spread the damage. The cause is most often storage, memory or a copy of files that was not a
--   backup.
-- spares: temporary tables, unlogged ones on a standby, tables of other access methods. The whole table is
--   read, in ranges of blocks, going on where it stopped.
-- fix: Stop writing to it if you can, and copy the data directory aside before anything else. Restore the
--   table from a backup or a standby that is not damaged; a dump of what can still be read comes next.
--   pg_surgery is the last resort. Then find the cause.
-- evidence: verify_heapam over each block, values out of line looked for too; its own words
-- remedy.1: see all that is wrong with it | look | load | | helps
-- remedy.2: restore it | manual | data-loss | keep the damaged files | closes
-- @items
WITH @amcheck(('verify_heapam')), tab AS (
	SELECT c.oid, n.nspname, c.relname, c.relpages, f.oid AS fn, f.nsp AS fnsp, f.nspname AS fschema
	FROM pg_catalog.pg_class AS c
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	JOIN pg_catalog.pg_am AS m ON m.oid = c.relam AND m.amname = 'heap'
	CROSS JOIN amcheck AS f
	WHERE c.relkind IN ('r', 'm', 't') AND @may_be_verified(c, n)
	ORDER BY n.nspname, c.relname
	LIMIT 50000
), @amcheck_rights(tab), told AS (
	SELECT rights.*,
	    'Restore it from a backup, or copy its rows from a standby that is not damaged; keep the damaged files until then.'::text AS restore,
	    pg_catalog.format('SELECT * FROM %I.verify_heapam(''%s.%s'', on_error_stop => false, check_toast => true);', fschema,
	        pg_catalog.replace(q[1], '''', ''''''), pg_catalog.replace(q[2], '''', '''''')) AS look
	FROM rights
	CROSS JOIN LATERAL (
		@idents(ARRAY[nspname::text, relname::text])
	) AS quoted
)
SELECT object AS key, object,
    CASE WHEN missing = '' THEN pg_catalog.format(
        E'WITH at AS MATERIALIZED (\n'
        '    SELECT coalesce(($1::pg_catalog.jsonb ->> ''b'')::pg_catalog.int8, 0) AS b, pg_catalog.pg_relation_size(%s) / %s AS blocks\n'
        '), bad AS (\n'
        '    SELECT count(*) + coalesce(($1::pg_catalog.jsonb ->> ''n'')::pg_catalog.int8, 0) AS n, coalesce($1::pg_catalog.jsonb ->> ''s'',\n'
        '        pg_catalog.left((pg_catalog.array_agg(pg_catalog.concat_ws('' '', ''block'', v.blkno, ''item '' || nullif(v.offnum, 0), v.msg) ORDER BY v.blkno, v.offnum))[1], 400)) AS s\n'
        '    FROM (SELECT * FROM at WHERE at.b < at.blocks OFFSET 0) AS r\n'
        '    CROSS JOIN LATERAL %I.verify_heapam(%s::pg_catalog.oid::pg_catalog.regclass, on_error_stop => false, check_toast => true, skip => ''none'',\n'
        '        startblock => r.b, endblock => LEAST(r.b + $2::pg_catalog.int8, r.blocks) - 1) AS v\n'
        ')\n'
        'SELECT CASE WHEN bad.n > 0 THEN %L END AS object, bad.n AS value,\n'
        '    bad.s || CASE WHEN bad.n > 1 THEN pg_catalog.format('' (and %%s more)'', bad.n - 1) ELSE '''' END AS detail, %L AS remedy, %L AS remedy_2,\n'
        '    CASE WHEN at.b + $2::pg_catalog.int8 < at.blocks\n'
        '        THEN pg_catalog.jsonb_build_object(''b'', at.b + $2::pg_catalog.int8, ''n'', bad.n, ''s'', bad.s)::text END AS resume\n'
        'FROM at CROSS JOIN bad',
        oid, pg_catalog.current_setting('block_size'), fschema, oid, object, look, restore) END AS sql,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS cost,
    nullif(missing, '') || ';' AS "grant", '{}' AS start, :slice_blocks::bigint AS slice, look AS remedy
FROM told
ORDER BY key
