-- id: partition-premake-low
-- title: partitions for the near future are missing
-- engine: postgresql
-- probe: schema
-- topic: partitions
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: seconds
-- needs: role primary
-- metric: dbhealth_partitions_end_in_seconds
-- param.warning_periods: 2
-- param.critical_periods: 1
-- param.warning_within: 31d
-- param.critical_within: 7d
-- message: partitions of {partitioned} end at {end}: {detail}
-- why: Once the time passes the last partition, every INSERT fails with "no partition of relation found for row".
-- spares: tables with a DEFAULT partition (partition-default-has-rows), with an open end (MAXVALUE), without any
--   partition; ranges of other types than dates and times; what is partitioned below a range. More than two
--   periods ahead, or more than 31 days, is enough.
-- fix: Create the next partitions now, and look why the job that does it (pg_partman, cron) has stopped. Where
--   nothing is written any more, ignore the table.
-- evidence: bounds of the partitions in the catalogue
-- remedy.1: create the next partitions | manual | lock | DROP TABLE the new partition | closes
WITH RECURSIVE @user_schema, timed AS (
	-- Partitioned by range over a time; an expression counts when its bounds look like times.
	SELECT t.partrelid, c.relname, n.nspname, coalesce(nullif(ty.typbasetype, 0), ty.oid) AS type
	FROM pg_catalog.pg_partitioned_table AS t
	JOIN pg_catalog.pg_class AS c ON c.oid = t.partrelid AND c.relpersistence <> 't'
	JOIN user_schema AS n ON n.oid = c.relnamespace
	LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.partrelid AND a.attnum = t.partattrs[0]
	LEFT JOIN pg_catalog.pg_type AS ty ON ty.oid = a.atttypid
	WHERE t.partstrat = 'r' AND t.partdefid = 0
	  AND (t.partattrs[0] = 0 OR coalesce(nullif(ty.typbasetype, 0), ty.oid)
	      IN ('pg_catalog.date'::pg_catalog.regtype, 'pg_catalog.timestamp'::pg_catalog.regtype, 'pg_catalog.timestamptz'::pg_catalog.regtype))
	  AND NOT @extension_member(pg_class, c.oid)
), above AS (
	SELECT t.partrelid AS child, t.partrelid AS oid FROM timed AS t
	UNION ALL
	SELECT a.child, h.inhparent FROM above AS a JOIN pg_catalog.pg_inherits AS h ON h.inhrelid = a.oid
), current_ones AS (
	-- What stands below a range ends with it.
	SELECT t.* FROM timed AS t
	WHERE NOT EXISTS (SELECT FROM above AS a JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid = a.oid
	    WHERE a.child = t.partrelid AND a.oid <> t.partrelid AND p.partstrat = 'r')
), bound AS (
	-- Without the relation, whose columns a bound cannot name: so it waits for no lock.
	SELECT t.partrelid, pg_catalog.regexp_match(pg_catalog.pg_get_expr(c.relpartbound, 0),
	    '^FOR VALUES FROM \((?:(MINVALUE)|''([^'']*)'')[^()]*\) TO \((?:(MAXVALUE)|''([^'']*)'')') AS m
	FROM current_ones AS t
	JOIN pg_catalog.pg_inherits AS h ON h.inhparent = t.partrelid
	JOIN pg_catalog.pg_class AS c ON c.oid = h.inhrelid
), ends AS (
	SELECT b.partrelid, pg_catalog.bool_or(b.m IS NULL OR b.m[3] IS NOT NULL) AS open,
	    max(CASE WHEN b.m[4] ~ '^(\d{4,6}-\d\d-\d\d|infinity)' THEN b.m[4]::timestamptz END) AS upper
	FROM bound AS b
	GROUP BY b.partrelid
), judged AS (
	SELECT e.partrelid, e.upper, extract(epoch FROM e.upper - pg_catalog.now())::float8 AS remaining, l.period
	FROM ends AS e
	CROSS JOIN LATERAL (
		-- The length of the last one, when it has a beginning.
		SELECT extract(epoch FROM e.upper - max(b.m[2]::timestamptz))::float8 AS period
		FROM bound AS b
		WHERE b.partrelid = e.partrelid AND CASE WHEN b.m[4] ~ '^\d{4,6}-\d\d-\d\d' AND b.m[2] ~ '^\d{4,6}-\d\d-\d\d'
		    THEN b.m[4]::timestamptz = e.upper ELSE false END
	) AS l
	WHERE NOT e.open AND e.upper < 'infinity'
), low AS (
	SELECT DISTINCT ON (r.root) j.*, r.root, t.nspname, t.relname,
	    j.remaining < least(:critical_within::float8, j.period * :critical_periods::float8) AND j.remaining > -:warning_within::float8 AS soon
	FROM judged AS j
	JOIN current_ones AS t ON t.partrelid = j.partrelid
	CROSS JOIN LATERAL (SELECT pg_catalog.pg_partition_root(j.partrelid)::oid AS root) AS r
	WHERE j.remaining < least(:warning_within::float8, j.period * :warning_periods::float8)
	ORDER BY r.root, soon DESC, j.remaining
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS object,
    greatest(w.remaining, 0) AS value,
    CASE WHEN w.soon THEN 'critical' ELSE 'warning' END AS severity,
    pg_catalog.format('%I.%I', w.nspname, w.relname) AS partitioned,
    pg_catalog.to_char(w.upper AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI UTC') AS "end",
    CASE WHEN w.remaining <= 0 THEN 'rows of now have no partition' ELSE 'less than two periods ahead' END AS detail,
    pg_catalog.format('CREATE TABLE ... PARTITION OF %s.%s FOR VALUES FROM (%L) TO (...);', @ident(w.nspname), @ident(w.relname), w.upper) AS remedy
FROM low AS w
JOIN pg_catalog.pg_class AS c ON c.oid = w.root
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY w.soon DESC, w.remaining, object
LIMIT 1000
