-- id: large-object-dangling
-- title: rows name a large object that does not exist
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
-- severity: warning
-- metric: dbhealth_dangling_large_object_rows
-- param.min_share: 50%
-- message: {detail}
-- why: The row promises content that is gone: opening it fails with "large object does not exist". It was
--   unlinked while the row stayed, or a restore left it out.
-- spares: NULL and 0; columns of type oid that hold other numbers: they are judged only when at least half of
--   their values are large objects. Columns of type lo and those that a trigger lo_manage looks after always.
-- fix: Put the object back from a backup (lo_import, or the row and its object together), else set the
--   reference to NULL.
-- evidence: anti-join of the column with all large objects
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: put the objects back from a backup | manual | load | | closes
-- remedy.3: forget the reference | sql | data-loss | none: which object they named is lost | closes
-- @items
WITH @user_schema, @locked, holder AS (
	SELECT c.oid, a.attnum, n.oid AS nsp, n.nspname, c.relname, a.attname, a.attnotnull, c.relkind, c.relpages,
	    @ident(n.nspname) || '.' || @ident(c.relname) AS tab, @ident(a.attname) AS col,
	    pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname) AS object,
	    ty.typname = 'lo' OR w.watcher IS NOT NULL AS sure, w.watcher
	FROM pg_catalog.pg_attribute AS a
	JOIN pg_catalog.pg_type AS ty ON ty.oid = a.atttypid
	JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
	JOIN user_schema AS n ON n.oid = c.relnamespace
	LEFT JOIN LATERAL (
		SELECT min(t.tgname::text) AS watcher FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
		WHERE t.tgrelid = c.oid AND p.proname = 'lo_manage' AND t.tgenabled <> 'D'
		  AND pg_catalog.encode(t.tgargs, 'escape') = a.attname || '\000'
	) AS w ON true
	WHERE a.attnum > 0 AND NOT a.attisdropped
	  AND a.attrelid >= 16384
	  AND a.atttypid = ANY (ARRAY(SELECT o.oid FROM pg_catalog.pg_type AS o WHERE 'pg_catalog.oid'::pg_catalog.regtype IN (o.oid, o.typbasetype)))
	  AND NOT (pg_catalog.pg_is_in_recovery() AND c.relpersistence = 'u')
	  AND c.oid NOT IN (SELECT l.relation FROM locked AS l)
	  AND NOT @extension_member(pg_class, c.oid)
), rights AS (
	SELECT h.*, pg_catalog.format('h.%s <> 0 AND NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata AS m WHERE m.oid = h.%s)', h.col, h.col) AS lost,
	    pg_catalog.concat_ws('; ',
	    @grant_usage(h.nsp, h.nspname),
	    @grant_select_column(h)) AS missing
	FROM holder AS h
	-- Without any large object only a column that is sure to name them can be wrong.
	WHERE h.sure OR EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)
)
SELECT object AS key, object,
    CASE WHEN missing = '' THEN pg_catalog.format(
        E'SELECT %L AS object, lost AS value, pg_catalog.format(''%%s of %%s rows name a large object that does not exist'', lost, used) AS detail,\n'
        '    %L AS remedy, %L AS remedy_2, %L AS remedy_3\n'
        'FROM (SELECT count(*) AS used, count(*) FILTER (WHERE m.oid IS NULL) AS lost\n'
        '    FROM %s AS h LEFT JOIN pg_catalog.pg_largeobject_metadata AS m ON m.oid = h.%s WHERE h.%s <> 0) AS c\n'
        'WHERE lost > 0 AND (%L OR used - lost >= used * %s)',
        object,
        pg_catalog.format('SELECT h.* FROM %s AS h WHERE %s LIMIT 100;', tab, lost),
        pg_catalog.format('Put the large objects that %s names back from a backup.', object),
        -- The trigger would unlink what is not there, and fail.
        CASE WHEN NOT attnotnull AND watcher IS NULL THEN pg_catalog.format('UPDATE %s AS h SET %s = NULL WHERE %s;', tab, col, lost)
            WHEN NOT attnotnull THEN pg_catalog.format(
                E'BEGIN;\nSET LOCAL lock_timeout = ''2s'';\nALTER TABLE %s DISABLE TRIGGER %s;\nUPDATE %s AS h SET %s = NULL WHERE %s;\nALTER TABLE %s ENABLE TRIGGER %s;\nCOMMIT;',
                tab, @ident(watcher), tab, col, lost, tab, @ident(watcher)) END,
        tab, col, col, sure, :min_share::float8) END AS sql,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS cost,
    nullif(missing, '') || ';' AS "grant"
FROM rights
ORDER BY key
LIMIT 20000
