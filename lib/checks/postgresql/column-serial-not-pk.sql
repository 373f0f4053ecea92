-- id: column-serial-not-pk
-- title: serial on a column that is no key
-- engine: postgresql
-- probe: schema
-- topic: columns
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- message: {detail}
-- why: A number that nothing keeps unique is given by the sequence only as long as nobody brings his own;
--   and a serial's sequence has rights and a default of its own.
-- spares: columns of the primary key (pk-serial); identity columns; partitions and heirs (their root is
--   told); tables of extensions and of migration tools.
-- fix: Make it an identity column under the same sequence name. It takes a strong lock for an instant;
--   nothing is rewritten.
-- remedy.1: make it an identity column | sql | lock | ALTER COLUMN ... DROP IDENTITY and a default again | closes
-- remedy.2: change it by hand, partitions and other users of the sequence with it | manual | lock | | closes
WITH @user_schema, @user_table, @fed, @serial_column, found AS (
	SELECT s.* FROM serial_column AS s
	WHERE NOT s.keyed
	ORDER BY s.nspname, s.relname, s.attname
	LIMIT 1000
), @identity_told(found)
