-- id: soft-delete-unfiltered-unique
-- title: unique index counts rows that are out of use
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
-- metric: dbhealth_soft_delete_unfiltered_unique
-- param.active: is_active
-- message: unique over ({columns}), also among rows that are out of use
-- why: A row that was taken out of use still holds its name: who makes it anew gets "duplicate key", and
--   nobody sees the row that stands in the way.
-- spares: primary keys; keys that hold a number of a sequence, a generated UUID or the whole primary key,
--   which never come again; keys that foreign keys refer to, which must count all rows; indexes that have
--   the mark, or a time of deletion, among their columns, in an expression or in their condition; tables
--   without a boolean is_active (param.active); join tables, partitions, bookkeeping tables of migration
--   tools, tables of extensions, conventions_exclude.
-- fix: Build the index anew, limited to the rows in use, then drop the old one. INSERT ... ON CONFLICT must
--   then name the condition too: ON CONFLICT (columns) WHERE is_active. Where a name must never come again
--   name the index in ignore.
-- remedy.1: count only rows in use | sql | lock | build the old index again, CONCURRENTLY | closes
-- remedy.2: write the same index with the condition, then drop this one | manual | load | build the old index again | closes
WITH @user_schema, @user_table, @convention_table, @fed, found AS (
	SELECT t.oid, t.nspname, t.relname, t.relkind, t.object, x.relname AS index, con.conname, a.attname AS active, k.names, k.included,
	    i.indexprs IS NOT NULL AS is_expression,
	    -- What can be written again from the catalogue alone.
	    t.relkind = 'r' AND i.indexprs IS NULL AND i.indpred IS NULL AND NOT i.indisreplident AND con.condeferrable IS NOT TRUE
	    AND pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct' IS DISTINCT FROM 'true' AND k.plain AS is_plain
	FROM convention_table AS t
	JOIN @column(a, t, :active::text::name)
	JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid AND i.indisunique AND NOT i.indisprimary AND i.indisvalid AND i.indisready AND i.indislive
	JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
	LEFT JOIN pg_catalog.pg_constraint AS con ON con.conrelid = t.oid AND con.conindid = i.indexrelid AND con.contype = 'u'
	CROSS JOIN LATERAL (
		SELECT pg_catalog.array_agg(c.attname::text ORDER BY g.o) FILTER (WHERE g.o < i.indnkeyatts) AS names,
		    pg_catalog.array_agg(c.attname::text ORDER BY g.o) FILTER (WHERE g.o >= i.indnkeyatts) AS included,
		    pg_catalog.bool_and(g.o >= i.indnkeyatts OR i.indoption[g.o] = 0 AND i.indcollation[g.o] = c.attcollation
		        AND (SELECT o.opcdefault FROM pg_catalog.pg_opclass AS o WHERE o.oid = i.indclass[g.o])) AS plain
		FROM pg_catalog.generate_series(0, i.indnatts - 1) AS g (o)
		JOIN pg_catalog.pg_attribute AS c ON c.attrelid = t.oid AND c.attnum = i.indkey[g.o]
	) AS k
	WHERE @type_below(a.atttypid) = 16
	  AND NOT EXISTS (
		-- A mark of its own, or what never comes again.
		SELECT FROM pg_catalog.pg_attribute AS c
		WHERE c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped
		  AND (c.attnum = a.attnum OR c.attname ~* '(delet|archiv|remov)')
		  AND (c.attnum = ANY ((i.indkey::int2[])[0 : i.indnkeyatts - 1])
		    OR i.indpred::text ~ (':varattno ' || c.attnum || ' ') OR i.indexprs::text ~ (':varattno ' || c.attnum || ' ')))
	  AND NOT EXISTS (
		SELECT FROM pg_catalog.pg_attribute AS c
		WHERE c.attrelid = t.oid AND c.attnum = ANY ((i.indkey::int2[])[0 : i.indnkeyatts - 1])
		  AND (c.attidentity <> '' OR @type_below(c.atttypid) = 2950 AND c.atthasdef
		    OR EXISTS (SELECT FROM fed AS f WHERE f.rel = t.oid AND f.attnum = c.attnum AND f.feeds)))
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_index AS p WHERE p.indrelid = t.oid AND p.indisprimary
	    AND (p.indkey::int2[])[0 : p.indnkeyatts - 1] <@ (i.indkey::int2[])[0 : i.indnkeyatts - 1])
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS r WHERE r.contype = 'f' AND r.confrelid = t.oid AND r.conindid = i.indexrelid)
	ORDER BY t.nspname, t.relname, x.relname
	LIMIT 1000
), told AS (
	SELECT found.*, q, pg_catalog.array_to_string(q[6 : 5 + pg_catalog.cardinality(names)], ', ') AS columns,
	    pg_catalog.array_to_string(q[6 + pg_catalog.cardinality(names) :], ', ') AS payload
	FROM found
	CROSS JOIN LATERAL (
		@idents(ARRAY[nspname::text, relname, index, active, pg_catalog.left(index, 40) || '_active'] || coalesce(names, '{}') || coalesce(included, '{}'))
	) AS quoted
)
SELECT object || '.' || pg_catalog.quote_ident(index) AS object, 1 AS value,
    CASE WHEN NOT is_expression THEN columns WHEN columns IS NULL THEN 'an expression' ELSE columns || ', an expression' END AS columns,
    CASE WHEN is_plain THEN pg_catalog.format(E'CREATE UNIQUE INDEX CONCURRENTLY %s ON %s.%s (%s)%s WHERE %s;\nSET lock_timeout = ''2s'';\n',
        q[5], q[1], q[2], columns, ' INCLUDE (' || nullif(payload, '') || ')', q[4])
        || CASE WHEN conname IS NOT NULL THEN pg_catalog.format('ALTER TABLE %s.%s DROP CONSTRAINT %s;', q[1], q[2], q[3])
           ELSE pg_catalog.format('DROP INDEX CONCURRENTLY %s.%s;', q[1], q[3]) END END AS remedy,
    CASE WHEN NOT is_plain THEN pg_catalog.format('Take the definition of %s.%s from \d %s.%s, build it under a new name with %s in its condition, then drop the old one.',
        q[1], q[3], q[1], q[2], q[4]) END AS remedy_2
FROM told
ORDER BY nspname, relname, index
