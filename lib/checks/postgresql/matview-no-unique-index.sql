-- id: matview-no-unique-index
-- title: materialized view cannot be refreshed while it is read
-- engine: postgresql
-- probe: schema
-- topic: tables
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: bytes
-- metric: dbhealth_matview_without_unique_index_bytes
-- message: no unique index: REFRESH ... CONCURRENTLY is refused
-- why: Without one REFRESH holds a lock that stops every reader until it is done.
-- spares: those with a valid unique index over plain columns of all rows; one with a predicate or over an
--   expression does not qualify. Those of extensions.
-- fix: CREATE UNIQUE INDEX CONCURRENTLY on the columns that name a row of it, then REFRESH ... CONCURRENTLY.
-- remedy.1: build a unique index on the columns that name a row | manual | load | DROP INDEX CONCURRENTLY the new index | closes
WITH @user_schema
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS object,
    c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS value,
    'info' AS severity,
    pg_catalog.format('CREATE UNIQUE INDEX CONCURRENTLY ON %s.%s (the columns that name a row);', @ident(n.nspname), @ident(c.relname)) AS remedy
FROM pg_catalog.pg_class AS c
JOIN user_schema AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'm'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_index AS i
      JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am AS m ON m.oid = x.relam AND m.amname = 'btree'
      WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indisready AND i.indislive
        AND i.indpred IS NULL AND i.indexprs IS NULL)
  AND NOT @extension_member(pg_class, c.oid)
ORDER BY value DESC, object
LIMIT 1000
