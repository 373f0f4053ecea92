-- id: partition-default-has-rows
-- title: rows fell into the default partition
-- engine: postgresql
-- probe: integrity
-- topic: partitions
-- scope: database
-- interval: 1d
-- kind: scrub
-- default: on
-- cost: cheap
-- unit: count
-- severity: warning
-- metric: dbhealth_default_partition_rows
-- param.allow: ^$
-- message: {detail}
-- why: No partition was there for these rows. Making the one they belong to fails now, and every new partition
--   first reads the whole default under a strong lock; removing old partitions does not remove them.
-- spares: default partitions without a row; names (schema.table, of the partition or of its root) that match
--   param.allow, for a design that keeps the rest there on purpose.
-- fix: In one transaction: detach the default, create the partitions that are missing, insert its rows into the
--   root, empty it, attach it again. On a busy table move the rows in portions before.
-- evidence: one row of each default partition, its statistics for how many
-- remedy.1: see what lies there | look | load | | helps
-- remedy.2: create the missing partitions and move the rows | manual | lock | | closes
-- @items
WITH RECURSIVE @user_schema, @locked, spare AS (
	SELECT c.oid, c.relname, n.nspname, n.oid AS nsp, rc.relname AS rrelname, rn.nspname AS rnspname, c.relpages
	FROM pg_catalog.pg_partitioned_table AS t
	JOIN pg_catalog.pg_class AS c ON c.oid = t.partdefid AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
	JOIN user_schema AS n ON n.oid = c.relnamespace
	CROSS JOIN LATERAL (SELECT pg_catalog.pg_partition_root(t.partrelid)::oid AS oid) AS r
	JOIN pg_catalog.pg_class AS rc ON rc.oid = r.oid
	JOIN pg_catalog.pg_namespace AS rn ON rn.oid = rc.relnamespace
	WHERE NOT (pg_catalog.pg_is_in_recovery() AND c.relpersistence = 'u')
	  AND n.nspname || '.' || c.relname !~ :allow AND rn.nspname || '.' || rc.relname !~ :allow
	  AND c.oid NOT IN (SELECT l.relation FROM locked AS l)
	  AND NOT @extension_member(pg_class, c.oid)
	ORDER BY rn.nspname, rc.relname, n.nspname, c.relname
	LIMIT 10000
), tree AS (
	-- A default may be partitioned in turn.
	SELECT s.oid AS root, s.oid FROM spare AS s
	UNION ALL
	SELECT t.root, h.inhrelid FROM tree AS t JOIN pg_catalog.pg_inherits AS h ON h.inhparent = t.oid
), named AS (
	SELECT s.*, @ident(s.nspname) || '.' || @ident(s.relname) AS tab, pg_catalog.format('%I.%I', s.nspname, s.relname) AS name,
	    pg_catalog.format('%I.%I', s.rnspname, s.rrelname) AS object,
	    (SELECT greatest(sum(pg_catalog.pg_stat_get_live_tuples(t.oid)), 1)::bigint FROM tree AS t WHERE t.root = s.oid) AS rows,
	    pg_catalog.concat_ws('; ',
	    @grant_usage(s.nsp, s.nspname),
	    @grant_select(s.oid, s.nspname, s.relname)) AS missing
	FROM spare AS s
)
SELECT name AS key, object,
    CASE WHEN missing = '' THEN pg_catalog.format(
        E'SELECT %L AS object, %L AS key, %s AS value, %L AS partition, %L AS detail, %L AS remedy, %L AS remedy_2\nFROM (SELECT FROM %s LIMIT 1) AS row',
        object, name, rows, name,
        CASE WHEN rows > 1 THEN pg_catalog.format('about %s rows', pg_catalog.to_char(rows, 'FM999,999,999,999,990')) ELSE 'rows' END || ' in ' || name,
        pg_catalog.format('SELECT * FROM %s LIMIT 100;', tab),
        pg_catalog.format('Detach %s, create the partitions for its rows, insert them into %s, empty it, attach it again as DEFAULT.', name, object),
        tab) END AS sql,
    65536 AS cost,
    nullif(missing, '') || ';' AS "grant"
FROM named
ORDER BY key
