-- id: table-no-primary-key
-- title: table without a primary key
-- engine: postgresql
-- probe: schema
-- topic: keys
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- metric: dbhealth_tables_without_primary_key_rows
-- param.min_rows: 1000
-- param.bookkeeping: ^(databasechangelog|alembic_version|schema_version|schema_migrations)$
-- message: no primary key ({detail})
-- why: Without a key no row can be named: duplicates stay unseen, nobody can repair one row, and logical
--   replication cannot carry UPDATE and DELETE.
-- spares: partitions, also those in the manner of inheritance (their root is told), foreign tables, views, temporary tables, tables of
--   extensions, bookkeeping tables of migration tools. Tables under 1,000 rows are info only.
-- fix: Where unique NOT NULL columns exist, make them the key: build the unique index CONCURRENTLY, then
--   ADD PRIMARY KEY USING INDEX, which needs a strong lock for an instant. Adding an identity column
--   instead rewrites the table under that lock: only while the table is small.
-- remedy.1: make the unique index the primary key | sql | lock | ALTER TABLE ... DROP CONSTRAINT ... | closes
-- remedy.2: add a key column; rewrites the table under a strong lock | sql | lock | ALTER TABLE ... DROP COLUMN ... | closes
-- remedy.3: choose columns that name a row (with the partition key) and make them the primary key | manual | lock | | closes
WITH RECURSIVE @user_schema, @user_table, plain AS (
	SELECT c.oid, c.relkind, c.nspname, c.relname, @rows(c) AS tuples
	FROM user_table AS c
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary)
	  AND c.relname !~ :bookkeeping
	ORDER BY c.reltuples DESC, c.nspname, c.relname
	LIMIT 2000
), tree AS (
	SELECT p.oid AS root, p.oid FROM plain AS p WHERE p.relkind = 'p'
	UNION ALL
	SELECT t.root, h.inhrelid FROM tree AS t JOIN pg_catalog.pg_inherits AS h ON h.inhparent = t.oid
), found AS (
	SELECT p.*, CASE WHEN p.relkind = 'p' THEN (
	        SELECT coalesce(sum(@rows(c)), 0) FROM tree AS t
	        JOIN pg_catalog.pg_class AS c ON c.oid = t.oid AND c.relkind = 'r' WHERE t.root = p.oid)
	    ELSE p.tuples END AS rows
	FROM plain AS p
), candidate AS (
	-- A valid unique index that may become the key as it is: btree, whole table, plain NOT NULL
	-- columns in default order, operator class and collation, not deferrable, not yet behind a constraint.
	-- One table at a time: joined as a whole, the planner goes through all indexes for each table.
	SELECT f.oid AS indrelid, one.index, one.taken, one.names
	FROM found AS f
	CROSS JOIN LATERAL (
		SELECT x.relname AS index, con.oid IS NOT NULL AS taken, k.names
		FROM pg_catalog.pg_index AS i
		JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
		JOIN pg_catalog.pg_am AS m ON m.oid = x.relam AND m.amname = 'btree'
		LEFT JOIN pg_catalog.pg_constraint AS con ON con.conindid = i.indexrelid AND con.conrelid = i.indrelid AND con.contype = 'u'
		CROSS JOIN LATERAL (
			SELECT pg_catalog.array_agg(a.attname::text ORDER BY u.o) AS names, count(*) AS n
			FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS u (attnum, o)
			JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.attnum AND a.attnotnull
			JOIN pg_catalog.pg_opclass AS oc ON oc.oid = i.indclass[u.o - 1] AND oc.opcdefault
			WHERE i.indcollation[u.o - 1] = a.attcollation
			  -- From 18 on NOT NULL may be there and not be proven.
			  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS v
			      WHERE v.conrelid = i.indrelid AND v.contype = 'n' AND NOT v.convalidated AND v.conkey @> ARRAY[a.attnum])
		) AS k
		WHERE i.indrelid = f.oid AND i.indisunique AND i.indisvalid AND i.indisready AND i.indislive AND i.indimmediate
		  AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnatts = i.indnkeyatts AND k.n = i.indnatts
		  AND pg_catalog.translate(i.indoption::text, '0 ', '') = ''
		ORDER BY con.oid IS NOT NULL, i.indnatts, i.indexrelid
		LIMIT 1
	) AS one
), named AS (
	SELECT f.*, c.index, c.taken, c.names,
	    -- What inherits, or follows a type, takes no column like this.
	    EXISTS (SELECT FROM pg_catalog.pg_class AS t WHERE t.oid = f.oid AND t.reloftype <> 0)
	    OR EXISTS (SELECT FROM pg_catalog.pg_inherits AS h WHERE h.inhparent = f.oid) AS bound, ARRAY[f.nspname::text, f.relname::text, c.index::text,
	    'dbhealth_pk_' || f.oid, CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
	        WHERE a.attrelid = f.oid AND a.attname = 'id' AND NOT a.attisdropped) THEN 'row_id' ELSE 'id' END] || c.names AS parts
	FROM found AS f LEFT JOIN candidate AS c ON c.indrelid = f.oid
)
SELECT pg_catalog.format('%I.%I', nspname, relname) AS object,
    rows::bigint AS value,
    CASE WHEN rows >= :min_rows::bigint THEN 'warning' ELSE 'info' END AS severity,
    CASE WHEN names IS NOT NULL THEN pg_catalog.format('unique and NOT NULL: %s; ', pg_catalog.array_to_string(names, ', ')) ELSE '' END
    || CASE WHEN rows > 0 THEN pg_catalog.format('about %s rows', pg_catalog.to_char(rows::bigint, 'FM999,999,999,999,990')) ELSE 'empty' END AS detail,
    CASE WHEN relkind = 'r' AND index IS NOT NULL AND NOT taken THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ADD PRIMARY KEY USING INDEX %s;', q[1], q[2], q[3])
    WHEN relkind = 'r' AND index IS NOT NULL THEN
        pg_catalog.format(E'CREATE UNIQUE INDEX CONCURRENTLY %s ON %s.%s (%s);\nSET lock_timeout = ''2s'';\nALTER TABLE %s.%s ADD PRIMARY KEY USING INDEX %s;',
            q[4], q[1], q[2], pg_catalog.array_to_string(q[6:], ', '), q[1], q[2], q[4])
    END AS remedy,
    CASE WHEN relkind = 'r' AND index IS NULL AND NOT bound THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER TABLE %s.%s ADD COLUMN %s bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY;', q[1], q[2], q[5])
    END AS remedy_2,
    CASE WHEN relkind = 'p' THEN
        pg_catalog.format('ALTER TABLE %s.%s ADD PRIMARY KEY (the partition key and what names a row within it);', q[1], q[2])
    WHEN index IS NULL AND bound THEN
        pg_catalog.format('ALTER TABLE %s.%s ADD PRIMARY KEY (the columns that name a row); tables that inherit from it want a key of their own.', q[1], q[2])
    END AS remedy_3
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY rows DESC, nspname, relname
