-- id: column-default-frozen-time
-- title: default is the moment the table was made
-- engine: postgresql
-- probe: schema
-- topic: types
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: warning
-- message: the default is fixed at {frozen}
-- why: DEFAULT 'now'::timestamptz is computed once, when the default is declared: every row gets that moment, and
--   nobody notices until the data are wrong.
-- spares: fixed moments of whole seconds, which people write on purpose; now(), CURRENT_TIMESTAMP and 'now' as text,
--   which are computed for each row; generated columns; partitions and heirs, whose root is told.
-- fix: SET DEFAULT now(). Rows that were written meanwhile keep the wrong moment: look for many with the same one.
-- evidence: pg_attrdef.adbin: a constant of a time type with a fraction of a second
-- remedy.1: see how many rows have that moment | look | load | | helps
-- remedy.2: compute it for each row | sql | lock | ALTER TABLE ... SET DEFAULT the moment | closes
WITH @user_schema, @user_table, stored AS (
	-- The stored tree is read as text: pg_get_expr would wait for a locked table.
	SELECT t.nspname, t.relname, a.attname, a.atttypid, pg_catalog.regexp_match(d.adbin::text,
	    '\{CONST :consttype (1083|1114|1184|1266) [^{}]*:constisnull false [^{}]*:constvalue (?:8|12) \[ ([-0-9 ]+) \]\}') AS found
	FROM user_table AS t
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0
	  AND a.atthasdef AND a.attgenerated = ''
	JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
), moment AS (
	-- The bytes as the server holds them, signed, the lowest first: microseconds since 2000, or of the day.
	SELECT s.*, (SELECT pg_catalog.sum(CASE WHEN u.i = 8 THEN u.b::numeric ELSE ((u.b::int + 256) % 256)::numeric END * 256::numeric ^ (u.i - 1))
	        FROM pg_catalog.unnest(pg_catalog.string_to_array(s.found[2], ' ')) WITH ORDINALITY AS u (b, i) WHERE u.i <= 8)::bigint AS us
	FROM stored AS s WHERE s.found IS NOT NULL
), told AS (
	SELECT m.*, CASE WHEN m.found[1] IN ('1083', '1266') THEN pg_catalog.to_char(TIME '00:00' + m.us * INTERVAL '1 microsecond', 'HH24:MI:SS.US')
	    ELSE pg_catalog.to_char(TIMESTAMP '2000-01-01' + m.us * INTERVAL '1 microsecond', 'YYYY-MM-DD HH24:MI:SS.US') || CASE WHEN m.found[1] = '1184' THEN '+00' ELSE '' END END AS frozen
	FROM moment AS m
	-- From the year 1 to 9999.
	WHERE m.us % 1000000 <> 0 AND m.us BETWEEN -63082281600000000 AND 252455616000000000
	ORDER BY m.nspname, m.relname, m.attname
	LIMIT 2000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, attname) AS object,
    1 AS value, 'warning' AS severity, frozen,
    pg_catalog.format('SELECT count(*) FROM %s.%s WHERE %s = %L;', q[1], q[2], q[3], frozen) AS remedy,
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ALTER COLUMN %s SET DEFAULT %s;', q[1], q[2], q[3],
        CASE atttypid WHEN 'pg_catalog.time'::pg_catalog.regtype THEN 'LOCALTIME' WHEN 'pg_catalog.timetz'::pg_catalog.regtype THEN 'CURRENT_TIME'
            WHEN 'pg_catalog.timestamp'::pg_catalog.regtype THEN 'LOCALTIMESTAMP' ELSE 'now()' END) AS remedy_2
FROM told
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname::text, attname::text])
) AS quoted
ORDER BY nspname, relname, attname
