-- id: pk-serial
-- title: key by serial instead of identity
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
-- why: A serial's sequence has rights and a default of its own: who inserts needs USAGE on it, a copied
--   table shares it, and any INSERT may bring a key that it will give again.
-- spares: identity columns; columns without a default or with another one; keys that refer to another
--   table; partitions and heirs (their root is told); tables of extensions and of migration tools.
-- fix: Make it an identity column under the same sequence name. It takes a strong lock for an instant;
--   nothing is rewritten.
-- remedy.1: make it an identity column | sql | lock | ALTER COLUMN ... DROP IDENTITY and a default again | closes
-- remedy.2: change it by hand, partitions and other users of the sequence with it | manual | lock | | closes
WITH @user_schema, @user_table, @fed, @serial_column, found AS (
	SELECT s.* FROM serial_column AS s
	WHERE s.keyed AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS f
	      WHERE f.contype = 'f' AND f.conrelid = s.oid AND f.conkey @> ARRAY[s.attnum])
	ORDER BY s.nspname, s.relname, s.attname
	LIMIT 1000
), @identity_told(found)
