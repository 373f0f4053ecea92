-- id: mxid-wraparound
-- title: multixact ids near wraparound
-- engine: postgresql
-- probe: performance
-- topic: wraparound
-- scope: server
-- kind: gauge
-- default: on
-- cost: cheap
-- unit: ratio
-- warning: >= 0.25
-- critical: >= 0.5
-- for: 0s
-- metric: dbhealth_mxid_age_ratio
-- param.freeze_factor: 1.2
-- param.spared_from: 25%
-- param.spared_until: 50%
-- message: {value} of the multixact ids are used: {detail}
-- why: Rows locked by several sessions at once (foreign keys do that) are numbered with 32 bits, too. When
--   the oldest is two thousand million old, the server refuses every write until VACUUM has run.
-- spares: ages that autovacuum is about to handle: below half of the range an age under 1.2 x
--   autovacuum_multixact_freeze_max_age is not judged, whatever the threshold.
-- fix: Find what keeps VACUUM from freezing (xmin-horizon: an old transaction, a slot, a prepared
--   transaction), end that first, then freeze the oldest tables. VACUUM (FREEZE) reads whole tables,
--   takes no lock that stops reads or writes, and can be repeated.
-- remedy.1: see the oldest tables, connected to that database | look | none | | helps
-- remedy.1.text: SELECT oid::regclass AS table, mxid_age(relminmxid) AS age, relpages FROM pg_class WHERE relkind IN ('r', 'm', 't') ORDER BY 2 DESC LIMIT 20;
-- remedy.2: let databases that refuse connections be entered | sql | none | ALTER DATABASE ... ALLOW_CONNECTIONS false | helps
-- remedy.3: freeze, connected to that database | sql | load | | closes
-- remedy.3.text: VACUUM (FREEZE, VERBOSE);
SELECT d.datname::text AS object,
    a.age::float8 / 2147483648 AS value,
    pg_catalog.format('%s old, %s left%s', a.age, 2147483648 - a.age,
        CASE WHEN NOT d.datallowconn THEN '; it refuses connections' ELSE '' END) AS detail,
    a.age,
    CASE WHEN a.age >= h.handled THEN 1 END AS forecast_limit,
    CASE WHEN NOT d.datallowconn AND d.datname !~ '[\u0001-\u001f\u007f-\u009f]' THEN
        pg_catalog.format('ALTER DATABASE %I ALLOW_CONNECTIONS true;', d.datname) END AS remedy_2
FROM pg_catalog.pg_database AS d
CROSS JOIN LATERAL (SELECT pg_catalog.mxid_age(d.datminmxid)::bigint AS age) AS a
CROSS JOIN LATERAL (SELECT pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::float8 * :freeze_factor::float8 AS handled) AS h
WHERE NOT (a.age < h.handled
    AND a.age >= :spared_from::float8 * 2147483648 AND a.age < :spared_until::float8 * 2147483648)
  AND NOT @platform_database(d.datname)
ORDER BY a.age DESC, d.datname
LIMIT 1000
