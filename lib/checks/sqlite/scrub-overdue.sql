-- id: scrub-overdue
-- title: not verified in time
-- engine: sqlite
-- probe: integrity
-- topic: scrub
-- scope: database
-- source: file
-- interval: 1h
-- kind: finding
-- default: on
-- severity: warning
-- cost: cheap
-- unit: count
-- caused-by: conn-up, sqlite-locked, sqlite-not-a-database
-- metric: dbhealth_scrub_overdue_objects
-- message: {detail}
-- why: Damage and broken references are found by reading everything once in a while (scrub_full). What was
--   not read for that long may be damaged without anybody knowing, and backups of it too.
-- spares: what may not be read at all (its check is not covered and says why); checks that are off.
-- fix: Each object says why. What gives way to writers at every hour is read on a private copy where
--   copy_limit and the file system of state_dir have room for one; else let the WAL grow further while a
--   table is read (scrub_wal_budget), or verify the newest backup in its place.
-- evidence: progress of each check that goes through objects one by one
-- remedy.1: give it more room | config | load | | closes
-- remedy.2: verify it all now | command | load | | helps
WITH scrub AS (
	SELECT s.value ->> 'check' AS name, s.value ->> 'late' AS late, s.value ->> 'objects' AS objects,
	    s.value ->> 'age' AS age, s.value -> 'largest' AS largest
	FROM json_each(:scrubs) AS s WHERE s.value ->> 'late' > 0
)
SELECT name AS object, late AS value,
    printf('%d of %d %s not verified for %.1f days: ', late, objects, iif(objects = 1, 'object', 'objects'), age / 86400.0)
    || (SELECT group_concat(iif(l.value ->> 'object' = '', 'the file', l.value ->> 'object') || ' (' || (l.value ->> 'why') || ')', ', ')
        FROM json_each(largest) AS l) AS detail,
    '[defaults]' || char(10) || 'copy_limit = 10GB' || char(10) || 'scrub_wal_budget = 256MB' AS remedy,
    'dbhealth check --deep --check ' || name || ' NAME' AS remedy_2
FROM scrub
ORDER BY 1
LIMIT 100
