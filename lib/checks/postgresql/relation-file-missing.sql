-- id: relation-file-missing
-- title: the file of a table or index is gone
-- engine: postgresql
-- probe: integrity
-- topic: corruption
-- scope: database
-- interval: 1h
-- kind: finding
-- severity: critical
-- default: off
-- cost: dear
-- unit: count
-- needs: privilege (execute pg_catalog.pg_ls_dir(text,boolean,boolean)) or uncovered
-- metric: dbhealth_relation_files_missing
-- message: its file {file} is not in the data directory
-- why: The catalogue knows the relation, the file system does not: somebody cleaned up, a restore left it
--   out, or the file system lost it. Every statement on it fails, a dump of the database too.
-- spares: what has no file (views, foreign tables, partitioned tables), temporary and, on a standby,
--   unlogged relations; a file that another session has just replaced (looked at twice).
-- fix: Stop writing, look for the file (lost+found, a snapshot, who removed it), then restore the relation
--   from a backup. An index is built anew by REINDEX.
-- evidence: pg_relation_filepath() against one listing of each directory
-- remedy.1: look for it | look | none | | helps
-- remedy.2: build the index anew | sql | lock | | closes
-- remedy.3: restore the table from a backup, or put its file back | manual | data-loss | what the backup lacks is lost | closes
WITH stored AS MATERIALIZED (
	SELECT c.oid, c.relname, c.relkind, c.relnamespace, pg_catalog.pg_relation_filepath(c.oid) AS file
	FROM pg_catalog.pg_class AS c
	WHERE c.relkind IN ('r', 'i', 't', 'm', 'S') AND c.relpersistence <> 't'
	  AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
), placed AS MATERIALIZED (
	SELECT s.*, pg_catalog.regexp_replace(s.file, '/[^/]*$', '') AS folder, pg_catalog.regexp_replace(s.file, '^.*/', '') AS name
	FROM stored AS s WHERE s.file IS NOT NULL
), listed AS MATERIALIZED (
	SELECT d.folder, f.name
	FROM (SELECT DISTINCT p.folder FROM placed AS p) AS d
	CROSS JOIN LATERAL pg_catalog.pg_ls_dir(d.folder, true, false) AS f (name)
), found AS MATERIALIZED (
	SELECT p.* FROM placed AS p
	WHERE NOT EXISTS (SELECT FROM listed AS l WHERE l.folder = p.folder AND l.name = p.name)
	ORDER BY p.oid LIMIT 1000
), still AS (
	-- Who was rewritten between the two looks has another file by now.
	SELECT f.* FROM found AS f
	WHERE pg_catalog.pg_relation_filepath(f.oid) = f.file
	  AND NOT EXISTS (SELECT FROM pg_catalog.pg_ls_dir(f.folder, true, false) AS l (name) WHERE l.name = f.name)
), named AS (
	SELECT s.*, n.nspname, i.indrelid, tn.nspname AS tnspname, t.relname AS trelname
	FROM still AS s
	JOIN pg_catalog.pg_namespace AS n ON n.oid = s.relnamespace
	LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = s.oid
	LEFT JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
	LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
)
SELECT CASE WHEN trelname IS NOT NULL THEN pg_catalog.format('%I.%I.%I', tnspname, trelname, relname)
        ELSE pg_catalog.format('%I.%I', nspname, relname) END AS object,
    1 AS value, file,
    pg_catalog.format('ls -l "$PGDATA"/%s*', file) AS remedy,
    CASE WHEN relkind = 'i' AND nspname !~ '^pg_' THEN
        pg_catalog.format(E'SET lock_timeout = ''2s'';\nREINDEX INDEX %s.%s;', @ident(nspname), @ident(relname)) END AS remedy_2,
    CASE WHEN relkind <> 'i' OR nspname ~ '^pg_' THEN
        'Put the file back (a snapshot, lost+found), or restore the relation from a backup.' END AS remedy_3
FROM named
ORDER BY object
