-- id: unique-violation
-- title: duplicates under a unique index
-- engine: postgresql
-- probe: integrity
-- topic: corruption
-- scope: database
-- interval: 7d
-- kind: scrub
-- default: off
-- cost: scrub
-- unit: count
-- critical: >= 1
-- metric: dbhealth_unique_violations
-- message: {detail}
-- why: The index says that it cannot be: it is damaged, its collation changed under it, or somebody changed the
--   catalogue. Programs that expect one row get two, and a dump cannot be restored.
-- spares: indexes that are not valid, over expressions or part of the rows, or of types whose equality is
--   written in the database itself; NULL, unless NULLS NOT DISTINCT; tables whose rows may not be read.
-- fix: Find out which of the rows is right, remove or correct the others, then rebuild the index.
-- evidence: rows grouped by the key, read from the table and not by the index
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: keep one of each | manual | data-loss | none: the other rows are lost | helps
-- remedy.3: rebuild the index when they are gone | sql | load | | closes
-- @items
WITH @user_schema, sound AS MATERIALIZED (
	-- Operator classes that need no word and compare with code of the server's.
	SELECT ARRAY(SELECT oc.oid FROM pg_catalog.pg_opclass AS oc
	    JOIN pg_catalog.pg_amproc AS f ON f.amprocfamily = oc.opcfamily AND f.amprocnum = 1 AND f.amproclefttype = oc.opcintype AND f.amprocrighttype = oc.opcintype
	    JOIN pg_catalog.pg_proc AS p ON p.oid = f.amproc
	    JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
	    WHERE oc.opcdefault AND l.lanname IN ('internal', 'c')) AS classes
), ix AS (
	SELECT x.oid, n.oid AS nsp, n.nspname, x.relname AS index, c.oid AS rel, c.relname, c.relpages, k.names,
	    (SELECT indnullsnotdistinct FROM pg_catalog.pg_index AS j WHERE j.indexrelid = i.indexrelid) AS nulls_too
	FROM pg_catalog.pg_index AS i
	JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid AND x.relkind = 'i'
	JOIN pg_catalog.pg_am AS m ON m.oid = x.relam AND m.amname = 'btree'
	JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid AND c.relkind = 'r' AND c.relpersistence <> 't'
	JOIN user_schema AS n ON n.oid = c.relnamespace
	CROSS JOIN sound
	-- What the name above means to servers that do not have the column.
	CROSS JOIN (SELECT false AS indnullsnotdistinct) AS before_15
	CROSS JOIN LATERAL (
		SELECT pg_catalog.array_agg(a.attname::text ORDER BY j.j) AS names, pg_catalog.bool_and(i.indclass[j.j] = ANY (sound.classes) AND i.indcollation[j.j] = a.attcollation) AS fits
		FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS j (j)
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[j.j] AND a.attnum > 0
	) AS k
	WHERE i.indisunique AND i.indisvalid AND i.indisready AND i.indislive AND i.indpred IS NULL AND i.indexprs IS NULL
	  AND k.fits AND pg_catalog.cardinality(k.names) = i.indnkeyatts
	  AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
	  AND NOT @extension_member(pg_class, c.oid)
	ORDER BY n.nspname, x.relname
	LIMIT 20000
), told AS (
	SELECT ix.*, q, pg_catalog.format('%I.%I', nspname, index) AS object, l.list, l.given,
	    pg_catalog.concat_ws('; ',
	    CASE WHEN NOT pg_catalog.has_schema_privilege(nsp, 'USAGE') THEN pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', nspname, current_user) END,
	    CASE WHEN NOT pg_catalog.has_table_privilege(rel, 'SELECT') THEN pg_catalog.format('GRANT SELECT ON %I.%I TO %I', nspname, relname, current_user) END) AS missing
	FROM ix
	CROSS JOIN LATERAL (
		@idents(ARRAY[nspname::text, relname::text, index::text] || names)
	) AS quoted
	CROSS JOIN LATERAL (
		SELECT pg_catalog.string_agg('c.' || u.x, ', ' ORDER BY u.o) AS list,
		    CASE WHEN nulls_too THEN 'true' ELSE pg_catalog.string_agg('c.' || u.x || ' IS NOT NULL', ' AND ' ORDER BY u.o) END AS given
		FROM pg_catalog.unnest(q[4:]) WITH ORDINALITY AS u (x, o)
	) AS l
	-- The long text is put together behind the sort.
	ORDER BY object
	OFFSET 0
)
SELECT object AS key, object,
    CASE WHEN missing = '' THEN pg_catalog.format(
        E'SELECT %L AS object, count(*) AS value, count(*) || CASE WHEN count(*) = 1 THEN '' key stands'' ELSE '' keys stand'' END || %L AS detail,\n'
        '    %L AS remedy, %L AS remedy_2, %L AS remedy_3\n'
        -- The place of the row is in no index: the table itself is read.
        'FROM (SELECT FROM (SELECT %s, c.ctid AS place_ FROM ONLY %s.%s AS c WHERE %s OFFSET 0) AS c GROUP BY %s HAVING count(*) > 1 AND count(place_) > 1) AS twice HAVING count(*) > 0',
        object, pg_catalog.format(' in several rows of %I.%I', nspname, relname),
        pg_catalog.format('SELECT %s, count(*), array_agg(c.ctid) FROM (SELECT c.*, c.ctid FROM ONLY %s.%s AS c WHERE %s OFFSET 0) AS c GROUP BY %s HAVING count(*) > 1 LIMIT 100;', list, q[1], q[2], given, list),
        'Of each key keep the row that is right; delete the others by their ctid.',
        pg_catalog.format('REINDEX INDEX CONCURRENTLY %s.%s;', q[1], q[3]),
        list, q[1], q[2], given, list) END AS sql,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS cost,
    nullif(missing, '') || ';' AS "grant"
FROM told
