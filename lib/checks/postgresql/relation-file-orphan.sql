-- id: relation-file-orphan
-- title: file that no table or index knows
-- engine: postgresql
-- probe: integrity
-- topic: corruption
-- scope: database
-- interval: 1h
-- kind: finding
-- severity: info
-- default: off
-- cost: dear
-- unit: count
-- needs: privilege (execute pg_catalog.pg_ls_dir(text,boolean,boolean)) or uncovered
-- metric: dbhealth_relation_files_orphaned
-- param.settle: 1d
-- message: no relation of this database has this file
-- why: A crash in the middle of CREATE, TRUNCATE or a rewrite leaves files that nothing removes. They only
--   take space, but one that is large explains a disk that fills, and many tell of crashes.
-- spares: files of transactions that are not committed yet and of relations dropped since the last
--   checkpoint: only what was there for a day of our own sight is told. Temporary files.
-- fix: A matter for whoever runs the server, with a backup at hand: compare with pg_class.relfilenode once
--   more, move the file away while the server is stopped, keep it for a while. dbhealth removes nothing.
-- evidence: one listing of each directory against pg_relation_filenode()
-- remedy.1: look whose file it is | look | none | | helps
-- remedy.2: with the server stopped and a backup at hand, move the file out of the data directory | manual | data-loss | whatever the file holds, if it was in use after all | closes
WITH known AS MATERIALIZED (
	SELECT c.oid, pg_catalog.pg_relation_filepath(c.oid) AS file FROM pg_catalog.pg_class AS c
	WHERE c.relkind IN ('r', 'i', 't', 'm', 'S')
), placed AS MATERIALIZED (
	SELECT pg_catalog.regexp_replace(k.file, '/[^/]*$', '') AS folder, pg_catalog.regexp_replace(k.file, '^.*/', '') AS node
	FROM known AS k WHERE k.file IS NOT NULL AND k.file NOT LIKE 'global/%'
), listed AS MATERIALIZED (
	SELECT d.folder, f.name, pg_catalog.substring(f.name, '^[0-9]+') AS node
	FROM (SELECT DISTINCT p.folder FROM placed AS p) AS d
	CROSS JOIN LATERAL pg_catalog.pg_ls_dir(d.folder, true, false) AS f (name)
	WHERE f.name ~ '^[0-9]+(_fsm|_vm|_init)?([.][0-9]+)?$'
), found AS (
	SELECT l.folder || '/' || l.node AS object, count(*) AS files
	FROM listed AS l
	WHERE NOT EXISTS (SELECT FROM placed AS p WHERE p.folder = l.folder AND p.node = l.node)
	GROUP BY l.folder, l.node
	ORDER BY l.folder, l.node
	LIMIT 1000
)
SELECT object, files AS value,
    CASE WHEN coalesce((:first_seen::jsonb ->> object)::float8, extract(epoch FROM pg_catalog.now())::float8)
        > extract(epoch FROM pg_catalog.now())::float8 - :settle::float8 THEN 'none' ELSE 'info' END AS severity,
    pg_catalog.format('SELECT oid::regclass FROM pg_class WHERE pg_relation_filenode(oid) = %s;', pg_catalog.substring(object, '[0-9]+$')) AS remedy
FROM found
ORDER BY object
