-- id: extension-outdated
-- title: extension is older than what the server brings
-- engine: postgresql
-- probe: schema
-- topic: extensions
-- scope: database
-- kind: finding
-- interval: 1h
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- message: version {installed} is installed, the server brings {available}
-- why: The SQL part of an extension stays as it was when packages or the server are upgraded: repairs and new
--   functions are missing, and sooner or later the library no longer fits the old definitions.
-- spares: versions from which the server knows no way to the present one; versions that are newer than it.
-- fix: Read the extension's notes, then ALTER EXTENSION ... UPDATE in each database. It locks what it changes;
--   there is no way back but a restore or the extension's own downgrade.
-- evidence: pg_available_extensions and pg_extension_update_paths()
-- remedy.1: bring it up to date | sql | lock | none, but for extensions that bring a way back | closes
WITH old AS (
	SELECT e.extname, e.extversion, a.default_version
	FROM pg_catalog.pg_extension AS e
	JOIN pg_catalog.pg_available_extensions AS a ON a.name = e.extname
	WHERE e.extversion <> a.default_version
), known AS (
	SELECT o.*, pg_catalog.string_to_array(nullif(pg_catalog.regexp_replace(o.extversion, '[^0-9.]', '', 'g'), ''), '.') AS have,
	    pg_catalog.string_to_array(nullif(pg_catalog.regexp_replace(o.default_version, '[^0-9.]', '', 'g'), ''), '.') AS best
	FROM old AS o
	WHERE EXISTS (SELECT FROM pg_catalog.pg_extension_update_paths(o.extname) AS p
	    WHERE p.source = o.extversion AND p.target = o.default_version AND p.path IS NOT NULL)
)
SELECT pg_catalog.quote_ident(k.extname) AS object,
    1 AS value, 'info' AS severity, k.extversion AS installed, k.default_version AS available,
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER EXTENSION %s UPDATE;', @ident(k.extname)) AS remedy
FROM known AS k
WHERE coalesce((SELECT pg_catalog.array_agg(nullif(v, '')::numeric ORDER BY o) FROM pg_catalog.unnest(k.have) WITH ORDINALITY AS u (v, o))
    <= (SELECT pg_catalog.array_agg(nullif(v, '')::numeric ORDER BY o) FROM pg_catalog.unnest(k.best) WITH ORDINALITY AS u (v, o)), true)
ORDER BY k.extname
LIMIT 500
