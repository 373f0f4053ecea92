-- id: scrub-overdue
-- title: not verified in time
-- engine: postgresql
-- probe: integrity
-- topic: scrub
-- scope: database
-- interval: 1h
-- kind: finding
-- default: on
-- severity: warning
-- cost: cheap
-- unit: count
-- metric: dbhealth_scrub_overdue_objects
-- message: {detail}
-- why: Damage and broken references are found by reading everything once in a while (scrub_full). What was
--   not read for that long may be damaged without anybody knowing, and backups of it too.
-- spares: what may not be read at all (its check is not covered and names the grant); checks that are off.
-- fix: Each object says why: a server that is busy most of the time leaves none for it (scrub_max_active,
--   scrub_max_read, scrub_share), an index that takes longer than one statement may needs more (scrub_slice).
-- evidence: progress of each check that goes through objects one by one
-- remedy.1: give it more time | config | load | | closes
-- remedy.2: verify it all now | command | load | | helps
SELECT s ->> 'check' AS object, (s ->> 'late')::numeric AS value,
    pg_catalog.format('%s of %s %s (%s of %s) not verified for %s days: %s',
        s ->> 'late', s ->> 'objects', CASE WHEN s ->> 'objects' = '1' THEN 'object' ELSE 'objects' END,
        pg_catalog.pg_size_pretty((s ->> 'late_bytes')::numeric::bigint), pg_catalog.pg_size_pretty((s ->> 'bytes')::numeric::bigint),
        pg_catalog.trunc((s ->> 'age')::numeric / 86400, 1),
        (SELECT pg_catalog.string_agg(pg_catalog.format('%s (%s, %s)', l.x ->> 'object', pg_catalog.pg_size_pretty((l.x ->> 'bytes')::numeric::bigint), l.x ->> 'why'), ', ' ORDER BY l.o)
         FROM pg_catalog.jsonb_array_elements(s -> 'largest') WITH ORDINALITY AS l (x, o))) AS detail,
    E'[defaults]\nscrub_share = 10\nscrub_slice = 30min' AS remedy,
    pg_catalog.format('dbhealth check --deep --check %s NAME', s ->> 'check') AS remedy_2
FROM pg_catalog.jsonb_array_elements(:scrubs::jsonb) AS s
WHERE (s ->> 'late')::bigint > 0
ORDER BY 1
LIMIT 100
