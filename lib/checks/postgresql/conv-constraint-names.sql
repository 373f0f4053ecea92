-- id: conv-constraint-names
-- title: constraint of an unusual name
-- engine: postgresql
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- metric: dbhealth_constraint_names_unusual
-- param.primary_key: {table}_pkey
-- param.unique: {table}_{columns}_key
-- param.foreign_key: {table}_{columns}_fkey
-- param.check: {table}_*check
-- param.exclusion: {table}_{columns}_excl
-- message: is not named like {pattern}
-- why: Migrations name what they change. Where the same constraint has another name in each environment,
--   the one that drops it works on one and fails on the next.
-- spares: names that end in a number, as the server gives to the second of a name; names that would be longer
--   than 63 bytes; constraints that come from a parent table; join tables too are judged; bookkeeping tables
--   of migration tools, partitions, tables of extensions, conventions_exclude.
-- fix: Renaming takes an instant under a strong lock and touches no rows. The patterns know {table}, {columns},
--   {target} and *; the defaults are how PostgreSQL names what nobody named. Tell the migrations the name.
-- remedy.1: give it the usual name | sql | lock | ALTER TABLE ... RENAME CONSTRAINT new TO old | closes
-- remedy.2: give it a name of that form | manual | lock | | closes
WITH @user_schema, @user_table, judged AS (
	SELECT t.nspname, t.relname, k.conname, pg_catalog.format('%I.%I.%I', t.nspname, t.relname, k.conname) AS object, f.pattern,
	    pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(f.pattern, '{table}', t.relname), '{columns}', coalesce(c.names, '')),
	        '{target}', coalesce(p.relname, '')) AS name
	FROM user_table AS t
	JOIN pg_catalog.pg_constraint AS k ON k.conrelid = t.oid AND k.contype IN ('p', 'u', 'f', 'c', 'x') AND k.conislocal AND k.conparentid = 0
	LEFT JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid AND k.contype = 'f'
	CROSS JOIN LATERAL (SELECT CASE k.contype WHEN 'p' THEN :primary_key::text WHEN 'u' THEN :unique::text WHEN 'f' THEN :foreign_key::text
	    WHEN 'c' THEN :check::text ELSE :exclusion::text END AS pattern) AS f
	CROSS JOIN LATERAL (
		SELECT pg_catalog.string_agg(a.attname, '_' ORDER BY u.o) AS names
		FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u (attnum, o)
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = u.attnum
	) AS c
	WHERE NOT @migration_table(t.relname) AND NOT @convention_exempt(t)
), unusual AS (
	SELECT j.* FROM judged AS j
	WHERE pg_catalog.octet_length(j.name) <= 63 AND NOT @glob(j.conname::text, j.name)
	  AND NOT @glob(pg_catalog.rtrim(j.conname, '0123456789'), j.name)
	ORDER BY j.nspname, j.relname, j.conname
	LIMIT 1000
)
SELECT object, 1 AS value, pattern,
    CASE WHEN name !~ '[*?]' THEN pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s RENAME CONSTRAINT %s TO %s;', q[1], q[2], q[3], q[4]) END AS remedy,
    CASE WHEN name ~ '[*?]' THEN pg_catalog.format('ALTER TABLE %s.%s RENAME CONSTRAINT %s TO a name like %s', q[1], q[2], q[3], q[4]) END AS remedy_2
FROM unusual
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname, conname, name])
) AS quoted
ORDER BY nspname, relname, conname
