-- id: conv-updated-at-stale
-- title: rows change and their time of change does not
-- engine: postgresql
-- probe: integrity
-- topic: conventions
-- scope: database
-- interval: 1h
-- kind: scrub
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured conventions=timestamps, role primary
-- metric: dbhealth_updated_at_stale_updates
-- param.updated: updated_at
-- param.min_updates: 100
-- param.looks: 2
-- param.max_pages: 1000
-- message: {detail}
-- why: The column is there and nothing sets it: a trigger is gone or off, or a writer goes past the code that
--   did. Sync, caches and archives that go by it miss every change.
-- spares: under 100 updates (param.min_updates) since the newest time moved, or all of them between two looks
--   (param.looks), as one large change that keeps the time on purpose; tables where inserts move it;
--   tables of more than 1,000 pages (param.max_pages) without an index that leads with the column; columns
--   of other types than timestamps; trees with foreign partitions; join tables, partitions, bookkeeping
--   tables of migration tools, tables of extensions, conventions_exclude. One run alone tells nothing: it
--   takes the daemon.
-- fix: Find what writes the table. A trigger BEFORE UPDATE sets the column whoever writes; where the application
--   does it, bulk statements and repairs by hand are what it misses.
-- evidence: the count of updates by the statistics of the server, and one look at the end of the index
-- remedy.1: compare both | look | none | | helps
-- remedy.2: let the database set it | sql | lock | DROP TRIGGER ... | helps
-- remedy.3: let every writer set the column | manual | none | | closes
-- @items
WITH RECURSIVE @user_schema, @user_table, @convention_table, found AS (
	SELECT t.oid, t.object, t.nspname, t.relname, t.relkind, n.oid AS nsp, u.attname, u.attnum, @type_below(u.atttypid) AS base,
	    EXISTS (SELECT FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
	        JOIN pg_catalog.pg_am AS m ON m.oid = x.relam AND m.amname = 'btree'
	        WHERE i.indrelid = t.oid AND i.indisvalid AND i.indisready AND i.indislive AND i.indpred IS NULL AND i.indkey[0] = u.attnum) AS is_indexed
	FROM convention_table AS t
	JOIN user_schema AS n ON n.nspname = t.nspname
	JOIN @column(u, t, :updated::text::name)
	WHERE @type_below(u.atttypid) IN (1114, 1184) AND u.attgenerated = ''
	ORDER BY t.nspname, t.relname
	LIMIT 20000
), @partition_size(found), built AS (
	SELECT f.*, CASE WHEN f.relkind = 'r' THEN 'ONLY ' ELSE '' END || q[1] || '.' || q[2] AS rel, q
	FROM found AS f JOIN size AS s ON s.root = f.oid AND NOT s.is_foreign AND (f.is_indexed OR s.pages <= :max_pages::bigint)
	CROSS JOIN LATERAL (
		@idents(ARRAY[f.nspname::text, f.relname, f.attname, 'set_' || pg_catalog.left(f.attname, 40)])
	) AS quoted
	-- What nobody updates needs no look and no right.
	WHERE s.updates > 0
), rights AS (
	SELECT b.*, nullif(pg_catalog.concat_ws('; ',
	    @grant_usage(b.nsp, b.nspname),
	    @grant_select_column(b),
	    @grant_past_policies(b.oid)), '') AS missing
	FROM built AS b
)
SELECT object AS key, object,
    -- was: what the look before kept.  updates and looks count from when the newest time last moved; rows of
    -- the future, which would stand still for years, are passed over.
    CASE WHEN missing IS NULL THEN pg_catalog.format(
        E'WITH RECURSIVE tree AS (\n'
        '    SELECT %s::pg_catalog.oid AS oid\n'
        '    UNION ALL SELECT h.inhrelid FROM tree AS t JOIN pg_catalog.pg_class AS p ON p.oid = t.oid AND p.relkind = ''p''\n'
        '    JOIN pg_catalog.pg_inherits AS h ON h.inhparent = t.oid\n'
        '), seen AS (\n'
        '    SELECT (SELECT sum(pg_catalog.pg_stat_get_tuples_updated(t.oid)) FROM tree AS t)::bigint AS n,\n'
        '        (SELECT %s FROM %s WHERE %2$s <= %4$s ORDER BY %2$s DESC LIMIT 1)::text AS newest,\n'
        '        nullif($1::text, '''')::jsonb AS was WHERE $2::text IS NOT NULL\n'
        '), told AS (\n'
        '    SELECT s.*, coalesce((was ->> ''newest'') IS NOT DISTINCT FROM newest AND (was ->> ''n'')::bigint <= n, false) AS still FROM seen AS s\n'
        '), now AS (\n'
        '    SELECT *, CASE WHEN still THEN (was ->> ''base'')::bigint ELSE n END AS base,\n'
        '        CASE WHEN still THEN (was ->> ''looks'')::int + (n > (was ->> ''n'')::bigint)::int ELSE 0 END AS looks FROM told\n'
        '), judged AS (\n'
        '    SELECT *, looks >= %5$s AND n - base >= %6$s AS stale FROM now\n'
        ')\n'
        'SELECT CASE WHEN stale THEN %7$L END AS object, n - base AS value,\n'
        '    (n - base) || '' updates, and the newest '' || %8$L || coalesce('' is still '' || newest, '' is still none'') AS detail,\n'
        '    %9$L AS remedy, %10$L AS remedy_2, %11$L AS remedy_3, NULL::text AS resume,\n'
        '    pg_catalog.json_build_object(''n'', n, ''base'', base, ''newest'', newest, ''looks'', looks)::text AS keep\n'
        'FROM judged',
        oid, q[3], rel, CASE WHEN base = 1184 THEN 'pg_catalog.now()' ELSE 'pg_catalog.now() + ''1 day''' END, :looks::bigint, :min_updates::bigint,
        object, attname,
        pg_catalog.format('SELECT (SELECT max(%s) FROM %s), n_tup_upd, now() FROM pg_stat_user_tables WHERE relid = %s;', q[3], rel, oid),
        pg_catalog.format(E'CREATE FUNCTION %s.%s() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.%s := now(); RETURN NEW; END $$;\n'
            'SET lock_timeout = ''2s'';\nCREATE TRIGGER %2$s BEFORE UPDATE ON %1$s.%s FOR EACH ROW EXECUTE FUNCTION %1$s.%2$s();', q[1], q[4], q[3], q[2]),
        pg_catalog.format('Let whatever updates %s set %s too.', object, attname)) END AS sql,
    0 AS cost, '' AS start, 1 AS slice, missing || ';' AS "grant"
FROM rights
ORDER BY key
