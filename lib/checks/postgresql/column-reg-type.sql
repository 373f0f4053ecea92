-- id: column-reg-type
-- title: a type that stops pg_upgrade
-- engine: postgresql
-- probe: schema
-- topic: types
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- severity: warning
-- message: {type} keeps an oid that the next version of the server does not have
-- why: pg_upgrade refuses a cluster with such a column: the number in it names an object that gets another number in the
--   new cluster. It is found in the night of the upgrade.
-- spares: regclass, regrole and regtype, whose numbers are preserved; views and partitions, whose root is told.
-- fix: Keep the name as text; it can be cast to the type where it is used. ALTER ... TYPE rewrites the table and its indexes under a strong lock: plan it, or fill a new column beside
--   the old one step by step and exchange their names.
-- remedy.1: keep the name as text | sql | lock | ALTER TABLE ... TYPE back, USING column::text::the type | closes
-- remedy.2: what depends on the column comes first: views, keys, conditions | manual | lock | | closes
WITH RECURSIVE @user_schema, @user_table, @base_type, @typed_column, made_of AS MATERIALIZED (
	SELECT t.typbasetype AS part, t.oid FROM pg_catalog.pg_type AS t WHERE t.typtype = 'd'
	UNION ALL SELECT t.typelem, t.oid FROM pg_catalog.pg_type AS t WHERE t.typtype = 'b' AND t.typelem <> 0
	UNION ALL SELECT a.atttypid, t.oid FROM pg_catalog.pg_class AS k JOIN pg_catalog.pg_type AS t ON t.oid = k.reltype
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE k.relkind = 'c'
	UNION ALL SELECT r.rngsubtype, r.rngtypid FROM pg_catalog.pg_range AS r
), holder AS (
	-- As pg_upgrade follows them: domains, arrays, ranges and composite types of such types.
	SELECT t.oid FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace AND n.nspname = 'pg_catalog'
	WHERE t.typname IN ('regcollation', 'regconfig', 'regdictionary', 'regnamespace', 'regoper', 'regoperator', 'regproc', 'regprocedure')
	UNION
	SELECT m.oid FROM holder AS h JOIN made_of AS m ON m.part = h.oid
),
@retyped(c.atttypid IN (SELECT h.oid FROM holder AS h), 'warning', 'text USING ' || q[3] || '::text')
