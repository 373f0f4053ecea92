-- id: index-invalid
-- title: invalid index
-- engine: postgresql
-- probe: schema
-- topic: indexes
-- scope: database
-- kind: finding
-- default: on
-- cost: cheap
-- unit: bytes
-- for: 1h
-- metric: dbhealth_invalid_index_bytes
-- message: invalid: {detail}
-- why: A CREATE INDEX CONCURRENTLY or REINDEX that failed leaves an index that every write must maintain
--   and no query uses. A unique one that is invalid does not keep duplicates out of the rows that were
--   there before.
-- spares: indexes that are being built, rebuilt or dropped now; indexes of extensions and temporary tables;
--   anything younger than an hour; leftovers of REINDEX CONCURRENTLY (index-reindex-leftover).
-- fix: Build it again CONCURRENTLY (it waits for older transactions, reads and writes go on). A unique
--   index fails again while duplicates exist: look for them first. An index ON ONLY a partitioned
--   table becomes valid when every partition has its index attached.
-- remedy.1: look for duplicates that stop a unique index | look | load | | helps
-- remedy.2: finish the DROP | sql | none | | closes
-- remedy.3: build it again while reads and writes go on | sql | load | | closes
-- remedy.4: build and attach the index of each partition that lacks it | manual | load | | closes
WITH @index_in_work, bad AS (
	SELECT i.indexrelid, i.indrelid, i.indisunique, i.indisprimary, i.indisready, i.indislive, i.indkey, i.indexprs IS NULL AND i.indpred IS NULL AS plain,
	    x.relname AS index, x.relkind, c.relname, n.nspname, x.relpages
	FROM pg_catalog.pg_index AS i
	JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
	JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
	JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	WHERE NOT (i.indisvalid AND i.indisready AND i.indislive)
	  AND c.relpersistence <> 't'
	  AND @schema_is_ours(n.nspname)
	  AND NOT @extension_member(pg_class, c.oid)
	  AND NOT (x.relkind = 'I' AND x.relispartition)
	  AND NOT (@reindex_leftover(i, x.relname))
	  AND i.indexrelid NOT IN (SELECT w.relation FROM in_work AS w)
	  AND i.indrelid NOT IN (SELECT w.relation FROM in_work AS w)
	ORDER BY i.indisunique DESC, n.nspname, c.relname, x.relname
	LIMIT 1000
), lacking AS (
	SELECT b.indexrelid, count(*) AS n FROM bad AS b
	JOIN pg_catalog.pg_inherits AS h ON h.inhparent = b.indrelid
	WHERE b.relkind = 'I' AND NOT EXISTS (
		SELECT FROM pg_catalog.pg_inherits AS a JOIN pg_catalog.pg_index AS ai ON ai.indexrelid = a.inhrelid
		WHERE a.inhparent = b.indexrelid AND ai.indrelid = h.inhrelid AND ai.indisvalid)
	GROUP BY b.indexrelid
), named AS (
	SELECT b.*, l.n AS lacking, ARRAY[nspname::text, index::text, relname::text] || (
	    SELECT pg_catalog.array_agg(a.attname::text ORDER BY u.o)
	    FROM pg_catalog.unnest(b.indkey::int2[]) WITH ORDINALITY AS u (attnum, o)
	    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = b.indrelid AND a.attnum = u.attnum) AS parts
	FROM bad AS b LEFT JOIN lacking AS l ON l.indexrelid = b.indexrelid
)
SELECT pg_catalog.format('%I.%I.%I', nspname, relname, index) AS object,
    relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS value,
    CASE WHEN (indisunique OR indisprimary) AND relkind = 'i' THEN 'critical' ELSE 'warning' END AS severity,
    CASE WHEN relkind = 'I' THEN pg_catalog.format('incomplete, %s partitions have no valid index attached to it', coalesce(lacking, 0))
        WHEN NOT indislive THEN 'a DROP INDEX CONCURRENTLY did not finish'
        WHEN indisunique THEN 'a unique index that was not built to its end'
        ELSE 'it was not built to its end' END AS detail,
    CASE WHEN indisunique AND plain AND indislive AND relkind = 'i' THEN
        pg_catalog.format('SELECT %s, count(*) FROM %s.%s GROUP BY %s HAVING count(*) > 1 LIMIT 100;',
            pg_catalog.array_to_string(q[4:], ', '), q[1], q[3], pg_catalog.array_to_string(q[4:], ', ')) END AS remedy,
    CASE WHEN NOT indislive THEN pg_catalog.format('DROP INDEX CONCURRENTLY %s.%s;', q[1], q[2]) END AS remedy_2,
    CASE WHEN relkind = 'i' AND indislive THEN pg_catalog.format('REINDEX INDEX CONCURRENTLY %s.%s;', q[1], q[2]) END AS remedy_3,
    CASE WHEN relkind = 'I' THEN pg_catalog.format('For each partition: CREATE INDEX CONCURRENTLY, then ALTER INDEX %s.%s ATTACH PARTITION it;', q[1], q[2]) END AS remedy_4
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY nspname, relname, index
