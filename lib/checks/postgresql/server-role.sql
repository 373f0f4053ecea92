-- id: server-role
-- title: role of the server
-- engine: postgresql
-- probe: connectivity
-- topic: availability
-- scope: server
-- kind: gauge
-- default: on
-- cost: cheap
-- unit: count
-- for: 0s, 30s
-- metric: dbhealth_server_in_recovery
-- message: {detail}
-- why: An application that reaches a standby cannot write; a standby that was promoted unnoticed makes two
--   histories of the data. Which role a server has decides which checks apply to it.
-- spares: a server without expect_role, unless its role differs from what it mostly was in the kept
--   samples; that is told as info until the new role is the usual one.
-- fix: When the change was meant (failover, switchover), set expect_role. When it was not, find out
--   which server holds the newest data before anything writes; never start two primaries.
-- evidence: pg_is_in_recovery(), 0 is a primary and 1 a standby
-- remedy.1: see role and timeline | look | none | | helps
-- remedy.1.text: SELECT pg_is_in_recovery() AS standby, timeline_id, checkpoint_time FROM pg_control_checkpoint();
-- remedy.2: tell us which role is expected of it, if the change was meant | config | none | | helps
WITH role AS (
	SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'standby' ELSE 'primary' END AS role,
	    CASE WHEN pg_catalog.pg_is_in_recovery() THEN 1 ELSE 0 END AS value,
	    coalesce(nullif(:expect_role::text, 'any'), '') AS expected,
	    :baseline::float8 AS usual
)
SELECT '' AS object, value,
    CASE WHEN expected <> '' AND expected <> role THEN 'critical'
        WHEN usual IN (0, 1) AND usual <> value THEN 'info' END AS severity,
    CASE WHEN expected <> '' AND expected <> role THEN pg_catalog.format('is a %s, expected is a %s', role, expected)
        WHEN usual IN (0, 1) AND usual <> value THEN pg_catalog.format('is a %s now, it was a %s', role,
            CASE WHEN usual = 0 THEN 'primary' ELSE 'standby' END)
        ELSE 'is a ' || role END AS detail,
    role AS is_role,
    'expect_role = ' || role AS remedy_2
FROM role
