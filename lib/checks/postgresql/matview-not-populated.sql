-- id: matview-not-populated
-- title: materialized view was never filled
-- engine: postgresql
-- probe: schema
-- topic: tables
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- metric: dbhealth_matviews_not_populated
-- message: every SELECT fails: not populated
-- why: A query that reads it ends with "has not been populated". A restore without its data, WITH NO DATA in a
--   migration or a REFRESH that failed leaves it so.
-- spares: those of extensions; one that is being filled now.
-- fix: REFRESH MATERIALIZED VIEW runs its query and holds a strong lock meanwhile, which stops nobody: it
--   cannot be read before. One that reads another comes after that.
-- remedy.1: fill it | sql | load | REFRESH MATERIALIZED VIEW ... WITH NO DATA | closes
WITH @user_schema, @locked
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS object,
    1 AS value,
    'warning' AS severity,
    pg_catalog.format('REFRESH MATERIALIZED VIEW %s.%s;', @ident(n.nspname), @ident(c.relname)) AS remedy
FROM pg_catalog.pg_class AS c
JOIN user_schema AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND NOT c.relispopulated
  AND c.oid NOT IN (SELECT l.relation FROM locked AS l)
  AND NOT @extension_member(pg_class, c.oid)
ORDER BY object
LIMIT 1000
