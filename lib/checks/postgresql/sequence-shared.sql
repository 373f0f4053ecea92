-- id: sequence-shared
-- title: one sequence feeds several columns
-- engine: postgresql
-- probe: schema
-- topic: sequences
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: info
-- param.named: 5
-- message: feeds {value} columns: {detail}
-- why: Mostly a table was copied with its defaults: the copy takes numbers from the original, its sequence
--   cannot be dropped with it, and both come to the end together.
-- spares: partitions and heirs, which share their parent's on purpose; a sequence that is owned by one
--   column and feeds another alone; tables of extensions.
-- fix: If nobody meant it, give the copy a sequence of its own that starts behind its largest number.
-- remedy.1: give each table a sequence of its own, or leave it if meant | manual | lock | | closes
WITH @user_schema, @user_table, @fed, found AS (
	SELECT f.seq, count(*) AS n, pg_catalog.array_agg(pg_catalog.format('%I.%I.%I', c.nspname, c.relname, a.attname)
	        ORDER BY c.nspname, c.relname, a.attname) AS columns
	FROM (SELECT DISTINCT seq, rel, attnum FROM fed WHERE feeds) AS f
	JOIN user_table AS c ON c.oid = f.rel
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.rel AND a.attnum = f.attnum AND a.attinhcount = 0
	GROUP BY f.seq
	HAVING count(*) > 1
)
SELECT pg_catalog.format('%I.%I', n.nspname, q.relname) AS object,
    f.n AS value,
    pg_catalog.array_to_string(f.columns[1 : :named::int], ', ') || CASE WHEN f.n > :named::int THEN ' ...' ELSE '' END AS detail,
    pg_catalog.format('If it was not meant, make a sequence for each of %s and set its default.', pg_catalog.array_to_string(f.columns[1 : :named::int], ', ')) AS remedy
FROM found AS f
JOIN pg_catalog.pg_class AS q ON q.oid = f.seq
JOIN pg_catalog.pg_namespace AS n ON n.oid = q.relnamespace
ORDER BY f.n DESC, object
LIMIT 1000
