-- id: conv-timestamp-nullable
-- title: timestamp of a row may be NULL
-- engine: postgresql
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: info
-- needs: configured conventions=timestamps
-- metric: dbhealth_timestamps_nullable
-- param.created: created_at
-- param.updated: updated_at
-- message: may be NULL
-- why: A row whose time is NULL falls out of every query by time: it is never archived, never synced, and
--   sorts last.
-- spares: columns with a checked CHECK (... IS NOT NULL), domains that are NOT NULL; columns that come from
--   a parent table, which is told; join tables, partitions, bookkeeping tables of migration tools, tables
--   of extensions, views, foreign tables, conventions_exclude.
-- fix: SET NOT NULL alone reads the whole table under a strong lock. With a CHECK that was added NOT VALID
--   and validated, which holds up nobody, it takes an instant. Fill the rows that are NULL first.
-- remedy.1: count the rows that are NULL | look | load | | helps
-- remedy.2: fill them; look first what the right time is | sql | data-loss | none: which rows had none is lost | helps
-- remedy.3: forbid NULL without a long lock | sql | lock | ALTER TABLE ... ALTER COLUMN ... DROP NOT NULL | closes
WITH @user_schema, @user_table, @convention_table, found AS (
	SELECT t.nspname, t.relname, t.object, a.attname
	FROM convention_table AS t
	JOIN @column(a, t, ANY (ARRAY[:created::text, :updated::text]::name[]))
	JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
	WHERE NOT a.attnotnull AND NOT y.typnotnull AND (a.attinhcount = 0 OR NOT @heir(t)) AND NOT @checked_not_null(a)
	ORDER BY t.nspname, t.relname, a.attname
	LIMIT 1000
)
SELECT object || '.' || pg_catalog.quote_ident(attname) AS object, 1 AS value,
    pg_catalog.format('SELECT count(*) FROM %s.%s WHERE %s IS NULL;', q[1], q[2], q[3]) AS remedy,
    pg_catalog.format('UPDATE %s.%s SET %s = now() WHERE %3$s IS NULL;', q[1], q[2], q[3]) AS remedy_2,
    @set_not_null(q[1], q[2], q[3], q[4]) AS remedy_3
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname, relname, attname, pg_catalog.left(attname, 40) || '_is_not_null'])
) AS quoted
ORDER BY nspname, relname, attname
