-- id: conv-required-relationship-missing
-- title: required foreign key is missing
-- engine: postgresql
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- needs: configured require_relationships
-- metric: dbhealth_required_relationships_missing
-- param.grace: 24h
-- message: no foreign key to {target}: {detail}
-- why: The application relies on this relationship (require_relationships). Without the foreign key nothing
--   keeps rows from naming parents that do not exist, and joins then lose them without a word.
-- spares: a foreign key of several columns that holds this pair; one that is NOT VALID yet
--   (constraint-not-valid tells). In a database without any user table it is info for 24 hours.
-- fix: Add it NOT VALID, which needs a lock on both tables for an instant only, mend orphans, then VALIDATE.
--   The target needs a primary key or unique constraint.
-- remedy.1: add it for new rows | sql | lock | ALTER TABLE ... DROP CONSTRAINT ... | closes
-- remedy.2: then prove the rows that are there | sql | load | | helps
-- remedy.3: run the migrations that create table and column | manual | lock | | closes
WITH wanted AS (
	SELECT w.text, w.o, pg_catalog.regexp_split_to_array(w.text, '\s*->\s*') AS side
	FROM pg_catalog.jsonb_array_elements_text(:require_relationships::jsonb) WITH ORDINALITY AS w (text, o)
), readable AS (
	SELECT text, o, CASE WHEN pg_catalog.cardinality(f) > 1 AND pg_catalog.cardinality(t) > 1 THEN f END AS f,
	    CASE WHEN pg_catalog.cardinality(f) > 1 AND pg_catalog.cardinality(t) > 1 THEN t END AS t
	FROM (SELECT text, o, CASE WHEN pg_catalog.cardinality(side) = 2 THEN @name_parts(side[1]) END AS f, @name_parts(side[2]) AS t FROM wanted) AS w
), named AS (
	-- schema.table.column on both sides; without a schema it is public.
	SELECT text, o, CASE WHEN pg_catalog.cardinality(f) = 2 THEN ARRAY['public'] || f ELSE f END AS f,
	    CASE WHEN pg_catalog.cardinality(t) = 2 THEN ARRAY['public'] || t ELSE t END AS t
	FROM readable
), resolved AS (
	SELECT m.*, c.oid AS rel, c.relkind, a.attnum, p.oid AS prel, pa.attnum AS pattnum
	FROM named AS m
	LEFT JOIN (pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND c.relkind IN ('r', 'p'))
	    ON n.nspname = m.f[1] AND c.relname = m.f[2]
	LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = m.f[3] AND a.attnum > 0 AND NOT a.attisdropped
	LEFT JOIN (pg_catalog.pg_class AS p JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace AND p.relkind IN ('r', 'p'))
	    ON pn.nspname = m.t[1] AND p.relname = m.t[2]
	LEFT JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = p.oid AND pa.attname = m.t[3] AND pa.attnum > 0 AND NOT pa.attisdropped
), missing AS (
	SELECT r.*, (SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I', n.nspname, c.relname), ', ' ORDER BY n.nspname, c.relname)
	    FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.confrelid
	    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	    WHERE k.contype = 'f' AND k.conrelid = r.rel AND r.attnum = ANY (k.conkey)) AS others
	FROM resolved AS r
	WHERE NOT EXISTS (
		SELECT FROM pg_catalog.pg_constraint AS k
		WHERE k.contype = 'f' AND k.conrelid = r.rel AND k.confrelid = r.prel
		  AND EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey)) AS u (c, p)
		      WHERE u.c = r.attnum AND u.p = r.pattnum))
	ORDER BY r.o
	LIMIT 1000
), empty AS (
	SELECT @no_table_yet AS empty
), parted AS (
	SELECT m.*, e.empty, m.f || m.t || (pg_catalog.left(m.f[2] || '_' || m.f[3], 40) || '_fkey') AS parts,
	    pg_catalog.regexp_replace(m.text, '\s*->\s*', ' -> ') AS key
	FROM missing AS m CROSS JOIN empty AS e
)
SELECT CASE WHEN f IS NULL THEN text ELSE pg_catalog.format('%I.%I.%I', f[1], f[2], f[3]) END AS object,
    key, 1 AS value,
    CASE WHEN empty AND @young(key)
        THEN 'info' ELSE 'critical' END AS severity,
    CASE WHEN f IS NULL THEN 'cannot be read as schema.table.column -> schema.table.column'
        WHEN rel IS NULL THEN pg_catalog.format('table %I.%I does not exist', f[1], f[2])
        WHEN attnum IS NULL THEN 'the column does not exist'
        WHEN prel IS NULL THEN pg_catalog.format('table %I.%I does not exist', t[1], t[2])
        WHEN pattnum IS NULL THEN pg_catalog.format('column %I.%I.%I does not exist', t[1], t[2], t[3])
        WHEN others IS NOT NULL THEN pg_catalog.format('its foreign key leads to %s', others)
        ELSE 'no constraint was declared' END AS detail,
    CASE WHEN t IS NULL THEN '?' ELSE pg_catalog.format('%I.%I.%I', t[1], t[2], t[3]) END AS target,
    CASE WHEN attnum IS NOT NULL AND pattnum IS NOT NULL AND others IS NULL THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s.%s (%s)%s;',
            q[1], q[2], q[7], q[3], q[4], q[5], q[6], CASE WHEN relkind = 'r' THEN ' NOT VALID' ELSE '' END) END AS remedy,
    CASE WHEN attnum IS NOT NULL AND pattnum IS NOT NULL AND others IS NULL AND relkind = 'r' THEN
        pg_catalog.format('ALTER TABLE %s.%s VALIDATE CONSTRAINT %s;', q[1], q[2], q[7]) END AS remedy_2,
    CASE WHEN attnum IS NULL OR pattnum IS NULL OR others IS NOT NULL THEN
        'Run the migrations that create the table, the column or the right foreign key; or correct require_relationships.' END AS remedy_3
FROM parted
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY o
