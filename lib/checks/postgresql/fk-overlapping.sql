-- id: fk-overlapping
-- title: foreign keys to one target overlap
-- engine: postgresql
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: {detail}
-- why: Two keys name the same parent row by different columns. Mostly the narrower one was left when the
--   wider was added: every write looks the parent up twice.
-- spares: keys to different targets that share a column (a tenant's); two roles beside one target, as
--   author and reviewer; identical keys (fk-duplicate); partitions; tables of extensions.
-- fix: Drop the narrower one if the wider one's columns are all NOT NULL or MATCH FULL; else a row whose
--   other column is NULL would lose its only check.
-- remedy.1: review both, drop the one that says less | manual | lock | | closes
WITH @user_schema, @user_table, @user_fk, several AS (
	SELECT k.*, count(*) OVER (PARTITION BY k.conrelid, k.confrelid) AS beside FROM user_fk AS k
), found AS (
	-- Of each pair the one with fewer columns, or the later one, and the first that it overlaps.
	SELECT DISTINCT ON (k.oid) k.*, o.conname AS other, o.conkey AS okey
	FROM several AS k
	JOIN several AS o ON o.conrelid = k.conrelid AND o.confrelid = k.confrelid AND o.oid <> k.oid
	WHERE k.beside > 1 AND k.conkey && o.conkey
	  -- Other columns of the parent; the same ones from other columns is another role.
	  AND NOT (k.confkey @> o.confkey AND k.confkey <@ o.confkey)
	  AND (k.n < o.n OR k.n = o.n AND k.oid > o.oid)
	ORDER BY k.oid, o.oid
	LIMIT 1000
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, conname) AS object,
    pg_catalog.format('overlaps %I: %s beside %s', other, @comma_list(@names(conrelid, conkey)), @comma_list(@names(conrelid, okey))) AS detail,
    pg_catalog.format('Compare %I and %I on %I.%I; if the wider one has no nullable column, or is MATCH FULL, the other adds nothing and can be dropped.', conname, other, nspname, relname) AS remedy
FROM found
ORDER BY object
