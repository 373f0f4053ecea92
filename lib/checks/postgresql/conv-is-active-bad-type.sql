-- id: conv-is-active-bad-type
-- title: soft-delete column is not boolean NOT NULL
-- engine: postgresql
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured conventions=soft-delete
-- metric: dbhealth_soft_delete_bad_type
-- param.active: is_active
-- message: is {type}, not boolean NOT NULL
-- why: A row whose mark is NULL is neither in use nor out of use: WHERE is_active and WHERE NOT is_active both
--   lose it. Numbers and words know a third value sooner or later.
-- spares: domains over boolean, columns with a checked CHECK (... IS NOT NULL); columns that come from a
--   parent table, which is told; join tables, partitions, bookkeeping tables of migration tools, tables of
--   extensions, views, foreign tables, conventions_exclude.
-- fix: Where only NOT NULL is missing: fill the rows that are NULL, then forbid NULL with a CHECK that is
--   validated first, which holds up nobody. Another type is changed with a new column beside the old one.
-- remedy.1: count its values | look | load | | helps
-- remedy.2: say that rows without a mark are in use | sql | data-loss | none: which rows had none is lost | helps
-- remedy.3: forbid NULL without a long lock | sql | lock | ALTER TABLE ... ALTER COLUMN ... DROP NOT NULL | closes
-- remedy.4: a boolean column beside the old one | manual | load | keep the old column until the last step | closes
WITH @user_schema, @user_table, @convention_table, found AS (
	SELECT t.nspname, t.relname, t.object, a.attname, @type_below(a.atttypid) = 16 AS is_boolean,
	    pg_catalog.format_type(a.atttypid, a.atttypmod) AS type
	FROM convention_table AS t
	JOIN @column(a, t, :active::text::name)
	JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
	WHERE (@type_below(a.atttypid) <> 16 OR NOT a.attnotnull AND NOT y.typnotnull AND NOT @checked_not_null(a))
	  AND (a.attinhcount = 0 OR NOT @heir(t))
	ORDER BY t.nspname, t.relname
	LIMIT 1000
)
SELECT object || '.' || pg_catalog.quote_ident(attname) AS object, 1 AS value,
    CASE WHEN is_boolean THEN type || ' that may be NULL' ELSE type END AS type,
    pg_catalog.format('SELECT %s, count(*) FROM %s.%s GROUP BY 1;', q[3], q[1], q[2]) AS remedy,
    CASE WHEN is_boolean THEN pg_catalog.format('UPDATE %s.%s SET %s = true WHERE %3$s IS NULL;', q[1], q[2], q[3]) END AS remedy_2,
    CASE WHEN is_boolean THEN @set_not_null(q[1], q[2], q[3], q[4]) END AS remedy_3,
    CASE WHEN NOT is_boolean THEN pg_catalog.format(
        'Add a column boolean NOT NULL DEFAULT true to %s.%s, set it from %s in batches, let the application use it, then rename both.', q[1], q[2], q[3]) END AS remedy_4
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname, relname, attname, pg_catalog.left(attname, 40) || '_is_not_null'])
) AS quoted
ORDER BY nspname, relname
