-- id: check-violation
-- title: rows that break a CHECK constraint
-- engine: postgresql
-- probe: integrity
-- topic: constraints
-- scope: database
-- interval: 7d
-- kind: scrub
-- default: off
-- cost: scrub
-- unit: count
-- critical: >= 1
-- metric: dbhealth_check_violations
-- param.slice_blocks: 1024
-- message: {detail}
-- why: The rule was added NOT VALID, or its function changed: programs and the planner rely on what is not so, and
--   a dump cannot be restored.
-- spares: rows for which the rule is NULL, which passes; rules that call a volatile function; tables that are
--   locked just now, or whose rows may not be read. A rule is code that people of the database wrote: it is
--   run by data_role alone, never with the rights of who monitors; without one this is not covered
--   (dbhealth init --level data --data-role NAME prints what it needs).
-- fix: Look at the rows and correct them or the rule, then VALIDATE the constraint.
-- evidence: the rule over each row, in ranges of blocks, in a transaction that may only read
-- remedy.1: look at the rows | look | load | | helps
-- remedy.2: correct them, or the rule | manual | load | | closes
-- @items
WITH @locked, @user_schema, looker AS MATERIALIZED (
	SELECT r.oid, r.rolname FROM pg_catalog.pg_roles AS r WHERE r.rolname = :data_role::text
), rule AS (
	SELECT k.oid, k.conname, c.oid AS rel, n.oid AS nsp, n.nspname, c.relname, c.relpages, k.conbin
	FROM pg_catalog.pg_constraint AS k
	JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid AND c.relkind = 'r' AND c.relpersistence <> 't'
	JOIN pg_catalog.pg_am AS m ON m.oid = c.relam AND m.amname = 'heap'
	JOIN user_schema AS n ON n.oid = c.relnamespace
	WHERE k.contype = 'c'
	  AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
	  AND NOT @extension_member(pg_class, c.oid)
	  AND c.oid NOT IN (SELECT l.relation FROM locked AS l)
	  AND NOT EXISTS (
		SELECT FROM pg_catalog.regexp_matches(k.conbin::text, ':(?:func|opfunc)id ([0-9]+)', 'g') AS f (m)
		JOIN pg_catalog.pg_proc AS p ON p.oid = f.m[1]::oid AND p.provolatile = 'v')
	ORDER BY n.nspname, c.relname, k.conname
	LIMIT 5000
), told AS (
	SELECT rule.*, q, pg_catalog.format('%I.%I.%I', nspname, relname, conname) AS object,
	    pg_catalog.format('SELECT * FROM ONLY %s.%s WHERE NOT (%s) LIMIT 100;', q[1], q[2], pg_catalog.pg_get_expr(conbin, rel)) AS look,
	    pg_catalog.pg_get_expr(conbin, rel) AS expr, pg_catalog.concat_ws('; ',
	    @looker_grants(l, nsp, nspname, rel, relname)) AS missing
	FROM rule LEFT JOIN looker AS l ON true
	CROSS JOIN LATERAL (
		@idents(ARRAY[nspname::text, relname::text])
	) AS quoted
), range AS (
	SELECT 'coalesce(($1::pg_catalog.jsonb ->> ''b'')::pg_catalog.int8, 0)'::text AS b
)
SELECT object AS key, object,
    CASE WHEN missing = '' THEN pg_catalog.format(
        E'SELECT CASE WHEN a.n > 0 THEN %L END AS object, a.n AS value,\n'
        '    a.n || CASE WHEN a.n = 1 THEN '' row breaks'' ELSE '' rows break'' END || '' the rule'' AS detail, %L AS remedy, %L AS remedy_2,\n'
        '    CASE WHEN %s + $2::pg_catalog.int8 < pg_catalog.pg_relation_size(%s) / %s\n'
        '        THEN pg_catalog.jsonb_build_object(''b'', %s + $2::pg_catalog.int8, ''n'', a.n)::text END AS resume\n'
        'FROM (SELECT count(*) + coalesce(($1::pg_catalog.jsonb ->> ''n'')::pg_catalog.int8, 0) AS n FROM ONLY %s.%s\n'
        '    WHERE NOT (%s) AND ctid >= pg_catalog.format(''(%%s,0)'', %s)::pg_catalog.tid\n'
        '      AND ctid < pg_catalog.format(''(%%s,0)'', %s + $2::pg_catalog.int8)::pg_catalog.tid) AS a',
        object, look, 'Correct these rows, or the rule; then ALTER TABLE ... VALIDATE CONSTRAINT.',
        r.b, rel, pg_catalog.current_setting('block_size'), r.b, q[1], q[2], expr, r.b, r.b) END AS sql,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS cost,
    nullif(missing, '') || ';' AS "grant", '{}' AS start,
    CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 140000 THEN :slice_blocks::bigint ELSE 2147483648 END AS slice,
    'data' AS login
FROM told CROSS JOIN range AS r
ORDER BY 1
