-- id: conv-timestamps-missing
-- title: table without its timestamps
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
-- metric: dbhealth_timestamps_missing
-- param.created: created_at
-- param.updated: updated_at
-- message: no column {columns}
-- why: Every table says when a row was made and last changed (conventions). Without them nobody can tell
--   after a fault which rows it touched, and neither sync nor archive can go by time.
-- spares: join tables (a key of foreign keys), partitions, tables that inherit from one that is told,
--   bookkeeping tables of migration tools, tables of extensions, views, foreign tables,
--   conventions_exclude. A name of "-" asks for no such column.
-- fix: Adding a column with a default that is the same for all rows, as now() is, does not touch the rows;
--   the strong lock lasts an instant. Rows that are there get the time of this change. Something must also
--   set the second one at each UPDATE: the application or a trigger.
-- remedy.1: add what is missing | sql | lock | ALTER TABLE ... DROP COLUMN ... | closes
-- remedy.2: leave this table out of the rule | config | none | | helps
WITH @user_schema, @user_table, @convention_table, missing AS (
	SELECT t.nspname, t.relname, t.object, m.names
	FROM convention_table AS t
	CROSS JOIN LATERAL (
		SELECT pg_catalog.array_agg(u.name ORDER BY u.o) AS names
		FROM pg_catalog.unnest(ARRAY[:created::text, :updated::text]) WITH ORDINALITY AS u (name, o)
		WHERE u.name <> '-' AND NOT @has_column(t, u.name)
	) AS m
	WHERE m.names IS NOT NULL AND NOT @heir(t)
	ORDER BY t.nspname, t.relname
	LIMIT 1000
)
SELECT object, pg_catalog.cardinality(names) AS value, pg_catalog.array_to_string(q[3:], ', ') AS columns,
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s %s;', q[1], q[2],
        (SELECT pg_catalog.string_agg(pg_catalog.format('ADD COLUMN %s timestamptz NOT NULL DEFAULT now()', c), ', ' ORDER BY o)
         FROM pg_catalog.unnest(q[3:]) WITH ORDINALITY AS u (c, o))) AS remedy,
    pg_catalog.format('conventions_exclude = %s.%s', nspname, relname) AS remedy_2
FROM missing
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname::text, relname::text] || names)
) AS quoted
ORDER BY nspname, relname
