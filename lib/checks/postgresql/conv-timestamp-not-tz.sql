-- id: conv-timestamp-not-tz
-- title: timestamp of a row without time zone
-- engine: postgresql
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured conventions=timestamps
-- metric: dbhealth_timestamps_without_zone
-- param.created: created_at
-- param.updated: updated_at
-- param.zone: UTC
-- message: is {type}, not timestamp with time zone
-- why: A timestamp without time zone is a different instant for each session that reads it: with another
--   TimeZone, and for an hour in autumn, order and age of rows are wrong.
-- spares: domains over timestamptz; columns that come from a parent table, which is told; join tables,
--   partitions, bookkeeping tables of migration tools, tables of extensions, views, foreign tables,
--   conventions_exclude.
-- fix: First make sure in which time zone the values were written (param.zone). In a session with TimeZone
--   UTC the server changes the type without touching the rows, but it builds indexes on the column anew
--   under a strong lock: on a large table outside busy hours, or with a new column beside the old one.
-- remedy.1: compare the newest value with the clock | look | load | | helps
-- remedy.2: change the type; values were written in this zone | sql | lock | ALTER COLUMN ... TYPE timestamp in the same zone | closes
-- remedy.3: a new column beside the old one | manual | load | keep the old column until the last step | closes
WITH @user_schema, @user_table, @convention_table, found AS (
	SELECT t.nspname, t.relname, t.object, a.attname, @type_below(a.atttypid) AS base,
	    pg_catalog.format_type(a.atttypid, a.atttypmod) AS type
	FROM convention_table AS t
	JOIN @column(a, t, ANY (ARRAY[:created::text, :updated::text]::name[]))
	WHERE @type_below(a.atttypid) <> 1184 AND (a.attinhcount = 0 OR NOT @heir(t))
	ORDER BY t.nspname, t.relname, a.attname
	LIMIT 1000
)
SELECT object || '.' || pg_catalog.quote_ident(attname) AS object, 1 AS value, type,
    pg_catalog.format('SELECT max(%s) AS newest, now() AT TIME ZONE %L AS clock FROM %s.%s;', q[3], :zone::text, q[1], q[2]) AS remedy,
    CASE WHEN base = 1114 THEN pg_catalog.format(
        E'SET lock_timeout = ''2s'';\nSET TimeZone = %L;\nALTER TABLE %s.%s ALTER COLUMN %s TYPE timestamptz;', :zone::text, q[1], q[2], q[3]) END AS remedy_2,
    CASE WHEN base <> 1114 THEN pg_catalog.format(
        'Add a timestamptz column to %s.%s, fill it from %s in batches, let the application use it, then rename both.', q[1], q[2], q[3]) END AS remedy_3
FROM found
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname, relname, attname])
) AS quoted
ORDER BY nspname, relname, attname
