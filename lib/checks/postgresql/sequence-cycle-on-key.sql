-- id: sequence-cycle-on-key
-- title: a sequence that starts again feeds a key
-- engine: postgresql
-- probe: schema
-- topic: sequences
-- scope: database
-- kind: finding
-- default: off
-- cost: cheap
-- unit: count
-- message: feeds {column} and starts again at its end
-- why: When it starts again it gives keys that are taken: inserts fail with "duplicate key", each until
--   the sequence has passed the rows that are there.
-- spares: columns that are unique only together with others (a number within a day); sequences that feed
--   no unique column; partitions (their root is told); tables of extensions.
-- fix: NO CYCLE takes an instant; then a sequence near its end is told by sequence-near-limit.
-- remedy.1: let it end instead | sql | lock | ALTER SEQUENCE ... CYCLE | closes
WITH @user_schema, @user_table, @fed, found AS (
	SELECT DISTINCT ON (s.seqrelid) s.seqrelid, qn.nspname AS snspname, q.relname AS srelname, c.nspname, c.relname, a.attname
	FROM pg_catalog.pg_sequence AS s
	JOIN fed AS f ON f.seq = s.seqrelid
	JOIN user_table AS c ON c.oid = f.rel
	JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.rel AND a.attnum = f.attnum
	JOIN pg_catalog.pg_class AS q ON q.oid = s.seqrelid
	JOIN pg_catalog.pg_namespace AS qn ON qn.oid = q.relnamespace
	WHERE s.seqcycle
	  AND EXISTS (SELECT FROM pg_catalog.pg_index AS i
	      WHERE i.indrelid = f.rel AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indkey[0] = f.attnum AND i.indpred IS NULL)
	ORDER BY s.seqrelid, f.rel, f.attnum
	LIMIT 1000
), named AS (
	SELECT f.*, ARRAY[snspname::text, srelname::text] AS parts FROM found AS f
)
SELECT pg_catalog.format('%I.%I', snspname, srelname) AS object,
    'warning' AS severity,
    pg_catalog.format('%I.%I.%I', nspname, relname, attname) AS "column",
    pg_catalog.format(E'SET lock_timeout = ''2s'';\nALTER SEQUENCE %s.%s NO CYCLE;', q[1], q[2]) AS remedy
FROM named
CROSS JOIN LATERAL (
	@idents(parts)
) AS quoted
ORDER BY object
