-- id: timestamps-out-of-order
-- title: rows were changed before they were made, or in the future
-- engine: postgresql
-- probe: integrity
-- topic: conventions
-- scope: database
-- interval: 1d
-- kind: scrub
-- default: on
-- cost: scrub
-- unit: count
-- severity: warning
-- needs: configured conventions=timestamps
-- metric: dbhealth_timestamps_out_of_order_rows
-- param.created: created_at
-- param.updated: updated_at
-- param.tolerance: 5min
-- param.max_pages: 10000
-- param.max_rows: 1000
-- message: {detail}
-- why: Two clocks that differ, an import that kept one time and not the other, or a time zone that was lost.
--   What goes by time, as sync and archive, takes such rows twice or never.
-- spares: a difference under 5 minutes (param.tolerance), for application and server have clocks of their own;
--   NULL and infinity; columns that are not both timestamps of the same kind, and the future of those
--   without time zone. Of a large table the same 10,000 pages (param.max_pages) are looked at each time.
--   Join tables, partitions (judged at their root), trees with foreign partitions, bookkeeping tables of
--   migration tools, tables of extensions, conventions_exclude.
-- fix: Look at the rows and what wrote them, correct that, then the rows. A CHECK (updated_at >= created_at),
--   added NOT VALID and validated, keeps it so.
-- evidence: rows of at most 10,000 pages a table, spread over it
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: correct what writes them, then the rows | manual | load | | closes
-- remedy.3: refuse such rows from now on | sql | lock | ALTER TABLE ... DROP CONSTRAINT ... | helps
-- @items
WITH RECURSIVE @user_schema, @user_table, @convention_table, pair AS (
	SELECT t.oid, t.object, t.nspname, t.relname, t.relkind, n.oid AS nsp, c.attname AS created, c.attnum AS cnum, u.attname AS updated, u.attnum AS unum,
	    @type_below(u.atttypid) AS base
	FROM convention_table AS t
	JOIN user_schema AS n ON n.nspname = t.nspname
	JOIN @column(u, t, :updated::text::name)
	JOIN @column(c, t, :created::text::name)
	WHERE @type_below(u.atttypid) IN (1114, 1184) AND @type_below(c.atttypid) = @type_below(u.atttypid)
	  AND 'v' NOT IN (c.attgenerated, u.attgenerated)
	  -- Unlogged tables cannot be read on a standby.
	  AND NOT (pg_catalog.pg_is_in_recovery() AND t.relpersistence = 'u')
	ORDER BY t.nspname, t.relname
	LIMIT 20000
), @partition_size(pair), built AS (
	SELECT p.*, s.pages, least(100, 100.0 * :max_pages::bigint / greatest(s.pages, 1)) AS share,
	    CASE WHEN p.relkind = 'r' THEN 'ONLY ' ELSE '' END || q[1] || '.' || q[2] AS rel,
	    pg_catalog.format('%2$s < %1$s - interval ''%3$s s'' AND pg_catalog.isfinite(%1$s) AND pg_catalog.isfinite(%2$s)', q[3], q[4], :tolerance::float8)
	    || CASE WHEN p.base = 1184 THEN pg_catalog.format(
	        ' OR least(%s, %s) > pg_catalog.now() + interval ''%s s'' AND pg_catalog.isfinite(least(%1$s, %2$s))', q[3], q[4], :tolerance::float8) ELSE '' END AS broken,
	    q
	FROM pair AS p JOIN size AS s ON s.root = p.oid AND NOT s.is_foreign
	CROSS JOIN LATERAL (
		@idents(ARRAY[p.nspname, p.relname, p.created, p.updated, pg_catalog.left(p.updated, 50) || '_in_order'])
	) AS quoted
), rights AS (
	SELECT b.*, nullif(pg_catalog.concat_ws('; ',
	    @grant_usage(b.nsp, b.nspname),
	    CASE WHEN NOT (pg_catalog.has_column_privilege(b.oid, b.cnum, 'SELECT') AND pg_catalog.has_column_privilege(b.oid, b.unum, 'SELECT'))
	        THEN pg_catalog.format('GRANT SELECT (%I, %I) ON %I.%I TO %I', b.created, b.updated, b.nspname, b.relname, current_user) END,
	    @grant_past_policies(b.oid)), '') AS missing
	FROM built AS b
)
SELECT object AS key, object,
    CASE WHEN missing IS NULL THEN pg_catalog.format(
        E'SELECT %L AS object, count(*) AS value,\n'
        '    CASE WHEN count(*) >= %s THEN ''at least '' ELSE '''' END || count(*) || CASE WHEN count(*) = 1 THEN '' row has '' ELSE '' rows have '' END || %L AS detail,\n'
        '    %L AS remedy, %L AS remedy_2, %L AS remedy_3\n'
        'FROM (SELECT FROM %s TABLESAMPLE SYSTEM (%s) REPEATABLE (1) WHERE %s LIMIT %2$s) AS s HAVING count(*) > 0',
        object, :max_rows::bigint,
        pg_catalog.format('%I before %I, or both in the future%s', updated, created, CASE WHEN share < 100 THEN ', among ' || :max_pages::bigint || ' pages of ' || pages END),
        pg_catalog.format('SELECT * FROM %s WHERE %s LIMIT 100;', rel, broken),
        pg_catalog.format('Correct what writes %s, then %s and %s of these rows.', object, updated, created),
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ADD CONSTRAINT %s CHECK (%s >= %s) NOT VALID;', q[1], q[2], q[5], q[4], q[3]),
        rel, pg_catalog.round(share::numeric, 4), broken) END AS sql,
    pages * share / 100 * pg_catalog.current_setting('block_size')::bigint AS cost,
    missing || ';' AS "grant"
FROM rights
ORDER BY key
