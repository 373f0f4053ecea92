-- id: sequence-near-limit
-- title: sequence near its end
-- engine: postgresql
-- probe: performance
-- topic: sequences
-- scope: database
-- interval: 5min
-- kind: gauge
-- default: on
-- cost: dear
-- unit: ratio
-- warning: >= 0.75
-- critical: >= 0.9
-- for: 0s
-- param.max_rows: 1000000
-- param.max_read: 3000
-- metric: dbhealth_sequence_used_ratio
-- message: used up to {value}: {detail}
-- why: At its end the sequence, or the column it feeds, refuses the next row: inserts fail, mostly of the
--   largest table there is. Widening the column of a large table takes hours; begin early.
-- spares: sequences that start again at their end (CYCLE) and whose column holds every value;
--   sequences never used; temporary ones. Of more than max_read (3,000) the narrow ones of large tables are
--   read each time, the others in turn. The limit is the smaller of the sequence's and of the
--   column's type, also for descending sequences.
-- fix: ALTER SEQUENCE ... AS bigint takes an instant. Changing the column's type rewrites the table under
--   an ACCESS EXCLUSIVE lock: on a large table add a bigint column, fill it in batches by trigger and
--   backfill, then swap. Foreign keys that refer to the column must be widened, too.
-- remedy.1: widen the sequence | sql | lock | ALTER SEQUENCE ... AS integer | closes
-- remedy.2: widen the column; rewrites the table under a strong lock | sql | lock | ALTER TABLE ... TYPE integer | closes
-- remedy.3: begin again in the unused half below zero, for time to widen | manual | lock | ALTER SEQUENCE ... INCREMENT 1 | helps
-- remedy.4: widen the column by way of a second one | manual | load | | closes
WITH RECURSIVE busy AS MATERIALIZED (
	-- Reading a sequence waits for who alters it; those are left for the next look.
	SELECT l.relation FROM pg_catalog.pg_locks AS l
	WHERE l.locktype = 'relation' AND l.granted AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
	  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
), sequence AS (
	SELECT c.oid, n.nspname, c.relname, s.seqtypid, s.seqmin, s.seqmax, s.seqincrement, s.seqcycle
	FROM pg_catalog.pg_sequence AS s
	JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	WHERE c.relpersistence <> 't'
	  -- Unlogged ones have no contents on a standby.
	  AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
	  AND c.oid NOT IN (SELECT b.relation FROM busy AS b)
	  AND @schema_is_ours(n.nspname)
	  AND NOT @extension_member(pg_class, c.oid)
), @fed, limited AS (
	-- With the narrowest integer column that each feeds, domains taken to their base. One join, and no
	-- condition on the type in it: planners think that next to nothing is left, and go through all for each.
	SELECT DISTINCT ON (s.oid) s.*, w.nspname AS tnspname, w.relname AS trelname, w.attname, w.base, w.relkind, w.rel, w.attnum,
	    least(s.seqmax, w.high) AS high, greatest(s.seqmin, w.low) AS low,
	    coalesce(w.high < s.seqmax AND s.seqincrement > 0 OR w.low > s.seqmin AND s.seqincrement < 0, false) AS by_column
	FROM sequence AS s
	LEFT JOIN (
		SELECT f.seq, n.nspname, c.relname, a.attname, t.base, c.relkind, f.rel, f.attnum, c.relispartition,
		    CASE t.base WHEN 21 THEN -32768 WHEN 23 THEN -2147483648 WHEN 20 THEN -9223372036854775808 END::numeric AS low,
		    CASE t.base WHEN 21 THEN 32767 WHEN 23 THEN 2147483647 WHEN 20 THEN 9223372036854775807 END::numeric AS high
		FROM fed AS f
		JOIN pg_catalog.pg_class AS c ON c.oid = f.rel
		JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.rel AND a.attnum = f.attnum AND NOT a.attisdropped
		CROSS JOIN LATERAL (SELECT @type_below(a.atttypid)::bigint AS type OFFSET 0) AS y
		CROSS JOIN LATERAL (SELECT CASE WHEN y.type IN (21, 23, 20) THEN y.type::int END AS base) AS t
	) AS w ON w.seq = s.oid
	ORDER BY s.oid, pg_catalog.array_position(ARRAY[21, 23, 20], w.base), w.relispartition, w.rel, w.attnum
), placed AS MATERIALIZED (
	SELECT l.*, CASE WHEN coalesce(:first_seen::jsonb, '{}') = '{}' THEN false
	        ELSE :first_seen::jsonb ? pg_catalog.format('%I.%I', l.nspname, l.relname) END AS known,
	    pg_catalog.row_number() OVER (ORDER BY l.high - l.low, c.reltuples DESC NULLS LAST, l.oid) AS place,
	    count(*) OVER () AS n,
	    least(:max_read::bigint, pg_catalog.current_setting('max_locks_per_transaction')::bigint * pg_catalog.current_setting('max_connections')::bigint / 2) AS most
	FROM limited AS l LEFT JOIN pg_catalog.pg_class AS c ON c.oid = l.rel
	WHERE NOT (l.seqcycle AND NOT l.by_column)
), chosen AS MATERIALIZED (
	-- Each reading opens the sequence and keeps a lock until the statement ends: never more than half of the
	-- server's lock table. Where there are more, the narrow ones of large tables and what has a finding are
	-- read each time, the others in turn.
	SELECT p.* FROM placed AS p
	WHERE p.n <= p.most OR p.known OR p.place <= p.most / 2
	  OR (pg_catalog.hashoid(p.oid)::bigint & 65535) % (p.n * 2 / p.most)
	     = pg_catalog.floor(extract(epoch FROM pg_catalog.now())::float8 / greatest(:interval::float8, 1))::bigint % (p.n * 2 / p.most)
	ORDER BY p.known DESC, p.place <= p.most / 2 DESC, pg_catalog.hashoid(p.oid)
	LIMIT (SELECT min(p.most) FROM placed AS p)
), asked AS (
	SELECT l.*, pg_catalog.has_sequence_privilege(l.oid, 'SELECT, USAGE') AS readable FROM chosen AS l OFFSET 0
), read AS (
	SELECT l.*, CASE WHEN l.readable THEN pg_catalog.pg_sequence_last_value(l.oid::regclass) END::numeric AS last
	FROM asked AS l
), used AS (
	SELECT r.*, CASE WHEN r.seqincrement > 0 THEN (r.last - r.low + 1) / greatest(r.high - r.low + 1, 1)
	        ELSE (r.high - r.last + 1) / greatest(r.high - r.low + 1, 1) END AS ratio,
	    greatest(CASE WHEN r.seqincrement > 0 THEN pg_catalog.div(r.high - r.last, r.seqincrement)
	        ELSE pg_catalog.div(r.last - r.low, -r.seqincrement) END, 0) AS calls
	FROM read AS r WHERE r.last IS NOT NULL
), worst AS (
	SELECT * FROM used ORDER BY ratio DESC, nspname, relname LIMIT 1000
), fed_table AS (
	SELECT DISTINCT w.rel AS oid FROM worst AS w WHERE w.rel IS NOT NULL AND w.base IN (21, 23)
), @tree(fed_table), named AS (
	SELECT w.*, coalesce(t.rows, 0) > :max_rows::bigint OR @retype_refused(a) AS dear, ARRAY[nspname::text, relname::text, tnspname::text, trelname::text, w.attname::text] AS parts
	FROM worst AS w
	LEFT JOIN tree_rows AS t ON t.root = w.rel
	LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = w.rel AND a.attnum = w.attnum
)
SELECT pg_catalog.format('%I.%I', nspname, relname) AS object,
    ratio::float8 AS value,
    pg_catalog.format('last value %s, %s%s, %s calls left', last,
        CASE WHEN by_column THEN pg_catalog.format('limit %s of column %I.%I.%I (%s)', CASE WHEN seqincrement > 0 THEN high ELSE low END,
            tnspname, trelname, attname, base::regtype)
        ELSE pg_catalog.format('limit %s of the sequence', CASE WHEN seqincrement > 0 THEN high ELSE low END) END,
        CASE WHEN seqincrement NOT IN (1, -1) THEN pg_catalog.format(', step %s', seqincrement) ELSE '' END,
        calls) AS detail,
    calls AS calls_left,
    -- As wide as bigint unless it is already, or its column ends first.
    CASE WHEN seqtypid <> 20 AND (base IS NULL OR base = 20) THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER SEQUENCE %s.%s AS bigint%s;', q[1], q[2],
            CASE WHEN seqincrement > 0 THEN ' NO MAXVALUE' ELSE ' NO MINVALUE' END)
    WHEN seqtypid = 20 AND NOT by_column AND seqincrement > 0 AND seqmax < 9223372036854775807 THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER SEQUENCE %s.%s NO MAXVALUE;', q[1], q[2]) END AS remedy,
    CASE WHEN base IN (21, 23) AND NOT dear THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ALTER COLUMN %s TYPE bigint;', q[3], q[4], q[5])
        || CASE WHEN seqtypid <> 20 THEN pg_catalog.format(E'\nALTER SEQUENCE %s.%s AS bigint;', q[1], q[2]) ELSE '' END END AS remedy_2,
    CASE WHEN base IN (21, 23) AND seqincrement = 1 THEN
        pg_catalog.format('ALTER SEQUENCE %s.%s MINVALUE %s START -1 RESTART -1 INCREMENT -1;', q[1], q[2],
            CASE base WHEN 21 THEN -32768 ELSE -2147483648 END) END AS remedy_3,
    CASE WHEN base IN (21, 23) AND dear THEN
        pg_catalog.format('Add a bigint column to %s.%s, keep it equal to %s by a trigger, fill it in batches, build its unique index CONCURRENTLY, then swap the names in one short transaction and ALTER SEQUENCE ... AS bigint. '
            'Views, policies and columns that refer to it change with it.', q[3], q[4], q[5]) END AS remedy_4,
    NULL AS "grant"
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
UNION ALL
SELECT nspname::text, NULL, 'sequences that we may not read', NULL, NULL, NULL, NULL, NULL,
    CASE WHEN count(*) = 1 THEN pg_catalog.format('GRANT SELECT ON SEQUENCE %I.%I TO %I;', nspname, min(relname), current_user)
        ELSE pg_catalog.format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I;', nspname, current_user) END
FROM read WHERE NOT readable
GROUP BY nspname
ORDER BY 2 DESC NULLS LAST, 1
