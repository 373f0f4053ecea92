-- id: conv-pk-not-uuid
-- title: primary key is not a UUID
-- engine: postgresql
-- probe: schema
-- topic: conventions
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- needs: configured conventions=uuid-primary-key
-- metric: dbhealth_primary_keys_not_uuid
-- message: primary key {columns} is {type}
-- why: Rows of this system are named by UUID (conventions): numbers tell outsiders how many rows there are,
--   clash when data of two places meet, and cannot be made before the row is stored.
-- spares: keys that are foreign keys as a whole (join tables, tables that extend another row); what stands
--   in a key beside a UUID, unless it is a number that counts up; tables without a primary key
--   (table-no-primary-key); bookkeeping tables of migration tools, partitions, tables of extensions,
--   conventions_exclude.
-- fix: Expand and contract: a new UUID column beside the old key, written by new code, filled in batches,
--   then the references, at last the key. Or name the table in conventions_exclude where a natural key is
--   meant to be.
-- remedy.1: move to a UUID step by step | manual | load | keep the old key until the last step | closes
-- remedy.2: leave this table out of the rule | config | none | | helps
WITH @user_schema, @user_table, @convention_table, key AS (
	SELECT t.object, t.nspname, t.relname, k.names, k.types
	FROM convention_table AS t
	JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid AND i.indisprimary
	CROSS JOIN LATERAL (
		SELECT pg_catalog.array_agg(a.attname ORDER BY g.o) AS names, pg_catalog.array_agg(DISTINCT a.atttypid) AS types,
		    count(*) FILTER (WHERE @type_below(a.atttypid) = 2950) AS uuids,
		    -- Given by no other table; and of those, numbers that count up.
		    count(*) FILTER (WHERE @type_below(a.atttypid) <> 2950 AND NOT @in_foreign_key(a)) AS others,
		    count(*) FILTER (WHERE @type_below(a.atttypid) IN (20, 21, 23) AND NOT @in_foreign_key(a)
		        AND (a.attidentity <> '' OR a.atthasdef)) AS counted
		FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS g (o)
		JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = i.indkey[g.o]
	) AS k
	WHERE k.uuids = 0 AND k.others > 0 OR k.counted > 0
	ORDER BY t.nspname, t.relname
	LIMIT 1000
)
SELECT object, 1 AS value, columns, (SELECT pg_catalog.string_agg(pg_catalog.format_type(y, NULL), ', ' ORDER BY y) FROM pg_catalog.unnest(types) AS y) AS type,
    pg_catalog.format(E'1. ALTER TABLE %s.%s ADD COLUMN %s uuid DEFAULT gen_random_uuid(); on a table with many rows add it without the default, set the default, fill it in batches.\n'
        '2. CREATE UNIQUE INDEX CONCURRENTLY on it; SET NOT NULL through a CHECK that was validated.\n'
        '3. The same for each table that refers to (%s): a second column, filled by a join, with its foreign key NOT VALID, then validated.\n'
        '4. Let the application read and write the new columns; then change PRIMARY KEY and foreign keys, and drop the old columns.',
        q[1], q[2], q[3], columns) AS remedy,
    pg_catalog.format('conventions_exclude = %s.%s', nspname, relname) AS remedy_2
FROM key
CROSS JOIN LATERAL (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(u.name), ', ' ORDER BY u.o) AS columns
    FROM pg_catalog.unnest(names) WITH ORDINALITY AS u (name, o)) AS c
CROSS JOIN LATERAL (
	@idents(ARRAY[nspname, relname, pg_catalog.left(relname, 50) || '_uuid'])
) AS quoted
ORDER BY nspname, relname
